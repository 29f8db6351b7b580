/**
 * `v1/schedule`: how long records are kept, shown to readers and changed by admins.
 *
 * The file and its rules are for auditors and admins alone: they may name people. Whoever changes the schedule, or is
 * refused, leaves an event.
 */

import { formatRules } from "@prooflog/archive/class-rules"
import type { ClassTimes } from "@prooflog/archive/schedule-file"
import { encodeHex } from "@prooflog/tlog/base64"
import { type Answer, jsonAnswer } from "../answer.js"
import { withBody } from "../body.js"
import { ServerError } from "../error.js"
import { type Call, requireCaller } from "../gate.js"
import { includesRole } from "../keys.js"
import { logOwn, ownEvent, sealOwn } from "../own-events.js"
import type { Route } from "../route.js"
import { mediaTypeOf, readText } from "../sent-events.js"
import type { ServedLog } from "../served-log.js"
import { SCHEDULE_DOING } from "./schedule-in-force.js"

/** Of a file: more than any that can be read has. */
const MAX_FILE_BYTES = 4 * 1024 * 1024

const PATH = "v1/schedule"

const YAML_TYPES: readonly string[] = ["application/yaml", "application/x-yaml", "text/yaml"]

export function scheduleRoutes(log: ServedLog): readonly Route[] {
  async function replace(call: Call): Promise<Answer> {
    try {
      const type = mediaTypeOf(call.req.headers["content-type"])
      if (!YAML_TYPES.includes(type)) throw notYaml()
      const text = await withBody(call, log.budget, readText, MAX_FILE_BYTES)
      const { changes, isCommitted } = await log.schedule.replace(text, (doing) =>
        sealOwn(ownEvent(call, doing, undefined, call.timeMs), call.timeMs, log.seeds),
      )
      return jsonAnswer(200, JSON.stringify({ committed: isCommitted, changes, ...inForce(log, call) }))
    } catch (error) {
      await logOwn(log, call, { ...SCHEDULE_DOING, said: {} }, error)
      throw error
    }
  }

  return [
    {
      method: "GET",
      path: PATH,
      access: ["reader"],
      summary: "The retention schedule in force; for an auditor with its file and rules",
      answers: {
        200: { description: "The schedule", mediaType: "application/json", schema: SCHEDULE_SCHEMA },
      },
      handle: (call) => jsonAnswer(200, JSON.stringify(inForce(log, call))),
    },
    {
      method: "PUT",
      path: PATH,
      access: ["admin"],
      summary: "Put another schedule file in force; what was promised is never shortened",
      requestBody: {
        required: true,
        content: { "application/yaml": { schema: { type: "string", description: "schedule.yaml" } } },
      },
      answers: {
        200: {
          description: "It is in force, durably: what changed, and the schedule",
          mediaType: "application/json",
          schema: { allOf: [CHANGED_SCHEMA, SCHEDULE_SCHEMA] },
        },
      },
      handle: replace,
    },
  ]
}

function inForce({ schedule }: ServedLog, call: Call): object {
  const { leafIndex, read } = schedule
  const promised = schedule.schedule
  const classes = Object.entries(promised.classes).map(([name, retention]) => {
    const times = read?.file.classes.get(name)
    return [name, { ...(times && hotOf(times)), ...retention }]
  })
  const mayRead = includesRole(requireCaller(call).roles, "auditor")
  return {
    leaf_index: leafIndex,
    classes: Object.fromEntries(classes),
    default: promised.default,
    rules: encodeHex(promised.rules),
    ...(read && { presets: read.file.presets }),
    ...(read && mayRead && { rules_text: formatRules(read.file.rules), file: read.text }),
  }
}

function hotOf({ hotDays, raisedBy }: ClassTimes): object {
  return { hot_days: hotDays, ...(raisedBy && { raised_by: raisedBy }) }
}

function notYaml(): ServerError {
  return new ServerError("SERVER_UNSUPPORTED_MEDIA_TYPE", `Content-Type must be ${YAML_TYPES[0]}`)
}

const DAYS = { type: "integer", minimum: 0 }

const CHANGED_SCHEMA = {
  type: "object",
  required: ["committed", "changes"],
  properties: {
    committed: { type: "boolean", description: "Whether a schedule entry was logged" },
    changes: { type: "array", items: { type: "string" }, description: "A line for each thing that changed" },
  },
}

const SCHEDULE_SCHEMA = {
  type: "object",
  required: ["leaf_index", "classes", "default", "rules"],
  properties: {
    leaf_index: { ...DAYS, description: "Leaf of the entry that put it in force" },
    classes: {
      type: "object",
      description: "By name; days from the time of an event's entry",
      additionalProperties: {
        type: "object",
        required: ["keep_days"],
        properties: {
          hot_days: { ...DAYS, description: "At hand; not promised. Absent where there is no schedule file" },
          keep_days: DAYS,
          destroy_days: { ...DAYS, description: "Never destroyed, if absent" },
          raised_by: { type: "string", description: "The preset that lengthened keep_days" },
        },
      },
    },
    default: { type: "string", description: "The class of an event that no rule takes" },
    rules: { type: "string", description: "SHA-256 of the rules, in hex" },
    presets: { type: "array", items: { type: "string" } },
    rules_text: { type: "string", description: "The bytes that rules is the hash of; for an auditor" },
    file: { type: "string", description: "schedule.yaml; for an auditor" },
  },
}
