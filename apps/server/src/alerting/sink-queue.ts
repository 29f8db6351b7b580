/**
 * What waits for one sink.
 *
 *     group a   [ 1 ][ 4 ]        of each group the first is tried, and the next only when that is delivered or dead
 *     group b   [ 2 ]             groups do not wait for each other
 *     group c   [ 3 ][ 5 ][ 6 ]   some at a time; while the circuit is half open, one
 *
 * A delivery that fails waits longer each time, at most {@link LONGEST_MS}; one that has waited for {@link BUDGET_MS} in
 * all and fails again is dead, like one that is refused. What happens is kept before the next of the group is tried: if
 * the process dies between a sink's answer and that, the same notification is sent again, under the same keys.
 *
 * Effects: those of the sink, the store and the clock that it is given.
 */

import type { Notification } from "@prooflog/alerts/notification"
import { Circuit, growing, jittered } from "./circuit.js"
import type { DeliveryAttempt, OutboxClock, Outcome, Sink } from "./delivery.js"

/** How long a notification is tried. */
export const BUDGET_MS = 3 * 86_400_000

/** From one attempt to the next: at first, and at most. */
const FIRST_MS = 1_000
export const LONGEST_MS = 3_600_000

/** A sink that asks for more patience than this is asked again all the same. */
const MOST_RETRY_AFTER_MS = 86_400_000

/** A clock that is set back by no more than this delays little. */
const SET_BACK_MS = 60_000

/** Deliveries of one sink under way at once. */
const AT_ONCE = 4

/** One notification for one sink. Its queue alone changes it. */
export interface Delivery {
  /** Of its row; keys of one sink ascend in the order in which its deliveries were queued. */
  readonly key: string
  notification: Notification
  /** When it was queued, or sent again by a person: ms since 1970. */
  queuedMs: number
  attempts: number
  /** No attempt before: ms since 1970. */
  nextMs: number
  /** Of the row. */
  bytes: number
}

/** What has become of a delivery: of `later`, its next attempt is set; otherwise it waits no more. */
export interface Settled {
  readonly delivery: Delivery
  readonly attempt: DeliveryAttempt
  /** It was taken out while the attempt was under way: nothing is kept of it. */
  readonly withdrawn: boolean
}

export interface SinkQueueOptions {
  readonly clock: OutboxClock
  /** Keeps what became of an attempt; the queue goes on with the group when it resolves. */
  readonly keep: (settled: Settled) => Promise<void>
  /** Is told that something could not be kept: nothing more is tried. */
  readonly onBroken: (error: unknown) => void
}

export class SinkQueue {
  readonly #options: SinkQueueOptions
  #sink: Sink | undefined
  /** By group, each in order. */
  readonly #waiting = new Map<string, Delivery[]>()
  /** Groups with an attempt under way, or with one that is not kept yet. */
  readonly #busy = new Map<string, Promise<void>>()
  /** What ends the attempts under way. */
  readonly #enders = new Set<AbortController>()
  #circuit = new Circuit()
  #pausedUntilMs = 0
  /** When it was last looked what may be tried. */
  #pumpedMs = 0
  #lastDeliveredMs: number | undefined
  #lastError: string | undefined
  #stopWaking: (() => void) | undefined
  #closed = false

  /** @param sink - absent while the settings have none of this name: then nothing is tried */
  constructor(sink: Sink | undefined, options: SinkQueueOptions) {
    this.#sink = sink
    this.#options = options
  }

  get sink(): Sink | undefined {
    return this.#sink
  }

  /** Takes a sink with other settings: what is known of the one before does not count, and all that waits is tried. */
  setSink(sink: Sink | undefined): void {
    this.#sink = sink
    this.#waitNoMore(this.#options.clock.nowMs())
    this.pump()
  }

