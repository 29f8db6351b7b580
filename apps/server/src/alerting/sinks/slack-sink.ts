/**
 * Slack, by incoming webhook.
 *
 *     200 "ok"               delivered
 *     400, 403, 404, 410     refused: what was sent, who may post, the channel or the webhook are not as they must be
 *     429, and all others    later
 *
 * Slack knows no repeats: what is sent again after an answer was lost is posted twice.
 */

import { slackPayload } from "@prooflog/alerts/payload-slack"
import { isAnswer, laterOf, post } from "./http-post.js"
import type { Deliver, SinkBasis } from "./sink-basis.js"

const REFUSED: ReadonlySet<number> = new Set([400, 403, 404, 410])

/** If Slack asks for patience and does not say for how long. */
const PATIENCE_MS = 30_000

/** @param url - of the webhook: a secret */
export function slackSink({ externalUrl, timeoutMs }: SinkBasis, url: string): Deliver {
  return async (notification, attempt) => {
    const body = slackPayload(notification, externalUrl)
    const answer = await post({ url, body, timeoutMs, ...attempt })
    if (!isAnswer(answer)) return answer
    const { status, text } = answer
    if (status === 200) {
      if (text.trim() === "ok") return { kind: "delivered", why: "200 ok" }
      return { kind: "later", why: "200, and not ok: something else than Slack answers" }
    }
    if (!REFUSED.has(status)) return laterOf(answer, PATIENCE_MS)
    const word = /^[a-z_]{1,64}$/.exec(text.trim())?.[0]
    return { kind: "refused", why: word === undefined ? String(status) : `${status} ${word}` }
  }
}
