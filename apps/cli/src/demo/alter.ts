/**
 * Changing what a log has stored behind its back, as one can who owns the machine.
 *
 * It knows nothing of how rows are laid out: it looks for bytes and turns one bit of them.
 */

import { readFile, writeFile } from "node:fs/promises"
import { Level } from "level"
import { CliError } from "../error.js"

/**
 * Turns one bit of the stored bytes, in whichever row of the database holds them.
 *
 * @param folder - of a LevelDB that nobody has open
 * @param bytes - what to look for; its last byte is altered
 */
export async function alterStored(folder: string, bytes: Uint8Array): Promise<void> {
  const db = new Level<Buffer, Buffer>(folder, {
    keyEncoding: "buffer",
    valueEncoding: "buffer",
    createIfMissing: false,
  })
  await db.open()
  try {
    for await (const [key, value] of db.iterator()) {
      const at = value.indexOf(bytes)
      if (at < 0) continue
      await db.put(key, withBitTurned(value, at + bytes.length - 1), { sync: true })
      return
    }
  } finally {
    await db.close()
  }
  throw new CliError("CLI_DEMO_FAILED", `the bytes to alter are not stored in ${folder}`)
}

/** Replaces a word in a file. */
export async function alterFile(path: string, edit: (text: string) => string): Promise<void> {
  await writeFile(path, edit(await readFile(path, "utf8")))
}

function withBitTurned(value: Buffer, at: number): Buffer {
  const altered = Buffer.from(value)
  altered[at] = (altered[at] as number) ^ 1
  return altered
}
