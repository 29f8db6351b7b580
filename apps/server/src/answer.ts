/**
 * Answers: what every way through the server ends in, and the one place where they are written to a socket.
 *
 *     submit ─┐
 *             ├─► Answer ──send──► status, headers, body
 *     Express ┘      ▲                              ├─ small: one write
 *                 problem(error)                    └─ large, or a stream: piece by piece, each waited for
 *
 * Who takes nothing is not waited for: a connection that takes no piece for 30 seconds is cut. Large answers that wait
 * to be taken have so many bytes together, in this process, and past that are refused: nobody can fill its memory by
 * asking and not reading.
 *
 * Errors are problem documents (RFC 9457) with a stable `code`.
 */

import { once } from "node:events"
import type { ServerResponse } from "node:http"
import { BodyBudget } from "./body.js"
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

/** What answers may hold while they are sent. */
export interface SendLimits {
  /** Bytes of large answers, of all connections. */
  readonly budget: BodyBudget
  /** How long a connection may take to take one piece. */
  readonly stallMs: number
}

/** Up to this an answer is one write: no more than what sockets hold anyway. */
const PIECE_BYTES = 64 * 1024

const IN_FLIGHT_BYTES = 256 * 1024 * 1024

/** Of the process, as its memory is. */
const LIMITS: SendLimits = {
  budget: new BodyBudget(IN_FLIGHT_BYTES, "too many large answers wait to be taken"),
  stallMs: 30_000,
}

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
 * @returns for a stream or a large answer, when it has ended; rejects if it failed by itself, and then the connection
 * is cut
 */
export function send(
  res: ServerResponse,
  answer: Answer,
  last: boolean,
  limits: SendLimits = LIMITS,
): Promise<void> | undefined {
  const { status, headers, body } = answer
  if (typeof body === "function") return sendStream(res, status, headers, body, last, limits)
  if (body.length > PIECE_BYTES) return sendLarge(res, answer, body, last, limits)
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

/** Sends a large body in pieces, or says that there are too many of them. */
function sendLarge(
  res: ServerResponse,
  { status, headers }: Answer,
  body: string | Uint8Array,
  last: boolean,
  limits: SendLimits,
): Promise<void> | undefined {
  const { budget } = limits
  const bytes = typeof body === "string" ? Buffer.from(body) : body
  try {
    budget.take(bytes.length)
  } catch (error) {
    return send(res, problem(error), last, limits)
  }
  const withLength = [...headers, "Content-Length", String(bytes.length)]
  return sendStream(res, status, withLength, () => [bytes], last, limits).finally(() =>
    budget.give(bytes.length),
  )
}

async function sendStream(
  res: ServerResponse,
  status: number,
  headers: readonly string[],
  body: (gone: AbortSignal) => AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  last: boolean,
  { stallMs }: SendLimits,
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
      for (let at = 0; at < bytes.length && !gone.signal.aborted; at += PIECE_BYTES) {
        if (!res.write(bytes.subarray(at, at + PIECE_BYTES))) await drained(res, gone.signal, stallMs)
      }
      if (gone.signal.aborted) break
    }
    res.end()
  } catch (error) {
    // What was sent so far must not look like all of it.
    res.destroy()
    throw error
  }
}

/** Resolves when the socket takes more, or nobody is there to take it: who takes nothing for so long is sent away. */
async function drained(res: ServerResponse, gone: AbortSignal, stallMs: number): Promise<void> {
  const stalled = setInterval(() => {
    // Behind another answer on its connection it has no socket yet: it is that one which is not taken.
    if (res.socket !== null) res.destroy()
  }, stallMs)
  try {
    await once(res, "drain", { signal: gone })
  } catch (error) {
    if (!gone.aborted) throw error
  } finally {
    clearInterval(stalled)
  }
}
