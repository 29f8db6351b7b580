/**
 * What DuckDB says when a question fails, as we say it.
 *
 *     while it was read and bound     no row has been touched: its words may quote the question
 *     while it ran                    its words may quote a row: only their kind and place are passed on
 *
 * DuckDB counts the place in bytes once a question is parsed, and in characters while it is.
 * Pure.
 */

import { COLUMNS, TABLE } from "./columns.js"
import { QueryError, type QueryErrorCode } from "./error.js"
import { nearestName } from "./nearest.js"

/** DuckDB's errors, as `errors_as_json` writes them; other members vary. */
interface Failure {
  readonly type: string
  readonly message: string
  readonly position: number | undefined
  readonly subtype: string | undefined
  readonly name: string | undefined
  readonly candidates: readonly string[]
  readonly kind: string | undefined
}

/** Returns the error for a question that `json_serialize_sql` refused. */
export function parseFailure(refusal: object, sql: string): QueryError {
  const members = refusal as Readonly<Record<string, unknown>>
  const type = textOf(members.error_type) ?? ""
  const message = textOf(members.error_message) ?? ""
  const position = positionOf(members.position)
  if (type === "parser") return syntaxError(message, position, sql)
  if (/^Only SELECT/.test(message)) {
    return new QueryError("QUERY_NOT_ONE_SELECT", "only a SELECT can be asked", { hint: hintFor(sql) })
  }
  if (/parameter/i.test(message)) {
    return new QueryError("QUERY_BAD_PARAMETERS", "name all parameters ($name) or none (?)")
  }
  return new QueryError("QUERY_SYNTAX", "this cannot be asked")
}

function hintFor(sql: string): string {
  if (/\bpivot\b/i.test(sql))
    return "PIVOT needs its values: FROM access_logs PIVOT (count(*) FOR result IN ('success', 'failure'))"
  return `As SELECT * FROM ${TABLE} WHERE user_id = 'U12345'.`
}

/** Returns the error for a question that could not be bound: no row has been touched. */
export function bindFailure(cause: unknown, sql: string): QueryError {
  const failure = readFailure(cause)
  if (failure === undefined)
    return new QueryError("QUERY_FAILED", "the question could not be prepared", { cause })
  const { type, message, position } = failure
  if (type === "Parser") return syntaxError(message, position, sql)
  const missing = failure.subtype === "COLUMN_NOT_FOUND" ? failure.name : MISSING_COLUMN.exec(message)?.[1]
  if (missing !== undefined) return unknownColumn(missing, failure, sql)
  if (type === "Catalog" && failure.subtype === "MISSING_ENTRY") return unknownEntry(failure, sql)
  if (type === "Binder" || type === "Catalog") {
    return new QueryError("QUERY_INVALID", wordsOf(message), placeInBytes(sql, position))
  }
  return runFailure(cause, sql)
}

/** Returns the error for a question that failed while it ran: not a word of DuckDB's is passed on. */
export function runFailure(cause: unknown, sql: string): QueryError {
  const failure = readFailure(cause)
  const [code, message] = RUN_FAILURES[failure?.type ?? ""] ?? [
    "QUERY_FAILED",
    "the question failed while it ran",
  ]
  // No cause: it may hold a row, and causes are printed.
  return new QueryError(code, message, failure === undefined ? {} : placeInBytes(sql, failure.position))
}

const RUN_FAILURES: Readonly<Record<string, readonly [QueryErrorCode, string]>> = {
  Conversion: [
    "QUERY_FAILED",
    "a value could not be converted to the type it is used as; TRY_CAST makes it NULL instead",
  ],
  "Invalid Input": ["QUERY_FAILED", "a function was given a value that it does not take"],
  "Out of Range": ["QUERY_FAILED", "a number went out of the range of its type"],
  "Mismatch Type": ["QUERY_FAILED", "a value is of another type than it is used as"],
  Binder: [
    "QUERY_INVALID",
    "the parameters are of types that the question cannot use; add casts, as $1::TIMESTAMP",
  ],
  "Not implemented": ["QUERY_FAILED", "a function cannot do this"],
  "Out of Memory": ["QUERY_TOO_MUCH_MEMORY", "the question needs more memory than it may have"],
  Interrupt: ["QUERY_INTERRUPTED", "the question was interrupted"],
  INTERRUPT: ["QUERY_INTERRUPTED", "the question was interrupted"],
  Permission: ["QUERY_FORBIDDEN", "the question asks for what is not allowed"],
  FATAL: ["QUERY_UNAVAILABLE", "the query store has failed and must be opened again"],
  IO: ["QUERY_UNAVAILABLE", "the query store could not be read"],
  INTERNAL: ["QUERY_FAILED", "the question met a fault of the database"],
}

