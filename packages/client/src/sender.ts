/**
 * The sender: takes batches from the backlog, tries each until every event in it is answered for.
 *
 *     backlog ─► batch ─► POST ─┬─► one result per event ─► settled, counted, proven
 *                               ├─► body refused ─► the two halves, each by itself
 *                               └─► failed ─► the same events again, after the backoff
 *
 * A batch goes out when it is full or when its oldest event has waited `flushEveryMs`. Several batches are
 * under way at once where evidence is waited for, for the answer then takes as long as a head does.
 * There is no last try: what bounds the waiting is the backlog.
 */

import type { Backlog } from "./backlog.js"
import type { Backoff } from "./backoff.js"
import type { CapturedEvent } from "./captured-event.js"
import { bug, type ClientError } from "./error.js"
import type { Pause } from "./pause.js"
import type { Answered, Post } from "./post.js"
import type { Acknowledged } from "./proof.js"
import type { BatchBounds } from "./queue.js"
import type { Tally } from "./tally.js"
import type { Unproven } from "./unproven.js"

export interface SenderOptions {
  readonly backlog: Backlog
  readonly post: Post
  readonly backoff: Backoff
  readonly pause: Pause
  readonly tally: Tally
  /** Present where there is a policy. */
  readonly unproven: Unproven | undefined
  readonly batch: BatchBounds
  /** Requests under way at once. */
  readonly lanes: number
  readonly flushEveryMs: number
  /** Called when some events are settled. */
  readonly onProgress: () => void
}

export class Sender {
  readonly #options: SenderOptions
  readonly #underWay = new Set<Promise<void>>()
  #timer: NodeJS.Timeout | undefined
  /** The oldest waiting event has waited long enough. */
  #isDue = false
  /** A taking is under way: the backlog allows one at a time. */
  #taking: Promise<void> | undefined

  constructor(options: SenderOptions) {
    this.#options = options
  }

  /** To be called when events were added to the backlog. */
  poke(): void {
    if (this.#options.pause.isOver) return
    const { events, bytes } = this.#options.backlog.waiting
    if (events === 0) {
      this.#isDue = false
      return
    }
    const { batch, flushEveryMs } = this.#options
    if (this.#isDue || events >= batch.events || bytes >= batch.bytes) this.#go()
    else this.#timer ??= setTimeout(() => this.hurry(), flushEveryMs).unref()
  }

  /** Sends what waits without waiting for more. */
  hurry(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#isDue = true
    this.poke()
  }

  /** Resolves when nothing is under way any more; the pause must have ended. */
  async stopped(): Promise<void> {
    clearTimeout(this.#timer)
    await this.#taking
    await Promise.all(this.#underWay)
  }

  #go(): void {
    this.#taking ??= this.#takeBatches()
      .catch((cause) => this.#options.tally.failed(bug(cause)))
      .finally(() => {
        this.#taking = undefined
        // Full batches that came meanwhile go at once; anything less waits for company.
        if (this.#underWay.size < this.#options.lanes) this.poke()
      })
  }

  async #takeBatches(): Promise<void> {
    const { backlog, batch, lanes, pause } = this.#options
    while (this.#underWay.size < lanes && !pause.isOver) {
      const waits = backlog.waiting
      const isFull = waits.events >= batch.events || waits.bytes >= batch.bytes
      if (!isFull && !this.#isDue) return
      const events = await backlog.take(batch)
      if (backlog.waiting.events === 0) this.#isDue = false
      if (events.length === 0) return
      const delivery: Promise<void> = this.#deliver(events)
        .catch((cause) => this.#options.tally.failed(bug(cause)))
        .finally(() => {
          this.#underWay.delete(delivery)
          this.poke()
        })
      this.#underWay.add(delivery)
    }
  }

  async #deliver(events: readonly CapturedEvent[]): Promise<void> {
    const { backoff, pause, post, tally, unproven } = this.#options
    let rest = events
    while (rest.length > 0) {
      await pause.wait(() => backoff.delayMs)
      if (pause.isOver) return
      const atLeast = unproven?.known
      const answer = await post.send(rest)
      if (answer.kind === "failed") {
        // Ended by ourselves: that is no failure of anybody's.
        if (pause.isOver) return
        tally.failures += 1
        backoff.failed(answer.retryAfterMs)
        tally.failed(answer.error)
      } else if (answer.kind === "answered") {
        const { settled, later, acknowledged } = this.#count(rest, answer)
        // Proving begins before settling, or for a moment nobody would answer for these events.
        await Promise.all([unproven?.prove(acknowledged, answer, atLeast), this.#settle(settled)])
        rest = later
      } else if (rest.length > 1) {
        const half = rest.length >> 1
        await this.#deliver(rest.slice(0, half))
        rest = rest.slice(half)
      } else {
        for (const event of rest) tally.rejected(event, answer)
        await this.#settle(rest)
        rest = []
      }
    }
  }

  /** Counts what is answered for, and sorts it from what is not. */
  #count(events: readonly CapturedEvent[], { results, retryAfterMs }: Answered) {
    const { backoff, tally } = this.#options
    const settled: CapturedEvent[] = []
    const later: CapturedEvent[] = []
    const acknowledged: Acknowledged[] = []
    let reason: ClientError | undefined
    for (const [i, event] of events.entries()) {
      const result = results[i]
      if (result === undefined) throw new Error("bug: a result for each event was checked")
      if (result.kind === "later") {
        later.push(event)
        reason = result.error
        continue
      }
      settled.push(event)
      if (result.kind === "rejected") {
        tally.rejected(event, result)
      } else {
        if (result.duplicate) tally.duplicates += 1
        else tally.accepted += 1
        acknowledged.push({ event, ...result })
      }
    }
    if (reason === undefined) {
      backoff.succeeded()
    } else {
      tally.failures += 1
      backoff.failed(retryAfterMs)
      tally.failed(reason)
    }
    return { settled, later, acknowledged }
  }

  async #settle(events: readonly CapturedEvent[]): Promise<void> {
    await this.#options.backlog.settle(events)
    this.#options.onProgress()
  }
}
