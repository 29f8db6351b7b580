/**
 * What can go wrong in this room: one class, a closed list of codes.
 *
 * Codes are a contract and never change within a major version; messages are for people and may.
 * No message repeats a value of a row: what it may quote is the question itself.
 * Pure.
 */

/** Every code a {@link QueryError} can carry. */
export const QUERY_ERROR_CODES = [
  /** Text that is not SQL. */
  "QUERY_SYNTAX",
  /** SQL, but not exactly one statement that reads. */
  "QUERY_NOT_ONE_SELECT",
  /** A table, a function or a form of statement that questions may not use. */
  "QUERY_FORBIDDEN",
  /** A column that `access_logs` does not have; `hint` names the nearest. */
  "QUERY_UNKNOWN_COLUMN",
  /** A table that is not there; the only one is `access_logs`. */
  "QUERY_UNKNOWN_TABLE",
  /** A function that is not there; `hint` names the nearest. */
  "QUERY_UNKNOWN_FUNCTION",
  /** SQL that means nothing: types that do not fit, a column outside an aggregate. */
  "QUERY_INVALID",
  /** Parameters that are not those of the question: too few, too many, of another name, of no type SQL has. */
  "QUERY_BAD_PARAMETERS",
  /** It failed while it ran, on a value of some row: a text that is no number, a sum out of range. */
  "QUERY_FAILED",
  /** It needs more memory than it may have. */
  "QUERY_TOO_MUCH_MEMORY",
  /** It ran past its deadline. */
  "QUERY_TIMEOUT",
  /** The one who asked went away, or the store was closed. */
  "QUERY_INTERRUPTED",
  /** The process that answered it died, twice. */
  "QUERY_RESTARTED",
  /** Too many questions wait. */
  "QUERY_BUSY",
  /** The store has not reached the tree size that was asked for, or that a cursor comes from. */
  "QUERY_BEHIND",
  /** Nothing is there to answer: no reader runs, or the store cannot be opened. */
  "QUERY_UNAVAILABLE",
  /** A filter that says nothing or nonsense; `parameter` names it. */
  "QUERY_BAD_FILTER",
  /** A file that is no whole segment of the archive: it is not there, cut short, damaged, or something else. */
  "QUERY_BAD_SEGMENT",
] as const

export type QueryErrorCode = (typeof QUERY_ERROR_CODES)[number]

export interface QueryErrorOptions {
  readonly cause?: unknown
  /** Line of the question, from 1. */
  readonly line?: number
  /** Column of the question in UTF-16 units, from 1. */
  readonly column?: number
  /** What may have been meant, as a sentence. */
  readonly hint?: string
  /** The parameter of a filter that is wrong. */
  readonly parameter?: string
}

export class QueryError extends Error {
  override readonly name = "QueryError"
  readonly code: QueryErrorCode
  readonly line?: number
  readonly column?: number
  readonly hint?: string
  readonly parameter?: string

  constructor(code: QueryErrorCode, message: string, options: QueryErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined)
    this.code = code
    if (options.line !== undefined) this.line = options.line
    if (options.column !== undefined) this.column = options.column
    if (options.hint !== undefined) this.hint = options.hint
    if (options.parameter !== undefined) this.parameter = options.parameter
  }
}
