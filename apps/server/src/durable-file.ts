/**
 * Files that are there whole, or not at all, after a power cut.
 *
 *     open(path.new, O_CREAT | O_EXCL)   whoever has this file is the only writer
 *     write, fsync                       its bytes are on disk under a name nobody reads
 *     rename(path.new, path)             the instant the world changes
 *     fsync(folder)                      the change survives a power cut
 *
 * The new file is also the lock: a second writer finds its name taken and waits. A writer that died leaves it
 * behind; after {@link STALE_MS} it is taken away.
 */

import { type FileHandle, mkdir, open, readFile, rename, stat, unlink } from "node:fs/promises"
import { dirname } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { ServerError } from "./error.js"

/** A lock older than this belongs to a process that died: writing takes milliseconds. */
const STALE_MS = 10_000

/** How long a writer waits for another one. */
const PATIENCE_MS = 5_000

/**
 * Replaces the text of a file by what `change` makes of it, one writer at a time.
 *
 * @param change - is given the present text, `undefined` where there is no file; called while the lock is held.
 * What it throws leaves the file as it was
 * @param mode - permission bits of the file
 * @throws {@link ServerError} `SERVER_KEY_FILE_LOCKED` if another writer does not finish
 */
export async function rewriteFile(
  path: string,
  mode: number,
  change: (text: string | undefined) => string,
): Promise<void> {
  const draft = `${path}.new`
  const file = await lock(draft, mode)
  try {
    const text = change(await readText(path))
    await file.writeFile(text)
    await file.sync()
    await rename(draft, path)
  } catch (error) {
    await unlink(draft)
    throw error
  } finally {
    await file.close()
  }
  await syncFolder(dirname(path))
}

/** Writes a file that must not be there yet. */
export async function createFile(path: string, mode: number, bytes: Uint8Array | string): Promise<void> {
  const file = await open(path, "wx", mode)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Returns the text of a file, or `undefined` if there is none. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8")
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
}

/** Makes the names in a folder survive a power cut, as `fsync` does for the bytes of a file. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r")
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

async function lock(draft: string, mode: number): Promise<FileHandle> {
  await mkdir(dirname(draft), { recursive: true, mode: 0o700 })
  const givingUpAt = Date.now() + PATIENCE_MS
  for (;;) {
    try {
      return await open(draft, "wx", mode)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
      await removeIfStale(draft)
      if (Date.now() > givingUpAt) {
        throw new ServerError("SERVER_KEY_FILE_LOCKED", `another process is writing ${draft}`, {
          cause: error,
        })
      }
      await sleep(20)
    }
  }
}

async function removeIfStale(draft: string): Promise<void> {
  try {
    const { mtimeMs } = await stat(draft)
    if (Date.now() - mtimeMs > STALE_MS) await unlink(draft)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error
  }
}
