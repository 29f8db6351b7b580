/**
 * A notification as a signed webhook, by Standard Webhooks.
 *
 *     POST   { "type": "alert.firing", "timestamp": …, "data": { … } }       less than 20 kB
 *     webhook-id          the notification's id: the same however often it is sent
 *     webhook-timestamp   seconds since 1970, of this attempt
 *     webhook-signature   "v1," and base64 of HMAC-SHA256(secret, id "." timestamp "." body), one for each secret
 *
 *     data   { "id", "dedup_key", "reason", "group": { … }, "firing", "resolved", "left_out", "shortened", "alerts": [ … ] }
 *
 * Alerts that do not fit are counted in `left_out`. If not even the first fits as it is, the texts of all are cut shorter,
 * and `shortened` is true.
 *
 * Spec: standard-webhooks/spec/standard-webhooks.md. Pure.
 */

import { createHmac } from "node:crypto"
import { MAX_LABELS, MAX_NAME, MAX_VALUE } from "./alert.js"
import { alertJson, type JsonLimits } from "./alert-json.js"
import type { Notification } from "./notification.js"
import { dataText, timeText } from "./shown-text.js"

/** Bytes of the longest body. */
export const MAX_BODY = 19_999

/** What is tried in turn until one alert fits. */
const LIMITS: readonly JsonLimits[] = [
  { text: 1_024, labels: MAX_LABELS },
  { text: 128, labels: MAX_LABELS },
  { text: 32, labels: 8 },
  { text: 8, labels: 4 },
]

/** Returns the body, JSON. */
export function webhookPayload(notification: Notification): string {
  const first = notification.alerts.slice(0, 1)
  const fits = (each: JsonLimits) =>
    sizeOf(
      bodyOf(
        notification,
        each,
        first.map((alert) => alertJson(alert, each)),
      ),
    ) <= MAX_BODY
  const limits = LIMITS.find(fits) ?? (LIMITS.at(-1) as JsonLimits)
  const shown: object[] = []
  // With the largest count of what is left out: what is written at last is not longer.
  let size = sizeOf(bodyOf(notification, limits, []))
  for (const alert of notification.alerts) {
    const json = alertJson(alert, limits)
    size += sizeOf(json) + 1
    if (size > MAX_BODY) break
    shown.push(json)
  }
  return JSON.stringify(bodyOf(notification, limits, shown))
}

function bodyOf(notification: Notification, limits: JsonLimits, shown: readonly object[]): object {
  const { id, dedupKey, status, reason, atMs, groupLabels, firing, resolved, leftOut, alerts } = notification
  const group = Object.entries(groupLabels)
    .slice(0, limits.labels)
    .map(([name, value]) => [
      dataText(name, Math.min(MAX_NAME, limits.text)),
      dataText(value, Math.min(MAX_VALUE, limits.text)),
    ])
  return {
    type: `alert.${status}`,
    timestamp: timeText(atMs),
    data: {
      id,
      dedup_key: dedupKey,
      reason,
      group: Object.fromEntries(group),
      firing,
      resolved,
      left_out: leftOut + alerts.length - shown.length,
      shortened: limits !== LIMITS[0],
      alerts: shown,
    },
  }
}

export interface WebhookHeaders {
  readonly "webhook-id": string
  readonly "webhook-timestamp": string
  readonly "webhook-signature": string
}

/**
 * Signs a body.
 *
 * @param secrets - at least one, of {@link parseWebhookSecret}; while one takes the place of another, both
 * @param id - without `.`, or RangeError
 * @param nowMs - of this attempt
 */
export function signWebhook(
  secrets: readonly Uint8Array[],
  { id, nowMs, body }: { readonly id: string; readonly nowMs: number; readonly body: string },
): WebhookHeaders {
  if (id.includes(".")) throw new RangeError("id: a dot would move the border to the timestamp")
  const timestamp = String(Math.floor(nowMs / 1_000))
  const signed = `${id}.${timestamp}.${body}`
  const signatures = secrets.map(
    (secret) => `v1,${createHmac("sha256", secret).update(signed).digest("base64")}`,
  )
  return {
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": signatures.join(" "),
  }
}

/** Returns the 24 to 64 bytes of a secret that is written `whsec_` and base64; `undefined` if it is none. */
export function parseWebhookSecret(text: string): Uint8Array | undefined {
  const [, base64] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? []
  if (base64 === undefined) return undefined
  const bytes = Buffer.from(base64, "base64")
  const isExact = bytes.toString("base64").replace(/=+$/, "") === base64.replace(/=+$/, "")
  return isExact && bytes.length >= 24 && bytes.length <= 64 ? new Uint8Array(bytes) : undefined
}

function sizeOf(value: object): number {
  return Buffer.byteLength(JSON.stringify(value))
}
