/**
 * Files that are there whole, or as they were before, after a power cut.
 *
 *     write path.<random>.new, fsync      its bytes are on disk under a name nobody reads
 *     rename to path                      the instant the world changes
 *     fsync(folder)                       the change survives a power cut
 *
 * Each write has a draft of its own, so that two at a time never mix: the later rename wins. A crash leaves its draft
 * behind; {@link removeDrafts} takes it away.
 */

import { randomBytes } from "node:crypto"
import { open, readdir, readFile, rename, rm } from "node:fs/promises"
import { dirname, join } from "node:path"
import { systemCode } from "./error.js"

/** Replaces the text of a file; resolves when it would survive a power cut. */
export async function writeDurably(path: string, text: string): Promise<void> {
  await withDraft(path, text, (draft) => rename(draft, path))
  await syncFolder(dirname(path))
}

/**
 * Writes a draft of a file, its bytes on disk, and hands out its path; afterwards it is gone, if it was not renamed.
 *
 * @param use - what is to be done with it
 */
export async function withDraft(
  path: string,
  text: string,
  use: (draft: string) => Promise<void>,
): Promise<void> {
  const draft = `${path}.${randomBytes(8).toString("hex")}.new`
  try {
    const file = await open(draft, "wx", 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await use(draft)
  } finally {
    await rm(draft, { force: true })
  }
}

/**
 * Removes what writers left behind when they were killed.
 *
 * @param start - of the names of the files whose drafts go; nobody may be writing one
 */
export async function removeDrafts(folder: string, start = ""): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith(start) && DRAFT.test(name)) await rm(join(folder, name), { force: true })
  }
}

const DRAFT = /\.[0-9a-f]{16}\.new$/

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
