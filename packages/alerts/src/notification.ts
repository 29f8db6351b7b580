/**
 * A notification: what one sink is to be told about one group, at one time.
 *
 *     dedup key   the same for all that a sink is told of a group, from its first alert until all of it is over
 *     id          unlike that of any other notification: of the dedup key and the place in the sequence
 *
 * Both follow from alerts and their order alone, so that what is sent twice, as after a crash, is known for the same.
 *
 * Pure.
 */

import { type Alert, hexHash } from "./alert.js"
import { type RuleHead, SEVERITIES, type Severity } from "./firing.js"

export const STATUSES = ["firing", "acknowledged", "resolved"] as const

export type NotificationStatus = (typeof STATUSES)[number]

export const REASONS = [
  /** Of a group that nobody was told of, or all of which was over. */
  "first",
  /** Alerts have come, or become more severe. */
  "new",
  /** Some alerts are over; others are not. */
  "some-resolved",
  "all-resolved",
  /** Nothing has changed for as long as the route says. */
  "repeat",
  /** Somebody has acknowledged all that fires. */
  "acknowledged",
  /** Nothing has happened: a person tries the sink. */
  "test",
] as const

export type NotificationReason = (typeof REASONS)[number]

export interface Notification {
  /** `notification_` and 32 hex digits. */
  readonly id: string
  /** 64 hex digits. */
  readonly dedupKey: string
  readonly sink: string
  /** 64 hex digits: what is sent of one group to one sink is sent in order. */
  readonly groupKey: string
  /** Suspect text. */
  readonly groupLabels: Readonly<Record<string, string>>
  /** `firing` while anything fires, even if nothing but what is over is listed. */
  readonly status: NotificationStatus
  readonly reason: NotificationReason
  /** When it was decided: ms since 1970. */
  readonly atMs: number
  /** First what fires and is new, then what fires, then what is over; in each the most severe first, then the latest. */
  readonly alerts: readonly Alert[]
  /** How many fire, and how many are over since the sink was last told, listed or not. */
  readonly firing: number
  readonly resolved: number
  /** How many of these are not in `alerts`. */
  readonly leftOut: number
}

/** Most alerts that a notification lists. */
export const MAX_LISTED = 50

/** … and most UTF-16 units of their JSON; the first is listed whatever its size, which is bounded. */
export const MAX_LISTED_LENGTH = 64_000

/**
 * Returns the key under which receivers know all notifications of one life of a group.
 *
 * @param firstAlert - id of the alert with which this life began
 */
export function dedupKeyOf(sink: string, groupKey: string, firstAlert: string): string {
  return hexHash([sink, groupKey, firstAlert])
}

/** @param sequence - of the notifications with this dedup key: 0, 1, 2 … */
export function notificationId(dedupKey: string, sequence: number): string {
  return `notification_${hexHash([dedupKey, sequence]).slice(0, 32)}`
}

/** Returns as many alerts, from the first on, as a notification lists. */
export function listed(alerts: readonly Alert[]): readonly Alert[] {
  let length = 0
  const end = alerts.findIndex((alert, i) => {
    length += JSON.stringify(alert).length
    return i > 0 && (i >= MAX_LISTED || length > MAX_LISTED_LENGTH)
  })
  return end === -1 ? alerts : alerts.slice(0, end)
}

/** Returns -1 if severity `a` is above `b`, 1 if it is below, 0 if they are the same. */
export function compareSeverity(a: Severity, b: Severity): number {
  return Math.sign(SEVERITIES.indexOf(b) - SEVERITIES.indexOf(a))
}

/** Returns the highest severity of the alerts that fire, or of all if none does; `info` if there are none. */
export function severityOf({ alerts }: Pick<Notification, "alerts">): Severity {
  const firing = alerts.filter(({ state }) => state === "firing")
  const [highest] = (firing.length > 0 ? firing : alerts)
    .map(({ severity }) => severity)
    .sort(compareSeverity)
  return highest ?? "info"
}

/** Returns the rules of the alerts, each once, in the order of the alerts. */
export function rulesOf({ alerts }: Pick<Notification, "alerts">): readonly RuleHead[] {
  return [...new Map(alerts.map(({ rule }) => [rule.id, rule])).values()]
}

/**
 * Returns a notification by which a person can see whether a sink works. Nobody need do anything about it.
 *
 * @param salt - unlike that of another try
 */
export function testNotification(sink: string, nowMs: number, salt: string): Notification {
  const dedupKey = hexHash(["test", sink, salt])
  const rule: RuleHead = {
    id: "test",
    version: "0000000000000000",
    title: "A test of this sink",
    why: "Somebody asked whether alerts arrive here. Nothing has happened.",
    severity: "info",
  }
  const alert: Alert = {
    id: `alert_${dedupKey.slice(0, 16)}`,
    fingerprint: dedupKey,
    rule,
    severity: "info",
    labels: { sink },
    details: {},
    leaves: [],
    count: 0,
    state: "firing",
    startsMs: nowMs,
    lastMs: nowMs,
  }
  return {
    id: notificationId(dedupKey, 0),
    dedupKey,
    sink,
    groupKey: dedupKey,
    groupLabels: { rule: rule.id },
    status: "firing",
    reason: "test",
    atMs: nowMs,
    alerts: [alert],
    firing: 1,
    resolved: 0,
    leftOut: 0,
  }
}
