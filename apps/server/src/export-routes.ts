/**
 * Exports by HTTP, for admins: asked for, looked at, fetched, removed.
 *
 *     POST v1/exports {"filter":"user_id=U12345","format":"csv"}   202 {"id":…,"state":"running"}
 *     GET v1/exports/{id}                                          200 {"id":…,"state":"done","rows":7,"leaf_index":9,…}
 *     GET v1/exports/{id}/file, …/manifest                         the bytes that were hashed
 *
 * The event of an export carries the hash of its manifest. A file shows no more to whoever fetches it than a
 * question of their own would.
 */

import { createReadStream } from "node:fs"
import { EXPORT_FORMATS, type ExportFormat } from "@prooflog/query/export-format"
import { type Filter, filterSql, namesOf, parseRowFilter, requireVisible } from "@prooflog/query/listing"
import { type Answer, contentHeaders, jsonAnswer, withHeaders } from "./answer.js"
import { withBody } from "./body.js"
import { ServerError } from "./error.js"
import { type Export, type Exports, KEPT_MS } from "./exports.js"
import { type Call, requireRole } from "./gate.js"
import { askLogged, logOwn, WHOLE_LOG } from "./own-events.js"
import { EXPORT_ANSWER, EXPORT_BODY } from "./question-schema.js"
import { isObject, membersOf, refused } from "./request-members.js"
import type { Parameter, Route } from "./route.js"
import { readJson } from "./sent-events.js"
import type { ServedLog } from "./served-log.js"
import { MAX_QUESTION_BYTES, type SqlQuestion, sqlOf } from "./sql-routes.js"
import { timeText } from "./time-text.js"
import { withheldFromReader } from "./withhold.js"

const FILES: Readonly<Record<ExportFormat, { readonly type: string; readonly suffix: string }>> = {
  csv: { type: "text/csv; charset=utf-8", suffix: "csv" },
  ndjson: { type: "application/x-ndjson", suffix: "ndjson" },
  parquet: { type: "application/vnd.apache.parquet", suffix: "parquet" },
  ocsf: { type: "application/x-ndjson", suffix: "ocsf.ndjson" },
}

const ID: Parameter = {
  name: "id",
  in: "path",
  required: true,
  description: "32 hex digits",
  schema: { type: "string" },
}

export function exportRoutes(log: ServedLog, exports: Exports): readonly Route[] {
  const { origin } = log.folder
  return [
    {
      method: "POST",
      path: "v1/exports",
      access: ["admin"],
      summary: "Begin a file of everything that a question or a filter finds",
      requestBody: EXPORT_BODY,
      answers: {
        202: { description: "It has begun", mediaType: "application/json", schema: EXPORT_ANSWER },
      },
      handle: (call) => begin(log, exports, call),
    },
    {
      method: "GET",
      path: "v1/exports",
      access: ["admin"],
      summary: "Every export of the last day",
      answers: { 200: { description: "Newest first", mediaType: "application/json" } },
      handle: async () => jsonAnswer(200, JSON.stringify({ exports: (await exports.list()).map(sayExport) })),
    },
    {
      method: "GET",
      path: "v1/exports/{id}",
      access: ["admin"],
      summary: "How far an export is",
      parameters: [ID],
      answers: { 200: { description: "The export", mediaType: "application/json", schema: EXPORT_ANSWER } },
      handle: async (_, id) => jsonAnswer(200, JSON.stringify(sayExport(await exports.get(id)))),
    },
    {
      method: "GET",
      path: "v1/exports/{id}/manifest",
      access: ["admin"],
      summary: "What the file is the answer to (prooflog-export/1), in the bytes whose hash was logged",
      parameters: [ID],
      answers: { 200: { description: "The manifest", mediaType: "application/json" } },
      handle: async (_, id) => jsonAnswer(200, (await finished(exports, id)).state.text),
    },
    {
      method: "GET",
      path: "v1/exports/{id}/file",
      access: ["admin"],
      summary: "The file",
      parameters: [ID],
      answers: {
        200: {
          description: "The file, in the format that was asked for",
          mediaType: "application/octet-stream",
        },
      },
      handle: (call, id) => answerFile(log, exports, call, id),
    },
    {
      method: "DELETE",
      path: "v1/exports/{id}",
      access: ["admin"],
      summary: "Give up an export, or remove its file",
      parameters: [ID],
      answers: { 204: { description: "It is gone", mediaType: "application/json" } },
      handle: async (_, id) => {
        await exports.remove(id)
        return { status: 204, headers: [], body: "" }
      },
    },
  ]

  function sayExport({ id, format, createdMs, state }: Export): object {
    return {
      id,
      origin,
      state: state.kind,
      format,
      created: timeText(createdMs),
      expires: timeText(createdMs + KEPT_MS),
      ...(state.kind === "failed" && { error: state.refusal }),
      ...(state.kind === "done" && {
        rows: state.manifest.rows,
        bytes: state.manifest.bytes,
        through: state.manifest.through,
        manifest: state.manifest,
        manifest_sha256: state.sha256,
        leaf_index: state.leafIndex,
      }),
    }
  }
}

