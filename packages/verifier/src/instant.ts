/**
 * Times as people read them.
 *
 * Pure: no I/O, no clock, no randomness.
 */

/**
 * Returns an instant in ISO 8601, UTC.
 *
 * @param timeMs - milliseconds since the epoch; beyond the year 275760, where dates end, it is said as a number
 */
export function formatInstant(timeMs: number): string {
  const date = new Date(timeMs)
  return Number.isNaN(date.getTime()) ? `${timeMs} ms after 1970` : date.toISOString()
}
