/**
 * The plan: at a given time, which records are at hand, which belong in the archive, which are to be destroyed.
 *
 *     time of the entry        + hot days           + destroy days
 *     ├── hot ─────────────────┼── archived ────────┼── due
 *
 * Days are 86,400,000 ms each. A boundary belongs to what comes after it: on the first millisecond of its destroy
 * day a record is due, and due beats hot. Time never decreases from leaf to leaf, so that of the leaves of one class
 * under one promise those before a cut-off are the first ones, and a plan is two cut-offs for each such range.
 *
 * Holds are not known here: what is due is destroyed only if nothing holds it.
 *
 * Pure: no I/O; the time is given.
 */

import { type Promised, type Promises, promisedBy } from "@prooflog/event/promises"
import { DAY_MS } from "./durations.js"

export type State = "hot" | "archived" | "due"

/** Leaves of one class that one schedule governs, and how far time has come for them. */
export interface PlanRange {
  /** First leaf. */
  readonly from: number
  /** The leaf behind the last. Greater than `from`. */
  readonly to: number
  /** Leaf of the entry that promised. */
  readonly by: number
  /** What was received before this time is no longer hot: ms since 1970, may be negative. */
  readonly coldBeforeMs: number
  /** What was received before this time is due. Absent where records are never destroyed. */
  readonly dueBeforeMs?: number
}

export interface PlanQuestion {
  readonly promises: Promises
  readonly className: string
  /** Days for which records of the class are at hand, as the schedule file says today. */
  readonly hotDays: number
  /** Leaves of the tree that is planned for. */
  readonly treeSize: number
  /** ms since 1970, an integer. */
  readonly nowMs: number
}

/**
 * Returns the state of the record of one leaf.
 *
 * @param timeMs - time of the entry, an integer
 * @param hot - the class of the entry, as the schedule file has it today
 * @param promised - what `promiseOf` says of the leaf; without a promise it is never due
 * @param nowMs - an integer, or RangeError
 */
export function stateOf(
  timeMs: number,
  hot: { readonly hotDays: number },
  promised: Promised | undefined,
  nowMs: number,
): State {
  const destroyDays = promised?.destroyDays
  if (destroyDays !== undefined && timeMs < cutOff(destroyDays, nowMs)) return "due"
  return timeMs < cutOff(hot.hotDays, nowMs) ? "archived" : "hot"
}

/**
 * Returns the ranges of leaves in which a class has a promise, ascending and apart from each other, with their
 * cut-offs. Leaves of other classes, and of other types, lie among them.
 *
 * @throws RangeError if the time is no integer
 */
export function planOf({
  promises,
  className,
  hotDays,
  treeSize,
  nowMs,
}: PlanQuestion): readonly PlanRange[] {
  const coldBeforeMs = cutOff(hotDays, nowMs)
  return promises.flatMap((entry, i) => {
    const promised = promisedBy(entry, className)
    // A schedule governs the leaf of the next one, too, which no event is.
    const from = entry[0] + 1
    const to = Math.min(treeSize, (promises[i + 1]?.[0] ?? Number.POSITIVE_INFINITY) + 1)
    if (promised === undefined || from >= to) return []
    const range = { from, to, by: promised.by, coldBeforeMs }
    const { destroyDays } = promised
    return [destroyDays === undefined ? range : { ...range, dueBeforeMs: cutOff(destroyDays, nowMs) }]
  })
}

/**
 * Returns the time before which everything is at least so many days old.
 *
 * Exact while it is a safe integer. Others' schedules may say so many days that it is not: then it lies
 * before every time of an entry, as it should.
 */
function cutOff(days: number, nowMs: number): number {
  if (!Number.isSafeInteger(nowMs)) throw new RangeError(`nowMs: expected an integer, got ${nowMs}`)
  return nowMs - days * DAY_MS + 1
}
