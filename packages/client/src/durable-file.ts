/**
 * Writes a file so that a crash leaves the old content or the new, never half of one.
 *
 *     write FILE.new ─► fsync ─► rename to FILE ─► fsync the folder
 *
 * Effects: the file, and for a moment one beside it.
 */

import { open, rename } from "node:fs/promises"
import { dirname } from "node:path"

/** Resolves once the file would survive a power cut; one call at a time for one file. */
export async function writeDurably(file: string, text: string): Promise<void> {
  const temporary = `${file}.new`
  const handle = await open(temporary, "w", 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, file)
  const folder = await open(dirname(file), "r").catch(() => undefined) // Windows cannot open a folder.
  await folder?.sync().finally(() => folder.close())
}
