/**
 * Records under the entries that commit to them.
 *
 *     entry     [ event  cc… ][ notice ][ event  cc… ][ event  cc… ]      checked before
 *     record    [ opens cc…  ][        ][            ][ opens cc…  ]
 *     tombstone                             here
 *
 * An event has its record or a tombstone, not both and not neither; an entry of another type has the empty
 * record. Whatever else is shown stops the reader: a hole in the records is found, not read over.
 *
 * Hashing a record is nearly all of the work, a dozen hashes in each.
 *
 * Spec: docs/spec, "Record and commitment".
 * Pure: no I/O, no clock. Scratch buffers are reused between calls.
 */

import { commitmentOfInto } from "@prooflog/event/record"
import { packedCount } from "@prooflog/tlog/bundle"
import { HASH_SIZE } from "@prooflog/tlog/hash"
import { refusalBy, VerifierError, type VerifierErrorCode } from "./error.js"

/** Most leaves that a {@link RecordSource} is asked for at once. */
export const MAX_RECORDS = 4096

/** Where a reader who may see records gets them from. */
export interface RecordSource {
  /**
   * The records of the leaves `[start, end)`: 1 … 4096 of a tree whose head the source has shown.
   *
   * The bytes belong to the reader: a source does not change them later. It rejects when it could not find
   * out, and is asked for several ranges at a time. A leaf of which it has neither record nor tombstone is
   * answered with the empty record: the reader knows what that means.
   */
  records(start: number, end: number): Promise<RecordRange>
}

/** Suspect. */
export interface RecordRange {
  /** Packed, `uint16be length ‖ record`, one for each leaf; 0 bytes for what is no event and for a tombstone. */
  readonly records: Uint8Array
  /** The leaves whose records were destroyed, ascending. */
  readonly tombstones: readonly number[]
}

/** What the record in hand commits to. Reused: nothing in here calls back. */
const computed = new Uint8Array(HASH_SIZE)

/** Walks a range of records, leaf by leaf. */
export class CheckedRecords {
  readonly #records: Uint8Array
  readonly #tombstones: readonly number[]
  #at = 0
  #tombstonesSeen = 0

  /**
   * @param range - of the leaves `[start, end)`
   * @throws {@link VerifierError} `VERIFIER_RECORD_REFUSED` if it is no such range,
   * `VERIFIER_MISSING_RECORD` if it ends too soon
   */
  constructor({ records, tombstones }: RecordRange, start: number, end: number) {
    const count = countOf(records, start, end)
    if (count < end - start) {
      throw recordError("VERIFIER_MISSING_RECORD", start + count, "the records end before it")
    }
    if (count > end - start) {
      throw recordError(
        "VERIFIER_RECORD_REFUSED",
        end - 1,
        `${count - (end - start)} records after it were not asked for`,
      )
    }
    let before = start - 1
    for (const leafIndex of tombstones) {
      if (!(Number.isInteger(leafIndex) && leafIndex > before && leafIndex < end)) {
        const what = `the tombstones of leaves ${start} to ${end - 1} are out of order, or of other leaves`
        throw new VerifierError("VERIFIER_RECORD_REFUSED", what, { leafIndex: start })
      }
      before = leafIndex
    }
    this.#records = records
    this.#tombstones = tombstones
  }

  /**
   * Checks the record of the next leaf.
   *
   * @param commitmentAt - where in `entry` its commitment starts; −1 if it is no event
   * @throws {@link VerifierError} `VERIFIER_RECORD_REFUSED`, `VERIFIER_MISSING_RECORD`, with the leaf
   */
  checkNext(leafIndex: number, entry: Uint8Array, commitmentAt: number): void {
    const start = this.#at + 2
    const end = packedEnd(this.#records, this.#at)
    this.#at = end
    const isDestroyed = this.#tombstones[this.#tombstonesSeen] === leafIndex
    if (isDestroyed) this.#tombstonesSeen++
    if (start === end) {
      if (commitmentAt >= 0 && !isDestroyed) {
        throw recordError(
          "VERIFIER_MISSING_RECORD",
          leafIndex,
          "an event without a record and without a tombstone",
        )
      }
      if (commitmentAt < 0 && isDestroyed) {
        throw recordError("VERIFIER_RECORD_REFUSED", leafIndex, "a tombstone where there is no event")
      }
      return
    }
    if (commitmentAt < 0 || isDestroyed) {
      const what = isDestroyed ? "a record beside its tombstone" : "a record where there is no event"
      throw recordError("VERIFIER_RECORD_REFUSED", leafIndex, what)
    }
    commitTo(this.#records.subarray(start, end), leafIndex)
    for (let i = 0; i < HASH_SIZE; i++) {
      if (computed[i] === entry[commitmentAt + i]) continue
      throw recordError("VERIFIER_RECORD_REFUSED", leafIndex, "its record does not open its commitment")
    }
  }
}

/** Where the packed byte string ends whose length stands at `at`, in bytes that were counted before. */
export function packedEnd(bytes: Uint8Array, at: number): number {
  return at + 2 + (((bytes[at] as number) << 8) | (bytes[at + 1] as number))
}

function countOf(records: Uint8Array, start: number, end: number): number {
  try {
    return packedCount(records)
  } catch (cause) {
    const what = `the records of leaves ${start} to ${end - 1}`
    throw refusalBy(cause, "VERIFIER_RECORD_REFUSED", what, { leafIndex: start })
  }
}

function commitTo(record: Uint8Array, leafIndex: number): void {
  try {
    commitmentOfInto(record, computed, 0)
  } catch (cause) {
    throw refusalBy(cause, "VERIFIER_RECORD_REFUSED", `leaf ${leafIndex}`, { leafIndex })
  }
}

function recordError(code: VerifierErrorCode, leafIndex: number, what: string): VerifierError {
  return new VerifierError(code, `leaf ${leafIndex}: ${what}`, { leafIndex })
}
