/**
 * Questions in SQL, and what they may be asked of.
 *
 *     POST v1/query   {"sql":"SELECT user_id, count(*) FROM access_logs GROUP BY 1"}
 *                     {"columns":[{"name":"user_id","type":"VARCHAR"},…],"rows":[["U12345",7],…],"row_count":1,
 *                      "truncated":false,"through":8123,"ms":4}
 *     GET v1/schema   the columns, their types and meanings
 *
 * The rows come as text from the process that found them, and go out as they came.
 */

import { COLUMNS, hiddenColumns } from "@prooflog/query/columns"
import { QueryError } from "@prooflog/query/error"
import type { SqlParameters, SqlValue } from "@prooflog/query/store"
import { type Answer, jsonAnswer } from "./answer.js"
import { withBody } from "./body.js"
import { type Call, requireRole } from "./gate.js"
import { askLogged, WHOLE_LOG } from "./own-events.js"
import { MIN_SIZE, minSizeOf } from "./query.js"
import { SQL_ANSWER, SQL_BODY } from "./question-schema.js"
import { isObject, membersOf, refused } from "./request-members.js"
import type { Route } from "./route.js"
import { mediaTypeOf, readJson, readText } from "./sent-events.js"
import type { ServedLog } from "./served-log.js"
import { withheldFromReader } from "./withhold.js"

/** Bytes of a question, its parameters with it. */
export const MAX_QUESTION_BYTES = 1024 * 1024

/** Parameters of one question. */
const MAX_PARAMETERS = 1_000

/** Rows of an answer, unless the question says otherwise. */
const USUAL_ROWS = 10_000

export interface SqlQuestion {
  readonly sql: string
  readonly parameters: SqlParameters | undefined
}

export function sqlRoutes(log: ServedLog): readonly Route[] {
  const { maxRows } = log.folder.serving.query
  return [
    {
      method: "POST",
      path: "v1/query",
      access: ["reader"],
      summary: "Ask in SQL: one SELECT over access_logs",
      parameters: [MIN_SIZE],
      requestBody: SQL_BODY,
      answers: { 200: { description: "Its rows", mediaType: "application/json", schema: SQL_ANSWER } },
      handle: (call) => answerSql(log, call),
    },
    {
      method: "GET",
      path: "v1/schema",
      access: ["reader"],
      summary: "What can be asked for: the columns of access_logs, and the limits of a question",
      answers: { 200: { description: "The schema", mediaType: "application/json" } },
      handle: (call) => {
        const hidden = hiddenColumns(withheldFromReader(requireRole(call, ["reader"]), log.withholding))
        const { databases } = log.reading.status()
        const schema = {
          table: WHOLE_LOG,
          columns: COLUMNS.filter(({ name }) => !hidden.includes(name)),
          databases: databases.map(({ type, built }) => ({ type, built })),
          limits: {
            rows: maxRows,
            question_bytes: MAX_QUESTION_BYTES,
            parameters: MAX_PARAMETERS,
            timeout_ms: log.folder.serving.query.timeoutMs,
          },
        }
        return jsonAnswer(200, JSON.stringify(schema))
      },
    },
  ]
}

async function answerSql(log: ServedLog, call: Call): Promise<Answer> {
  const caller = requireRole(call, ["reader"])
  const minSize = minSizeOf(new URLSearchParams(call.query))
  const { sql, parameters, limit } = await withBody(
    call,
    log.budget,
    (bytes) => questionOf(bytes, call.req.headers["content-type"], log.folder.serving.query.maxRows),
    MAX_QUESTION_BYTES,
  )
  const doing = {
    action: "log.query",
    resource: WHOLE_LOG,
    said: { sql, parameters: parameters && JSON.stringify(parameters), limit, min_size: minSize },
  } as const
  return askLogged(log, call, doing, async (signal) => {
    const withheld = withheldFromReader(caller, log.withholding)
    const found = await log.reading.sql({
      sql,
      parameters,
      limit,
      minSize,
      withheld,
      asker: caller.keyId,
      signal,
    })
    const { columns, rowsJson, rowCount, truncated, through, ms } = found
    const head = Buffer.from(`{"columns":${JSON.stringify(columns)},"rows":`)
    const tail = Buffer.from(
      `,"row_count":${rowCount},"truncated":${truncated},"through":${through},"ms":${ms}}`,
    )
    return {
      answer: jsonAnswer(200, Buffer.concat([head, rowsJson, tail])),
      said: { rows: rowCount, truncated, through },
    }
  })
}

/** @throws as `sqlMembersOf`; EventError, {@link ServerError} if the bytes are not what their type says */
function questionOf(bytes: Uint8Array, type: string | undefined, maxRows: number) {
  const usual = Math.min(USUAL_ROWS, maxRows)
  if (mediaTypeOf(type) === "application/sql") {
    return { sql: readText(bytes), parameters: undefined, limit: usual }
  }
  const body = readJson(bytes, type, "application/json or application/sql")
  if (isObject(body) && Object.hasOwn(body, MIN_SIZE.name)) {
    throw refused(MIN_SIZE.name, `belongs in the URL, not in the body: v1/query?${MIN_SIZE.name}=…`)
  }
  const { limit = usual, ...asked } = membersOf(body, ["sql", "parameters", "limit"])
  if (!Number.isInteger(limit) || (limit as number) < 1 || (limit as number) > maxRows) {
    throw refused("limit", `must be an integer of 1 … ${maxRows}`)
  }
  return { ...sqlOf(asked.sql, asked.parameters), limit: limit as number }
}

/**
 * Returns a question from the members of a body.
 *
 * @param sql - suspect, as are the parameters
 * @throws {@link ServerError} `SERVER_REFUSED_REQUEST`; QueryError `QUERY_BAD_PARAMETERS`
 */
export function sqlOf(sql: unknown, parameters: unknown): SqlQuestion {
  if (typeof sql !== "string") throw refused("sql", "must be a text")
  if (parameters === undefined) return { sql, parameters }
  const values: readonly unknown[] | undefined = Array.isArray(parameters)
    ? parameters
    : isObject(parameters)
      ? Object.values(parameters)
      : undefined
  if (values === undefined) throw badParameters("parameters must be a list of values, or an object of them")
  if (values.length > MAX_PARAMETERS)
    throw badParameters(`a question has at most ${MAX_PARAMETERS} parameters`)
  if (!values.every(isSqlValue)) {
    throw badParameters("a parameter must be a text, a number, true, false or null")
  }
  return { sql, parameters: parameters as SqlParameters }
}

function isSqlValue(value: unknown): value is SqlValue {
  return value === null || ["string", "number", "boolean"].includes(typeof value)
}

function badParameters(message: string): QueryError {
  return new QueryError("QUERY_BAD_PARAMETERS", message, { parameter: "parameters" })
}
