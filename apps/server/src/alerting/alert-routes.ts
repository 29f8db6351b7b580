/**
 * Alerts by HTTP: listed, shown, acknowledged.
 *
 *     GET v1/alerts?state=firing&severity=high,critical        200 {"alerts":[…],"next_cursor":"…"}
 *     GET v1/alerts/{id}                                       200 {"id":"alert_…","rule":{…},"labels":{…},"leaves":[…]}
 *     POST v1/alerts/{id}/acknowledge {"note":"on it"}         200
 *     GET v1/alert-rules                                       200 {"rules":[…],"refused":[…]}
 *
 * To look at alerts is to look at events, and is logged like it.
 */

import { SEVERITIES, type Severity } from "@prooflog/alerts/firing"
import { parseTimestamp } from "@prooflog/event/timestamp"
import { type Answer, jsonAnswer } from "../answer.js"
import { withBody } from "../body.js"
import { ServerError } from "../error.js"
import type { AlertFilter, ShownAlert } from "../followers/alerts-calls.js"
import { type Call, requireRole } from "../gate.js"
import { askLogged, logOwn } from "../own-events.js"
import { indexParameter, listParameter, malformed } from "../query.js"
import { membersOf, refused } from "../request-members.js"
import type { Parameter, Route } from "../route.js"
import { readJson } from "../sent-events.js"
import type { ServedLog } from "../served-log.js"
import { MAX_QUESTION_BYTES } from "../sql-routes.js"
import { timeText } from "../time-text.js"
import { withheldFromReader } from "../withhold.js"
import { sayAlert } from "./say-alert.js"

const MAX_NOTE = 1_024
const MAX_PAGE = 500
const PAGE = 50

export function alertRoutes(log: ServedLog): readonly Route[] {
  return [
    {
      method: "GET",
      path: "v1/alerts",
      access: ["reader"],
      summary: "Alerts, the latest first",
      parameters: LIST_PARAMETERS,
      answers: { 200: { description: "A page of them", mediaType: "application/json" } },
      handle: (call) => list(log, call),
    },
    {
      method: "GET",
      path: "v1/alerts/{id}",
      access: ["reader"],
      summary: "One alert: its rule, what it is about, the leaves that made it fire",
      parameters: [ALERT_ID],
      answers: { 200: { description: "The alert", mediaType: "application/json" } },
      handle: (call, id) => show(log, call, id),
    },
    {
      method: "POST",
      path: "v1/alerts/{id}/acknowledge",
      access: ["reader"],
      summary: "Say that you take care of an alert: it is not repeated",
      parameters: [ALERT_ID],
      requestBody: NOTE_BODY,
      answers: { 200: { description: "The alert", mediaType: "application/json" } },
      handle: (call, id) => acknowledge(log, call, id),
    },
    {
      method: "GET",
      path: "v1/alert-rules",
      access: ["reader"],
      summary: "The rules in force, and what was refused of the files they are read from",
      answers: { 200: { description: "The rules", mediaType: "application/json" } },
      async handle() {
        const { rules, refused: problems, sinceMs, counts, through } = await log.alerts.ask({ kind: "rules" })
        const said = { rules, refused: problems, since: timeText(sinceMs), through, left_out: counts }
        return jsonAnswer(200, JSON.stringify(said))
      },
    },
  ]
}

async function list(log: ServedLog, call: Call): Promise<Answer> {
  const withheld = withheldFromReader(requireRole(call, ["reader"]), log.withholding)
  const filter = filterOf(new URLSearchParams(call.query))
  const doing = { action: "log.alert.read", resource: "alerts", said: { filter: call.query } } as const
  return askLogged(log, call, doing, async () => {
    const { alerts, nextCursor } = await log.alerts.ask({ kind: "list", filter })
    const said = {
      alerts: alerts.map((alert) => sayAlert(alert, withheld)),
      ...(nextCursor !== undefined && { next_cursor: nextCursor }),
    }
    return { answer: jsonAnswer(200, JSON.stringify(said)), said: { rows: alerts.length } }
  })
}

