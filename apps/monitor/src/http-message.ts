/**
 * How a request is read and answered here, whoever sends it: so many bytes, in so long, and not a byte more.
 *
 *     readBody     the bytes, or why there are none: large, slow, gone
 *     refuse       answers although more may come: what does is dropped, and soon the connection ends
 *
 * Effects: those of the request and the response.
 */

import type { IncomingMessage, ServerResponse } from "node:http"
import { GatheredBytes } from "@prooflog/tlog/gathered-bytes"

export interface Answer {
  readonly status: number
  readonly body: string
  /** Plain text unless set. */
  readonly contentType?: string
  readonly headers?: Readonly<Record<string, string>>
}

export const TEXT = "text/plain; charset=utf-8"

/** What still comes of a refused body is dropped unread for so long, so that its sender can read why. */
export const LINGER_MS = 1_000

/** How long a body of 64 KiB may take. */
const BODY_TIMEOUT_MS = 10_000

export interface BodyLimits {
  readonly maxBytes: number
  /** 10,000 unless set. */
  readonly timeoutMs?: number
}

/**
 * Reads the body of a request.
 *
 * @returns its bytes; or `large` for more than allowed, `slow` if it was not there in time, `gone` if its sender went away
 */
export function readBody(
  req: IncomingMessage,
  { maxBytes, timeoutMs = BODY_TIMEOUT_MS }: BodyLimits,
): Promise<Uint8Array | "large" | "slow" | "gone"> {
  if (Number(req.headers["content-length"]) > maxBytes) return Promise.resolve("large")
  return new Promise((resolve) => {
    const gathered = new GatheredBytes(maxBytes)
    const settle = (outcome: Uint8Array | "large" | "slow" | "gone") => {
      clearTimeout(timer)
      req.removeAllListeners("data")
      resolve(outcome)
    }
    const timer = setTimeout(settle, timeoutMs, "slow")
    req.on("data", (chunk: Buffer) => {
      if (!gathered.add(chunk)) settle("large")
    })
    req.on("end", () => settle(gathered.bytes))
    req.on("error", () => settle("gone"))
    req.on("close", () => settle("gone"))
  })
}

/** Answers a request whose body was not read, or not to its end. */
export function refuse(req: IncomingMessage, res: ServerResponse, refusal: Answer): void {
  send(res, { ...refusal, headers: { ...refusal.headers, Connection: "close" } })
  req.resume()
  const { socket } = req
  const timer = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.once("close", () => clearTimeout(timer))
}

/** Answers. What says nothing of being kept is kept by nobody on the way. */
export function send(res: ServerResponse, { status, body, contentType = TEXT, headers = {} }: Answer): void {
  res.writeHead(status, {
    "Content-Type": contentType,
    "Content-Length": Buffer.byteLength(body),
    "X-Content-Type-Options": "nosniff",
    ...(!("Cache-Control" in headers) && { "Cache-Control": "no-store" }),
    ...headers,
  })
  res.end(body)
}
