/**
 * Waiting that a signal ends at once, whatever is waited for.
 *
 *     act    ├───────── … it may never answer
 *     signal         │
 *     caller ├───────┘ rejected with the signal's reason
 *
 * Nothing is left behind: no listener once there is an answer, no timer once there is an end.
 *
 * Effects: those of the act; a timer.
 */

/**
 * Returns what `act` promises, or rejects with the signal's reason as soon as there is one. What was under way
 * then is left to end on its own, unheard.
 */
export type Wait = <T>(act: () => Promise<T>) => Promise<T>

/**
 * Returns a way to wait until `signal` ends it.
 *
 * Many may wait at a time behind one listener: a listener for each of fifty reads looks like a leak, and is
 * reported as one.
 */
export function untilAborted(signal: AbortSignal): Wait {
  const waiting = new Set<(reason: unknown) => void>()
  const end = () => {
    for (const reject of waiting) reject(signal.reason)
  }
  return (act) =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted()
      if (waiting.size === 0) signal.addEventListener("abort", end)
      waiting.add(reject)
      const forget = () => {
        waiting.delete(reject)
        if (waiting.size === 0) signal.removeEventListener("abort", end)
      }
      // Started within a promise: what fails at once must be forgotten, too.
      const acting = async () => act()
      acting().then(resolve, reject).finally(forget)
    })
}

/** Waits `ms` milliseconds, and the event loop's turn even for 0; rejects as {@link Wait}. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const end = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", end)
      resolve()
    }, ms)
    signal?.addEventListener("abort", end, { once: true })
  })
}
