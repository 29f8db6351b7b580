/**
 * Erasures by HTTP, for admins: looked at, asked for, carried out, certified.
 *
 *     POST v1/erasures?dry_run=true {"user_id":"U12345"}          200 {"records":812,"classes":{…},"held":{…}}
 *     POST v1/erasures {"user_id":"U12345","why":"request 17"}    201 {"id":"case_…","state":"queued",…}
 *     POST v1/erasures/run                                        202 it has begun
 *     GET v1/erasures/{id}                                        200 {"state":"gone",…}
 *     GET v1/erasures/{id}/certificate                            prooflog-certificate/1
 *
 * What is asked names a person, and so it is in a body and in no event: those name the case.
 */

import { randomBytes } from "node:crypto"
import { encodeHex } from "@prooflog/tlog/base64"
import { type Answer, jsonAnswer, withHeaders } from "../answer.js"
import { withBody } from "../body.js"
import { ServerError } from "../error.js"
import { type Call, requireRole } from "../gate.js"
import { askLogged, logOwn, logStep, WHOLE_LOG } from "../own-events.js"
import { indexParameter, malformed } from "../query.js"
import { membersOf, refused } from "../request-members.js"
import { INDEX_SCHEMA, type Parameter, type Route } from "../route.js"
import { readJson } from "../sent-events.js"
import type { ServedLog } from "../served-log.js"
import { MAX_QUESTION_BYTES } from "../sql-routes.js"
import { timeText } from "../time-text.js"
import { withheldFromReader } from "../withhold.js"
import { type CaseScope, type CaseStep, type EraseCase, personsOf } from "./case-file.js"
import { type FoundLeaf, quotes } from "./erase-leaves.js"
import type { Erasing } from "./erase-run.js"
import { failureOf } from "./failure.js"
import { FILTER, filterTextOf, USER_ID, userIdOf, WHY, whyOf } from "./hold-routes.js"

const KINDS = { person: 1, order: 2 } as const

export function eraseRoutes(log: ServedLog, erasing: Erasing): readonly Route[] {
  return [
    {
      method: "POST",
      path: "v1/erasures",
      access: ["admin"],
      summary:
        "Have the records of a person, or of a filter, erased: queued, announced and destroyed by the daily run",
      parameters: [
        {
          name: "dry_run",
          in: "query",
          description: "Only say what would be destroyed, and what holds forbid",
          schema: { type: "boolean" },
        },
      ],
      requestBody: ERASE_BODY,
      answers: {
        200: { description: "What would be destroyed", mediaType: "application/json", schema: LOOK_ANSWER },
        201: { description: "The case, queued", mediaType: "application/json", schema: CASE_ANSWER },
      },
      handle: (call) => ask(log, erasing, call),
    },
    {
      method: "GET",
      path: "v1/erasures",
      access: ["admin"],
      summary: "Every case, and how the last run ended",
      answers: { 200: { description: "The cases, oldest first", mediaType: "application/json" } },
      handle: () => jsonAnswer(200, JSON.stringify(sayAll(erasing))),
    },
    {
      method: "POST",
      path: "v1/erasures/run",
      access: ["admin"],
      summary: "Begin the daily run now: every case goes as far as it can",
      answers: { 202: { description: "It has begun", mediaType: "application/json" } },
      async handle(call) {
        const doing = { action: "log.erase.run", resource: "cases", said: {} } as const
        await logOwn(log, call, doing)
        // What goes wrong is told by GET v1/erasures, and to the operator.
        erasing.run().catch(() => {})
        return jsonAnswer(202, JSON.stringify(sayAll(erasing)))
      },
    },
    {
      method: "GET",
      path: "v1/erasures/{id}",
      access: ["admin"],
      summary: "How far a case is",
      parameters: [CASE_ID],
      answers: { 200: { description: "The case", mediaType: "application/json", schema: CASE_ANSWER } },
      handle: (_, id) => jsonAnswer(200, JSON.stringify(sayCase(erasing, caseOf(erasing, id)))),
    },
    {
      method: "GET",
      path: "v1/erasures/{id}/certificate",
      access: ["admin"],
      summary: "What shows offline that the erasure was announced (prooflog-certificate/1)",
      parameters: [
        CASE_ID,
        {
          name: "part",
          in: "query",
          description: "Of a case with more than 4,096 records: which certificate, from 1 on",
          schema: { ...INDEX_SCHEMA, minimum: 1, default: 1 },
        },
      ],
      answers: { 200: { description: "The certificate", mediaType: "application/json" } },
      handle: (call, id) => answerCertificate(erasing, call, id),
    },
  ]
}

