/**
 * Times of events: text or milliseconds in, microseconds UTC kept, text out.
 *
 *     2023-10-21T17:32:00.1234567+02:00  ─┐
 *     1697902320123                      ─┴─►  1697902320123456  ─►  2023-10-21T15:32:00.123456Z
 *
 * What is finer than a microsecond is cut off. A leap second, 23:59:60 in UTC, is
 * counted as the second that follows it, as POSIX does. Years are 1970 … 9999; the
 * integer is safe, and so a record can hold it, up to the year 2255.
 *
 * Spec: RFC 3339, section 5.6, with a zone and the separator `T`; the offset `-00:00` is UTC.
 * Pure: no I/O, no clock.
 */

/** Smallest integer taken for milliseconds (March 1973): what is below is most likely seconds. */
export const MIN_EPOCH_MS = 100_000_000_000

/** Largest integer taken for milliseconds (year 2255): what is above is most likely microseconds. */
export const MAX_EPOCH_MS = 9_007_199_254_740

const DAY_MS = 86_400_000

/**
 * Returns the microseconds since 1970 in UTC that a producer's `timestamp` means, or
 * `undefined` if it is no time this log takes.
 *
 * @param value - RFC 3339 text, or an integer of milliseconds in
 * {@link MIN_EPOCH_MS} … {@link MAX_EPOCH_MS}
 * @returns an integer ≥ 0; past the year 2255 it is not a safe one
 */
export function parseTimestamp(value: string | number): number | undefined {
  if (typeof value === "string") return parseText(value)
  if (!Number.isInteger(value) || value < MIN_EPOCH_MS || value > MAX_EPOCH_MS) return undefined
  return value * 1000
}

/**
 * Returns `2023-10-21T15:32:00.123456Z`: always six decimals, always UTC.
 *
 * @param timestamp - microseconds since 1970, 0 … 2⁵³ − 1
 */
export function formatTimestamp(timestamp: number): string {
  if (!Number.isSafeInteger(timestamp) || timestamp < 0) {
    throw new RangeError(`timestamp: expected microseconds, 0 … 2^53 - 1, got ${timestamp}`)
  }
  const text = new Date(Math.floor(timestamp / 1000)).toISOString()
  return `${text.slice(0, -1)}${String(timestamp % 1000).padStart(3, "0")}Z`
}

/** `YYYY-MM-DDThh:mm:ss[.f…](Z|±hh:mm)` → microseconds. By hand: a pattern and `Date` cost five times as much. */
function parseText(text: string): number | undefined {
  const length = text.length
  if (length < 20 || length > 64) return undefined
  const year = digits2(text, 0) * 100 + digits2(text, 2)
  const month = digits2(text, 5)
  const day = digits2(text, 8)
  const hour = digits2(text, 11)
  const minute = digits2(text, 14)
  const second = digits2(text, 17)
  if (!(year >= 1970 && month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month))) {
    return undefined
  }
  if (!(hour <= 23 && minute <= 59 && second <= 60)) return undefined
  const separator = text.charCodeAt(10) | 0x20
  if (text[4] !== "-" || text[7] !== "-" || separator !== 0x74) return undefined
  if (text[13] !== ":" || text[16] !== ":") return undefined

  let at = 19
  let micros = 0
  if (text[at] === ".") {
    let weight = 100_000
    const first = ++at
    for (; at < length; at++) {
      const digit = text.charCodeAt(at) - 0x30
      if (!(digit >= 0 && digit <= 9)) break
      if (weight >= 1) {
        micros += digit * weight
        weight /= 10
      }
    }
    if (at === first) return undefined
  }
  const offset = parseOffset(text, at)
  if (offset === undefined) return undefined
  const minutes = hour * 60 + minute - offset
  if (second === 60 && ((minutes % 1440) + 1440) % 1440 !== 1439) return undefined
  const seconds = daysSince1970(year, month, day) * 86_400 + minutes * 60 + second
  return seconds < 0 ? undefined : seconds * 1_000_000 + micros
}

/** Returns the two decimal digits at `at` as a number, or NaN. */
function digits2(text: string, at: number): number {
  const high = text.charCodeAt(at) - 0x30
  const low = text.charCodeAt(at + 1) - 0x30
  return high >= 0 && high <= 9 && low >= 0 && low <= 9 ? high * 10 + low : Number.NaN
}

/** Returns minutes east of UTC for the zone that ends the text. */
function parseOffset(text: string, at: number): number | undefined {
  const sign = text[at]
  if (sign === "Z" || sign === "z") return text.length === at + 1 ? 0 : undefined
  if ((sign !== "+" && sign !== "-") || text.length !== at + 6 || text[at + 3] !== ":") return undefined
  const hours = digits2(text, at + 1)
  const minutes = digits2(text, at + 4)
  if (!(hours <= 23 && minutes <= 59)) return undefined
  return sign === "+" ? hours * 60 + minutes : -(hours * 60 + minutes)
}

function daysInMonth(year: number, month: number): number {
  if (month !== 2) return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
}

function daysSince1970(year: number, month: number, day: number): number {
  return Date.UTC(year, month - 1, day) / DAY_MS
}