/** What is to be exported, as it is asked and as it is told. */
type Asked = { readonly format: ExportFormat } & (
  | { readonly sql: SqlQuestion }
  | { readonly filter: Filter; readonly text: string }
)

async function begin(log: ServedLog, exports: Exports, call: Call): Promise<Answer> {
  const caller = requireRole(call, ["admin"])
  const asked = await withBody(
    call,
    log.budget,
    (bytes) => askedOf(readJson(bytes, call.req.headers["content-type"])),
    MAX_QUESTION_BYTES,
  )
  const withheld = withheldFromReader(caller, log.withholding)
  if ("filter" in asked) requireVisible(namesOf(asked.filter), withheld)
  const began = performance.now()
  const now = () => call.timeMs + Math.round(performance.now() - began)
  const { sql, parameters } = "sql" in asked ? asked.sql : filterSql(asked.filter)
  const doing = {
    action: "log.export",
    resource: WHOLE_LOG,
    said: {
      ...("filter" in asked
        ? { filter: asked.text }
        : { sql, parameters: parameters && JSON.stringify(parameters) }),
      format: asked.format,
    },
  } as const
  const { id, state } = await exports.start({
    question: "sql" in asked ? asked.sql : { filter: asked.filter },
    asked: { question: sql, parameters: parameters ?? [] },
    format: asked.format,
    withheld,
    createdMs: call.timeMs,
    async onDone({ rows, through, sha256 }, manifestSha256) {
      const said = { ...doing.said, rows, through, sha256, manifest_sha256: manifestSha256 }
      return (await logOwn(log, call, { ...doing, said }, undefined, now())).leafIndex
    },
    onFailed: (error) => logOwn(log, call, doing, error, now()),
  })
  return withHeaders(jsonAnswer(202, JSON.stringify({ id, state: state.kind })), [
    "Location",
    `exports/${id}`,
  ])
}

/** @throws {@link ServerError} `SERVER_REFUSED_REQUEST`; QueryError `QUERY_BAD_PARAMETERS`, `QUERY_BAD_FILTER` */
function askedOf(value: unknown): Asked {
  const { sql, parameters, filter, format } = membersOf(value, ["sql", "parameters", "filter", "format"])
  const kind = EXPORT_FORMATS.find((each) => each === format)
  if (kind === undefined) throw refused("format", `must be one of ${EXPORT_FORMATS.join(", ")}`)
  if (filter === undefined) return { format: kind, sql: sqlOf(sql, parameters) }
  if (sql !== undefined) throw refused("filter", "cannot be given beside sql")
  if (parameters !== undefined) throw refused("parameters", "are for sql, not for a filter")
  const query = queryOf(filter)
  return { format: kind, filter: parseRowFilter(query), text: query.toString() }
}

/** A filter is the query of `GET v1/events`, as its text or as an object. */
export function queryOf(filter: unknown): URLSearchParams {
  if (typeof filter === "string") return new URLSearchParams(filter)
  if (!isObject(filter)) throw refused("filter", "must be a text, or an object of names and values")
  const query = new URLSearchParams()
  for (const [name, values] of Object.entries(filter)) {
    for (const value of Array.isArray(values) ? values : [values]) {
      if (!["string", "number", "boolean"].includes(typeof value)) {
        throw refused("filter", "must have texts, or lists of texts, as values")
      }
      query.append(name, String(value))
    }
  }
  return query
}

/** To fetch a file is to read what is in it, and is logged as that. */
async function answerFile(log: ServedLog, exports: Exports, call: Call, id: string): Promise<Answer> {
  const caller = requireRole(call, ["admin"])
  const { format, withheld, state } = await finished(exports, id)
  const { type, suffix } = FILES[format]
  const { rows, bytes, through } = state.manifest
  const doing = {
    action: "log.read",
    resource: `export/${id}`,
    said: { manifest_sha256: state.sha256 },
  } as const
  return askLogged(log, call, doing, async () => {
    const hidden = withheldFromReader(caller, log.withholding)
    if (hidden.some((name) => !withheld.includes(name))) {
      throw new ServerError("SERVER_NOT_YOURS", "this file shows fields that are withheld from your roles")
    }
    const headers = [
      ...contentHeaders(type, "no-store"),
      "Content-Disposition",
      `attachment; filename="prooflog-${id}.${suffix}"`,
      "Content-Length",
      String(bytes),
    ]
    const answer = { status: 200, headers, body: () => createReadStream(exports.pathOf(id)) }
    return { answer, said: { rows, through } }
  })
}

async function finished(exports: Exports, id: string) {
  const one = await exports.get(id)
  if (one.state.kind === "done") return { ...one, state: one.state }
  const how = one.state.kind === "running" ? "is still being made" : "failed"
  throw new ServerError("SERVER_NOT_FOUND", `this export ${how}: there is no file`)
}
