/**
 * Deliveries: notifications on their way to a sink, and what is made of its answers.
 *
 *     delivered    the sink has said that it has it
 *     later        it could not, did not answer, or asks for patience: tried again
 *     refused      it will never take this: tried no more
 */

import type { Notification } from "@prooflog/alerts/notification"
import type { SinkSettings } from "@prooflog/alerts/sink-settings"

export type Outcome =
  /** @param why - what the answer was, in words of ours */
  | { readonly kind: "delivered"; readonly why: string }
  /** @param retryAfterMs - the sink asks to be left alone for so long, all of it */
  | { readonly kind: "later"; readonly why: string; readonly retryAfterMs?: number }
  | { readonly kind: "refused"; readonly why: string }

export interface Sink {
  /** Unlike that of any other. */
  readonly name: string
  readonly type: SinkSettings["type"]
  /** Whether it is to be told this. What it does not hear is not queued. */
  hears(notification: Notification): boolean
  /**
   * Tries once, in bounded time. Never rejects; says nothing of URLs, keys or whatever else is private in `why`.
   *
   * @param signal - ends the attempt; what it resolves to then does not count
   */
  deliver(
    notification: Notification,
    attempt: { readonly nowMs: number; readonly signal: AbortSignal },
  ): Promise<Outcome>
}

/** What became of one attempt. */
export interface DeliveryAttempt {
  readonly sink: string
  /** Of the notification. */
  readonly id: string
  readonly dedupKey: string
  readonly status: Notification["status"]
  readonly reason: Notification["reason"]
  /** Ids of the alerts that were listed. */
  readonly alerts: readonly string[]
  /** 1, 2, 3 … for one notification, whatever crashes: each number is told of once. */
  readonly number: number
  /** ms since 1970. */
  readonly atMs: number
  readonly tookMs: number
  /** `dead`: refused, or later too often. */
  readonly outcome: "delivered" | "later" | "dead"
  readonly why: string
}

/** A notification that a sink would not take, or could not for too long. */
export interface DeadLetter {
  /** Of the notification. */
  readonly id: string
  readonly alerts: readonly string[]
  /** When it was queued: ms since 1970. */
  readonly sinceMs: number
  readonly attempts: number
  readonly error: string
}

export interface SinkStatus {
  readonly name: string
  /** `gone`: the settings have no such sink any more; what waits for it waits on. */
  readonly kind: SinkSettings["type"] | "gone"
  readonly circuit: "closed" | "open" | "half open"
  /** When it is tried again at the earliest, if not now: ms since 1970. */
  readonly untilMs?: number
  readonly waiting: number
  readonly bytes: number
  /** When the first of those that wait was queued: ms since 1970. */
  readonly oldestMs?: number
  readonly lastDeliveredMs?: number
  readonly lastError?: string
  readonly dead: readonly DeadLetter[]
  /** Dead letters that had to go for others, since the process began. */
  readonly dropped: number
}

/** Time and chance, which tests give. */
export interface OutboxClock {
  /** ms since 1970. */
  nowMs(): number
  /** Calls once, so much later; returns what prevents that. */
  after(ms: number, call: () => void): () => void
  /** In [0, 1). */
  random(): number
}

export const REAL_CLOCK: OutboxClock = {
  nowMs: () => Date.now(),
  after(ms, call) {
    const timer = setTimeout(call, Math.min(ms, 2 ** 31 - 1))
    return () => clearTimeout(timer)
  },
  random: () => Math.random(),
}