async function ask(log: ServedLog, erasing: Erasing, call: Call): Promise<Answer> {
  const caller = requireRole(call, ["admin"])
  const withheld = withheldFromReader(caller, log.withholding)
  const isLook = dryRunOf(call)
  const { why, kind, scope } = await withBody(
    call,
    log.budget,
    (bytes) => askedOf(readJson(bytes, call.req.headers["content-type"]), isLook, withheld),
    MAX_QUESTION_BYTES,
  )
  if (isLook) {
    const doing = { action: "log.erase.look", resource: WHOLE_LOG, said: {} } as const
    return askLogged(log, call, doing, async () => {
      const found = await look(erasing, scope)
      const said = { records: found.records, held: found.held.records }
      return { answer: jsonAnswer(200, JSON.stringify(found)), said }
    })
  }
  const found = await lookForSome(erasing, scope).catch(async (error: unknown) => {
    // That there is nothing is an answer, too.
    await logOwn(log, call, { action: "log.erase.ask", resource: WHOLE_LOG, said: {} }, error)
    throw error
  })
  const id = `case_${encodeHex(randomBytes(8))}`
  const doing = { action: "log.erase.ask", resource: `case/${id}`, said: { case: id } } as const
  // If we crash behind it, the log tells of a case that nobody was given.
  const event = await logStep(log, doing, { timeMs: call.timeMs, eventId: `${id}.ask`, keyId: caller.keyId })
  const asked = { at: timeText(call.timeMs), by: caller.keyId, event }
  const one: EraseCase = { id, kind: KINDS[kind], scope, why, state: "queued", asked }
  await erasing.cases.write(one)
  const answer = jsonAnswer(201, JSON.stringify({ ...sayCase(erasing, one), found }))
  return withHeaders(answer, ["Location", `erasures/${id}`])
}

/** @throws ServerError `SERVER_NOTHING_TO_ERASE`, and as {@link look} */
async function lookForSome(erasing: Erasing, scope: CaseScope): Promise<Found> {
  const found = await look(erasing, scope)
  if (found.records + found.held.records > 0) return found
  const parameter = "user_id" in scope ? "user_id" : "filter"
  const message = `${parameter} is that of no event in this log`
  throw new ServerError("SERVER_NOTHING_TO_ERASE", message, { parameter })
}

interface Found {
  /** That would be destroyed. */
  readonly records: number
  readonly classes: Readonly<Record<string, number>>
  readonly first?: string
  readonly last?: string
  /** What holds forbid. */
  readonly held: { readonly records: number; readonly holds: Readonly<Record<string, number>> }
}

async function look(erasing: Erasing, scope: CaseScope): Promise<Found> {
  const found = await erasing.find(scope)
  const held = await erasing.holds.heldAmong(found.map(({ leafIndex }) => leafIndex))
  const free = found.filter(({ leafIndex }) => !held.has(leafIndex))
  const [first, last] = [free[0], free.at(-1)]
  return {
    records: free.length,
    classes: counted(free.map(({ className }) => className)),
    // Time never decreases from leaf to leaf.
    ...(first && last && { first: receivedAt(first), last: receivedAt(last) }),
    held: { records: held.size, holds: counted([...held.values()].flat()) },
  }
}

function receivedAt({ receivedAt: text }: FoundLeaf): string {
  return timeText(Date.parse(`${text.replace(" ", "T").replace(/Z$/, "")}Z`))
}

function counted(names: readonly string[]): Readonly<Record<string, number>> {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)))
}

function dryRunOf({ query }: Call): boolean {
  const text = new URLSearchParams(query).get("dry_run")
  if (text === null || text === "false" || text === "0") return false
  if (text === "" || text === "true" || text === "1") return true
  throw malformed("dry_run", "must be true or false")
}

/** @throws ServerError `SERVER_REFUSED_REQUEST`; QueryError `QUERY_BAD_FILTER` with the parameter */
function askedOf(body: unknown, isLook: boolean, withheld: readonly string[]) {
  const { user_id, filter, why, kind } = membersOf(body, ["user_id", "filter", "why", "kind"])
  if (user_id === undefined && filter === undefined) throw refused("user_id", "must be given, or filter")
  if (user_id !== undefined && filter !== undefined) throw refused("filter", "cannot be given beside user_id")
  const scope =
    user_id === undefined ? { filter: filterTextOf(filter, withheld) } : { user_id: userIdOf(user_id) }
  const usual = user_id === undefined ? "order" : "person"
  if (kind !== undefined && kind !== "person" && kind !== "order")
    throw refused("kind", "must be person or order")
  const reason = isLook && why === undefined ? "" : whyOf(why)
  // It is kept when the person is forgotten.
  if (personsOf(scope).some((person) => quotes(reason, person))) {
    throw refused("why", "must not name the person: it is kept after the records are gone")
  }
  return { scope, why: reason, kind: kind ?? usual } as const
}

