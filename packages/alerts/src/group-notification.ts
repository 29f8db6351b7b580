/**
 * What a group is to be told: whether there is news, and what it says.
 *
 * Spec: prometheus.io/docs/alerting/latest/configuration, "route". Pure.
 */

import type { Alert } from "./alert.js"
import type { Group, Told } from "./alert-groups.js"
import type { Lane } from "./alert-routes.js"
import {
  compareSeverity,
  dedupKeyOf,
  listed,
  type Notification,
  type NotificationReason,
  type NotificationStatus,
  notificationId,
} from "./notification.js"

/** An alert of a group. */
export interface Member {
  readonly alert: Alert
  /** What the group has told of it. */
  readonly told: Told
  readonly muted: boolean
}

export interface Telling {
  readonly status: NotificationStatus
  readonly reason: NotificationReason
}

/** @param lane - `undefined` if no route has it any more: then only what is over is told */
export function whatToTell(
  group: Group,
  members: readonly Member[],
  lane: Lane | undefined,
  nowMs: number,
): Telling | undefined {
  const open = members.filter(({ alert }) => alert.state === "firing")
  const known = members.some(({ told }) => told !== undefined) || group.gone > 0
  const isNews = ({ alert, told, muted }: Member) => !muted && told !== alert.severity
  if (lane !== undefined && open.some(isNews)) {
    const isOpen = open.some(({ told }) => told !== undefined)
    return { status: "firing", reason: known && isOpen ? "new" : "first" }
  }
  if (!known) return undefined
  const over = members.some(({ alert, told }) => alert.state === "resolved" && told !== undefined)
  if (over || group.gone > 0) {
    return open.some(({ told }) => told !== undefined)
      ? { status: "firing", reason: "some-resolved" }
      : { status: "resolved", reason: "all-resolved" }
  }
  const unheeded = open.some(({ alert, muted }) => !muted && !alert.acknowledged)
  // Of a clock that was ahead, nobody knows how long ago that was.
  const quietMs = Math.abs(nowMs - (group.toldMs ?? 0))
  if (lane !== undefined && unheeded && quietMs >= lane.route.repeatMs) {
    return { status: "firing", reason: "repeat" }
  }
  return undefined
}

export function notificationOf(
  group: Group,
  { status, reason }: Telling,
  members: readonly Member[],
  nowMs: number,
): Notification {
  const firing = members.filter(({ alert, muted }) => alert.state === "firing" && !muted)
  // Of one that came and went untold, nobody wants to hear that it is over.
  const resolved = members.filter(({ alert, told }) => alert.state === "resolved" && told !== undefined)
  const alerts = [...firing.sort(inOrder), ...resolved.sort(inOrder)].map(({ alert }) => alert)
  const shown = listed(alerts)
  const dedupKey = dedupKeyOf(group.sink, group.key, group.firstAlert)
  return {
    id: notificationId(dedupKey, group.sequence),
    dedupKey,
    sink: group.sink,
    groupKey: group.key,
    groupLabels: group.labels,
    status,
    reason,
    atMs: nowMs,
    alerts: shown,
    firing: firing.length,
    resolved: resolved.length + group.gone,
    leftOut: alerts.length - shown.length + group.gone,
  }
}

function inOrder(a: Member, b: Member): number {
  const byNews = Number(a.told === a.alert.severity) - Number(b.told === b.alert.severity)
  return (
    byNews ||
    compareSeverity(a.alert.severity, b.alert.severity) ||
    b.alert.startsMs - a.alert.startsMs ||
    (a.alert.id < b.alert.id ? -1 : 1)
  )
}
