/**
 * A notification in the form in which Alertmanager calls webhooks, version 4: whatever takes its calls takes ours.
 *
 *     labels        those of the alert, with `alertname`, its rule, and `severity`
 *     annotations   `summary`, `description`, `alert_id`, `count`, `leaves`, and the details of the alert
 *
 * That somebody takes care of a group has no form there, and is not sent.
 *
 * Spec: prometheus.io/docs/alerting/latest/configuration, "webhook_config". Pure.
 */

import { type Alert, MAX_LABELS, MAX_NAME, MAX_VALUE } from "./alert.js"
import { MAX_LISTED, type Notification, type NotificationReason } from "./notification.js"
import { dataText, timeText } from "./shown-text.js"

const REASON_WORDS: Readonly<Record<NotificationReason, string>> = {
  first: "first notification",
  new: "new alerts added",
  "some-resolved": "some alerts resolved",
  "all-resolved": "all alerts resolved",
  repeat: "repeat interval elapsed",
  acknowledged: "unknown",
  test: "unknown",
}

/** What is not over ends, there, before all times. */
const NEVER = "0001-01-01T00:00:00Z"

type Texts = Readonly<Record<string, string>>

/** @param externalUrl - of the log, ending in `/` */
export function alertmanagerPayload(notification: Notification, externalUrl = ""): string {
  const { groupKey, sink, status, reason, groupLabels, leftOut } = notification
  const shown = notification.alerts.slice(0, MAX_LISTED)
  const alerts = shown.map((alert) => ({
    status: alert.state,
    labels: labelsOf(alert),
    annotations: annotationsOf(alert),
    startsAt: timeText(alert.startsMs),
    endsAt: alert.endsMs === undefined ? NEVER : timeText(alert.endsMs),
    generatorURL: externalUrl === "" ? "" : `${externalUrl}v1/alerts/${dataText(alert.id, MAX_NAME)}`,
    fingerprint: alert.fingerprint,
  }))
  return JSON.stringify({
    version: "4",
    groupKey,
    truncatedAlerts: leftOut + notification.alerts.length - shown.length,
    status: status === "resolved" ? "resolved" : "firing",
    receiver: dataText(sink, MAX_NAME),
    groupLabels: textsOf({ ...renamed(groupLabels) }),
    commonLabels: common(alerts.map(({ labels }) => labels)),
    commonAnnotations: common(alerts.map(({ annotations }) => annotations)),
    externalURL: externalUrl,
    notification_reason: REASON_WORDS[reason],
    alerts,
  })
}

function labelsOf({ labels, rule, severity }: Alert): Texts {
  return { ...textsOf(labels), alertname: dataText(rule.id, MAX_VALUE), severity }
}

function annotationsOf({ id, rule, count, leaves, details }: Alert): Texts {
  return {
    ...textsOf(details),
    summary: dataText(rule.title, MAX_VALUE),
    description: dataText(rule.why, 1_024),
    alert_id: dataText(id, MAX_NAME),
    count: String(count),
    leaves: leaves.join(" "),
  }
}

/** Groups are told apart by `rule`, which there is `alertname`. */
function renamed({ rule, ...labels }: Texts): Texts {
  return rule === undefined ? labels : { ...labels, alertname: rule }
}

function textsOf(texts: Texts): Texts {
  return Object.fromEntries(
    Object.entries(texts)
      .slice(0, MAX_LABELS)
      .map(([name, value]) => [dataText(name, MAX_NAME), dataText(value, MAX_VALUE)]),
  )
}

function common([first, ...others]: readonly Texts[]): Texts {
  if (first === undefined) return {}
  const shared = Object.entries(first).filter(([name, value]) =>
    others.every((each) => Object.hasOwn(each, name) && each[name] === value),
  )
  return Object.fromEntries(shared)
}
