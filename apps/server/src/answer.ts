/**
 * Answers: what every way through the server ends in, and the one place where they are written to a socket.
 *
 *     submit ─┐
 *             ├─► Answer ──send──► status, headers, body
 *     Express ┘      ▲                              └─ whole, or a stream that is waited for
 *                 problem(error)
 *
 * Errors are problem documents (RFC 9457) with a stable `code`.
 */

import { once } from "node:events"
import type { ServerResponse } from "node:http"
import { ServerError } from "./error.js"
import { type Refusal, refusalOf } from "./refusal.js"
import { statusOf } from "./status.js"

export interface Answer {
  readonly status: number
  /** Names and values in turn, as `ServerResponse.writeHead` takes them; without Content-Length. */
  readonly headers: readonly string[]
  readonly body: string | Uint8Array | Stream
}

/** An answer that is a text. */
export interface TextAnswer extends Answer {
  readonly body: string
}

/**
 * A body that is made while it is sent, as fast as it is taken and no faster.
 *
 * Called once, also if nobody is there any more; but not for HEAD.
 *
 * @param gone - fires when the client has left
 */
export type Stream = (gone: AbortSignal) => AsyncIterable<Uint8Array>

const JSON_HEADERS = contentHeaders("application/json", "no-store")
const PROBLEM_HEADERS = contentHeaders("application/problem+json", "no-store")

/** The headers of content that browsers shall take for what it says it is, and caches keep as long as it says. */
export function contentHeaders(mediaType: string, cacheControl: string): readonly string[] {
  return ["Content-Type", mediaType, "Cache-Control", cacheControl, "X-Content-Type-Options", "nosniff"]
}

/** @param text - a JSON text, or its bytes */
export function jsonAnswer(status: number, text: string | Uint8Array): Answer {
  return { status, headers: JSON_HEADERS, body: text }
}

/** An answer with headers added, names and values in turn. */
export function withHeaders<T extends Answer>(answer: T, headers: readonly string[]): T {
  return { ...answer, headers: [...answer.headers, ...headers] }
}

/** The problem document of whatever was thrown. */
export function problem(error: unknown): TextAnswer {
  const answer = problemOf(refusalOf(error))
  if (!(error instanceof ServerError) || error.allow === undefined) return answer
  return withHeaders(answer, ["Allow", error.allow])
}

/** The problem document of a refusal: the only reader of the status table. */
export function problemOf({ message, ...members }: Refusal): TextAnswer {
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
 * @returns for a stream, when it has ended; rejects if it failed by itself, and then the connection is cut
 */
export function send(
  res: ServerResponse,
  { status, headers, body }: Answer,
  last: boolean,
): Promise<void> | undefined {
  if (typeof body === "function") return sendStream(res, status, headers, body, last)
  if (res.headersSent || res.destroyed) return undefined
  if (last) res.shouldKeepAlive = false
  if (status === 204) {
    res.writeHead(status, [...headers]).end()
    return undefined
  }
  const length = typeof body === "string" ? Buffer.byteLength(body) : body.byteLength
  res.writeHead(status, [...headers, "Content-Length", String(length)])
  // One byte a character, as most answers are, head and body are one string and one write.
  res.end(body, length === body.length ? "latin1" : "utf8")
  return undefined
}

async function sendStream(
  res: ServerResponse,
  status: number,
  headers: readonly string[],
  body: Stream,
  last: boolean,
): Promise<void> {
  const gone = new AbortController()
  if (res.headersSent || res.destroyed) {
    gone.abort()
  } else {
    if (last) res.shouldKeepAlive = false
    res.once("close", () => gone.abort())
    res.writeHead(status, [...headers])
    if (res.req.method === "HEAD") {
      res.end()
      return
    }
    // The head goes out now: the first bytes of a body may be long in coming.
    res.flushHeaders()
  }
  try {
    for await (const bytes of body(gone.signal)) {
      if (gone.signal.aborted) break
      if (!res.write(bytes)) await drained(res, gone.signal)
    }
    res.end()
  } catch (error) {
    // What was sent so far must not look like all of it.
    res.destroy()
    throw error
  }
}

/** Resolves when the socket takes more, or nobody is there to take it. */
async function drained(res: ServerResponse, gone: AbortSignal): Promise<void> {
  try {
    await once(res, "drain", { signal: gone })
  } catch (error) {
    if (!gone.aborted) throw error
  }
}
