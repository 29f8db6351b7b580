/**
 * Waiting that can be ended for all who wait, and that keeps no process alive.
 */

import { setTimeout as sleep } from "node:timers/promises"

/** No single timer is longer: clocks jump, and delays get shorter. */
const STEP_MS = 1000

export class Pause {
  readonly #end = new AbortController()

  /** Nothing is to be waited for any more. */
  get isOver(): boolean {
    return this.#end.signal.aborted
  }

  /** Waits until the delay is 0, looking again at least every second, or until the pause is over. */
  async wait(delayMs: () => number): Promise<void> {
    for (let left = delayMs(); left > 0 && !this.isOver; left = delayMs()) {
      await sleep(Math.min(left, STEP_MS), undefined, { ref: false, signal: this.#end.signal }).catch(
        () => {},
      )
    }
  }

  /** Ends all waits, now and for ever. */
  end(): void {
    this.#end.abort()
  }
}
