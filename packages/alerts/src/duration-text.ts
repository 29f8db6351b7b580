/** Durations as people write them: the other way round than settings are read. Pure. */

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
] as const

/**
 * Returns a duration in the largest unit that divides it.
 *
 * @param ms - an integer ≥ 0
 *
 * @example
 * ```ts
 * durationText(90_000) // "90s"
 * durationText(600_000) // "10m"
 * ```
 */
export function durationText(ms: number): string {
  const [unit, size] = UNITS.find(([, size]) => ms >= size && ms % size === 0) ?? ["ms", 1]
  return `${ms / size}${unit}`
}
