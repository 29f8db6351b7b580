/**
 * A signed webhook, by Standard Webhooks; and a webhook in Alertmanager's form.
 *
 *     2xx                        delivered
 *     400, 410, 413, 415, 422    refused: this body, or any at all, is not wanted there
 *     all others                 later: a receiver that is being set up, or set up wrongly, is tried for three days
 */

import { alertmanagerPayload } from "@prooflog/alerts/payload-alertmanager"
import { signWebhook, webhookPayload } from "@prooflog/alerts/payload-webhook"
import type { Outcome } from "../delivery.js"
import { type HttpAnswer, isAnswer, laterOf, post } from "./http-post.js"
import type { Deliver, SinkBasis } from "./sink-basis.js"

const REFUSED: ReadonlySet<number> = new Set([400, 410, 413, 415, 422])

const PATIENCE_MS = 30_000

/** @param secrets - of `parseWebhookSecret`; each signs */
export function webhookSink({ timeoutMs }: SinkBasis, url: string, secrets: readonly Uint8Array[]): Deliver {
  return async (notification, attempt) => {
    const body = webhookPayload(notification)
    const headers = { ...signWebhook(secrets, { id: notification.id, nowMs: attempt.nowMs, body }) }
    return outcomeOf(await post({ url, body, headers, timeoutMs, ...attempt }))
  }
}

/** @param authorization - of the header, whole: a secret */
export function alertmanagerSink(
  { externalUrl, timeoutMs }: SinkBasis,
  url: string,
  authorization: string | undefined,
): Deliver {
  const headers: Record<string, string> = authorization === undefined ? {} : { authorization }
  return async (notification, attempt) => {
    const body = alertmanagerPayload(notification, externalUrl)
    return outcomeOf(await post({ url, body, headers, timeoutMs, ...attempt }))
  }
}

function outcomeOf(answer: HttpAnswer | Outcome): Outcome {
  if (!isAnswer(answer)) return answer
  const { status } = answer
  if (status >= 200 && status < 300) return { kind: "delivered", why: String(status) }
  return REFUSED.has(status) ? { kind: "refused", why: String(status) } : laterOf(answer, PATIENCE_MS)
}
