/**
 * Whether a record opens its entry: what the ledger, which knows no events, asks when it reads its storage again.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { findCommitment } from "@prooflog/event/entry"
import { commitmentOfInto } from "@prooflog/event/record"
import { HASH_SIZE } from "@prooflog/tlog/hash"

const found = new Uint8Array(HASH_SIZE)

/**
 * @param entry - suspect
 * @param record - suspect; empty for a leaf that is no event
 * @throws EventError, or Error, if the two do not belong together
 */
export function checkRecord(entry: Uint8Array, record: Uint8Array): void {
  const commitment = findCommitment(entry, 0, entry.length)
  if (commitment < 0) {
    if (record.length > 0) throw new Error("a leaf that is no event has a record")
    return
  }
  commitmentOfInto(record, found, 0)
  for (let i = 0; i < HASH_SIZE; i++) {
    if (found[i] !== entry[commitment + i])
      throw new Error("the record opens another commitment than its entry's")
  }
}
