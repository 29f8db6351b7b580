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
import { ServerError } from "./error.js"
import { type Refusal, refusalOf } from "./refusal.js"
import { statusOf } from "./status.js"

export interface Answer {
  readonly status: number
  /** Names and values in turn, as `ServerResponse.writeHead` takes them; without Content-Length. */
  readonly headers: readonly string[]
  readonly body: string | Uint8Array
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
  const answer = problemOf(refusalOf(error))
  if (!(error instanceof ServerError) || error.allow === undefined) return answer
  return withHeaders(answer, ["Allow", error.allow])
}

/** The problem document of a refusal: the only reader of the status table. */
export function problemOf({ message, ...members }: Refusal): Answer {
  const { status, title, retryAfterSeconds } = statusOf(members.code)
  const headers = [...PROBLEM_HEADERS]
  if (retryAfterSeconds !== undefined) headers.push("Retry-After", String(retryAfterSeconds))
  if (status === 401) headers.push("WWW-Authenticate", 'Bearer realm="prooflog"')
  const body = JSON.stringify({ type: "about:blank", title, status, detail: message, ...members })
  return { status, headers, body }
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
