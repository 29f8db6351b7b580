/**
 * What is remembered of the daily run: when it was, what it did, what went wrong.
 *
 *     DIR/retention/daily.json     { "format": "prooflog-daily/1", "open"?, "verified"?, "last"?, "faults" }
 *
 * Losing it loses nothing: the next run comes at once, and looks at every segment. Times are ms since 1970.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import type { ArchiveFault, VerifiedSegments } from "../followers/archive-calls.js"
import { stateOf } from "./case-folder.js"
import type { Failure } from "./failure.js"

/** In this order. */
export const DAILY_STEPS = ["erase", "archive", "destroy", "verify"] as const

/** A step of a run that failed. */
export interface StepFailure extends Failure {
  readonly step: (typeof DAILY_STEPS)[number]
}

/** A segment that is not what the log says, and when it was looked at. */
export interface NotedFault extends ArchiveFault {
  readonly atMs: number
}

export interface LastRun {
  readonly begunMs: number
  readonly endedMs: number
  /** Records that it moved to the archive. */
  readonly archived: number
  /** Records that it destroyed by schedule. */
  readonly withdrawn: number
  /** Records that are due, and that a hold is on. */
  readonly heldBack: number
  readonly failed: readonly StepFailure[]
}

export interface DailyState {
  /** When a run began that has not ended: there while it runs, and where it was cut off. */
  readonly openMs?: number
  /** Up to when segments were verified that were due to be. */
  readonly verifiedMs?: number
  readonly last?: LastRun
  readonly faults: readonly NotedFault[]
}

const FORMAT = "prooflog-daily/1"

export const NEVER_RUN: DailyState = { faults: [] }

const DAY_MS = 86_400_000

/** Until a run that failed is tried again. */
const AGAIN_MS = 60 * 60_000

/** Faults that are kept: a store that is away makes many. */
const MOST_FAULTS = 100

/** Each segment is looked at at least every 30 days: a fault that is older was not found again. */
const FAULT_MS = 31 * DAY_MS

export function formatDaily(state: DailyState): string {
  return `${JSON.stringify({ format: FORMAT, ...state })}\n`
}

/** @throws ServerError `SERVER_MALFORMED_FOLDER` */
export function parseDaily(text: string | undefined): DailyState {
  if (text === undefined) return NEVER_RUN
  return stateOf<DailyState>(text, FORMAT, ({ openMs, verifiedMs, last, faults }) => {
    const isTime = (value: unknown) => value === undefined || Number.isSafeInteger(value)
    const isRun =
      last === undefined || (isTime(last.begunMs) && isTime(last.endedMs) && Array.isArray(last.failed))
    return isTime(openMs) && isTime(verifiedMs) && isRun && Array.isArray(faults)
  })
}

/** Whether a run is to begin: none was, a day is over, or an hour since one that failed. */
export function isDailyDue({ last }: DailyState, nowMs: number): boolean {
  if (last === undefined) return true
  // A clock that was set back far is no reason to wait until it is there again.
  const isOver = (sinceMs: number, spanMs: number) => Math.abs(nowMs - sinceMs) >= spanMs
  return isOver(last.begunMs, DAY_MS) || (last.failed.length > 0 && isOver(last.endedMs, AGAIN_MS))
}

/**
 * Returns the faults that are known once segments were looked at.
 *
 * @param wasAll - whether all were
 */
export function faultsAfter(
  before: readonly NotedFault[],
  { faults }: VerifiedSegments,
  nowMs: number,
  wasAll: boolean,
): readonly NotedFault[] {
  const found = new Set(faults.map(({ key }) => key))
  const left = before.filter(({ key, atMs }) => !wasAll && !found.has(key) && nowMs - atMs < FAULT_MS)
  return [...faults.map((fault) => ({ ...fault, atMs: nowMs })), ...left].slice(0, MOST_FAULTS)
}

/** Returns what is wrong, in a few words: what failed, or else what is damaged. */
export function troubleOf({ last, faults }: DailyState): Failure | undefined {
  const [failure] = last?.failed ?? []
  if (failure !== undefined) return { code: failure.code, message: `${failure.step}: ${failure.message}` }
  const [fault] = faults
  if (fault === undefined) return undefined
  const others = faults.length > 1 ? ` (and ${faults.length - 1} more)` : ""
  return { code: fault.code, message: fault.message + others }
}
