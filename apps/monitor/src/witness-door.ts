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
import { type Answer, readBody, refuse, send } from "./http-message.js"
import type { Witness } from "./witness.js"

const MONITORING = /^\/([0-9a-f]{64})\/checkpoint$/

export interface WitnessDoorOptions {
  readonly witness: Witness
  /** Hears what is our own fault: the disk failed, or the folder is another's too. Answered with 500. */
  readonly onError: (error: unknown) => void
  /** Hears how each request to cosign was answered: 200 if it was done. */
  readonly onAnswer?: (status: number) => void
  readonly bodyTimeoutMs?: number
}

/** Returns what answers the requests that are a witness's, and says of others that they are not. */
export function witnessDoor(
  options: WitnessDoorOptions,
): (req: IncomingMessage, res: ServerResponse) => boolean {
  return (req, res) => {
    if (req.url === "/add-checkpoint") {
      if (req.method === "POST") void addCheckpoint(options, req, res)
      else send(res, notAllowed("a checkpoint is added with POST\n", "POST"))
      return true
    }
    const hash = MONITORING.exec(req.url ?? "")?.[1]
    if (hash === undefined) return false
    if (req.method === "GET" || req.method === "HEAD") send(res, cosigned(options.witness.latest(hash)))
    else send(res, notAllowed("a checkpoint is read with GET\n", "GET, HEAD"))
    return true
  }
}

function cosigned(note: string | undefined): Answer {
  const headers = { "Access-Control-Allow-Origin": "*", "Cache-Control": "no-cache" }
  if (note !== undefined) return { status: 200, body: note, headers }
  return { status: 404, body: "no checkpoint of this origin was cosigned here\n", headers }
}

function notAllowed(body: string, methods: string): Answer {
  return { status: 405, body, headers: { Allow: methods } }
}

async function addCheckpoint(
  { witness, onError, onAnswer, bodyTimeoutMs }: WitnessDoorOptions,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const answer = (given: Answer, isRead = true) => {
    onAnswer?.(given.status)
    if (isRead) send(res, given)
    else refuse(req, res, given)
  }
  try {
    const limits = { maxBytes: MAX_ADD_CHECKPOINT_BYTES, ...(bodyTimeoutMs && { timeoutMs: bodyTimeoutMs }) }
    const body = await readBody(req, limits)
    if (body === "gone") return
    if (body === "slow") return answer(TOO_SLOW, false)
    if (body === "large") return answer(TOO_LARGE, false)
    const { status, body: text, contentType } = await witness.addCheckpoint(body)
    const headers = status === 429 ? { "Retry-After": "1" } : {}
    answer({ status, body: text, contentType, headers })
  } catch (error) {
    onError(error)
    answer({ status: 500, body: "the witness could not store the checkpoint\n" })
  }
}

const TOO_SLOW: Answer = { status: 408, body: "the body was not there in time\n" }
const TOO_LARGE: Answer = {
  status: 413,
  body: `a request has at most ${MAX_ADD_CHECKPOINT_BYTES} bytes\n`,
}
