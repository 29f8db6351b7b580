/**
 * When to try again: exponential backoff with full jitter, and the server's own wish on top.
 *
 * One instance for the whole client: if the server fails one request, every other waits too.
 *
 * Spec: RFC 9110, "Retry-After". Clock and randomness are given.
 */

/** The first failure waits 0 … 200 ms; each further one doubles the upper end. */
const BASE_MS = 200

/** No jittered wait is longer. */
const CAP_MS = 30_000

/** A longer Retry-After is cut to this: a mistaken header must not silence a service for a day. */
const RETRY_AFTER_CAP_MS = 10 * 60_000

export class Backoff {
  readonly #clock: () => number
  readonly #random: () => number
  #failures = 0
  #notBeforeMs = 0

  /**
   * @param clock - milliseconds from any origin, never going back: a wall clock set back would silence us until it
   * is again what it was
   * @param random - [0, 1)
   */
  constructor(clock: () => number, random: () => number) {
    this.#clock = clock
    this.#random = random
  }

  /** Milliseconds until the next attempt may start; 0 if it may start now. */
  get delayMs(): number {
    return Math.max(0, this.#notBeforeMs - this.#clock())
  }

  succeeded(): void {
    this.#failures = 0
    this.#notBeforeMs = 0
  }

  /**
   * Puts the next attempt off.
   *
   * The jitter is added to Retry-After, not replaced by it: a thousand clients that were told
   * "in one second" must not all come back in the same millisecond.
   */
  failed(retryAfterMs = 0): void {
    // Requests in flight fail together: that is one failure of the server, not several.
    if (this.delayMs === 0) this.#failures += 1
    const ceiling = Math.min(CAP_MS, BASE_MS * 2 ** Math.min(this.#failures - 1, 20))
    const wish = Math.min(RETRY_AFTER_CAP_MS, retryAfterMs)
    const notBefore = this.#clock() + wish + this.#random() * ceiling
    this.#notBeforeMs = Math.max(this.#notBeforeMs, notBefore)
  }
}

/**
 * Returns the milliseconds a Retry-After header asks for, or 0 if it is absent or says nothing.
 *
 * @param header - suspect: seconds, or an HTTP date
 */
export function parseRetryAfter(header: string | null, nowMs: number): number {
  if (header === null) return 0
  const text = header.trim()
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000
  const date = Date.parse(text)
  return Number.isNaN(date) ? 0 : Math.max(0, date - nowMs)
}