/** @throws {@link ServerError} `SERVER_MALFORMED_QUERY` */
function filterOf(query: URLSearchParams): AlertFilter {
  const stranger = [...query.keys()].find((name) => LIST_PARAMETERS.every((known) => known.name !== name))
  if (stranger !== undefined) throw malformed(stranger.slice(0, 64), "is not known")
  const one = (name: string): string | undefined => {
    const texts = query.getAll(name)
    if (texts.length > 1) throw malformed(name, "must be given once")
    return texts[0]
  }
  const state = one("state")
  if (state !== undefined && state !== "firing" && state !== "resolved")
    throw malformed("state", "must be firing or resolved")
  const severity = listParameter(query, "severity")
  if (!severity.every(isSeverity)) throw malformed("severity", `must be of ${SEVERITIES.join(", ")}`)
  const since = one("since")
  const sinceMs = since === undefined ? undefined : timeMsOf(since)
  if (Number.isNaN(sinceMs)) throw malformed("since", "must be a time, as 2026-03-01T12:00:00Z")
  const limit = indexParameter(query, "limit", PAGE)
  if (limit < 1 || limit > MAX_PAGE) throw malformed("limit", `must be 1 … ${MAX_PAGE}`)
  return {
    state,
    severity: severity.length === 0 ? undefined : severity,
    rule: one("rule"),
    sinceMs,
    cursor: one("cursor"),
    limit,
  }
}

/** Returns a time in ms since 1970; NaN if it is none. @param text - suspect */
export function timeMsOf(text: string): number {
  return Math.ceil((parseTimestamp(text) ?? Number.NaN) / 1_000)
}

function isSeverity(text: string): text is Severity {
  return (SEVERITIES as readonly string[]).includes(text)
}

async function show(log: ServedLog, call: Call, id: string): Promise<Answer> {
  const withheld = withheldFromReader(requireRole(call, ["reader"]), log.withholding)
  const doing = { action: "log.alert.read", resource: "alerts", said: { alert: id.slice(0, 64) } } as const
  return askLogged(log, call, doing, async () => {
    const alert = there(await log.alerts.ask({ kind: "show", id }))
    return { answer: jsonAnswer(200, JSON.stringify(sayAlert(alert, withheld))), said: {} }
  })
}

async function acknowledge(log: ServedLog, call: Call, id: string): Promise<Answer> {
  const caller = requireRole(call, ["reader"])
  const withheld = withheldFromReader(caller, log.withholding)
  const { note = "" } = await withBody(
    call,
    log.budget,
    (bytes) =>
      bytes.length === 0 ? {} : membersOf(readJson(bytes, call.req.headers["content-type"]), ["note"]),
    MAX_QUESTION_BYTES,
  )
  if (typeof note !== "string" || note.length > MAX_NOTE)
    throw refused("note", `must be a text of at most ${MAX_NOTE} characters`)
  const question = { kind: "acknowledge", id, by: caller.keyId, note, atMs: call.timeMs } as const
  const alert = there(await log.alerts.ask(question), "no such alert, or it is over")
  const doing = { action: "log.alert.acknowledge", resource: `alert/${id}`, said: { alert: id } } as const
  await logOwn(log, call, doing)
  return jsonAnswer(200, JSON.stringify(sayAlert(alert, withheld)))
}

/** @throws {@link ServerError} `SERVER_NOT_FOUND` */
function there(alert: ShownAlert | undefined, message = "no such alert"): ShownAlert {
  if (alert === undefined) throw new ServerError("SERVER_NOT_FOUND", message)
  return alert
}

const ALERT_ID: Parameter = {
  name: "id",
  in: "path",
  required: true,
  description: "alert_ and 16 hex digits",
  schema: { type: "string" },
}

const LIST_PARAMETERS: readonly Parameter[] = [
  {
    name: "state",
    in: "query",
    description: "firing or resolved; both if left out",
    schema: { enum: ["firing", "resolved"] },
  },
  {
    name: "severity",
    in: "query",
    description: `One or several of ${SEVERITIES.join(", ")}`,
    schema: { type: "string" },
  },
  { name: "rule", in: "query", description: "Id of a rule", schema: { type: "string" } },
  {
    name: "since",
    in: "query",
    description: "Those that were last seen then or later",
    schema: { type: "string", format: "date-time" },
  },
  { name: "cursor", in: "query", description: "As an answer gave it", schema: { type: "string" } },
  {
    name: "limit",
    in: "query",
    description: "Alerts of a page",
    schema: { type: "integer", minimum: 1, maximum: MAX_PAGE, default: PAGE },
  },
]

const NOTE_BODY = {
  required: false,
  content: {
    "application/json": {
      schema: {
        type: "object",
        additionalProperties: false,
        properties: { note: { type: "string", maxLength: MAX_NOTE } },
      },
    },
  },
}
