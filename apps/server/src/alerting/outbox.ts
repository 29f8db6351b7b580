/**
 * The outbox: notifications that are kept until their sink has them.
 *
 *     book ─► notifications ─► stage ─► rows ─► kept, in one step with all else that follows from the same events
 *                                         └─► release ─► tried, in order within each group
 *                                                          ├─ delivered: the row goes
 *                                                          ├─ later: tried again, for three days
 *                                                          └─ dead: the row stays, until a person sends it again
 *
 * Nothing that was staged and kept is lost; nothing is sent again after its sink has confirmed it, unless the process died
 * before that could be kept, and then under the same keys. Each attempt is kept in one step with what it says of it, so
 * that whoever logs attempts logs each once.
 *
 * Bounded: of what waits for one sink there are {@link MAX_WAITING} and {@link MAX_BYTES}; what is more is dead at once.
 * Of dead letters a sink has {@link MAX_DEAD}, and the oldest go; how many went is told.
 *
 * Effects: those of the store, the sinks and the clock that it is given.
 */

import type { Notification } from "@prooflog/alerts/notification"
import {
  type DeliveryAttempt,
  type OutboxClock,
  type Outcome,
  REAL_CLOCK,
  type Sink,
  type SinkStatus,
} from "./delivery.js"
import { formatRow, type OutboxStep, type OutboxStore, parseRow } from "./outbox-store.js"
import { type Delivery, LONGEST_MS, type Settled, SinkQueue } from "./sink-queue.js"

export interface OutboxOptions {
  readonly store: OutboxStore
  readonly sinks: readonly Sink[]
  /** Is told that a step could not be kept. From then on nothing is tried: the process is of no use. */
  readonly onBroken: (error: unknown) => void
  readonly clock?: OutboxClock
  readonly limits?: Partial<OutboxLimits>
}

/** Of one sink. */
export interface OutboxLimits {
  readonly waiting: number
  readonly bytes: number
  readonly dead: number
}

export const MAX_WAITING = 2_000
export const MAX_BYTES = 32 * 2 ** 20
export const MAX_DEAD = 1_000

/** Notifications that are not kept yet. */
export interface Staged {
  /** To be kept. */
  readonly put: readonly (readonly [key: string, value: string])[]
  readonly remove: readonly string[]
  /** To be called when they are. */
  release(): void
}

interface Dead {
  readonly delivery: Delivery
  readonly why: string
}

/** All that belongs to one sink. */
interface Compartment {
  readonly queue: SinkQueue
  /** By key. */
  readonly dead: Map<string, Dead>
  /** Waiting and staged. */
  waiting: number
  bytes: number
  dropped: number
}

export class Outbox {
  readonly #options: OutboxOptions
  readonly #clock: OutboxClock
  readonly #limits: OutboxLimits
  readonly #compartments = new Map<string, Compartment>()
  #nextKey = 0

  private constructor(options: OutboxOptions) {
    this.#options = options
    this.#clock = options.clock ?? REAL_CLOCK
    this.#limits = { waiting: MAX_WAITING, bytes: MAX_BYTES, dead: MAX_DEAD, ...options.limits }
    for (const sink of options.sinks) this.#compartment(sink.name, sink)
  }

