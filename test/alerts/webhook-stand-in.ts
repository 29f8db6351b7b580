/**
 * A receiver of Standard Webhooks: takes what is signed with its secret and not old, and each id once.
 *
 * standard-webhooks/spec/standard-webhooks.md
 */

import { createHmac, timingSafeEqual } from "node:crypto"
import type { IncomingHttpHeaders } from "node:http"
import { HttpStandIn } from "./http-stand-in.js"

export interface WebhookBody {
  readonly type: string
  readonly timestamp: string
  readonly data: {
    readonly id: string
    readonly dedup_key: string
    readonly left_out: number
    readonly shortened: boolean
    readonly alerts: readonly { readonly id: string }[]
  }
}

export interface WebhookStandIn {
  readonly http: HttpStandIn
  /** What was taken, by `webhook-id`, in order. */
  readonly taken: Map<string, WebhookBody>
  /** Ids that came again after they were taken, and were taken for the same. */
  readonly repeated: string[]
}

/**
 * @param secret - as it is written: `whsec_` and base64
 * @param nowMs - its clock
 */
export async function openWebhook(secret: string, nowMs: () => number = Date.now): Promise<WebhookStandIn> {
  const taken = new Map<string, WebhookBody>()
  const repeated: string[] = []
  const http = await HttpStandIn.open({
    take({ headers, body }) {
      const problems = webhookProblems(secret, headers, body, nowMs())
      if (problems.length > 0) return { status: 400, body: problems.join("\n") }
      const id = headers["webhook-id"] as string
      if (taken.has(id)) repeated.push(id)
      else taken.set(id, JSON.parse(body) as WebhookBody)
      return { status: 204 }
    },
  })
  return { http, taken, repeated }
}

/** Returns what the receiver would not take. */
export function webhookProblems(
  secret: string,
  headers: IncomingHttpHeaders,
  body: string,
  nowMs = Date.now(),
): readonly string[] {
  const problems: string[] = []
  const must = (holds: boolean, problem: string) => {
    if (!holds) problems.push(problem)
  }
  const id = headers["webhook-id"]
  const timestamp = headers["webhook-timestamp"]
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64")
  const expected = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest()
  const signatures = String(headers["webhook-signature"]).split(" ")
  const isSigned = signatures.some((each) => {
    const [version, base64 = ""] = each.split(",")
    const given = Buffer.from(base64, "base64")
    return version === "v1" && given.length === expected.length && timingSafeEqual(given, expected)
  })
  must(isSigned, "not signed with the secret")
  must(/^\d+$/.test(String(timestamp)), "timestamp")
  must(Math.abs(nowMs / 1_000 - Number(timestamp)) < 300, "too old")
  must(Buffer.byteLength(body) < 20_000, "20 kB or more")
  must(headers["content-type"] === "application/json", "content type")
  const { type, data } = JSON.parse(body) as WebhookBody
  must(/^alert\.(firing|acknowledged|resolved)$/.test(type), "type")
  must(data.id === id, "the id of the body is not that of the header")
  return problems
}
