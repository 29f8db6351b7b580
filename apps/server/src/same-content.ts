/**
 * Whether two records say the same: an event that is sent twice with one id is one event, or a conflict.
 *
 * Compared is what their producers said, normalised: a time given as text and as a number is one time, and an
 * event sent again after its writer's key was replaced is not another event.
 *
 *     84 01 5820 │ seed, 32 bytes │ core fields       one event has one encoding: in two records of it only the
 *         equal        not             equal?         seeds differ. Most repeats are told so, without decoding
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { isDeepStrictEqual } from "node:util"
import type { NamedValue } from "@prooflog/event/event"
import { CORE_OFFSET, openRecord } from "@prooflog/event/record"

/** Where the seed begins; before it stand the version and lengths that all records share. */
const SEED_OFFSET = 4

/** @param stored - of the same source and event_id as `sent`, which nothing here checks */
export function saysTheSame(stored: Uint8Array, sent: Uint8Array): boolean {
  if (isEqualButForSeed(stored, sent)) return true
  const a = openRecord(stored)
  const b = openRecord(sent)
  return (
    isDeepStrictEqual(a.core.filter(isSaid), b.core.filter(isSaid)) && isDeepStrictEqual(a.fields, b.fields)
  )
}

function isEqualButForSeed(stored: Uint8Array, sent: Uint8Array): boolean {
  return (
    equal(stored.subarray(0, SEED_OFFSET), sent.subarray(0, SEED_OFFSET)) &&
    equal(stored.subarray(CORE_OFFSET), sent.subarray(CORE_OFFSET))
  )
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0
}

function isSaid([name]: NamedValue): boolean {
  return name !== "source_key_id"
}
