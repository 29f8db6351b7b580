/**
 * Where a follower is, as text that it keeps beside what it made of the log.
 *
 *     {"next_leaf":4097,"checkpoint":"…","last_time_ms":1697902321000,
 *      "schedule":{"rules":"e3b0…","classes":{"routine":{"keep_days":914,"destroy_days":944}},"default":"routine"}}
 *
 * It holds all that the rules need to go on: nothing before `next_leaf` is read again. A cursor has one text;
 * any other spelling is refused, so that what is damaged is not taken for a place in the log.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { MIN_TIME_MS } from "@prooflog/event/entry"
import { EventError } from "@prooflog/event/error"
import { parseStrictJson } from "@prooflog/event/json"
import { checkSchedule, type Schedule } from "@prooflog/event/schedule"
import { decodeHex, encodeHex } from "@prooflog/tlog/base64"

export interface FollowCursor {
  /** Every leaf before it was handed out. */
  readonly nextLeaf: number
  /** The signed note of the head under which they were; "" before there was any. No later head may contradict it. */
  readonly checkpoint: string
  /** Time of the last leaf; 0 before there was any. */
  readonly lastTimeMs: number
  /** In force after the last leaf; `undefined` before there was any. */
  readonly schedule: Schedule | undefined
}

/** Before the first leaf of a log, whichever it is. */
export const START: FollowCursor = { nextLeaf: 0, checkpoint: "", lastTimeMs: 0, schedule: undefined }

/** Returns the text of a cursor, one line of JSON. */
export function formatFollowCursor({ nextLeaf, checkpoint, lastTimeMs, schedule }: FollowCursor): string {
  return JSON.stringify({
    next_leaf: nextLeaf,
    checkpoint,
    last_time_ms: lastTimeMs,
    schedule: schedule === undefined ? null : scheduleText(schedule),
  })
}

function scheduleText({ rules, classes, default: fallback }: Schedule): object {
  const retentions = Object.entries(classes).map(([name, { keep_days, destroy_days }]) => {
    return [name, destroy_days === undefined ? { keep_days } : { keep_days, destroy_days }]
  })
  return { rules: encodeHex(rules), classes: Object.fromEntries(retentions), default: fallback }
}

/**
 * Parses a text written by {@link formatFollowCursor}.
 *
 * @param text - the follower's own, but it may be damaged
 * @throws `RangeError` if it is not what {@link formatFollowCursor} would write
 */
export function parseFollowCursor(text: string): FollowCursor {
  const { next_leaf, checkpoint, last_time_ms, schedule } = membersOf(readJson(text))
  if (typeof next_leaf !== "number" || typeof checkpoint !== "string" || typeof last_time_ms !== "number") {
    throw refuse("its members are none of a cursor")
  }
  const cursor = {
    nextLeaf: next_leaf,
    checkpoint,
    lastTimeMs: last_time_ms,
    schedule: schedule === null ? undefined : readSchedule(schedule),
  }
  requireCursor(cursor)
  // Writing it back refuses what is spelled in another way, and members that no cursor has.
  if (formatFollowCursor(cursor) !== text) throw refuse("it is spelled in another way")
  return cursor
}

/** Holds what a cursor says against itself. @throws `RangeError` */
export function requireCursor({ nextLeaf, checkpoint, lastTimeMs, schedule }: FollowCursor): void {
  if (!Number.isSafeInteger(nextLeaf) || nextLeaf < 0) throw refuse("its next leaf is no index")
  if (!Number.isSafeInteger(lastTimeMs)) throw refuse("its last time is none")
  const isPlace =
    nextLeaf === 0
      ? lastTimeMs === 0 && schedule === undefined
      : // The genesis of leaf 0 has a time and a schedule.
        lastTimeMs >= MIN_TIME_MS && schedule !== undefined && checkpoint !== ""
  if (!isPlace) throw refuse(`it cannot be before leaf ${nextLeaf}`)
}

function readJson(text: string): unknown {
  try {
    return parseStrictJson(text)
  } catch (cause) {
    throw because(cause)
  }
}

function readSchedule(value: unknown): Schedule {
  const { rules, ...others } = membersOf(value)
  const bytes = typeof rules === "string" ? decodeHex(rules) : undefined
  try {
    return checkSchedule({ ...others, rules: bytes })
  } catch (cause) {
    throw because(cause)
  }
}

function membersOf(value: unknown): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw refuse("no object")
}

function because(cause: unknown): unknown {
  return cause instanceof EventError ? refuse(cause.message, cause) : cause
}

function refuse(why: string, cause?: EventError): RangeError {
  return new RangeError(`not a follower's cursor: ${why}`, cause === undefined ? undefined : { cause })
}
