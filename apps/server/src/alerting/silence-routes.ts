/**
 * Silences by HTTP: for a while nobody is told of alerts that match.
 *
 *     POST v1/silences {"matchers":["rule = error-rate","service =~ \"pay.*\""],"for":"2h","why":"deployment"}    201
 *     GET v1/silences                                                                                           200
 *     DELETE v1/silences/{id}                                                                                   200
 */

import { randomBytes } from "node:crypto"
import { AlertsError } from "@prooflog/alerts/error"
import { parseMatcher } from "@prooflog/alerts/matchers"
import { encodeHex } from "@prooflog/tlog/base64"
import { type Answer, jsonAnswer } from "../answer.js"
import { withBody } from "../body.js"
import { ServerError } from "../error.js"
import type { NewSilence } from "../followers/alerts-calls.js"
import { type Call, requireRole } from "../gate.js"
import { logOwn } from "../own-events.js"
import { membersOf, refused } from "../request-members.js"
import { WHY, whyOf } from "../retention/hold-routes.js"
import type { Parameter, Route } from "../route.js"
import { readJson } from "../sent-events.js"
import type { ServedLog } from "../served-log.js"
import { MAX_QUESTION_BYTES } from "../sql-routes.js"
import { timeText } from "../time-text.js"
import { withheldFromReader } from "../withhold.js"
import { timeMsOf } from "./alert-routes.js"
import { saySilence } from "./say-alert.js"

const MAX_MATCHERS = 16
const MAX_MATCHER = 1_024
const MAX_DAYS = 366
const DAY_MS = 86_400_000

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: DAY_MS }

export function silenceRoutes(log: ServedLog): readonly Route[] {
  return [
    {
      method: "GET",
      path: "v1/silences",
      access: ["reader"],
      summary: "Silences, those that are over for less than five days among them",
      answers: { 200: { description: "The silences", mediaType: "application/json" } },
      async handle(call) {
        const withheld = withheldFromReader(requireRole(call, ["reader"]), log.withholding)
        const silences = await log.alerts.ask({ kind: "silences" })
        const said = silences.map((silence) => saySilence(silence, call.timeMs, withheld))
        return jsonAnswer(200, JSON.stringify({ silences: said }))
      },
    },
    {
      method: "POST",
      path: "v1/silences",
      access: ["admin"],
      summary: "Tell nobody of alerts that all of some matchers match, for a while",
      requestBody: SILENCE_BODY,
      answers: { 201: { description: "The silence", mediaType: "application/json" } },
      handle: (call) => silence(log, call),
    },
    {
      method: "DELETE",
      path: "v1/silences/{id}",
      access: ["admin"],
      summary: "End a silence",
      parameters: [SILENCE_ID],
      answers: { 200: { description: "The silence, over", mediaType: "application/json" } },
      handle: (call, id) => end(log, call, id),
    },
  ]
}

async function silence(log: ServedLog, call: Call): Promise<Answer> {
  const { keyId } = requireRole(call, ["admin"])
  const asked = await withBody(
    call,
    log.budget,
    (bytes) => silenceOf(readJson(bytes, call.req.headers["content-type"]), call.timeMs),
    MAX_QUESTION_BYTES,
  )
  const id = `silence_${encodeHex(randomBytes(8))}`
  const answer = await log.alerts.ask({ kind: "silence", silence: { ...asked, id, by: keyId } })
  if (answer === "full") throw new ServerError("SERVER_BUSY", "there are too many silences already: end some")
  await logChange(log, call, id, { until: timeText(asked.endsMs) })
  // What it says was just said by whoever is told.
  return jsonAnswer(201, JSON.stringify(saySilence(answer, call.timeMs, [])))
}

async function end(log: ServedLog, call: Call, id: string): Promise<Answer> {
  const withheld = withheldFromReader(requireRole(call, ["admin"]), log.withholding)
  const ended = await log.alerts.ask({ kind: "end silence", id, atMs: call.timeMs })
  if (ended === undefined) throw new ServerError("SERVER_NOT_FOUND", "no such silence, or it is over")
  await logChange(log, call, id, { ended: true })
  return jsonAnswer(200, JSON.stringify(saySilence(ended, call.timeMs, withheld)))
}

/** What it silences may name a person, and so it stands in no event. */
async function logChange(log: ServedLog, call: Call, id: string, said: object): Promise<void> {
  const doing = {
    action: "log.alert.silence",
    resource: `silence/${id}`,
    said: { silence: id, ...said },
  } as const
  await logOwn(log, call, doing)
}

/** @param value - suspect. @throws ServerError `SERVER_REFUSED_REQUEST` */
function silenceOf(value: unknown, nowMs: number): Omit<NewSilence, "id" | "by"> {
  const { matchers, starts, ends, why, ...rest } = membersOf(value, [
    "matchers",
    "starts",
    "ends",
    "for",
    "why",
  ])
  if (!Array.isArray(matchers) || matchers.length < 1 || matchers.length > MAX_MATCHERS)
    throw refused("matchers", `must be a list of 1 to ${MAX_MATCHERS} matchers, as "rule = error-rate"`)
  const startsMs = starts === undefined ? nowMs : timeOf("starts", starts)
  if ((ends === undefined) === (rest.for === undefined))
    throw refused("ends", "must be given, or for: one of them")
  const endsMs = ends === undefined ? startsMs + durationOf(rest.for) : timeOf("ends", ends)
  if (endsMs <= Math.max(startsMs, nowMs)) throw refused("ends", "must be in the future, and after starts")
  if (endsMs - startsMs > MAX_DAYS * DAY_MS) throw refused("ends", `must be within ${MAX_DAYS} days`)
  return { matchers: matchers.map(matcherOf), startsMs, endsMs, why: whyOf(why) }
}

function matcherOf(text: unknown): string {
  if (typeof text !== "string" || text.length > MAX_MATCHER)
    throw refused("matchers", `must be texts of at most ${MAX_MATCHER} characters`)
  try {
    return parseMatcher(text).text
  } catch (error) {
    if (!(error instanceof AlertsError)) throw error
    throw refused("matchers", error.message)
  }
}

function timeOf(name: string, value: unknown): number {
  const ms = typeof value === "string" ? timeMsOf(value) : Number.NaN
  if (Number.isNaN(ms)) throw refused(name, "must be a time, as 2026-03-01T12:00:00Z")
  return ms
}

function durationOf(value: unknown): number {
  const [, digits = "", unit = ""] =
    (typeof value === "string" && /^([1-9]\d{0,8})([smhd])$/.exec(value)) || []
  const unitMs = UNIT_MS[unit]
  if (unitMs === undefined) throw refused("for", "must be a duration, as 90m, 2h or 7d")
  return Number(digits) * unitMs
}

const SILENCE_ID: Parameter = {
  name: "id",
  in: "path",
  required: true,
  description: "silence_ and 16 hex digits",
  schema: { type: "string" },
}

const SILENCE_BODY = {
  required: true,
  content: {
    "application/json": {
      schema: {
        type: "object",
        required: ["matchers", "why"],
        additionalProperties: false,
        properties: {
          matchers: {
            type: "array",
            minItems: 1,
            maxItems: MAX_MATCHERS,
            items: { type: "string", description: "NAME = VALUE, or with !=, =~, !~" },
          },
          starts: { type: "string", format: "date-time", description: "Now if left out" },
          ends: { type: "string", format: "date-time" },
          for: { type: "string", description: "Instead of ends: 90m, 2h, 7d" },
          why: WHY,
        },
      },
    },
  },
}
