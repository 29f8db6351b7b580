/**
 * What is said of a record that is no more: 410, why, and the leaf that says so in public.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { decodeTombstone, type Tombstone as Opened, TOMBSTONE_REASONS } from "@prooflog/event/tombstone"
import type { StoredRecord, Tombstone } from "@prooflog/ledger/storage"
import { ServerError } from "../error.js"

/** Why a record is gone, in words of the wire. */
export type DestroyedReason = "schedule" | "erased-for-person" | "erased" | "lost"

const REASONS: Readonly<Record<Extract<Opened, { state: "destroyed" }>["reason"], DestroyedReason>> = {
  [TOMBSTONE_REASONS.bySchedule]: "schedule",
  [TOMBSTONE_REASONS.erasedForPerson]: "erased-for-person",
  [TOMBSTONE_REASONS.erasedOtherwise]: "erased",
  [TOMBSTONE_REASONS.lost]: "lost",
}

/** A record that is destroyed. */
export interface Destroyed {
  readonly reason: DestroyedReason
  /** Leaf of the notice; of one destroyed by schedule, of the genesis or schedule entry that promised it. */
  readonly reference: number
}

/**
 * Returns why a record is destroyed; `undefined` if it was moved to the archive.
 *
 * @param tombstone - its bytes, suspect
 * @throws EventError `EVENT_MALFORMED_RECORD` if they are no tombstone
 */
export function destroyedOf(tombstone: Uint8Array): Destroyed | undefined {
  const opened = decodeTombstone(tombstone)
  if (opened.state === "moved") return undefined
  return { reason: REASONS[opened.reason], reference: opened.reference }
}

/**
 * Returns a record.
 *
 * @param stored - as the log's reader answers it: what was moved is a record
 * @throws ServerError `SERVER_DESTROYED` with why, and the leaf that says so; EventError if a tombstone is damaged
 */
export function recordOf({ kind, leafIndex, bytes }: StoredRecord | Tombstone): Uint8Array {
  if (kind === "record") return bytes
  const destroyed = destroyedOf(bytes)
  if (destroyed === undefined) throw new Error(`bug: nobody looked for the moved record of leaf ${leafIndex}`)
  const { reason, reference } = destroyed
  const by =
    reason === "schedule" ? `by the schedule of leaf ${reference}` : `as the notice of leaf ${reference} says`
  const message = `the record of leaf ${leafIndex} was ${reason === "lost" ? "lost" : "destroyed"}, ${by}`
  throw new ServerError("SERVER_DESTROYED", message, { leafIndex, destroyed })
}
