/**
 * Which retention class an event is given: decided before it is logged, public with its entry, for ever.
 *
 * The rules are those of `packages/archive`, compiled once. Events of the log about itself are `audit`, whatever rules say.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { type ClassRule, classOf } from "@prooflog/archive/class-rules"
import type { NormalEvent } from "@prooflog/event/event"

export type ClassOf = (event: NormalEvent) => string

/** What classes are given by; plain data, so that another thread can be told. */
export interface ClassRules {
  readonly rules: readonly ClassRule[]
  /** The class of an event that no rule takes. */
  readonly default: string
}

/** @param rules - of a schedule whose entry stands before the leaf that the event will have */
export function classesOf(rules: ClassRules): ClassOf {
  const classify = classOf(rules)
  return (event) => classify(event).class
}
