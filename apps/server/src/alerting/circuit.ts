/**
 * The circuit of a sink: one that fails again and again is left alone, and tried with a single notification.
 *
 *     closed ──5 failures in a row──► open ──pause──► half open ──delivered──► closed
 *                                      ▲                  └──fails: a longer pause──┐
 *                                      └──────────────────────────────────────────┘
 *
 * Pure: time and chance are given.
 */

/** Failures in a row that open it. */
export const FAILURES = 5

/** The first pause, and the longest: each is twice the one before. */
const FIRST_PAUSE_MS = 30_000
const LONGEST_PAUSE_MS = 10 * 60_000

export class Circuit {
  #failures = 0
  #openUntilMs: number | undefined

  state(nowMs: number): "closed" | "open" | "half open" {
    if (this.#openUntilMs === undefined) return "closed"
    return nowMs < this.#openUntilMs ? "open" : "half open"
  }

  /** When it was, or will be, half open: ms since 1970. */
  get openUntilMs(): number | undefined {
    return this.#openUntilMs
  }

  /** The sink has answered: it lives, whatever it said. */
  succeeded(): void {
    this.#failures = 0
    this.#openUntilMs = undefined
  }

  /** @param random - in [0, 1) */
  failed(nowMs: number, random: number): void {
    this.#failures++
    if (this.#failures < FAILURES) return
    const pauseMs = growing(FIRST_PAUSE_MS, this.#failures - FAILURES, LONGEST_PAUSE_MS)
    this.#openUntilMs = nowMs + jittered(pauseMs, random)
  }
}

/** Returns `firstMs`, doubled so many times, and never more than `mostMs`. */
export function growing(firstMs: number, times: number, mostMs: number): number {
  return Math.min(mostMs, firstMs * 2 ** Math.min(times, 40))
}

/** Returns between half and all of a pause, so that those who failed together do not come back together. */
export function jittered(ms: number, random: number): number {
  return Math.round(ms * (0.5 + random / 2))
}
