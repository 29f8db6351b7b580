/**
 * Turns for the event loop, in the middle of long work: for timers, signals, sockets, progress bars.
 *
 *     work ≤ n ms │ turn │ work ≤ n ms │ turn │ …
 *
 * Effects: reads the clock.
 */

export class Turns {
  readonly #maxStretchMs: number
  #sinceMs = performance.now()

  /** @param maxStretchMs - longest stretch of work without a turn, in milliseconds, as far as it is asked in time */
  constructor(maxStretchMs: number) {
    this.#maxStretchMs = maxStretchMs
  }

  /** Whether the stretch since the last turn is over. */
  isDue(): boolean {
    return performance.now() - this.#sinceMs > this.#maxStretchMs
  }

  async take(): Promise<void> {
    await oneTurn()
    this.#sinceMs = performance.now()
  }
}

/** A timer waits a whole millisecond where it need not; browsers have nothing else that every page allows. */
function oneTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") setImmediate(resolve)
    else setTimeout(resolve, 0)
  })
}
