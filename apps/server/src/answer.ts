/**
 * Answers: what every way through the server ends in, and the one place where they are written to a socket.
 *
 *     submit ─┐
 *             ├─► Answer ──send──► status, headers, body
 *     Express ┘      ▲
 *                 problem(error)
 *
 * Errors are problem documents (RFC 9457) with a stable `code`.
 */

import type { ServerResponse } from "node:http"
import { EventError, type EventProblem } from "@prooflog/event/error"
import { LedgerError } from "@prooflog/ledger/error"
import { TlogError } from "@prooflog/tlog/error"
import { VerifierError } from "@prooflog/verifier/error"
import { ServerError } from "./error.js"
import { type AnsweredCode, statusOf } from "./status.js"

export interface Answer {
  readonly status: number
  /** Names and values in turn, as `ServerResponse.writeHead` takes them; without Content-Length. */
  readonly headers: readonly string[]
  readonly body: string | Uint8Array
}

/** What an error tells the one who asked, beside its status. */
export interface Refusal {
  readonly code: AnsweredCode
  readonly message: string
  /** JSON pointer into the event; of its first problem if there are several. */
  readonly pointer?: string
  /** Every broken rule, where there is more than the first. */
  readonly errors?: readonly EventProblem[]
  /** Place in the text, counted from 1. */
  readonly line?: number
  readonly column?: number
  readonly parameter?: string
  readonly leaf_index?: number
}

const JSON_HEADERS = contentHeaders("application/json", "no-store")
const PROBLEM_HEADERS = contentHeaders("application/problem+json", "no-store")

/** The headers of content that browsers shall take for what it says it is, and caches keep as long as it says. */
export function contentHeaders(mediaType: string, cacheControl: string): readonly string[] {
  return ["Content-Type", mediaType, "Cache-Control", cacheControl, "X-Content-Type-Options", "nosniff"]
}

/** @param text - a JSON text */
export function jsonAnswer(status: number, text: string): Answer {
  return { status, headers: JSON_HEADERS, body: text }
}

/** An answer with headers added, names and values in turn. */
export function withHeaders(answer: Answer, headers: readonly string[]): Answer {
  return { ...answer, headers: [...answer.headers, ...headers] }
}

/** The problem document of whatever was thrown. */
export function problem(error: unknown): Answer {
  const { message, ...members } = refusalOf(error)
  const { status, title, retryAfterSeconds } = statusOf(members.code)
  const headers = [...PROBLEM_HEADERS]
  if (retryAfterSeconds !== undefined) headers.push("Retry-After", String(retryAfterSeconds))
  if (status === 401) headers.push("WWW-Authenticate", 'Bearer realm="prooflog"')
  if (error instanceof ServerError && error.allow !== undefined) headers.push("Allow", error.allow)
  const body = JSON.stringify({ type: "about:blank", title, status, detail: message, ...members })
  return { status, headers, body }
}

/**
 * Returns what may be said of an error.
 *
 * An error without one of our codes is a bug of ours: its words are for the server's log alone.
 */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof ServerError) return refusalOfServerError(error)
  if (error instanceof EventError) {
    const { code, message, problem, line, column } = error
    return defined({ code: problem?.code ?? code, message, pointer: problem?.pointer, line, column })
  }
  if (error instanceof LedgerError || error instanceof TlogError || error instanceof VerifierError) {
    return { code: error.code, message: error.message }
  }
  return { code: "SERVER_BUG", message: "the server met a bug of its own; its log says more" }
}

/** Says whether an error is for the operator to look at: not the doing of the one who asked. */
export function isOurFault(error: unknown): boolean {
  return statusOf(refusalOf(error).code).status >= 500
}

function refusalOfServerError({ code, message, problems, parameter, leafIndex }: ServerError): Refusal {
  const first = problems?.[0]
  return defined({
    code: first?.code ?? code,
    message: first?.message ?? message,
    pointer: first?.pointer,
    errors: problems,
    parameter,
    leaf_index: leafIndex,
  })
}

/**
 * Writes an answer: the only place that does.
 *
 * A socket that is gone, or has its answer already, is no error: nobody is left to be told.
 *
 * @param last - this connection takes no further request
 */
export function send(res: ServerResponse, { status, headers, body }: Answer, last: boolean): void {
  if (res.headersSent || res.destroyed) return
  if (last) res.shouldKeepAlive = false
  if (status === 204) {
    res.writeHead(status, [...headers]).end()
    return
  }
  const length = typeof body === "string" ? Buffer.byteLength(body) : body.byteLength
  res.writeHead(status, [...headers, "Content-Length", String(length)])
  // One byte a character, as most answers are, head and body are one string and one write.
  res.end(body, length === body.length ? "latin1" : "utf8")
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> }

/** The members that have a value. */
function defined<T extends object>(members: T): Defined<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Defined<T>
}
