/** What the tests of the stores share. */

import { createHash } from "node:crypto"
import { open, readdir } from "node:fs/promises"
import { join } from "node:path"
import type { ObjectDigest, ObjectStore } from "./object-store.js"

export function digestOf(bytes: Uint8Array): ObjectDigest {
  return { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest() }
}

export async function read(store: ObjectStore, key: string, expected?: ObjectDigest): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of store.get(key, expected)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Every file at or below a folder. */
export async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
}

/** Flips a bit in the middle of a file. */
export async function flipBit(path: string): Promise<void> {
  const file = await open(path, "r+")
  try {
    const at = (await file.stat()).size >> 1
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at)
    await file.write(Buffer.from([(buffer[0] as number) ^ 1]), 0, 1, at)
  } finally {
    await file.close()
  }
}
