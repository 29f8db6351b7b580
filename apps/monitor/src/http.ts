/**
 * The monitor's HTTP: a page for people, numbers for machines, heads for other monitors, and the witness.
 *
 *     GET  /                                status page            GET /metrics
 *     GET  /healthz                         200 while it looks     GET /readyz     200 once every log was audited
 *     POST /v1/checkpoints                  a signed checkpoint; answers ours of that origin
 *     GET  /v1/checkpoints/<sha256(origin)> ours
 *     POST /add-checkpoint, GET /<sha256(origin)>/checkpoint      the witness: witness-door.ts
 *
 * Everyone may ask, so everything is bounded: bodies, time, connections, and how often an address may post. No address
 * has more than its part of the connections, and half as many bodies that have not come to their end. Behind a proxy all
 * addresses are one: then the proxy must limit, and have as many connections as it needs (`connections_per_address`).
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { networkOf } from "@prooflog/event/ip-address"
import { parseCheckpoint } from "@prooflog/tlog/checkpoint"
import { TlogError } from "@prooflog/tlog/error"
import { parseNote } from "@prooflog/tlog/note"
import { originHash } from "@prooflog/tlog/witness-request"
import { CONNECTIONS_PER_ADDRESS, MAX_CONNECTIONS } from "./config.js"
import { MAX_HEAD_LENGTH, openShownHead } from "./head.js"
import { type Answer, LINGER_MS, readBody, refuse, send } from "./http-message.js"
import { Places } from "./places.js"
import type { RateLimit } from "./rate-limit.js"
import { strangerAt } from "./shown-by.js"
import type { LogWatch } from "./watch.js"

export interface HttpOptions {
  readonly host: string
  readonly port: number
  /** {@link CONNECTIONS_PER_ADDRESS} unless set. */
  readonly connectionsPerAddress?: number
  /** {@link TIMES} unless set. */
  readonly times?: HttpTimes
  readonly watches: readonly LogWatch[]
  readonly limit: RateLimit
  readonly clock: () => number
  readonly page: () => string
  readonly metrics: () => Promise<{ readonly text: string; readonly contentType: string }>
  /** Why not, in words; `undefined` if it is. */
  readonly unhealthy: () => string | undefined
  readonly unready: () => string | undefined
  /** Answers what is a witness's; `undefined` if there is no witness. */
  readonly witness: ((req: IncomingMessage, res: ServerResponse) => boolean) | undefined
  /** Hears from which address a good head came. */
  readonly onHead: (address: string) => void
  readonly onError: (error: unknown) => void
}

export interface Listening {
  /** Ends in `/`. */
  readonly url: string
  close(): Promise<void>
}

/** When a connection is ended, in milliseconds: whoever holds one holds a place. */
export interface HttpTimes {
  /** Without the whole head of its first request, or of a next one that has begun. */
  readonly headMs: number
  /** Without the whole of a request. */
  readonly requestMs: number
  /** After an answer, without a next request. */
  readonly idleMs: number
  /** Without a byte in either direction: an answer that is not taken. */
  readonly silentMs: number
}

/** Monitors and logs ask every few seconds, and open another connection where one was closed. */
const TIMES: HttpTimes = { headMs: 5_000, requestMs: 15_000, idleMs: 10_000, silentMs: 30_000 }

/** How often connections are looked at for the first two. */
const CHECK_EVERY_MS = 1_000

/** Nothing of the page comes from elsewhere, and nothing in it runs. */
const PAGE_HEADERS = {
  "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  "Referrer-Policy": "no-referrer",
}

export async function openHttp(options: HttpOptions): Promise<Listening> {
  const { connectionsPerAddress = CONNECTIONS_PER_ADDRESS, times = TIMES } = options
  const bodies = new Places(Math.ceil(connectionsPerAddress / 2))
  const server = createServer(
    {
      requestTimeout: times.requestMs,
      headersTimeout: times.headMs,
      connectionsCheckingInterval: Math.min(CHECK_EVERY_MS, times.headMs),
      keepAliveTimeout: times.idleMs,
    },
    (req, res) => {
      answer(options, bodies, req, res).catch((error: unknown) => {
        options.onError(error)
        if (!res.headersSent) send(res, { status: 500, body: "the monitor failed\n" })
        else res.destroy()
      })
    },
  )
  server.timeout = times.silentMs
  limitConnections(server, new Places(connectionsPerAddress))
  server.maxConnections = MAX_CONNECTIONS
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(options.port, options.host, () => {
      server.off("error", reject)
      resolve()
    })
  })
  const { port } = server.address() as AddressInfo
  const host = options.host.includes(":") ? `[${options.host}]` : options.host
  return { url: `http://${host}:${port}/`, close: () => closeServer(server) }
}

