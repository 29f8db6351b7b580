/**
 * A question in SQL, and the server's answer to it.
 *
 *     POST v1/query   { sql, parameters?, limit? }
 *                  →  { columns: [{ name, type }], rows: [[…]], row_count, truncated, through, ms }
 *
 * Nothing of an answer is proven; whoever wants that, asks for evidence of the rows.
 */

import type { JsonValue, OutputColumn, SqlParameters } from "@prooflog/query/store"
import { CliError } from "./error.js"
import type { LogServer } from "./log-server.js"
import { withPlace } from "./sql-fault.js"

export interface Question {
  readonly sql: string
  readonly parameters?: SqlParameters
  /** Most rows of the answer; the server's own limit if absent. */
  readonly limit?: number
  /** Waits until the answer reaches so many leaves. */
  readonly minSize?: number
}

export type Row = readonly JsonValue[]

/** Suspect. */
export interface SqlAnswer {
  readonly columns: readonly OutputColumn[]
  /** Each as long as `columns`. */
  readonly rows: readonly Row[]
  /** Whether there are more rows than were answered. */
  readonly truncated: boolean
  /** Tree size that the answer reached. */
  readonly through: number
  /** How long the server took. */
  readonly ms: number
}

/**
 * Asks a question.
 *
 * @throws {@link CliError} as `LogServer.json`; `CLI_REFUSED` with the line of SQL that is at fault below its words
 */
export async function askSql(server: LogServer, question: Question): Promise<SqlAnswer> {
  const { sql, parameters, limit, minSize } = question
  const path = `v1/query${minSize === undefined ? "" : `?min_size=${minSize}`}`
  const body = {
    sql,
    ...(parameters !== undefined && { parameters }),
    ...(limit !== undefined && { limit }),
  }
  const answer = await server.post(path, body).catch((error: unknown) => {
    throw withPlace(error, sql)
  })
  return readAnswer(answer, server.url)
}

function readAnswer(answer: Readonly<Record<string, unknown>>, url: string): SqlAnswer {
  const { columns, rows, truncated, through, ms } = answer
  const isAnswer =
    Array.isArray(columns) &&
    columns.every(isColumn) &&
    Array.isArray(rows) &&
    rows.every((row) => Array.isArray(row) && row.length === columns.length) &&
    typeof truncated === "boolean" &&
    isSize(through)
  if (!isAnswer)
    throw new CliError("CLI_UNEXPECTED_ANSWER", `${url}v1/query did not answer a question as a log does`)
  return {
    columns: columns.map(({ name, type }) => ({ name, type })),
    rows: rows as readonly Row[],
    truncated,
    through,
    ms: typeof ms === "number" ? ms : 0,
  }
}

function isColumn(value: unknown): value is { name: string; type: string } {
  const { name, type } = (value ?? {}) as Readonly<Record<string, unknown>>
  return typeof name === "string" && typeof type === "string"
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
