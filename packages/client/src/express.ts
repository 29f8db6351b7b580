/**
 * Express middleware: one access event for each request, recorded when its response is finished.
 *
 * What it says, and what it leaves out:
 *
 *     user_id            what `user(req)` returns; `anonymous` if that is nothing, `unknown` if it throws
 *     action             http.GET, http.POST, …
 *     resource_accessed  the path as it was asked for, without the query: queries carry tokens and searches
 *     result             1xx–3xx success · 401, 403 denied · other 4xx failure · 5xx error ·
 *                        unknown if the connection closed before the response was sent
 *     ip_address         `req.ip`: Express's own `trust proxy` decides whether a proxy is believed. What a proxy says
 *                        and is no address goes to `source_address`
 *     http_method, http_path, http_host, http_protocol, http_status, user_agent, request_id,
 *     request_bytes, response_bytes, duration_ms
 *
 * Never recorded: bodies, cookies, referrer, any other header. `query: true` adds `http_query`; `edit` may add, change
 * or drop anything. Nothing here throws into a request or delays its response; and nothing that a client sends can make
 * the event unfit to be logged: texts too long are cut, broken ones are mended.
 *
 * No I/O; the clock is the monotonic one of the process.
 */

import type { IncomingMessage, ServerResponse } from "node:http"
import { isIP } from "node:net"
import type { Client, RecordedEvent } from "./client.js"

/** What of Express's request is used. Works under Express 4 and 5, and any router that keeps `originalUrl`. */
export interface AccessLogRequest extends IncomingMessage {
  readonly originalUrl?: string
  readonly ip?: string | undefined
  /** Client first; empty unless `trust proxy` is set. */
  readonly ips?: string[]
  /** As request-id middlewares leave it. */
  readonly id?: unknown
}

export interface AccessLogOptions<Request extends AccessLogRequest> {
  readonly client: Pick<Client, "record">
  /** Who asks. Called when the response is finished, so that authentication has happened. */
  readonly user: (req: Request) => string | null | undefined
  /** What was accessed, where the path is not its name: a route's pattern, a record's identifier. */
  readonly resource?: (req: Request) => string | null | undefined
  /** Records the query too. Off unless set. */
  readonly query?: boolean
  /**
   * Gives the event a last change, or drops it by returning nothing.
   *
   * If it throws, the event goes as it was: an access that nobody can see afterwards is worse than one that says too much.
   */
  readonly edit?: (event: RecordedEvent, req: Request, res: ServerResponse) => RecordedEvent | undefined
}

/** Longest texts that the schema takes; longer ones are cut, and named in `attributes.cut`. */
const LIMITS = {
  user_id: 256,
  source_address: 255,
  resource_accessed: 2048,
  request_id: 128,
  user_agent: 8192,
  http_method: 16,
  http_host: 255,
  http_path: 4096,
  http_query: 8192,
} as const

/** Node sends any status of three digits; the schema takes those that HTTP has a class for. */
const MAX_STATUS = 599

/** Addresses in `ip_chain`, and the length of each. */
const MAX_PROXIES = 16
const MAX_ADDRESS = 255

/**
 * Returns the middleware. Put it before everything whose access is to be recorded.
 *
 * @example
 * ```ts
 * app.use(accessLog({ client, user: (req: Request) => req.session?.userId }))
 * ```
 */
export function accessLog<Request extends AccessLogRequest>(
  options: AccessLogOptions<Request>,
): (req: Request, res: ServerResponse, next: () => void) => void {
  return (req, res, next) => {
    const startMs = performance.now()
    let isRecorded = false
    const record = () => {
      if (isRecorded) return
      isRecorded = true
      recordAccess(options, req, res, performance.now() - startMs)
    }
    // `close` comes after `finish`, or alone if the connection broke.
    res.once("finish", record)
    res.once("close", record)
    next()
  }
}

function recordAccess<Request extends AccessLogRequest>(
  options: AccessLogOptions<Request>,
  req: Request,
  res: ServerResponse,
  durationMs: number,
): void {
  try {
    const event = describe(options, req, res, durationMs)
    const { edit } = options
    // A copy, for what throws may have changed it before.
    const edited = edit === undefined ? event : attempt(() => edit({ ...event }, req, res), event)
    if (edited !== undefined && edited !== null) options.client.record(edited)
  } catch {
    // A request that cannot even be described; the response was sent all the same.
  }
}

