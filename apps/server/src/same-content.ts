/**
 * Whether two records say the same: an event that is sent twice with one id is one event, or a conflict.
 *
 * Compared is what their producers said, normalised: a time given as text and as a number is one time, and an
 * event sent again after its writer's key was replaced is not another event.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { isDeepStrictEqual } from "node:util"
import type { NamedValue } from "@prooflog/event/event"
import { openRecord } from "@prooflog/event/record"

/** @param stored - of the same source and event_id as `sent`, which nothing here checks */
export function saysTheSame(stored: Uint8Array, sent: Uint8Array): boolean {
  const a = openRecord(stored)
  const b = openRecord(sent)
  return (
    isDeepStrictEqual(a.core.filter(isSaid), b.core.filter(isSaid)) && isDeepStrictEqual(a.fields, b.fields)
  )
}

function isSaid([name]: NamedValue): boolean {
  return name !== "source_key_id"
}
