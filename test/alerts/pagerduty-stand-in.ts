/**
 * PagerDuty's Events API v2: takes what keeps the documented limits, and keeps incidents by their dedup keys.
 *
 * developer.pagerduty.com/docs/events-api-v2: overview, "Send an Alert Event", rate limits
 */

import { HttpStandIn } from "./http-stand-in.js"

export const ROUTING_KEY = "0123456789abcdef0123456789abcdef"

export interface PagerDutyEvent {
  readonly routing_key: string
  readonly event_action: "trigger" | "acknowledge" | "resolve"
  readonly dedup_key: string
  readonly payload?: {
    readonly summary: string
    readonly source: string
    readonly severity: string
    readonly timestamp: string
    readonly custom_details: { readonly not_shown: number; readonly alerts: readonly unknown[] }
  }
  readonly links?: readonly { readonly href: string }[]
}

export interface PagerDutyStandIn {
  readonly http: HttpStandIn
  /** Events that were taken, in order. */
  readonly events: PagerDutyEvent[]
  /** What each dedup key's incident has been, in order: a key that is opened twice has woken somebody twice. */
  readonly incidents: Map<string, ("opened" | "acknowledged" | "resolved")[]>
}

export async function openPagerDuty(): Promise<PagerDutyStandIn> {
  const events: PagerDutyEvent[] = []
  const incidents: PagerDutyStandIn["incidents"] = new Map()
  const http = await HttpStandIn.open({
    take({ method, headers, body }) {
      const problems = pagerDutyProblems(body)
      if (method !== "POST" || headers["content-type"] !== "application/json" || problems.length > 0) {
        return { status: 400, body: JSON.stringify({ status: "invalid event", errors: problems }) }
      }
      const event = JSON.parse(body) as PagerDutyEvent
      events.push(event)
      const states = incidents.get(event.dedup_key) ?? []
      const now = states.at(-1)
      const isOpen = now === "opened" || now === "acknowledged"
      if (event.event_action === "trigger" && !isOpen) states.push("opened")
      if (event.event_action === "acknowledge" && now === "opened") states.push("acknowledged")
      if (event.event_action === "resolve" && isOpen) states.push("resolved")
      incidents.set(event.dedup_key, states)
      return { status: 202, body: JSON.stringify({ status: "success", dedup_key: event.dedup_key }) }
    },
  })
  return { http, events, incidents }
}

/** Returns what PagerDuty would not take. */
export function pagerDutyProblems(body: string): readonly string[] {
  const problems: string[] = []
  const must = (holds: boolean, problem: string) => {
    if (!holds) problems.push(problem)
  }
  const isText = (value: unknown, max: number) =>
    typeof value === "string" && value.length >= 1 && value.length <= max
  const event = JSON.parse(body) as PagerDutyEvent
  must(Buffer.byteLength(body) <= 512 * 1024, "larger than 512 KB")
  must(event.routing_key === ROUTING_KEY, "routing_key")
  must(["trigger", "acknowledge", "resolve"].includes(event.event_action), "event_action")
  must(isText(event.dedup_key, 255), "dedup_key")
  if (event.event_action !== "trigger") return problems
  const { payload, links } = event
  must(isText(payload?.summary, 1_024), "summary")
  must(isText(payload?.source, 255), "source")
  must(["critical", "error", "warning", "info"].includes(payload?.severity ?? ""), "severity")
  must(!Number.isNaN(Date.parse(payload?.timestamp ?? "")), "timestamp")
  must(typeof payload?.custom_details === "object", "custom_details")
  for (const { href } of links ?? []) must(href.startsWith("https://log.example/"), "href")
  return problems
}
