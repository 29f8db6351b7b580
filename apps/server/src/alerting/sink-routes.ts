/**
 * Sinks by HTTP: how they are, whether they work, and what they would not take.
 *
 *     GET v1/sinks                       200 {"sinks":[{"name":"on-call","circuit":"closed","waiting":0,"dead":[]}]}
 *     POST v1/sinks/{name}/test          200 {"delivered":true,"message":"202"}
 *     POST v1/sinks/{name}/retry         202 {"sent_again":3}
 */

import { randomBytes } from "node:crypto"
import { encodeHex } from "@prooflog/tlog/base64"
import { type Answer, jsonAnswer } from "../answer.js"
import { ServerError } from "../error.js"
import { type Call, requireRole } from "../gate.js"
import { logOwn } from "../own-events.js"
import type { Parameter, Route } from "../route.js"
import type { ServedLog } from "../served-log.js"
import { timeText } from "../time-text.js"
import type { SinkStatus } from "./delivery.js"

export function sinkRoutes(log: ServedLog): readonly Route[] {
  return [
    {
      method: "GET",
      path: "v1/sinks",
      access: ["reader"],
      summary: "Where alerts are sent, what waits, and what was refused for good",
      answers: { 200: { description: "The sinks", mediaType: "application/json" } },
      async handle() {
        const sinks = await log.alerts.ask({ kind: "sinks" })
        return jsonAnswer(200, JSON.stringify({ sinks: sinks.map(saySink) }))
      },
    },
    {
      method: "POST",
      path: "v1/sinks/{name}/test",
      access: ["admin"],
      summary: "Send a notification that says that it is a test",
      parameters: [SINK],
      answers: { 200: { description: "Whether it was taken", mediaType: "application/json" } },
      handle: (call, name) => test(log, call, name),
    },
    {
      method: "POST",
      path: "v1/sinks/{name}/retry",
      access: ["admin"],
      summary: "Send again what a sink would not take",
      parameters: [SINK],
      answers: { 202: { description: "How many are sent again", mediaType: "application/json" } },
      handle: (call, name) => retry(log, call, name),
    },
  ]
}

async function test(log: ServedLog, call: Call, sink: string): Promise<Answer> {
  requireRole(call, ["admin"])
  const outcome = await log.alerts.ask({ kind: "test sink", sink, salt: encodeHex(randomBytes(8)) })
  if (outcome === undefined) throw noSink()
  await logOwn(log, call, {
    action: "log.alert.sink",
    resource: `sink/${sink}`,
    said: { test: outcome.delivered },
  })
  return jsonAnswer(200, JSON.stringify(outcome))
}

async function retry(log: ServedLog, call: Call, sink: string): Promise<Answer> {
  requireRole(call, ["admin"])
  const count = await log.alerts.ask({ kind: "retry sink", sink })
  if (count === undefined) throw noSink()
  await logOwn(log, call, { action: "log.alert.sink", resource: `sink/${sink}`, said: { retried: count } })
  return jsonAnswer(202, JSON.stringify({ sent_again: count }))
}

function saySink(sink: SinkStatus): object {
  const { name, kind, circuit, untilMs, waiting, oldestMs, lastDeliveredMs, lastError, dead, dropped } = sink
  return {
    name,
    kind,
    circuit,
    ...(untilMs !== undefined && { tried_again: timeText(untilMs) }),
    waiting,
    ...(oldestMs !== undefined && { oldest: timeText(oldestMs) }),
    ...(lastDeliveredMs !== undefined && { last_delivered: timeText(lastDeliveredMs) }),
    ...(lastError !== undefined && { last_error: lastError }),
    dead: dead.map(({ id, alerts, sinceMs, attempts, error }) => ({
      id,
      alerts,
      since: timeText(sinceMs),
      attempts,
      error,
    })),
    dropped,
  }
}

function noSink(): ServerError {
  return new ServerError("SERVER_NOT_FOUND", "alerts.yaml has no such sink")
}

const SINK: Parameter = {
  name: "name",
  in: "path",
  required: true,
  description: "As alerts.yaml has it",
  schema: { type: "string" },
}
