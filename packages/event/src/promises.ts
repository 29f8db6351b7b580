/**
 * Promises: which schedule governs which leaf, and what it promised.
 *
 *     leaf      0 genesis   1 … 41   42 schedule   43 … 99
 *     promised by           0        0             42
 *
 * Leaf i is governed by the last schedule before leaf i. A later one changes nothing for it. All of this is public:
 * anyone who has the log's entries can work it out.
 *
 * Spec: docs/spec, "Entry".
 * Pure: no I/O, no clock.
 */

import type { Schedule } from "./schedule.js"

/**
 * The schedules of a log, ascending by the leaf of their entry: genesis, which is leaf 0, then each schedule entry.
 * From entries that were checked: none shortens another. Of a list with gaps nothing follows, since a schedule that is
 * left out may have promised more.
 */
export type Promises = readonly (readonly [leaf: number, schedule: Schedule])[]

const DAY_MS = 86_400_000

/** What the record of one leaf was promised, in days from the time of its entry. */
export interface Promised {
  readonly keepDays: number
  /** Day on which it is destroyed; never, if absent. */
  readonly destroyDays?: number
  /** Leaf of the entry that promised it. */
  readonly by: number
}

/**
 * Returns what a leaf was promised, or `undefined` if the schedule that governs it has no such class, or none does.
 * What was promised nothing is never due.
 *
 * @param leaf - index of an event's leaf
 */
export function promiseOf(promises: Promises, leaf: number, className: string): Promised | undefined {
  let low = 0
  let high = promises.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (leafAt(promises, middle) < leaf) low = middle + 1
    else high = middle
  }
  const entry = promises[low - 1]
  return entry === undefined ? undefined : promisedBy(entry, className)
}

/** Returns what one schedule promises a class, or `undefined` if it does not have it. */
export function promisedBy([leaf, schedule]: Promises[number], className: string): Promised | undefined {
  const { classes } = schedule
  const retention = Object.hasOwn(classes, className) ? classes[className] : undefined
  if (retention === undefined) return undefined
  const promised = { keepDays: retention.keep_days, by: leaf }
  const { destroy_days: destroyDays } = retention
  return destroyDays === undefined ? promised : { ...promised, destroyDays }
}

/**
 * Returns the time from which on a record is due to be destroyed, in ms since 1970; +∞ if never.
 *
 * @param timeMs - of its entry
 */
export function dueMs({ destroyDays }: Promised, timeMs: number): number {
  return destroyDays === undefined ? Number.POSITIVE_INFINITY : timeMs + destroyDays * DAY_MS
}

function leafAt(promises: Promises, index: number): number {
  return (promises[index] as Promises[number])[0]
}