  /**
   * Opens an outbox, and begins to deliver what is in it.
   *
   * @throws AlertsError `ALERTS_BAD_STATE` if a row is none
   */
  static async open(options: OutboxOptions): Promise<Outbox> {
    const outbox = new Outbox(options)
    for await (const [key, value] of options.store.rows()) outbox.#restore(key, value)
    for (const { queue } of outbox.#compartments.values()) queue.pump()
    return outbox
  }

  /** Takes notifications, to be kept. What their sinks do not hear is left out. Nothing is tried before `release`. */
  stage(notifications: readonly Notification[]): Staged {
    const nowMs = this.#clock.nowMs()
    const put: (readonly [key: string, value: string])[] = []
    const remove: string[] = []
    const releases: (() => void)[] = []
    for (const notification of notifications) {
      const compartment = this.#compartment(notification.sink)
      if (compartment.queue.sink?.hears(notification) === false) continue
      const key = this.#nextKey.toString(16).padStart(12, "0")
      this.#nextKey++
      const delivery: Delivery = { key, notification, queuedMs: nowMs, attempts: 0, nextMs: nowMs, bytes: 0 }
      const value = formatRow(delivery)
      delivery.bytes = value.length
      const { waiting, bytes } = this.#limits
      if (compartment.waiting >= waiting || compartment.bytes + delivery.bytes > bytes) {
        const buried = this.#bury(compartment, { delivery, why: "too much waits for this sink already" })
        put.push(...buried.put)
        remove.push(...buried.remove)
        continue
      }
      compartment.waiting++
      compartment.bytes += delivery.bytes
      put.push([key, value])
      releases.push(() => {
        compartment.queue.add(delivery)
        compartment.queue.pump()
      })
    }
    return {
      put,
      remove,
      release() {
        for (const each of releases.splice(0)) each()
      },
    }
  }

  /** Takes other sinks. What waits for one that is gone waits until there is one of its name again. */
  setSinks(sinks: readonly Sink[]): void {
    for (const [name, { queue }] of this.#compartments) {
      if (!sinks.some((sink) => sink.name === name)) queue.setSink(undefined)
    }
    for (const sink of sinks) this.#compartment(sink.name).queue.setSink(sink)
  }

  status(): readonly SinkStatus[] {
    return [...this.#compartments]
      .map(([name, { queue, waiting, bytes, dead, dropped }]): SinkStatus => {
        const oldestMs = Math.min(...[...queue.deliveries()].map(({ queuedMs }) => queuedMs))
        return {
          name,
          kind: queue.sink?.type ?? "gone",
          ...queue.status,
          waiting,
          bytes,
          ...(Number.isFinite(oldestMs) && { oldestMs }),
          dead: [...dead.values()].map(({ delivery: { notification, queuedMs, attempts }, why }) => ({
            id: notification.id,
            alerts: notification.alerts.map(({ id }) => id),
            sinceMs: queuedMs,
            attempts,
            error: why,
          })),
          dropped,
        }
      })
      .filter(({ kind, waiting, dead }) => kind !== "gone" || waiting > 0 || dead.length > 0)
  }

  /**
   * Sends a notification at once and once, without a queue: for a person who waits for the answer.
   *
   * @returns what came of it, which is kept as an attempt; `undefined` if there is no such sink
   */
  async try(notification: Notification): Promise<Outcome | undefined> {
    const sink = this.#compartments.get(notification.sink)?.queue.sink
    if (sink === undefined) return undefined
    const atMs = this.#clock.nowMs()
    const answer = await sink.deliver(notification, { nowMs: atMs, signal: new AbortController().signal })
    const attempt: DeliveryAttempt = {
      sink: sink.name,
      id: notification.id,
      dedupKey: notification.dedupKey,
      status: notification.status,
      reason: notification.reason,
      alerts: notification.alerts.map(({ id }) => id),
      number: 1,
      atMs,
      tookMs: this.#clock.nowMs() - atMs,
      outcome: answer.kind === "delivered" ? "delivered" : "dead",
      why: answer.why,
    }
    await this.#keep({ put: [], remove: [], attempts: [attempt] })
    return answer
  }

  /**
   * Sends what is dead again, each at its place among what waits for the same group.
   *
   * @returns how many, as far as there is room; `undefined` if there is no such sink
   */
  async resend(sink: string): Promise<number | undefined> {
    const compartment = this.#compartments.get(sink)
    if (compartment === undefined) return undefined
    const room = Math.max(this.#limits.waiting - compartment.waiting, 0)
    const chosen = [...compartment.dead.values()]
      .map(({ delivery }) => delivery)
      .sort(byKey)
      .slice(0, room)
    const nowMs = this.#clock.nowMs()
    for (const delivery of chosen) {
      compartment.dead.delete(delivery.key)
      delivery.queuedMs = nowMs
      delivery.nextMs = nowMs
      this.#wait(compartment, delivery)
    }
    const put = chosen.map((delivery) => [delivery.key, formatRow(delivery)] as const)
    await this.#keep({ put, remove: [], attempts: [] })
    compartment.queue.pump()
    return chosen.length
  }

  /**
   * Changes what is kept of notifications, as after an erasure: resolves when it is durable. One that is under way is not
   * called back; what is staged must be released before.
   *
   * @param change - `undefined` if it is not to be sent at all; the same if nothing is to be changed
   * @returns how many were changed
   */
  async rewrite(change: (notification: Notification) => Notification | undefined): Promise<number> {
    const put: [key: string, value: string][] = []
    const remove: string[] = []
    for (const compartment of this.#compartments.values()) {
      const waiting = [...compartment.queue.deliveries()].map((delivery) => ({ delivery, why: undefined }))
      for (const { delivery, why } of [...waiting, ...compartment.dead.values()]) {
        const changed = change(delivery.notification)
        if (changed === delivery.notification) continue
        if (changed === undefined) {
          remove.push(delivery.key)
          compartment.dead.delete(delivery.key)
          if (why !== undefined) continue
          compartment.queue.remove(delivery)
          this.#waitsNoMore(compartment, delivery)
        } else {
          delivery.notification = changed
          put.push([delivery.key, formatRow(delivery, why)])
        }
      }
    }
    await this.#keep({ put, remove, attempts: [] })
    return put.length + remove.length
  }

  /** Stops. @param graceMs - attempts under way may take so long */
  async close(graceMs = 1_000): Promise<void> {
    await Promise.all([...this.#compartments.values()].map(({ queue }) => queue.close(graceMs)))
  }

  #compartment(name: string, sink?: Sink): Compartment {
    const known = this.#compartments.get(name)
    if (known !== undefined) return known
    const made: Compartment = {
      queue: new SinkQueue(sink, {
        clock: this.#clock,
        keep: (settled) => this.#keepSettled(made, settled),
        onBroken: (error) => this.#options.onBroken(error),
      }),
      dead: new Map(),
      waiting: 0,
      bytes: 0,
      dropped: 0,
    }
    this.#compartments.set(name, made)
    return made
  }

  /** What is in memory changes at once, and before it is kept: whatever comes between finds it as it will be. */
  async #keepSettled(compartment: Compartment, { delivery, attempt, withdrawn }: Settled): Promise<void> {
    const attempts = [attempt]
    if (withdrawn) return this.#keep({ put: [], remove: [], attempts })
    if (attempt.outcome === "later") {
      return this.#keep({ put: [[delivery.key, formatRow(delivery)]], remove: [], attempts })
    }
    this.#waitsNoMore(compartment, delivery)
    if (attempt.outcome === "delivered") return this.#keep({ put: [], remove: [delivery.key], attempts })
    return this.#keep({ ...this.#bury(compartment, { delivery, why: attempt.why }), attempts })
  }

  #wait(compartment: Compartment, delivery: Delivery): void {
    compartment.waiting++
    compartment.bytes += delivery.bytes
    compartment.queue.add(delivery)
  }

  #waitsNoMore(compartment: Compartment, { bytes }: Delivery): void {
    compartment.waiting--
    compartment.bytes -= bytes
  }

  /** @returns what is to be kept, and the keys of the dead that have to go: its own, if it is the oldest of too many */
  #bury(compartment: Compartment, dead: Dead): Pick<OutboxStep, "put" | "remove"> {
    const { key } = dead.delivery
    compartment.dead.set(key, dead)
    const put = [[key, formatRow(dead.delivery, dead.why)] as const]
    if (compartment.dead.size <= this.#limits.dead) return { put, remove: [] }
    const oldest = [...compartment.dead.keys()].sort()[0] as string
    compartment.dead.delete(oldest)
    compartment.dropped++
    return { put, remove: [oldest] }
  }

  async #keep(step: OutboxStep): Promise<void> {
    const { put, remove, attempts } = step
    if (put.length + remove.length + attempts.length > 0) await this.#options.store.keep(step)
  }

  #restore(key: string, value: string): void {
    const { notification, queuedMs, attempts, nextMs, why } = parseRow(key, value)
    const delivery: Delivery = { key, notification, queuedMs, attempts, nextMs, bytes: value.length }
    // No pause is longer, but by a clock that was ahead.
    delivery.nextMs = Math.min(nextMs, this.#clock.nowMs() + LONGEST_MS)
    this.#nextKey = Math.max(this.#nextKey, Number.parseInt(key, 16) + 1)
    const compartment = this.#compartment(notification.sink)
    if (why !== undefined) {
      compartment.dead.set(key, { delivery, why })
      return
    }
    this.#wait(compartment, delivery)
  }
}

function byKey(a: Delivery, b: Delivery): number {
  return a.key < b.key ? -1 : 1
}
