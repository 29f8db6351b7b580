/**
 * Which retention class an event is given: decided before it is logged, public with its entry, for ever.
 *
 * There are no rules yet: an event about the log itself is `audit`, every other has the schedule's default.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import type { NormalEvent } from "@prooflog/event/event"
import type { Schedule } from "@prooflog/event/schedule"
import { OWN_SOURCE } from "./keys.js"

export type ClassOf = (event: NormalEvent) => string

/** @param schedule - the one in force for the leaf that the event will have */
export function classesOf(schedule: Schedule): ClassOf {
  return ({ core }) => (core.some(isOwn) ? "audit" : schedule.default)
}

function isOwn([name, value]: readonly [string, unknown]): boolean {
  return name === "source" && value === OWN_SOURCE
}