/** Who has all of its places is not answered: a word to each would be work that it can ask for. */
function limitConnections(server: Server, places: Places): void {
  server.on("connection", (socket) => {
    const leave = places.take(socket.remoteAddress ?? "")
    if (leave === undefined) socket.destroy()
    else socket.once("close", leave)
  })
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), LINGER_MS)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    server.closeIdleConnections()
  })
}

async function answer(
  options: HttpOptions,
  bodies: Places,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const { limit, clock, witness } = options
  if (req.method === "POST") {
    const address = req.socket.remoteAddress ?? ""
    const admission = limit.admit(networkOf(address), clock())
    if (admission === "dropped") return void req.socket.destroy()
    if (admission === "limited") return refuse(req, res, tooMuch("too often\n"))
    const leave = bodies.take(address)
    if (leave === undefined) return refuse(req, res, tooMuch("too many bodies at once\n"))
    req.once("end", leave).once("close", leave)
  }
  if (witness?.(req, res) === true) return
  const path = (req.url ?? "").split("?", 1)[0] ?? ""
  if (path === "/v1/checkpoints") {
    if (req.method === "POST") return await compare(options, req, res)
    return send(res, { status: 405, body: "a checkpoint is shown with POST\n", headers: { Allow: "POST" } })
  }
  if (req.method !== "GET" && req.method !== "HEAD") {
    return send(res, { status: 405, body: "this is read with GET\n", headers: { Allow: "GET, HEAD" } })
  }
  send(res, await answerGet(options, path))
}

function tooMuch(body: string): Answer {
  return { status: 429, body, headers: { "Retry-After": "10" } }
}

async function answerGet(options: HttpOptions, path: string): Promise<Answer> {
  const { page, metrics, unhealthy, unready } = options
  if (path === "/") {
    return { status: 200, body: page(), contentType: "text/html; charset=utf-8", headers: PAGE_HEADERS }
  }
  if (path === "/healthz") return checkAnswer(unhealthy())
  if (path === "/readyz") return checkAnswer(unready())
  if (path === "/metrics") {
    const { text, contentType } = await metrics()
    return { status: 200, body: text, contentType }
  }
  const [, hash] = /^\/v1\/checkpoints\/([0-9a-f]{64})$/.exec(path) ?? []
  if (hash === undefined) return { status: 404, body: "there is nothing here\n" }
  return ours(options.watches.find(({ log }) => originHash(log.origin) === hash))
}

/** A head that someone shows: compared behind, answered with ours. */
async function compare(options: HttpOptions, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const read = await readBody(req, { maxBytes: MAX_HEAD_LENGTH })
  if (read === "gone") return
  if (read === "slow") return refuse(req, res, { status: 408, body: "the body was not there in time\n" })
  if (read === "large") {
    return refuse(req, res, { status: 413, body: `a checkpoint has at most ${MAX_HEAD_LENGTH} bytes\n` })
  }
  const body = new TextDecoder().decode(read)
  const origin = originOf(body)
  if (origin === undefined) return send(res, { status: 400, body: "this is no checkpoint\n" })
  const watch = options.watches.find(({ log }) => log.origin === origin)
  if (watch === undefined) return send(res, ours(undefined))
  const head = openShownHead(body, watch.log.policy)
  if (head === undefined) return send(res, { status: 403, body: "the log has not signed this\n" })
  const address = req.socket.remoteAddress ?? ""
  options.onHead(address)
  if (!watch.offer(head, strangerAt(address))) {
    return send(res, tooMuch("too many heads are waiting\n"))
  }
  send(res, ours(watch))
}

function ours(watch: LogWatch | undefined): Answer {
  if (watch === undefined) return { status: 404, body: "no log of this origin is watched here\n" }
  if (watch.latest === undefined) return { status: 404, body: "no head of this log was seen yet\n" }
  const headers = { "Access-Control-Allow-Origin": "*", "Cache-Control": "no-cache" }
  return { status: 200, body: watch.latest.note, headers }
}

function checkAnswer(why: string | undefined): Answer {
  return why === undefined ? { status: 200, body: "ok\n" } : { status: 503, body: `${why}\n` }
}

function originOf(note: string): string | undefined {
  try {
    return parseCheckpoint(parseNote(note).text).origin
  } catch (error) {
    if (error instanceof TlogError) return undefined
    throw error
  }
}
