/**
 * What stands in storage, as the server gives it to its archive child and takes it back: a megabyte at a time.
 */

import type { StoredRecord, Tombstone } from "@prooflog/ledger/storage"
import { PackedWriter, unpack } from "../packed.js"
import type { PackedLeaves, StandingSlice } from "./archive-calls.js"
import type { OfLedger } from "./served-leaves.js"

/** Leaves that are asked of the storage at once: at most 16 MiB. */
const LEAVES_AT_ONCE = 256

/** An answer that has as much is not added to. */
const ENOUGH_BYTES = 1 << 20

/** What a record takes, about. */
const USUAL_BYTES = 512

/**
 * Returns what stands at a range of leaves, or at its beginning.
 *
 * @throws RangeError unless `start < end ≤` the signed tree size; what the storage throws
 */
export async function readStanding(
  ledger: OfLedger,
  { start, end }: { readonly start: number; readonly end: number },
): Promise<StandingSlice> {
  const { storage, signedHead } = ledger
  if (!(start >= 0 && start < end && end <= signedHead.treeSize)) {
    throw new RangeError(`records: expected some of [0, ${signedHead.treeSize}), got [${start}, ${end})`)
  }
  ledger.scrubLater()
  const packed = new PackedWriter(Math.min(ENOUGH_BYTES, (end - start) * USUAL_BYTES))
  const tombstones: number[] = []
  let at = start
  while (at < end && packed.bytes().length < ENOUGH_BYTES) {
    const stored = await storage.records(at, Math.min(end, at + LEAVES_AT_ONCE))
    for (const { kind, leafIndex, bytes } of stored) {
      if (kind === "tombstone") tombstones.push(leafIndex)
      packed.add(bytes)
    }
    at += stored.length
  }
  return { packed: packed.bytes(), tombstones: Float64Array.from(tombstones), end: at }
}

/** Returns leaves with the tombstones that are to stand there. */
export function tombstonesOf(page: PackedLeaves): Tombstone[] {
  return leavesOf(page).map((each) => ({ kind: "tombstone", ...each }))
}

/** Returns leaves with the records that are to stand there. */
export function recordsOf(page: PackedLeaves): StoredRecord[] {
  return leavesOf(page).map((each) => ({ kind: "record", ...each }))
}

function leavesOf({ leaves, packed }: PackedLeaves): { leafIndex: number; bytes: Uint8Array }[] {
  const all = unpack(packed)
  const [first] = all
  if (first === undefined || (all.length !== 1 && all.length !== leaves.length)) {
    throw new RangeError(`${leaves.length} leaves, and bytes for ${all.length}`)
  }
  return Array.from(leaves, (leafIndex, i) => ({ leafIndex, bytes: all[i] ?? first }))
}
