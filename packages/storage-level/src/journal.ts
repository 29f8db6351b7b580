/**
 * Reading LevelDB's journals before LevelDB does, because it forgives too much.
 *
 *     blocks of 32 KiB, each:   [crc32c 4 │ length uint16le │ type 1 │ payload] [ … ] … zeros
 *     type 1 whole, 2 first, 3 middle, 4 last fragment of a step
 *
 * LevelDB drops a fragment whose checksum is wrong, with whatever stands behind it in its block, and opens
 * without an error: acknowledged commits are gone. It must, as it cannot tell rot from a write that a crash
 * cut short. But it can be told: a write that was cut short ends with the file, or with zeros where the device
 * got no further. A fragment that stands there whole was whole when it was written. So a whole fragment with a
 * wrong checksum is rot, and the folder is refused before LevelDB touches it.
 *
 * A flipped length can make a sound fragment look cut short, and all behind it with it. Then the checksum still
 * fits some shorter length.
 *
 * Spec: LevelDB 1.20, doc/log_format.md.
 */

import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { LedgerError } from "@prooflog/ledger/error"
import { crc32c, crc32cPrefixes } from "./crc32c.js"

const BLOCK_SIZE = 32 * 1024
const HEADER_SIZE = 7
const LAST_TYPE = 4

const SECTOR_SIZE = 512
const MIN_UNWRITTEN = 16

/**
 * Checks the journals of a LevelDB folder: those of writes, and that of tables (`MANIFEST`).
 *
 * @param folder - need not exist
 * @throws LedgerError `LEDGER_CORRUPT` with file and byte
 */
export async function checkJournals(folder: string): Promise<void> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === "ENOENT") return []
    throw error
  })
  const isStore = names.some((name) => /^(MANIFEST-|[0-9]+\.(ldb|sst|log)$)/.test(name))
  if (isStore && !names.includes("CURRENT")) {
    // LevelDB would begin an empty store here and delete the tables.
    throw new LedgerError("LEDGER_CORRUPT", `${folder} holds a LevelDB store without its file CURRENT`)
  }
  for (const name of names) {
    if (!/^(MANIFEST-[0-9]+|[0-9]+\.log)$/.test(name)) continue
    const at = findRot(await readFile(join(folder, name)))
    if (at !== undefined) {
      throw new LedgerError("LEDGER_CORRUPT", `${name} is damaged at byte ${at}: commits may be missing`)
    }
  }
}

/** Returns the byte where the first rotten fragment begins, `undefined` if there is none. */
export function findRot(journal: Uint8Array): number | undefined {
  for (let at = 0; at < journal.length; ) {
    const leftInBlock = BLOCK_SIZE - (at % BLOCK_SIZE)
    if (leftInBlock < HEADER_SIZE) {
      at += leftInBlock
      continue
    }
    const blockEnd = Math.min(at + leftInBlock, journal.length)
    if (isZero(journal, at, blockEnd)) {
      at = blockEnd
      continue
    }
    if (at + HEADER_SIZE > journal.length) return undefined
    const end = at + HEADER_SIZE + (journal[at + 4] as number) + (journal[at + 5] as number) * 256
    if (end > at + leftInBlock) return at
    if (end > blockEnd) return hasSoundPrefix(journal, at, blockEnd) ? at : undefined
    if (!isSound(journal, at, end)) return isUnwritten(journal, at, end) ? undefined : at
    at = end
  }
  return undefined
}

/** Whether a fragment that ends at `end` has its checksum. */
function isSound(journal: Uint8Array, at: number, end: number): boolean {
  const type = journal[at + 6] as number
  return type >= 1 && type <= LAST_TYPE && checksum(journal, at) === crc32c(journal, at + 6, end)
}

/** Whether the fragment would be sound if it were shorter. */
function hasSoundPrefix(journal: Uint8Array, at: number, end: number): boolean {
  const wanted = checksum(journal, at)
  for (const crc of crc32cPrefixes(journal, at + 6, end)) if (crc === wanted) return true
  return false
}

/** Whether all of the file is zeros from some sector within the fragment on: it was being written. */
function isUnwritten(journal: Uint8Array, at: number, end: number): boolean {
  let zeros = journal.length
  while (zeros > at && journal[zeros - 1] === 0) zeros--
  const firstSector = Math.ceil(zeros / SECTOR_SIZE) * SECTOR_SIZE
  // A step ends with a hash, so that a sound one has no such tail of its own.
  return firstSector < end && journal.length - firstSector >= MIN_UNWRITTEN
}

/** The stored checksum, unmasked: LevelDB rotates it and adds a constant. */
function checksum(journal: Uint8Array, at: number): number {
  const [a, b, c, d] = journal.subarray(at, at + 4) as unknown as [number, number, number, number]
  const rotated = (((a | (b << 8) | (c << 16) | (d << 24)) >>> 0) - 0xa282ead8) >>> 0
  return ((rotated >>> 17) | (rotated << 15)) >>> 0
}

function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== 0) return false
  return true
}
