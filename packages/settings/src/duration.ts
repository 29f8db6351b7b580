/** Durations as people write them: a whole number and a unit. Pure. */

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * Returns the milliseconds that a text says, or `undefined` if it says none.
 *
 * @example
 * ```ts
 * durationMs("90s") // 90000
 * durationMs("1.5h") // undefined
 * ```
 */
export function durationMs(text: string): number | undefined {
  const [, digits, unit = ""] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? []
  return digits === undefined ? undefined : Number(digits) * (UNITS_MS[unit] as number)
}
