/**
 * A notification as an event of PagerDuty's Events API v2.
 *
 *     firing ─► trigger      acknowledged ─► acknowledge      resolved ─► resolve      all with one dedup_key
 *
 * Limits of developer.pagerduty.com/docs/events-api-v2: 255 characters of a dedup key, 1,024 of a summary, 512 KB in
 * all; here are at most {@link MAX_BODY}. Texts of the log stand in `custom_details` alone, visible and without links.
 *
 * Pure.
 */

import type { Alert } from "./alert.js"
import type { Severity } from "./firing.js"
import { type Notification, type NotificationStatus, rulesOf, severityOf } from "./notification.js"
import { factsOf, headline, linkOf, summaryOf, whyOf } from "./notification-words.js"
import { shownText, timeText, unlinkedText } from "./shown-text.js"

/** UTF-16 units of the longest body; of UTF-8 at most three times as many bytes. */
export const MAX_BODY = 100_000

const ACTIONS = {
  firing: "trigger",
  acknowledged: "acknowledge",
  resolved: "resolve",
} as const satisfies Record<NotificationStatus, string>

const SEVERITIES = {
  info: "info",
  low: "info",
  medium: "warning",
  high: "error",
  critical: "critical",
} as const satisfies Record<Severity, string>

const MAX_VALUE = 256

/** Kept for what stands around the alerts. */
const REST = 20_000

export interface PagerDutyOptions {
  /** Integration key of the service. A secret. */
  readonly routingKey: string
  /** What is watched: the log's origin. */
  readonly source: string
  /** Of the log, ending in `/`. */
  readonly externalUrl?: string
}

/** Returns the body, JSON. */
export function pagerDutyPayload(notification: Notification, options: PagerDutyOptions): string {
  const { routingKey, externalUrl } = options
  const head = {
    routing_key: routingKey,
    event_action: ACTIONS[notification.status],
    dedup_key: notification.dedupKey.slice(0, 255),
  }
  if (notification.status !== "firing") return JSON.stringify(head)
  const link = externalUrl === undefined ? undefined : linkOf(notification, externalUrl)
  return JSON.stringify({
    ...head,
    client: "Prooflog",
    ...(link !== undefined && { client_url: link, links: [{ href: link, text: "Open in Prooflog" }] }),
    payload: {
      summary: shownText(headline(notification), 1_024),
      source: shownText(options.source, 255) || "prooflog",
      severity: SEVERITIES[severityOf(notification)],
      timestamp: timeText(notification.atMs),
      class: unlinkedText(rulesOf(notification)[0]?.id ?? "", 255) || "alerts",
      custom_details: detailsOf(notification),
    },
  })
}

function detailsOf(notification: Notification): object {
  const { alerts, firing, resolved, leftOut } = notification
  const shown: object[] = []
  let length = 0
  for (const alert of alerts) {
    const details = alertDetails(alert)
    length += JSON.stringify(details).length + 1
    if (length > MAX_BODY - REST) break
    shown.push(details)
  }
  const why = whyOf(notification, unlinkedText, 1_000)
  return {
    ...(why !== undefined && { why }),
    firing,
    resolved,
    not_shown: leftOut + alerts.length - shown.length,
    alerts: shown,
  }
}

function alertDetails(alert: Alert): object {
  const { id, rule, leaves } = alert
  return {
    id: unlinkedText(id, 64),
    rule: `${unlinkedText(rule.id, 64)}@${unlinkedText(rule.version, 16)}`,
    title: unlinkedText(rule.title, MAX_VALUE),
    summary: summaryOf(alert),
    leaves: leaves.slice(-32).join(" "),
    facts: factsOf(alert, unlinkedText, MAX_VALUE)
      .slice(0, 40)
      .map(([name, value]) => `${name}: ${value}`),
  }
}
