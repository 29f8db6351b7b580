/**
 * What may stand where a record was: a tombstone, and only of an event.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { findCommitment } from "@prooflog/event/entry"
import { decodeTombstone, type Tombstone } from "@prooflog/event/tombstone"

/**
 * @param entry - checked
 * @param bytes - suspect
 * @throws EventError, or Error, if the leaf has no record, or this is no tombstone
 */
export function requireTombstone(entry: Uint8Array, bytes: Uint8Array): Tombstone {
  if (!isEvent(entry)) throw new Error("a tombstone where there is no event")
  return decodeTombstone(bytes)
}

/** Whether a leaf has a record. */
export function isEvent(entry: Uint8Array): boolean {
  return findCommitment(entry, 0, entry.length) >= 0
}