  get status() {
    const nowMs = this.#options.clock.nowMs()
    const untilMs = Math.max(this.#circuit.openUntilMs ?? 0, this.#pausedUntilMs)
    return {
      circuit: this.#circuit.state(nowMs),
      ...(untilMs > nowMs && { untilMs }),
      ...(this.#lastDeliveredMs !== undefined && { lastDeliveredMs: this.#lastDeliveredMs }),
      ...(this.#lastError !== undefined && { lastError: this.#lastError }),
    }
  }

  /** All that waits, in no order. */
  *deliveries(): Iterable<Delivery> {
    for (const deliveries of this.#waiting.values()) yield* deliveries
  }

  /** Adds a delivery at its place among those of its group. */
  add(delivery: Delivery): void {
    const { groupKey } = delivery.notification
    const group = this.#waiting.get(groupKey) ?? []
    const at = group.findIndex(({ key }) => key > delivery.key)
    group.splice(at === -1 ? group.length : at, 0, delivery)
    this.#waiting.set(groupKey, group)
  }

  remove(delivery: Delivery): void {
    const { groupKey } = delivery.notification
    const group = (this.#waiting.get(groupKey) ?? []).filter((each) => each !== delivery)
    if (group.length === 0) this.#waiting.delete(groupKey)
    else this.#waiting.set(groupKey, group)
  }

  /** Tries what may be tried now, and sees to it that the rest is when its time comes. */
  pump(): void {
    this.#stopWaking?.()
    this.#stopWaking = undefined
    if (this.#closed || this.#sink === undefined) return
    const nowMs = this.#options.clock.nowMs()
    // By a clock that was ahead, and was set right.
    if (nowMs < this.#pumpedMs - SET_BACK_MS) this.#waitNoMore(nowMs)
    this.#pumpedMs = nowMs
    const state = this.#circuit.state(nowMs)
    const notBeforeMs = Math.max(
      this.#pausedUntilMs,
      state === "open" ? (this.#circuit.openUntilMs as number) : 0,
    )
    const free = (state === "closed" ? AT_ONCE : 1) - this.#busy.size
    if (free <= 0) return
    const heads = [...this.#waiting.values()]
      .map((group) => group[0] as Delivery)
      .filter(({ notification }) => !this.#busy.has(notification.groupKey))
    if (heads.length === 0) return
    if (notBeforeMs <= nowMs) {
      // Half open, whatever waits longest is what it is tried with.
      const due = state === "half open" ? heads : heads.filter(({ nextMs }) => nextMs <= nowMs)
      due.sort((a, b) => (a.key < b.key ? -1 : 1))
      for (const delivery of due.slice(0, free)) this.#begin(delivery, this.#sink, nowMs)
      if (due.length >= free) return
    }
    const next = heads.filter(({ notification }) => !this.#busy.has(notification.groupKey))
    if (next.length === 0) return
    const dueMs = Math.max(notBeforeMs, Math.min(...next.map(({ nextMs }) => nextMs)))
    this.#stopWaking = this.#options.clock.after(Math.max(dueMs - nowMs, 1), () => this.pump())
  }

  /**
   * Begins nothing more, and resolves when nothing is under way.
   *
   * @param graceMs - what is under way may take so long; after that it is ended, and tried again at the next start
   */
  async close(graceMs: number): Promise<void> {
    this.#closed = true
    this.#stopWaking?.()
    const stopTimer = this.#options.clock.after(graceMs, () => {
      for (const ender of this.#enders) ender.abort()
    })
    await Promise.all(this.#busy.values())
    stopTimer()
  }

  /** Ends every pause. */
  #waitNoMore(nowMs: number): void {
    this.#circuit = new Circuit()
    this.#pausedUntilMs = 0
    for (const delivery of this.deliveries()) delivery.nextMs = Math.min(delivery.nextMs, nowMs)
  }

  #begin(delivery: Delivery, sink: Sink, nowMs: number): void {
    const { groupKey } = delivery.notification
    const done = this.#attempt(delivery, sink, nowMs).then(
      () => {
        this.#busy.delete(groupKey)
        this.pump()
      },
      (error: unknown) => {
        // Nobody knows what was kept. At the next start what is there is tried.
        this.#closed = true
        this.#busy.delete(groupKey)
        this.#options.onBroken(error)
      },
    )
    this.#busy.set(groupKey, done)
  }

  async #attempt(delivery: Delivery, sink: Sink, atMs: number): Promise<void> {
    const { clock, keep } = this.#options
    const { notification } = delivery
    const ender = new AbortController()
    this.#enders.add(ender)
    const answer = await sink.deliver(notification, { nowMs: atMs, signal: ender.signal }).catch(unwritten)
    this.#enders.delete(ender)
    if (ender.signal.aborted && answer.kind === "later") return
    const nowMs = clock.nowMs()
    const outcome = this.#judge(delivery, answer, nowMs)
    delivery.attempts++
    const attempt: DeliveryAttempt = {
      sink: sink.name,
      id: notification.id,
      dedupKey: notification.dedupKey,
      status: notification.status,
      reason: notification.reason,
      alerts: notification.alerts.map(({ id }) => id),
      number: delivery.attempts,
      atMs,
      tookMs: nowMs - atMs,
      outcome,
      why: answer.why,
    }
    const withdrawn = !this.#waiting.get(notification.groupKey)?.includes(delivery)
    if (outcome !== "later") this.remove(delivery)
    await keep({ delivery, attempt, withdrawn })
  }

  /** Draws what follows from an answer, for the delivery and for the sink. */
  #judge(delivery: Delivery, answer: Outcome, nowMs: number): DeliveryAttempt["outcome"] {
    const { clock } = this.#options
    if (answer.kind !== "later") {
      if (answer.kind === "delivered") this.#lastDeliveredMs = nowMs
      else this.#lastError = answer.why
      this.#circuit.succeeded()
      return answer.kind === "delivered" ? "delivered" : "dead"
    }
    this.#lastError = answer.why
    const backOffMs = jittered(growing(FIRST_MS, delivery.attempts, LONGEST_MS), clock.random())
    if (answer.retryAfterMs === undefined) {
      this.#circuit.failed(nowMs, clock.random())
    } else {
      // It lives, and says when it will listen.
      this.#pausedUntilMs = nowMs + Math.min(Math.max(answer.retryAfterMs, FIRST_MS), MOST_RETRY_AFTER_MS)
    }
    delivery.nextMs = Math.max(nowMs + backOffMs, this.#pausedUntilMs)
    return nowMs - delivery.queuedMs >= BUDGET_MS ? "dead" : "later"
  }
}

/** A notification that makes a sink throw would do so each time: it is shown to a person. */
function unwritten(error: unknown): Outcome {
  return {
    kind: "refused",
    why: `bug: ${error instanceof Error ? error.name : "no error"} while it was written`,
  }
}
