/**
 * How far answers are behind the log, and how they are begun anew.
 *
 *     GET v1/reading    {"state":"following","through":8123,"tree_size":8123,"lag_leaves":0,"lag_seconds":0,…}
 *     POST v1/reindex   throws the rows away; v1/reading tells how far the new ones are
 */

import { type Answer, jsonAnswer } from "./answer.js"
import { type Call, requireRole } from "./gate.js"
import { logOwn, WHOLE_LOG } from "./own-events.js"
import type { Reading } from "./reading.js"
import type { Route } from "./route.js"
import type { ServedLog } from "./served-log.js"

export function readingRoutes(log: ServedLog): readonly Route[] {
  return [
    {
      method: "GET",
      path: "v1/reading",
      access: ["reader"],
      summary: "How far behind the log answers are",
      answers: {
        200: { description: "State and lag", mediaType: "application/json", schema: READING_SCHEMA },
      },
      handle: () => jsonAnswer(200, JSON.stringify(sayReading(log.reading))),
    },
    {
      method: "POST",
      path: "v1/reindex",
      access: ["admin"],
      summary: "Throw away what questions are asked of, and make it anew from the log",
      answers: {
        202: { description: "It has begun", mediaType: "application/json", schema: READING_SCHEMA },
      },
      handle: (call) => reindex(log, call),
    },
  ]
}

/** The state of reading in the words of the wire. */
export function sayReading(reading: Reading): object {
  const { state, through, treeSize, lagLeaves, lagSeconds, stoppedBy, databases, restarts } = reading.status()
  return {
    state,
    through,
    tree_size: treeSize,
    lag_leaves: lagLeaves,
    lag_seconds: lagSeconds,
    ...(stoppedBy && { stopped_by: { code: stoppedBy.code, message: stoppedBy.message } }),
    databases: databases.map(({ type, built, faults }) => ({ type, built, faults })),
    restarts,
  }
}

/** It is logged before it is done: what is thrown away is gone. A failure is logged again, as one. */
async function reindex(log: ServedLog, call: Call): Promise<Answer> {
  requireRole(call, ["admin"])
  const doing = {
    action: "log.reindex",
    resource: WHOLE_LOG,
    said: { through: log.reading.status().through },
  } as const
  await logOwn(log, call, doing)
  await log.reading.reindex().catch(async (error: unknown) => {
    await logOwn(log, call, doing, error)
    throw error
  })
  return jsonAnswer(202, JSON.stringify(sayReading(log.reading)))
}

const READING_SCHEMA = {
  type: "object",
  required: ["state", "through", "tree_size", "lag_leaves", "lag_seconds", "databases", "restarts"],
  properties: {
    state: { enum: ["starting", "following", "restarting", "stopped", "off"] },
    through: { type: "integer", description: "Leaves that answers have seen" },
    tree_size: { type: "integer", description: "Leaves of the signed head" },
    lag_leaves: { type: "integer" },
    lag_seconds: { type: "number", description: "How long the oldest leaf not yet seen has been signed" },
    stopped_by: { type: "object", description: "Which check of the log failed: code and message" },
    databases: {
      type: "array",
      description: "What countries and networks are looked up in",
      items: {
        type: "object",
        required: ["type", "built", "faults"],
        properties: {
          type: { type: "string" },
          built: { type: "string", format: "date-time" },
          faults: {
            type: "integer",
            minimum: 0,
            description: "Lookups that met a damaged record",
          },
        },
      },
    },
    restarts: { type: "integer" },
  },
}
