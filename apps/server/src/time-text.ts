/** Times as RFC 3339 text, to the millisecond. */

let lastMs = Number.NaN
let lastText = ""

/** Returns a time as text; the same one is asked for by every event of a commit, so the last is kept. */
export function timeText(timeMs: number): string {
  if (timeMs !== lastMs) {
    lastText = new Date(timeMs).toISOString()
    lastMs = timeMs
  }
  return lastText
}
