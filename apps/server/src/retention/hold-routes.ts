/**
 * Holds by HTTP, for admins: placed, listed, lifted.
 *
 *     POST v1/holds {"user_id":"U12345","why":"case 4711"}       201 {"id":"hold_…","in_force":true,"takes":812,…}
 *     POST v1/holds {"filter":"resource_accessed.prefix=/hr&from=2023-10-01","why":…}
 *     POST v1/holds {"sql":"SELECT leaf_index FROM access_logs WHERE …","why":…}
 *     POST v1/holds/{id}/release {"why":"settled"}               200
 */

import { namesOf, parseRowFilter, requireVisible } from "@prooflog/query/listing"
import { type Answer, jsonAnswer } from "../answer.js"
import { withBody } from "../body.js"
import { queryOf } from "../export-routes.js"
import { type Call, requireRole } from "../gate.js"
import { logOwn, WHOLE_LOG } from "../own-events.js"
import { membersOf, refused } from "../request-members.js"
import { INDEX_SCHEMA, type Parameter, type Route } from "../route.js"
import { readJson } from "../sent-events.js"
import type { ServedLog } from "../served-log.js"
import { MAX_QUESTION_BYTES } from "../sql-routes.js"
import { withheldFromReader } from "../withhold.js"
import { type Hold, type HoldScope, isInForce, noticesOf } from "./hold-file.js"
import { checkHold } from "./hold-leaves.js"
import type { Holds } from "./holds.js"

/** Characters of a reason; of the id of a user as in events. */
const MAX_WHY = 1_000
const MAX_USER_ID = 256

export function holdRoutes(log: ServedLog, holds: Holds): readonly Route[] {
  return [
    {
      method: "POST",
      path: "v1/holds",
      access: ["admin"],
      summary: "Place a hold: nothing that it takes is destroyed, by any path, until it is lifted",
      requestBody: HOLD_BODY,
      answers: {
        201: { description: "The hold, in force", mediaType: "application/json", schema: HOLD_ANSWER },
      },
      handle: (call) => place(log, holds, call),
    },
    {
      method: "GET",
      path: "v1/holds",
      access: ["admin"],
      summary: "Every hold there ever was",
      answers: { 200: { description: "The holds, oldest first", mediaType: "application/json" } },
      handle: () => jsonAnswer(200, JSON.stringify({ holds: holds.all.map(sayHold) })),
    },
    {
      method: "POST",
      path: "v1/holds/{id}/release",
      access: ["admin"],
      summary: "Lift a hold",
      parameters: [HOLD_ID],
      requestBody: RELEASE_BODY,
      answers: {
        200: { description: "The hold, lifted", mediaType: "application/json", schema: HOLD_ANSWER },
      },
      handle: (call, id) => release(log, holds, call, id),
    },
  ]
}

async function place(log: ServedLog, holds: Holds, call: Call): Promise<Answer> {
  const caller = requireRole(call, ["admin"])
  const withheld = withheldFromReader(caller, log.withholding)
  const { why, ...asked } = await withBody(
    call,
    log.budget,
    (bytes) =>
      membersOf(readJson(bytes, call.req.headers["content-type"]), ["user_id", "filter", "sql", "why"]),
    MAX_QUESTION_BYTES,
  )
  const scope = holdScopeOf(asked, withheld)
  const reason = whyOf(why)
  // One that cannot be asked would let nothing be destroyed any more.
  const takes = await checkHold(log.reading, scope, log.ledger.signedHead.treeSize, withheld).catch(
    async (error: unknown) => {
      // It was a question: how it fails may tell of rows.
      await logOwn(log, call, { action: "log.hold.place", resource: WHOLE_LOG, said: {} }, error)
      throw error
    },
  )
  const hold = await holds.place({ scope, why: reason, by: caller.keyId, timeMs: call.timeMs })
  return jsonAnswer(201, JSON.stringify({ ...sayHold(hold), takes }))
}

async function release(log: ServedLog, holds: Holds, call: Call, id: string): Promise<Answer> {
  const { keyId } = requireRole(call, ["admin"])
  const { why } = await withBody(
    call,
    log.budget,
    (bytes) => membersOf(readJson(bytes, call.req.headers["content-type"]), ["why"]),
    MAX_QUESTION_BYTES,
  )
  const hold = await holds.release(id, { why: whyOf(why), by: keyId, timeMs: call.timeMs })
  return jsonAnswer(200, JSON.stringify(sayHold(hold)))
}

