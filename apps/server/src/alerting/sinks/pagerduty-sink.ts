/**
 * PagerDuty, by Events API v2.
 *
 *     202             delivered
 *     429             later, after a minute unless it says when: "preferably with a backoff of a few minutes"
 *     other 4xx       refused
 *     5xx, none       later
 *
 * What is sent again is known by its dedup key.
 */

import { pagerDutyPayload } from "@prooflog/alerts/payload-pagerduty"
import { isAnswer, laterOf, post } from "./http-post.js"
import type { Deliver, SinkBasis } from "./sink-basis.js"

const PATIENCE_MS = 60_000

/** Of 4xx, what says nothing about the event: a slow request, one too early, one too many. */
const NOT_ABOUT_IT: ReadonlySet<number> = new Set([408, 425, 429])

/** @param routingKey - of a service: a secret */
export function pagerDutySink(
  { source, externalUrl, timeoutMs }: SinkBasis,
  url: string,
  routingKey: string,
): Deliver {
  const options = { routingKey, source, ...(externalUrl !== undefined && { externalUrl }) }
  return async (notification, attempt) => {
    const body = pagerDutyPayload(notification, options)
    const answer = await post({ url, body, timeoutMs, ...attempt })
    if (!isAnswer(answer)) return answer
    const { status } = answer
    if (status === 202) return { kind: "delivered", why: "202" }
    const isRefused = status >= 400 && status < 500 && !NOT_ABOUT_IT.has(status)
    return isRefused ? { kind: "refused", why: String(status) } : laterOf(answer, PATIENCE_MS)
  }
}