function describe<Request extends AccessLogRequest>(
  { user, resource, query }: AccessLogOptions<Request>,
  req: Request,
  res: ServerResponse,
  durationMs: number,
): RecordedEvent {
  const [path = "/", ...rest] = (req.originalUrl ?? req.url ?? "/").split("?")
  // Both ask the function that `trust proxy` may be.
  const ip = attempt(() => req.ip, undefined)
  const ips = attempt(() => req.ips, undefined)
  const address = withoutZone(ip ?? req.socket?.remoteAddress ?? "")
  const isAddress = isIP(address) !== 0
  const texts = {
    user_id: textOf(() => user(req), "unknown") || "anonymous",
    source_address: isAddress ? undefined : address,
    resource_accessed: textOf(() => resource?.(req), path) || path,
    request_id: requestId(req),
    user_agent: req.headers["user-agent"],
    http_method: req.method,
    http_host: req.headers.host,
    http_path: path,
    http_query: query === true && rest.length > 0 ? rest.join("?") : undefined,
  }
  const { cut, ...shortened } = shorten(texts)
  const chain = (ips ?? []).slice(0, MAX_PROXIES).map((text) => text.slice(0, MAX_ADDRESS))
  return withoutAbsent({
    ...shortened,
    action: `http.${shortened.http_method}`,
    result: res.writableFinished ? resultOf(res.statusCode) : "unknown",
    reason: res.writableFinished ? undefined : "the connection closed before the response was sent",
    ip_address: isAddress ? address : undefined,
    ip_chain: chain.length > 1 ? chain : undefined,
    http_protocol: `HTTP/${req.httpVersion}`,
    http_status: res.headersSent && res.statusCode <= MAX_STATUS ? res.statusCode : undefined,
    request_bytes: count(req.headers["content-length"]),
    response_bytes: count(res.getHeader("content-length")),
    duration_ms: Math.round(durationMs * 1000) / 1000,
    attributes: cut.length > 0 ? { cut } : undefined,
  }) as RecordedEvent
}

/** 401 and 403 are refusals for lack of rights; other 4xx are failures of the caller, 5xx of the server. */
function resultOf(status: number): RecordedEvent["result"] {
  if (status < 400) return "success"
  if (status === 401 || status === 403) return "denied"
  return status < 500 ? "failure" : "error"
}

function requestId(req: AccessLogRequest): string | undefined {
  const { id } = req
  if (typeof id === "string" || typeof id === "number") return String(id)
  const header = req.headers["x-request-id"]
  return typeof header === "string" ? header : undefined
}

/** `fe80::1%eth0` → `fe80::1`: a zone means something on one machine only. */
function withoutZone(address: string): string {
  const zone = address.indexOf("%")
  return zone < 0 ? address : address.slice(0, zone)
}

function count(header: unknown): number | undefined {
  const text = String(header ?? "")
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

type Texts = { readonly [Name in keyof typeof LIMITS]: string | undefined }

function shorten(texts: Texts): Texts & { readonly cut: string[] } {
  const cut: string[] = []
  const entries = Object.entries(LIMITS).map(([name, limit]) => {
    const text = texts[name as keyof Texts]
    if (text === undefined) return [name, text]
    if (text.length > limit) cut.push(name)
    // Half of a surrogate pair, sent or cut, would make the event unfit to be logged.
    return [name, text.slice(0, limit).replace(LONE_SURROGATE, "\ufffd")]
  })
  return { ...(Object.fromEntries(entries) as Texts), cut }
}

/** Numbers are common identifiers; anything but them and text is a mistake of the callback's. */
function textOf(get: () => unknown, otherwise: string): string {
  const value = attempt(get, otherwise)
  if (value === undefined || value === null) return ""
  return ["string", "number", "bigint"].includes(typeof value) ? String(value) : otherwise
}

/** What `get` returns; `otherwise` if it throws, or promises something: that comes too late, and may fail unheard. */
function attempt<T>(get: () => T, otherwise: T): T {
  try {
    const value = get()
    if (!(value instanceof Promise)) return value
    value.catch(() => {})
  } catch {
    // As said above.
  }
  return otherwise
}

function withoutAbsent(members: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== undefined && value !== ""),
  )
}