function syntaxError(message: string, position: number | undefined, sql: string): QueryError {
  const options = position === undefined ? {} : place(sql, unitsOfCharacters(sql, position))
  return new QueryError("QUERY_SYNTAX", wordsOf(message), options)
}

/** DuckDB's words, but for what it says of settings, which no question can change. */
function wordsOf(message: string): string {
  return /^Max expression depth/.test(message) ? "the question is nested too deeply" : printable(message)
}

/** What is said of `a.usr_id`, where `a` is known. */
const MISSING_COLUMN = /does not have a column named "([^"]*)"/

function unknownColumn(name: string, failure: Failure, sql: string): QueryError {
  const bare = (name.split(".").at(-1) ?? "").toLowerCase()
  const columns = COLUMNS.map((column) => column.name)
  const known = columns.includes(bare)
  const near = known ? undefined : (nearestName(bare, columns) ?? bareNames(failure.candidates)[0])
  return new QueryError("QUERY_UNKNOWN_COLUMN", printable(`there is no column ${name} here`), {
    ...placeInBytes(sql, failure.position),
    ...hint(near),
  })
}

function unknownEntry(failure: Failure, sql: string): QueryError {
  const { kind = "", name = "", candidates } = failure
  const options = placeInBytes(sql, failure.position)
  if (kind === "Table") {
    return new QueryError("QUERY_UNKNOWN_TABLE", printable(`there is no table ${name}`), {
      ...options,
      ...hint(TABLE),
    })
  }
  if (kind.includes("Function")) {
    const near = nearestName(name, candidates) ?? candidates[0]
    return new QueryError("QUERY_UNKNOWN_FUNCTION", printable(`there is no function ${name}`), {
      ...options,
      ...hint(near),
    })
  }
  return new QueryError("QUERY_INVALID", printable(`there is no ${kind.toLowerCase()} ${name}`), options)
}

function hint(name: string | undefined): { readonly hint?: string } {
  return name === undefined ? {} : { hint: printable(`Did you mean ${name}?`) }
}

function bareNames(names: readonly string[]): string[] {
  return names.map((name) => name.split(".").at(-1) ?? name)
}

/** Reads DuckDB's error, which is JSON behind a few words of its client's. */
function readFailure(cause: unknown): Failure | undefined {
  const text = cause instanceof Error ? cause.message : ""
  const members = parseObject(text.slice(Math.max(0, text.indexOf("{"))))
  if (members === undefined) return undefined
  return {
    type: textOf(members.exception_type) ?? "",
    message: textOf(members.exception_message) ?? "",
    position: positionOf(members.position),
    subtype: textOf(members.error_subtype),
    name: textOf(members.name),
    candidates: (textOf(members.candidates) ?? "").split(",").filter((name) => name !== ""),
    kind: textOf(members.type),
  }
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    // Not all of its client's errors are JSON; they are told apart no further.
    return undefined
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined
}

function positionOf(value: unknown): number | undefined {
  const position = typeof value === "string" || typeof value === "number" ? Number(value) : Number.NaN
  return Number.isSafeInteger(position) && position >= 0 ? position : undefined
}

/** Most characters of a message. */
const MAX_MESSAGE = 1000

/** One line without control characters, cut: it may quote the question. */
export function printable(text: string): string {
  const line = text.replace(/[\p{Cc}\p{Cf}\u2028\u2029\s]+/gu, " ").trim()
  return line.length > MAX_MESSAGE ? `${[...line].slice(0, MAX_MESSAGE).join("")}…` : line
}

/** Returns the place of a node of the tree, or of an error of the binder: both count bytes of UTF-8. */
export function placeInBytes(sql: string, position: number | undefined): Partial<Place> {
  return position === undefined ? {} : place(sql, unitsOfBytes(sql, position))
}

interface Place {
  readonly line: number
  readonly column: number
}

function place(sql: string, units: number): Place {
  const before = sql.slice(0, units)
  const lineStart = before.lastIndexOf("\n") + 1
  return { line: before.split("\n").length, column: before.length - lineStart + 1 }
}

function unitsOfBytes(sql: string, bytes: number): number {
  return Buffer.from(sql).subarray(0, bytes).toString().length
}

function unitsOfCharacters(sql: string, characters: number): number {
  return [...sql].slice(0, characters).join("").length
}
