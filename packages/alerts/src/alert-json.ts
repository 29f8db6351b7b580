/**
 * An alert as JSON, for programs: names in snake case, times in RFC 3339.
 *
 *     { "id": "alert_…", "fingerprint": …, "rule": { "id", "version", "title", "why" }, "severity", "state",
 *       "labels": { … }, "details": { … }, "leaves": [ … ], "count", "starts_at", "last_at", "ends_at"?,
 *       "acknowledged"?: { "at", "by", "note" } }
 *
 * Texts are exact, but for their length and for halves of surrogate pairs. Pure.
 */

import { type Alert, MAX_LABELS, MAX_NAME, MAX_NOTE, MAX_TITLE, MAX_VALUE, MAX_WHY } from "./alert.js"
import { dataText, timeText } from "./shown-text.js"

/** Shortens texts and lists; without it, each has what an alert can have. */
export interface JsonLimits {
  /** UTF-16 units of any text. */
  readonly text: number
  /** Labels, and details. */
  readonly labels: number
}

export function alertJson(
  alert: Alert,
  limits: JsonLimits = { text: MAX_WHY, labels: MAX_LABELS },
): Readonly<Record<string, unknown>> {
  const text = (value: string, max: number) => dataText(value, Math.min(max, limits.text))
  const record = (values: Readonly<Record<string, string>>) =>
    Object.fromEntries(
      Object.entries(values)
        .slice(0, limits.labels)
        .map(([name, value]) => [text(name, MAX_NAME), text(value, MAX_VALUE)]),
    )
  const { rule, acknowledged } = alert
  return {
    id: alert.id,
    fingerprint: alert.fingerprint,
    rule: {
      id: text(rule.id, MAX_TITLE),
      version: text(rule.version, MAX_NAME),
      title: text(rule.title, MAX_TITLE),
      why: text(rule.why, MAX_WHY),
    },
    severity: alert.severity,
    state: alert.state,
    labels: record(alert.labels),
    details: record(alert.details),
    leaves: alert.leaves,
    count: alert.count,
    starts_at: timeText(alert.startsMs),
    last_at: timeText(alert.lastMs),
    ...(alert.endsMs !== undefined && { ends_at: timeText(alert.endsMs) }),
    ...(acknowledged && {
      acknowledged: {
        at: timeText(acknowledged.atMs),
        by: text(acknowledged.by, MAX_NAME),
        note: text(acknowledged.note, MAX_NOTE),
      },
    }),
  }
}
