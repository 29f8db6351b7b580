/**
 * Errors on their way from one process to another: plain data there, the same class and code again here.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { ARCHIVE_ERROR_CODES, ArchiveError, type ArchiveErrorCode } from "@prooflog/archive/error"
import { LEDGER_ERROR_CODES, LedgerError, type LedgerErrorCode } from "@prooflog/ledger/error"
import { OBJECTS_ERROR_CODES, ObjectsError, type ObjectsErrorCode } from "@prooflog/objects/error"
import { QUERY_ERROR_CODES, QueryError, type QueryErrorCode } from "@prooflog/query/error"
import { VERIFIER_ERROR_CODES, VerifierError, type VerifierErrorCode } from "@prooflog/verifier/error"
import { SERVER_ERROR_CODES, ServerError, type ServerErrorCode } from "../error.js"

/** An error as data. */
export interface FarError {
  readonly name: string
  readonly message: string
  readonly code?: string
  readonly line?: number
  readonly column?: number
  readonly hint?: string
  readonly parameter?: string
  readonly leafIndex?: number
  readonly path?: string
  /** Of an object. */
  readonly key?: string
}

const NUMBERS = ["line", "column", "leafIndex"] as const
const TEXTS = ["code", "hint", "parameter", "path", "key"] as const

/** @param error - anything that was thrown; of an error that has no code, its causes are told in its message */
export function farError(error: unknown): FarError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) }
  const said: Readonly<Record<string, unknown>> = { ...error }
  const details: Record<string, unknown> = {}
  for (const name of NUMBERS) if (typeof said[name] === "number") details[name] = said[name]
  for (const name of TEXTS) if (typeof said[name] === "string") details[name] = said[name]
  return { name: error.name, message: messageOf(error), ...details }
}

/** Makes the error again, of the class that its code is of: one of ours, else an Error. */
export function nearError({ name, message, code, leafIndex, path, key, ...query }: FarError): Error {
  const leaf = leafIndex === undefined ? {} : { leafIndex }
  if (isOneOf<QueryErrorCode>(QUERY_ERROR_CODES, code)) return new QueryError(code, message, query)
  if (isOneOf<LedgerErrorCode>(LEDGER_ERROR_CODES, code)) return new LedgerError(code, message, leaf)
  if (isOneOf<VerifierErrorCode>(VERIFIER_ERROR_CODES, code)) {
    return new VerifierError(code, message, { ...leaf, ...(path !== undefined && { path }) })
  }
  if (isOneOf<ArchiveErrorCode>(ARCHIVE_ERROR_CODES, code)) {
    return new ArchiveError(code, message, { ...leaf, ...(key !== undefined && { key }) })
  }
  if (isOneOf<ObjectsErrorCode>(OBJECTS_ERROR_CODES, code)) {
    // It puts its key before what it is told.
    const [problem, about] = key === undefined ? [message, {}] : [message.slice(key.length + 2), { key }]
    return new ObjectsError(code, problem, about)
  }
  if (isOneOf<ServerErrorCode>(SERVER_ERROR_CODES, code)) return new ServerError(code, message, leaf)
  return new Error(`${code ?? name}: ${message}`)
}

/** An error may have the words of its cause already. */
function messageOf({ message, cause }: Error): string {
  const why = cause instanceof Error ? messageOf(cause) : ""
  return message.endsWith(why) ? message : `${message}: ${why}`
}

function isOneOf<C extends string>(codes: readonly C[], code: string | undefined): code is C {
  return (codes as readonly (string | undefined)[]).includes(code)
}
