/**
 * Files that are there whole, or as they were before, after a power cut.
 *
 *     write path.new, fsync        its bytes are on disk under a name nobody reads
 *     rename(path.new, path)       the instant the world changes
 *     fsync(folder)                the change survives a power cut
 *
 * One writer at a time for each path: the folder is locked by one process, and in it each file has one owner.
 */

import { open, readFile, rename } from "node:fs/promises"
import { dirname } from "node:path"
import { systemCode } from "./error.js"

/** Replaces the text of a file; resolves when it would survive a power cut. */
export async function writeDurably(path: string, text: string): Promise<void> {
  const draft = `${path}.new`
  const file = await open(draft, "w", 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
  await syncFolder(dirname(path))
}

/** Returns the text of a file, or `undefined` if there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8")
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined
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
