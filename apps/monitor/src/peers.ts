/**
 * Whom we talk to, and what we hold against them.
 *
 *     lie      an answer that is no head of this log, signed by it
 *     flood    an answer longer than a head can be, or of the log itself, than an accusation
 *     stall    no answer in time, a broken network, an error of the server
 *
 * Who lies or floods is dropped at once, who stalls after three times in a row; for longer each time, a liar for a day at
 * most, a server that is down for minutes. Forgiven by the first good answer after that; a stall also by a good head that
 * the peer shows us. Everything is counted.
 *
 * Pure: times are given.
 */

export type Fault = "lie" | "flood" | "stall"

export const FAULTS: readonly Fault[] = ["lie", "flood", "stall"]

export interface PeerStatus {
  readonly url: string
  readonly faults: Readonly<Record<Fault, number>>
  /** Not asked before then, ms; `undefined` if it is asked. */
  readonly droppedUntilMs: number | undefined
  readonly lastAnswerMs: number | undefined
}

const STALLS_TO_DROP = 3
const FIRST_DROP_MS: Readonly<Record<Fault, number>> = { lie: 600_000, flood: 600_000, stall: 30_000 }
const MAX_DROP_MS: Readonly<Record<Fault, number>> = { lie: 86_400_000, flood: 86_400_000, stall: 300_000 }

export class Peer {
  readonly url: string
  readonly #faults: Record<Fault, number> = { lie: 0, flood: 0, stall: 0 }
  #stallsInRow = 0
  #drops = 0
  #droppedUntilMs = Number.NEGATIVE_INFINITY
  #droppedFor: Fault | undefined
  #lastAnswerMs: number | undefined

  constructor(url: string) {
    this.url = url
  }

  isDropped(nowMs: number): boolean {
    return nowMs < this.#droppedUntilMs
  }

  /** Whether it is dropped for nothing worse than that it did not answer. */
  isStalled(nowMs: number): boolean {
    return this.isDropped(nowMs) && this.#droppedFor === "stall"
  }

  /** It is up again: it showed us a good head. What else it did stays. */
  forgiveStall(): void {
    if (this.#droppedFor !== "stall") return
    this.#droppedUntilMs = Number.NEGATIVE_INFINITY
    this.#droppedFor = undefined
  }

  answered(nowMs: number): void {
    this.#lastAnswerMs = nowMs
    this.#stallsInRow = 0
    this.#drops = 0
  }

  failed(fault: Fault, nowMs: number): void {
    this.#faults[fault]++
    this.#stallsInRow = fault === "stall" ? this.#stallsInRow + 1 : 0
    if (fault === "stall" && this.#stallsInRow < STALLS_TO_DROP) return
    this.#stallsInRow = 0
    this.#droppedUntilMs = nowMs + Math.min(MAX_DROP_MS[fault], FIRST_DROP_MS[fault] * 2 ** this.#drops)
    this.#droppedFor = fault
    this.#drops++
  }

  status(nowMs: number): PeerStatus {
    return {
      url: this.url,
      faults: { ...this.#faults },
      droppedUntilMs: this.isDropped(nowMs) ? this.#droppedUntilMs : undefined,
      lastAnswerMs: this.#lastAnswerMs,
    }
  }
}
