/**
 * What may stand where a record was: a tombstone that says that it is destroyed, and only of an event.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { findCommitment } from "@prooflog/event/entry"
import { decodeTombstone, type Tombstone } from "@prooflog/event/tombstone"

/**
 * @param entry - checked
 * @param bytes - suspect
 * @throws EventError, or Error, if the leaf has no record, or this is no such tombstone
 */
export function requireTombstone(
  entry: Uint8Array,
  bytes: Uint8Array,
): Extract<Tombstone, { state: "destroyed" }> {
  if (!isEvent(entry)) throw new Error("a tombstone where there is no event")
  const tombstone = decodeTombstone(bytes)
  if (tombstone.state === "destroyed") return tombstone
  throw new Error("its record was moved, and would be missing where it is restored")
}

/** Whether a leaf has a record. */
export function isEvent(entry: Uint8Array): boolean {
  return findCommitment(entry, 0, entry.length) >= 0
}
