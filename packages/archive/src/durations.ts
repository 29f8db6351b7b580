/**
 * Times of a schedule file, in days.
 *
 *     30, 30d    30 days
 *     6mo        183 days     a month is 30.4375 days
 *     7y         2,557 days   a year is 365.25 days
 *
 * Parts of a day are rounded up: what is to be kept is kept a little longer, never less.
 * Pure.
 */

/** Milliseconds in a day. Days of a schedule are counted in these, whatever a calendar says. */
export const DAY_MS = 86_400_000

/** The longest time a schedule file can say: 1,000 years. */
export const MAX_DAYS = 365_250

/** The forms of a time, for messages. */
export const DAYS_EXAMPLES = "days as 30 or 30d, months as 6mo, years as 7y, at most 1000y"

/** Days in one of each. All are binary fractions, so that products are exact. */
const UNIT_DAYS: Readonly<Record<string, number>> = { "": 1, d: 1, mo: 30.4375, y: 365.25 }

/**
 * Returns the days that a text says, 0 … {@link MAX_DAYS}, or `undefined` if it says none.
 *
 * @example
 * ```ts
 * parseDays("6mo") // 183
 * parseDays("1.5y") // undefined
 * ```
 */
export function parseDays(text: string): number | undefined {
  const [, digits, unit = ""] = /^(\d{1,6})(d|mo|y)?$/.exec(text) ?? []
  if (digits === undefined) return undefined
  const days = Math.ceil(Number(digits) * (UNIT_DAYS[unit] as number))
  return days <= MAX_DAYS ? days : undefined
}
