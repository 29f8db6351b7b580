/**
 * The seam between rules and their evaluation: a rule, compiled, is a fold over events.
 *
 *     rule, its kept rows ─► event ─► firings, changed rows
 *                        └─► time passes ─► firings, changed rows
 *
 * Time is that of the log: an event's `receivedMs`, and ticks. Nothing here has a clock, so that the same events and
 * ticks fire the same, whenever they are replayed.
 */

import type { Firing, RuleHead } from "./firing.js"
import type { SeenEvent } from "./seen-event.js"

/** Takes what a rule has to say. */
export type Fire = (firing: Firing) => void

export interface Rule {
  readonly head: RuleHead
  /** Whether it also looks at what is done with the log itself: events whose source is `prooflog`. */
  readonly seesOwn: boolean
  /** Kept rows, if it has any: windows, baselines, pasts. */
  readonly rows: RuleRows | undefined
  /** Looks at one event. */
  take(event: SeenEvent, fire: Fire): void
  /**
   * Looks at an event that is too old to tell anyone of: a past or a baseline learns from it as in `take`, and nothing
   * fires, now or later, because of it. Absent if it learns nothing.
   */
  learn?(event: SeenEvent): void
  /**
   * Is told that time has come so far, every {@link TICK_MS}, before any event that was received then or later.
   * Absent if time means nothing to it.
   */
  tick?(nowMs: number, fire: Fire): void
  /**
   * The earliest time at which `tick` may have something to do: ticks before it are left out. ms since 1970, or
   * infinity. Absent if it wants every tick.
   */
  readonly dueMs?: number
  /** Events that were too late for its windows, since it was made. Absent if it has none. */
  readonly late?: number
}

/** How often time passes for rules: ms, whole multiples since 1970. */
export const TICK_MS = 10_000

/** What a rule remembers, row by row, so that it can be kept with the cursor. Bounded: what was not used for longest goes. */
export interface RuleRows {
  /** Like that of another rule only if its rows mean the same: a rule whose threshold changes keeps what it learned. */
  readonly stateId: string
  /** Puts a kept row back, before any event. Throws RangeError if it is none of this form. */
  restore(key: string, value: string): void
  /** Hands out what has changed since it was last asked: rows to keep, and keys of rows to remove. */
  takeChanges(keep: (key: string, value: string) => void, remove: (key: string) => void): void
  /** Forgets whatever is known by one of these values of a field, as after an erasure: rows and what is inside rows. */
  forget(field: string, values: ReadonlySet<string>): void
  /** Rows now, and about how many bytes they take in memory. */
  readonly size: { readonly rows: number; readonly bytes: number }
}