/** A hold in the words of the wire. */
export function sayHold(hold: Hold): object {
  const { id, scope, why, placed, released } = hold
  return {
    id,
    in_force: isInForce(hold),
    ...scope,
    ...(why !== undefined && { why }),
    placed: { at: placed.at, by: placed.by, leaf_index: placed.event },
    ...(released && {
      released: {
        at: released.at,
        by: released.by,
        leaf_index: released.event,
        ...(released.why !== undefined && { why: released.why }),
      },
    }),
    notices: noticesOf(hold),
  }
}

/** @throws ServerError `SERVER_REFUSED_REQUEST`; QueryError `QUERY_BAD_FILTER` with the parameter */
function holdScopeOf(
  asked: Readonly<Partial<Record<"user_id" | "filter" | "sql", unknown>>>,
  withheld: readonly string[],
): HoldScope {
  const [name, ...others] = (["user_id", "filter", "sql"] as const).filter(
    (each) => asked[each] !== undefined,
  )
  if (name === undefined) throw refused("user_id", "must be given, or filter, or sql")
  if (others.length > 0) throw refused(others[0] as string, `cannot be given beside ${name}`)
  if (name === "user_id") return { user_id: userIdOf(asked.user_id) }
  if (name === "filter") return { filter: filterTextOf(asked.filter, withheld) }
  if (typeof asked.sql !== "string") throw refused("sql", "must be a text")
  return { sql: asked.sql }
}

/** @param value - suspect. @throws ServerError `SERVER_REFUSED_REQUEST` */
export function userIdOf(value: unknown): string {
  if (typeof value === "string" && value !== "" && value.length <= MAX_USER_ID) return value
  throw refused("user_id", `must be a text of 1 to ${MAX_USER_ID} characters`)
}

/**
 * Returns a filter as it is kept. An empty one takes everything, which nobody means who forgot to say what.
 *
 * @throws ServerError `SERVER_REFUSED_REQUEST`; QueryError `QUERY_BAD_FILTER` with the parameter
 */
export function filterTextOf(value: unknown, withheld: readonly string[]): string {
  const query = queryOf(value)
  if ([...query].length === 0) throw refused("filter", "must name a column, or from or to")
  requireVisible(namesOf(parseRowFilter(query)), withheld)
  return query.toString()
}

/** @param value - suspect. @throws ServerError `SERVER_REFUSED_REQUEST` */
export function whyOf(value: unknown): string {
  if (typeof value === "string" && value.trim() !== "" && value.length <= MAX_WHY) return value
  throw refused("why", `must say why, in up to ${MAX_WHY} characters`)
}

const HOLD_ID: Parameter = {
  name: "id",
  in: "path",
  required: true,
  description: "hold_ and 16 hex digits",
  schema: { type: "string" },
}

export const WHY = { type: "string", minLength: 1, maxLength: MAX_WHY }
export const USER_ID = { type: "string", minLength: 1, maxLength: MAX_USER_ID }
export const FILTER = {
  description: "As the query of GET v1/events, without limit, order and cursor",
  oneOf: [{ type: "string" }, { type: "object" }],
}

const HOLD_BODY = {
  required: true,
  description: "What is held (one of user_id, filter and sql), and why.",
  content: {
    "application/json": {
      schema: {
        type: "object",
        required: ["why"],
        additionalProperties: false,
        properties: {
          user_id: USER_ID,
          filter: FILTER,
          sql: { type: "string", description: "One SELECT over access_logs with a column leaf_index" },
          why: WHY,
        },
      },
    },
  },
}

const RELEASE_BODY = {
  required: true,
  content: {
    "application/json": {
      schema: { type: "object", required: ["why"], additionalProperties: false, properties: { why: WHY } },
    },
  },
}

const HOLD_ANSWER = {
  type: "object",
  required: ["id", "in_force", "placed", "notices"],
  properties: {
    id: { type: "string" },
    in_force: { type: "boolean" },
    user_id: { type: "string" },
    filter: { type: "string" },
    sql: { type: "string" },
    why: { type: "string" },
    placed: { type: "object" },
    released: { type: "object" },
    notices: { type: "array", items: INDEX_SCHEMA, description: "Leaves of its public notices" },
    takes: { type: "integer", description: "Events that it takes now" },
  },
}
