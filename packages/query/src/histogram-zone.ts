/**
 * Time zones: where their offset from UTC changes, and where buckets of local time begin.
 *
 *     Europe/Vienna, 27 October 2024, interval 1h
 *     UTC     23:00    00:00    01:00    02:00
 *     local   01:00    02:00    02:00    03:00        the hour that comes twice is two buckets
 *                              ▲ the offset changes from +2 to +1
 *
 * A bucket begins wherever the local clock shows a multiple of the interval since midnight (of seven days:
 * since Monday), and where a change of the clock jumps over one. So a day may have 23 or 25 hours.
 * Offsets are those of Node's own zone data; a fixed offset needs none.
 *
 * Pure, but for the zone data.
 */

/** A stretch of time with one offset. Times and offsets are milliseconds. */
export interface Stretch {
  /** Its first instant, since 1970 in UTC. */
  readonly start: number
  /** Local time minus UTC. */
  readonly offset: number
}

/** Returns local time minus UTC at an instant, both in milliseconds. */
export type OffsetAt = (time: number) => number

const MINUTE = 60_000
const DAY = 86_400_000

/** A Monday's midnight before 1970: what multiples are counted from. All local times after 1970 are later. */
const ORIGIN = -3 * DAY

/** Changes nearer to each other than this may go unseen; none of the last hundred years are. */
const STEP = 3 * DAY

/**
 * Returns the offsets of a zone: a name of the IANA data, `Z`, or `±hh:mm`. `undefined` if it is none.
 *
 * @param zone - suspect
 */
export function offsetsOf(zone: string): OffsetAt | undefined {
  if (zone === "UTC" || zone === "Z") return () => 0
  const [, sign, hours, minutes] = /^([+-])([01]\d|2[0-3]):([0-5]\d)$/.exec(zone) ?? []
  if (sign !== undefined) {
    const offset = (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * MINUTE
    return () => offset
  }
  return /^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(zone) ? namedOffsets(zone) : undefined
}

/** Where the buckets of a histogram begin, and the stretches they lie in. */
export interface Grid {
  /** In order; the first begins before the first bucket. */
  readonly stretches: readonly Stretch[]
  /** Begins of the buckets, in order. The first holds `first`, the last holds `last`. */
  readonly starts: readonly number[]
}

/** Returns the buckets that hold an instant of `[first, last]`, or `undefined` if there are more than `most`. */
export function gridOf(
  offsetAt: OffsetAt,
  first: number,
  last: number,
  interval: number,
  most: number,
): Grid | undefined {
  // The first bucket may have begun before the clock was changed: a begin before `first` is met from here on.
  const lead = first - interval - DAY
  const stretches = stretchesOf(offsetAt, lead, last)
  const starts: number[] = []
  for (const [at, { start, offset }] of stretches.entries()) {
    const end = stretches[at + 1]?.start ?? last + 1
    const before = stretches[at - 1]
    const jumped =
      before !== undefined &&
      multipleOf(start, offset, interval) > multipleOf(start - 1, before.offset, interval)
    const multiple = Math.ceil((start + offset - ORIGIN) / interval)
    const next = startOfMultiple(multiple, offset, interval)
    if (jumped && next > start) addStart(starts, start, first)
    for (let time = next; time < end; time += interval) {
      addStart(starts, time, first)
      if (starts.length > most) return undefined
    }
  }
  return { stretches, starts }
}

/** Adds a begin; the one before it is dropped if its bucket ends before `first`. */
function addStart(starts: number[], time: number, first: number): void {
  if (time <= first) starts.length = 0
  starts.push(time)
}

/** Returns the stretches of `[first, last]`, in order. The first begins at `first`. */
function stretchesOf(offsetAt: OffsetAt, first: number, last: number): readonly Stretch[] {
  const stretches: Stretch[] = [{ start: first, offset: offsetAt(first) }]
  for (let time = first; time < last; ) {
    const next = Math.min(last, time + STEP)
    const { offset } = stretches.at(-1) as Stretch
    // What changed is looked for between the two; should there be two changes, the next round finds the other.
    if (offsetAt(next) === offset) time = next
    else {
      time = firstChange(offsetAt, time, next, offset)
      stretches.push({ start: time, offset: offsetAt(time) })
    }
  }
  return stretches
}

/** Returns which multiple of the interval the local time is in: what groups instants of one stretch. */
function multipleOf(time: number, offset: number, interval: number): number {
  return Math.floor((time + offset - ORIGIN) / interval)
}

/** Returns the first instant of a group of {@link multipleOf}, were its offset never to change. */
export function startOfMultiple(multiple: number, offset: number, interval: number): number {
  return multiple * interval - offset + ORIGIN
}

/** Local midnight is counted from here, in microseconds, to be added to those of a UTC time and its offset. */
export const ORIGIN_SHIFT_US = -ORIGIN * 1000

/** Returns the first millisecond after `low`, up to `high`, at which the offset is no longer this one. */
function firstChange(offsetAt: OffsetAt, low: number, high: number, offset: number): number {
  let [same, other] = [low, high]
  while (other - same > 1) {
    const middle = Math.floor((same + other) / 2)
    if (offsetAt(middle) === offset) same = middle
    else other = middle
  }
  return other
}

function namedOffsets(zone: string): OffsetAt | undefined {
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    })
  } catch {
    return undefined // RangeError: Node knows no zone of this name
  }
  return (time) => {
    const part: Record<string, number> = {}
    for (const { type, value } of format.formatToParts(time)) part[type] = Number(value)
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(time / 1000) * 1000
  }
}