function caseOf({ cases }: Erasing, id: string): EraseCase {
  const one = cases.get(id)
  if (one === undefined) throw new ServerError("SERVER_NOT_FOUND", "no such case")
  return one
}

async function answerCertificate(erasing: Erasing, call: Call, id: string): Promise<Answer> {
  const { certificates = 0 } = caseOf(erasing, id)
  const part = indexParameter(new URLSearchParams(call.query), "part", 1)
  const text = part >= 1 && part <= certificates ? await erasing.cases.certificate(id, part) : undefined
  if (text !== undefined) return jsonAnswer(200, text)
  const why = certificates === 0 ? "there is none before its records are gone" : `there are ${certificates}`
  throw new ServerError("SERVER_NOT_FOUND", `no such certificate: ${why}`)
}

function sayAll(erasing: Erasing): object {
  const { isRunning, lastMs, error } = erasing.status
  return {
    running: isRunning,
    ...(lastMs !== undefined && { last_run: timeText(lastMs) }),
    ...(error !== undefined && { error: failureOf(error) }),
    cases: erasing.cases.cases().map((one) => sayCase(erasing, one)),
  }
}

/** A case in the words of the wire. */
function sayCase({ cases }: Erasing, one: EraseCase): object {
  const { id, kind, scope, why, continues, state, items, heldBack, notice, certificates } = one
  const noticeLeaf = cases.notices().find((each) => each.id === notice)?.leaf
  const step = ({ at, event }: CaseStep) => ({ at, ...(event !== undefined && { leaf_index: event }) })
  return {
    id,
    kind: kind === KINDS.person ? "person" : "order",
    state,
    why,
    ...(scope && !("leaves" in scope) && scope),
    ...(continues !== undefined && { continues }),
    ...(items && { records: items.length }),
    ...(noticeLeaf !== undefined && { notice_leaf: noticeLeaf }),
    asked: { ...step(one.asked), by: one.asked.by },
    ...(one.noticed && { noticed: step(one.noticed) }),
    ...(one.withdrawn && { withdrawn: step(one.withdrawn) }),
    ...(one.gone && { gone: step(one.gone) }),
    ...(one.expired && { expired: step(one.expired) }),
    ...(heldBack && {
      held_back: {
        records: heldBack.count,
        holds: heldBack.holds,
        ...(heldBack.case && { case: heldBack.case }),
      },
    }),
    ...(certificates !== undefined && { certificates }),
  }
}

const CASE_ID: Parameter = {
  name: "id",
  in: "path",
  required: true,
  description: "case_ and 16 hex digits",
  schema: { type: "string" },
}

const ERASE_BODY = {
  required: true,
  description: "Whose records (user_id, or a filter), and why.",
  content: {
    "application/json": {
      schema: {
        type: "object",
        additionalProperties: false,
        properties: {
          user_id: USER_ID,
          filter: FILTER,
          why: { ...WHY, description: "Must not name the person. May be left out of a dry run" },
          kind: {
            enum: Object.keys(KINDS),
            description:
              "What the public notice says: for a person, as user_id does unless told, or otherwise",
          },
        },
      },
    },
  },
}

const COUNTS = { type: "object", additionalProperties: { type: "integer" } }

const LOOK_ANSWER = {
  type: "object",
  required: ["records", "classes", "held"],
  properties: {
    records: { type: "integer", description: "That would be destroyed" },
    classes: COUNTS,
    first: { type: "string", format: "date-time", description: "When the first of them was received" },
    last: { type: "string", format: "date-time" },
    held: {
      type: "object",
      description: "What holds forbid",
      properties: { records: { type: "integer" }, holds: COUNTS },
    },
  },
}

const STEP = {
  type: "object",
  properties: { at: { type: "string", format: "date-time" }, leaf_index: INDEX_SCHEMA },
}

const CASE_ANSWER = {
  type: "object",
  required: ["id", "kind", "state", "why", "asked"],
  properties: {
    id: { type: "string" },
    kind: { enum: Object.keys(KINDS) },
    state: { enum: ["queued", "noticed", "withdrawn", "gone", "expired"] },
    why: { type: "string" },
    continues: { type: "string", description: "The case that this is the rest of" },
    records: { type: "integer" },
    notice_leaf: INDEX_SCHEMA,
    asked: STEP,
    noticed: STEP,
    withdrawn: STEP,
    gone: STEP,
    expired: STEP,
    held_back: { type: "object" },
    certificates: { type: "integer" },
    found: LOOK_ANSWER,
  },
}
