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

/**
 * Returns an instant given in microseconds, as events have it: of the digits below a millisecond, none is dropped.
 *
 * @param timestamp - a safe integer, microseconds since the epoch
 */
export function formatTimestamp(timestamp: number): string {
  const timeMs = Math.floor(timestamp / 1000)
  const rest = timestamp - timeMs * 1000
  const instant = formatInstant(timeMs)
  if (rest === 0) return instant
  const digits = String(rest).padStart(3, "0")
  return instant.endsWith("Z") ? `${instant.slice(0, -1)}${digits}Z` : `${timestamp} µs after 1970`
}
