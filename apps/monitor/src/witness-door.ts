/**
 * A witness over HTTP.
 *
 *     POST /add-checkpoint                        specs: c2sp.org/tlog-witness
 *     GET  /<hex sha256(origin)>/checkpoint       the checkpoint cosigned last, 404 if none was
 *
 * Bodies past 64 KiB are refused before they are read whole, and one that dawdles is given up after ten seconds.
 */

import type { IncomingMessage, ServerResponse } from "node:http"
import { MAX_ADD_CHECKPOINT_BYTES } from "@prooflog/tlog/witness-request"
import type { Witness } from "./witness.js"

/** How long a body of 64 KiB may take. */
const BODY_TIMEOUT_MS = 10_000

/** What still comes of a refused body is dropped unread for so long, so that its sender can read why. */
const LINGER_MS = 1_000

const TEXT = "text/plain; charset=utf-8"
const MONITORING = /^\/([0-9a-f]{64})\/checkpoint$/

export interface WitnessDoorOptions {
  readonly witness: Witness
  /** Hears what is our own fault: the disk failed, or the folder is another's too. Answered with 500. */
  readonly onError: (error: unknown) => void
  readonly bodyTimeoutMs?: number
}

/** Returns what answers the requests that are a witness's, and says of others that they are not. */
export function witnessDoor(
  options: WitnessDoorOptions,
): (req: IncomingMessage, res: ServerResponse) => boolean {
  return (req, res) => {
    if (req.url === "/add-checkpoint") {
      if (req.method !== "POST") send(res, 405, "a checkpoint is added with POST\n", { Allow: "POST" })
      else void addCheckpoint(options, req, res)
      return true
    }
    const hash = MONITORING.exec(req.url ?? "")?.[1]
    if (hash === undefined) return false
    if (req.method !== "GET" && req.method !== "HEAD") {
      send(res, 405, "a checkpoint is read with GET\n", { Allow: "GET, HEAD" })
      return true
    }
    const note = options.witness.latest(hash)
    const headers = { "Access-Control-Allow-Origin": "*", "Cache-Control": "no-cache" }
    if (note === undefined) send(res, 404, "no checkpoint of this origin was cosigned here\n", headers)
    else send(res, 200, note, headers)
    return true
  }
}

async function addCheckpoint(
  { witness, onError, bodyTimeoutMs = BODY_TIMEOUT_MS }: WitnessDoorOptions,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  try {
    const body = await readBody(req, bodyTimeoutMs)
    if (body === "gone") return
    if (body === "slow") return refuseUnread(req, res, 408, "the body was not there in time\n")
    if (body === "large") {
      return refuseUnread(req, res, 413, `a request has at most ${MAX_ADD_CHECKPOINT_BYTES} bytes\n`)
    }
    const { status, body: text, contentType } = await witness.addCheckpoint(body)
    send(res, status, text, { "Content-Type": contentType, ...(status === 429 && { "Retry-After": "1" }) })
  } catch (error) {
    onError(error)
    send(res, 500, "the witness could not store the checkpoint\n")
  }
}

/** The body, or why there is none: larger than allowed, not there in time, or its sender went away. */
function readBody(req: IncomingMessage, timeoutMs: number): Promise<Buffer | "large" | "slow" | "gone"> {
  if (Number(req.headers["content-length"]) > MAX_ADD_CHECKPOINT_BYTES) return Promise.resolve("large")
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let length = 0
    const settle = (outcome: Buffer | "large" | "slow" | "gone") => {
      clearTimeout(timer)
      req.removeAllListeners("data")
      chunks.length = 0
      resolve(outcome)
    }
    const timer = setTimeout(settle, timeoutMs, "slow")
    req.on("data", (chunk: Buffer) => {
      length += chunk.length
      chunks.push(chunk)
      if (length > MAX_ADD_CHECKPOINT_BYTES) settle("large")
    })
    req.on("end", () => settle(Buffer.concat(chunks, length)))
    req.on("error", () => settle("gone"))
    req.on("close", () => settle("gone"))
  })
}

/** Answers although more may come: what does is dropped, and soon the connection ends. */
function refuseUnread(req: IncomingMessage, res: ServerResponse, status: number, text: string): void {
  send(res, status, text, { Connection: "close" })
  req.resume()
  const { socket } = req
  const timer = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.once("close", () => clearTimeout(timer))
}

function send(
  res: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  res.writeHead(status, {
    "Content-Type": TEXT,
    "Content-Length": Buffer.byteLength(text),
    "X-Content-Type-Options": "nosniff",
    ...headers,
  })
  res.end(text)
}
