/**
 * The time that entries get.
 *
 * It never decreases: while the wall clock is behind the last stamp, time stands still. And it does not follow
 * a clock that leaps ahead: one wrong answer of a time server would be stamped into the log for ever, for all
 * later entries too. The measure is the monotonic clock, which no one sets:
 *
 *     expected = last stamp + monotonic time since            wall > expected + 10 min ──► LEDGER_CLOCK_JUMPED
 *
 * What a log did while it was not running is unknown, so an opening believes the wall clock.
 */

import { LedgerError } from "./error.js"

/** How far the wall clock may be ahead of what was expected. */
const MAX_AHEAD_MS = 10 * 60 * 1_000

export interface Clocks {
  /** Wall clock, ms since 1970. */
  readonly clock: () => number
  /** A clock that no one sets, ms since whenever. */
  readonly monotonic: () => number
}

export class StampClock {
  readonly #clocks: Clocks
  /** Time of the newest entry. */
  #lastMs: number
  /** Both clocks as they were when they were last believed. */
  #believed: { readonly wallMs: number; readonly monotonicMs: number }

  /** @param lastMs - time of the last entry in the log, 0 if there is none */
  constructor(clocks: Clocks, lastMs: number) {
    this.#clocks = clocks
    this.#lastMs = lastMs
    this.#believed = { wallMs: Math.max(lastMs, clocks.clock()), monotonicMs: clocks.monotonic() }
  }

  /** Time of the newest entry, ms. */
  get lastMs(): number {
    return this.#lastMs
  }

  /**
   * Returns the time for the next entries, in whole ms.
   *
   * @throws LedgerError `LEDGER_CLOCK_JUMPED` while the wall clock is more than 10 minutes ahead
   */
  next(): number {
    const jumped = this.jumped()
    if (jumped !== undefined) throw jumped
    this.#lastMs = Math.max(this.#lastMs, Math.floor(this.#clocks.clock()))
    this.#believed = { wallMs: this.#lastMs, monotonicMs: this.#clocks.monotonic() }
    return this.#lastMs
  }

  /** Returns why no time can be given at the moment, `undefined` if one can. */
  jumped(): LedgerError | undefined {
    const wallMs = this.#clocks.clock()
    const expectedMs = this.#believed.wallMs + (this.#clocks.monotonic() - this.#believed.monotonicMs)
    const aheadMs = wallMs - expectedMs
    if (aheadMs <= MAX_AHEAD_MS) return undefined
    return new LedgerError(
      "LEDGER_CLOCK_JUMPED",
      `the wall clock says ${isoTime(wallMs)}, ${Math.round(aheadMs / 1_000)} s more than have passed`,
    )
  }

  /** Believes the wall clock as it is now. An administrator's decision. */
  accept(): void {
    this.#believed = { wallMs: this.#clocks.clock(), monotonicMs: this.#clocks.monotonic() }
  }
}

/** A broken clock can say what no calendar has. */
function isoTime(timeMs: number): string {
  return Math.abs(timeMs) <= 8.64e15 ? new Date(timeMs).toISOString() : String(timeMs)
}
