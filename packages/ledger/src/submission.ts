/**
 * Submissions, and where their entries came to stand.
 *
 * Entries and records travel packed (uint16be length ‖ bytes, repeated), so that a thousand of them are two arrays.
 */

import { packedCount } from "@prooflog/tlog/bundle"

export interface Submission {
  /** `count` entries, packed; their times are not set yet. The ledger copies before it stamps. */
  readonly entries: Uint8Array
  /** `count` records, packed; the empty record for a leaf that is not an event. */
  readonly records: Uint8Array
  /** ≥ 1 */
  readonly count: number
  /** For each entry whose producer gave an id, 16 bytes by which a repeat is recognised. */
  readonly ids?: readonly (Uint8Array | undefined)[]
}

export interface Placement {
  readonly leafIndex: number
  /** Time of the entry, ms since 1970. */
  readonly timeMs: number
  /** The id was there before: this is where the first one stands. Contents were not compared. */
  readonly duplicate: boolean
}

const ID_SIZE = 16

/**
 * Refuses what no caller may submit. The bytes are not to be changed until the answer is there.
 *
 * @throws `RangeError`, or TlogError `TLOG_MALFORMED_BUNDLE` if the packing is broken
 */
export function requireSubmission({ entries, records, count, ids }: Submission): void {
  if (!Number.isSafeInteger(count) || count < 1) throw new RangeError(`count: expected ≥ 1, got ${count}`)
  requireCount("entries", entries, count)
  requireCount("records", records, count)
  if (ids === undefined) return
  if (ids.length !== count) throw new RangeError(`ids: expected ${count}, got ${ids.length}`)
  for (const id of ids) {
    if (id !== undefined && id.length !== ID_SIZE) {
      throw new RangeError(`id: expected ${ID_SIZE} bytes, got ${id.length}`)
    }
  }
}

function requireCount(label: string, packed: Uint8Array, count: number): void {
  const found = packedCount(packed)
  if (found !== count) throw new RangeError(`${label}: expected ${count}, got ${found}`)
}

/** Returns where the byte string ends whose length stands at `at`; `packed` is known to be well-formed. */
export function packedEnd(packed: Uint8Array, at: number): number {
  return at + 2 + (packed[at] as number) * 256 + (packed[at + 1] as number)
}

/** Returns those of the packed byte strings whose numbers `keep` holds, packed anew. */
export function repack(packed: Uint8Array, keep: ReadonlySet<number>): Uint8Array {
  const kept = new Uint8Array(packed.length)
  let size = 0
  for (let at = 0, i = 0; at < packed.length; i++) {
    const end = packedEnd(packed, at)
    if (keep.has(i)) {
      kept.set(packed.subarray(at, end), size)
      size += end - at
    }
    at = end
  }
  return kept.subarray(0, size)
}
