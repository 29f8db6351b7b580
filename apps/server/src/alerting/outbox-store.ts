/**
 * What the outbox asks of whoever keeps it, and the form of its rows.
 *
 *     000000000001   {"notification":{…},"queuedMs":…,"attempts":2,"nextMs":…}             waits
 *     000000000002   {"notification":{…},"queuedMs":…,"attempts":1,"nextMs":…,"why":"400"} is dead
 *
 * Keys ascend in the order in which notifications were queued.
 */

import { AlertsError } from "@prooflog/alerts/error"
import type { Notification } from "@prooflog/alerts/notification"
import type { DeliveryAttempt } from "./delivery.js"
import type { Delivery } from "./sink-queue.js"

/** Where rows are kept. */
export interface OutboxStore {
  /** Answers all rows, in any order. Asked once, at the start. */
  rows(): AsyncIterable<readonly [key: string, value: string]>
  /** Keeps a step, all of it or none: durable when it resolves. Steps are kept in the order of the calls. */
  keep(step: OutboxStep): Promise<void>
}

export interface OutboxStep {
  readonly put: readonly (readonly [key: string, value: string])[]
  /** What is put and removed is removed. */
  readonly remove: readonly string[]
  /** To be logged, each once: kept with the rest. */
  readonly attempts: readonly DeliveryAttempt[]
}

/** A kept row. */
export interface OutboxRow {
  readonly notification: Notification
  readonly queuedMs: number
  readonly attempts: number
  readonly nextMs: number
  /** Of what is dead. */
  readonly why?: string
}

export function formatRow({ notification, queuedMs, attempts, nextMs }: Delivery, why?: string): string {
  return JSON.stringify({
    notification,
    queuedMs,
    attempts,
    nextMs,
    ...(why !== undefined && { why }),
  } satisfies OutboxRow)
}

/** @throws {@link AlertsError} `ALERTS_BAD_STATE` */
export function parseRow(key: string, value: string): OutboxRow {
  try {
    const row = JSON.parse(value) as OutboxRow
    const isRow =
      /^[0-9a-f]{12}$/.test(key) &&
      typeof row?.notification?.sink === "string" &&
      typeof row.notification.groupKey === "string" &&
      Array.isArray(row.notification.alerts) &&
      [row.queuedMs, row.attempts, row.nextMs].every(Number.isFinite)
    if (isRow) return row
    throw new SyntaxError("it is none")
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
    throw new AlertsError("ALERTS_BAD_STATE", `a kept delivery cannot be read: ${JSON.stringify(key)}`, {
      cause,
    })
  }
}
