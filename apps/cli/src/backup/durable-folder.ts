/**
 * A folder in which files are there whole or not at all, after a power cut too.
 *
 *     write      draft, fsync, rename         each file
 *     settle     fsync of the folders         before whatever says that the files are there
 *
 * Files are their owner's alone, 0600 in folders of 0700: they hold what the log's records say.
 */

import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises"
import { dirname, join } from "node:path"

export const DRAFT = ".draft"

const OWNER_ONLY = 0o600

export class DurableFolder {
  readonly root: string
  /** Folders in which names are new. */
  readonly #unsettled = new Set<string>()

  /** @param root - absolute; there already */
  constructor(root: string) {
    this.root = root
  }

  /** Returns a file's bytes, `undefined` if there is none. */
  read(path: string): Promise<Uint8Array | undefined> {
    return unlessAbsent(readFile(join(this.root, path)))
  }

  /** Returns how long a file is, `undefined` if there is none. */
  async size(path: string): Promise<number | undefined> {
    return (await unlessAbsent(stat(join(this.root, path))))?.size
  }

  /** Names of files in a folder and below it, from the root. */
  async list(folder: string): Promise<readonly string[]> {
    const found = (await unlessAbsent(readdir(join(this.root, folder), { withFileTypes: true }))) ?? []
    const names: string[] = []
    for (const each of found) {
      const path = `${folder}/${each.name}`
      if (each.isDirectory()) names.push(...(await this.list(path)))
      else names.push(path)
    }
    return names
  }

  /** Writes a file whole. It survives a power cut once {@link settle} has resolved. */
  async write(path: string, bytes: Uint8Array | string, mode = OWNER_ONLY): Promise<void> {
    const file = join(this.root, path)
    await this.#makeFolder(dirname(file))
    const draft = `${file}${DRAFT}`
    // One of a crash may be left, or a link of somebody's: neither is written into.
    await rm(draft, { force: true })
    const handle = await open(draft, "wx", mode)
    try {
      await handle.writeFile(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(draft, file)
    this.#unsettled.add(dirname(file))
  }

  /** Makes the names of what was written survive a power cut. */
  async settle(): Promise<void> {
    for (const folder of this.#unsettled) await syncFolder(folder)
    this.#unsettled.clear()
  }

  async remove(path: string): Promise<void> {
    await rm(join(this.root, path), { force: true })
    this.#unsettled.add(dirname(join(this.root, path)))
  }

  async #makeFolder(folder: string): Promise<void> {
    const made = await mkdir(folder, { recursive: true, mode: 0o700 })
    // Every name on the way down may be new.
    for (let at = folder; made !== undefined && at.length >= dirname(made).length; at = dirname(at)) {
      this.#unsettled.add(at)
    }
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r")
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** What a file that is not there holds. */
export async function unlessAbsent<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
}
