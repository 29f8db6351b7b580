/**
 * Ends a process that takes more memory than it may, before the system ends another one.
 *
 * DuckDB keeps to its limit where it counts; `repeat('x', 3000000000)` is not counted, and no interrupt reaches it.
 */

const EVERY_MS = 100

/** Calls `tooMuch` once the process holds more than `maxBytes`. */
export function watchMemory(maxBytes: number, tooMuch: () => void): void {
  const watch = setInterval(() => {
    if (process.memoryUsage.rss() <= maxBytes) return
    clearInterval(watch)
    tooMuch()
  }, EVERY_MS)
}
