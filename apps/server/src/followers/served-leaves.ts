/**
 * The log as the server gives it to its reader: up to the signed head, slice by slice.
 *
 * What is read here is read in the process that takes events: each answer is about a megabyte, gathered in turns,
 * whatever was asked for.
 */

import type { Ledger } from "@prooflog/ledger"
import { parseBundlePath } from "@prooflog/tlog/bundle"
import { parseTilePath, type Tile, tileAt } from "@prooflog/tlog/tile"
import type { LogReader } from "../log-reader.js"
import { PackedWriter } from "../packed.js"
import type { RecordSlice } from "./calls.js"

/** An answer that has as much is not added to. */
const ENOUGH_BYTES = 1 << 20

/** What a record takes, about. */
const USUAL_BYTES = 512

const EMPTY = new Uint8Array(0)

const utf8 = new TextEncoder()

export type OfLedger = Pick<Ledger, "storage" | "signedHead" | "scrubLater">

/**
 * Returns what is at a path of the tree that was signed last; `undefined` if it does not reach so far.
 *
 * @param path - `checkpoint` is the signed head, which may be ahead of the published one
 * @throws TlogError for what is no path; what the storage throws
 */
export async function readSigned(
  { storage, signedHead }: OfLedger,
  path: string,
): Promise<Uint8Array | undefined> {
  if (path === "checkpoint") return utf8.encode(signedHead.note)
  const asked = placeOf(path)
  const signed = tileAt(asked.level, asked.index, signedHead.treeSize)
  if (signed === undefined || asked.width > signed.width) return undefined
  return storage.read(path)
}

/**
 * Returns the records of a range, or of its beginning. Those that were moved are among them: rows are of all that is kept.
 *
 * @throws RangeError unless `start < end ≤` the signed tree size; what the storage throws, among it
 * `LEDGER_MISSING_RECORD`; as `LogReader.leaves`
 */
export async function readRecords(
  ledger: OfLedger,
  reader: Pick<LogReader, "leaves">,
  { start, end }: { readonly start: number; readonly end: number },
): Promise<RecordSlice> {
  const { signedHead } = ledger
  if (!(start >= 0 && start < end && end <= signedHead.treeSize)) {
    throw new RangeError(`records: expected some of [0, ${signedHead.treeSize}), got [${start}, ${end})`)
  }
  ledger.scrubLater()
  const packed = new PackedWriter(Math.min(ENOUGH_BYTES, (end - start) * USUAL_BYTES))
  const tombstones: number[] = []
  let at = start
  for await (const stored of reader.leaves(start, end)) {
    for (const { kind, leafIndex, bytes } of stored) {
      if (kind === "tombstone") tombstones.push(leafIndex)
      packed.add(kind === "tombstone" ? EMPTY : bytes)
    }
    at += stored.length
    if (packed.bytes().length >= ENOUGH_BYTES) break
  }
  return { records: packed.bytes(), tombstones, end: at }
}

/** A bundle is as wide as the tile of level 0 with its number. */
function placeOf(path: string): Tile {
  if (path.startsWith("tile/entries/")) return { level: 0, ...parseBundlePath(path) }
  return parseTilePath(path)
}
