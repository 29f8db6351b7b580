/**
 * Where in a question the fault is:
 *
 *     SELECT usr_id FROM access_logs
 *            ^
 *     did you mean user_id?
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { escapeText } from "@prooflog/verifier/report"
import { CliError } from "./error.js"

/** Of a long line, so much is shown around the fault. */
const BEFORE = 60
const AFTER = 40

/**
 * Returns an error that also shows the line of SQL that the server points to, and its hint, if it does point
 * somewhere; else the error as it was.
 */
export function withPlace(error: unknown, sql: string): unknown {
  if (!(error instanceof CliError) || error.problem?.code?.startsWith("QUERY_") !== true) return error
  const { detail = "the question was refused", code, line, column, hint } = error.problem
  const place = line === undefined || column === undefined ? [] : pointTo(sql, line, column)
  return new CliError(error.code, `${detail} (${code})`, {
    cause: error,
    problem: error.problem,
    details: [...place, ...(hint === undefined ? [] : [hint])],
  })
}

/**
 * Returns a line of the text, and below it a caret; nothing if there is no such place in it.
 *
 * @param line - from 1
 * @param column - in UTF-16 units, from 1; one past the end of the line is a place
 */
export function pointTo(text: string, line: number, column: number): readonly string[] {
  const whole = text.split(/\r\n|\n|\r/)[line - 1]
  if (whole === undefined || column > whole.length + 1) return []
  const start = Math.max(0, column - 1 - BEFORE)
  const end = column - 1 + AFTER
  const before = `${start > 0 ? "…" : ""}${escapeText(whole.slice(start, column - 1))}`
  const after = `${escapeText(whole.slice(column - 1, end))}${end < whole.length ? "…" : ""}`
  return [before + after, `${" ".repeat([...before].length)}^`]
}
