/**
 * A log behind a URL.
 *
 * Five kinds of answers, no more:
 *
 *     200                           the bytes, read no further than a log of that path can be long
 *     404                           undefined
 *     301, 302, 303, 307, 308       followed up to three times, on the same origin or from http to its https
 *     429, 5xx, a broken network    tried again: after Retry-After, or 0.25 s, 0.5 s, 1 s, … with jitter
 *     anything else                 VERIFIER_SOURCE_FAILED at once
 *
 * A log that could redirect its readers anywhere would send them, and the headers they were given for it, to
 * other hosts and into their own networks. A browser hides where a redirect leads, so there none is followed.
 *
 * Connections are kept alive; content encodings are undone, and the limit counts what comes out. Bodies under way have
 * 32 MiB together, and one more on top: a bundle has 20 to 30 KB mostly, could have 16 MB, and is read with many others.
 *
 * Spec: c2sp.org/tlog-tiles.
 * Effects: the network; waits, through the `sleep` it is given.
 */

import { httpGet } from "#platform"
import { VerifierError, wordsOf } from "./error.js"
import {
  type GetOptions,
  getByFetch,
  type HttpAnswer,
  type HttpGet,
  type Unusable,
  withRoom,
} from "./http-get.js"
import { type LogSource, maxBytesAt } from "./source.js"

export interface HttpSourceOptions {
  /** Used instead of the platform's own way. */
  readonly fetch?: typeof globalThis.fetch
  /** Sent with every request: an API key, where a log is not public. */
  readonly headers?: Readonly<Record<string, string>>
  /** For one request, from sending to the last byte. 30,000 unless set. */
  readonly timeoutMs?: number
  /** Tries for one path, the first included. 5 unless set. */
  readonly attempts?: number
  /** Ends everything under way and everything to come. */
  readonly signal?: AbortSignal
  readonly sleep?: (ms: number) => Promise<void>
  /** Uniform in [0, 1): the jitter. */
  readonly random?: () => number
}

const FIRST_DELAY_MS = 250
const MAX_DELAY_MS = 10_000
const MAX_RETRY_AFTER_MS = 60_000
const MAX_REDIRECTS = 3
const MAX_BYTES_UNDER_WAY = 32 * 1024 * 1024

/**
 * Returns the log at a URL prefix, such as `https://log.example/access`.
 *
 * Its `read` rejects with `VERIFIER_SOURCE_FAILED`, the last reason as `cause`.
 *
 * @throws TypeError if it is not an http or https URL without query and fragment
 */
export function httpSource(url: string, options: HttpSourceOptions = {}): LogSource {
  const prefix = prefixOf(url)
  const get = withRoom(options.fetch === undefined ? httpGet : getByFetch(options.fetch), MAX_BYTES_UNDER_WAY)
  const attempts = options.attempts ?? 5
  const sleep = options.sleep ?? ((ms) => delay(ms, options.signal))
  const random = options.random ?? Math.random
  return {
    async read(path) {
      const { headers = {}, timeoutMs = 30_000, signal } = options
      const getOptions = { headers, timeoutMs, signal, limit: maxBytesAt(path) }
      for (let attempt = 1; ; attempt++) {
        const answer = await tryOnce(get, prefix + path, getOptions)
        if (answer.kind === "bytes") return answer.bytes
        if (answer.kind === "absent") return undefined
        const last = attempt >= attempts || answer.kind === "failed" || signal?.aborted === true
        if (last) throw failure(prefix + path, path, attempt, answer.reason)
        const backoff = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempt - 1)) * (0.5 + random() / 2)
        await sleep(answer.afterMs ?? backoff)
      }
    },
  }
}

type Answer =
  | { kind: "bytes"; bytes: Uint8Array }
  | { kind: "absent" }
  | { kind: "again"; reason: unknown; afterMs: number | undefined }
  | { kind: "failed"; reason: unknown }

async function tryOnce(get: HttpGet, url: string, options: GetOptions): Promise<Answer> {
  try {
    const { status, retryAfter, body } = await getFollowing(get, url, options)
    if (!(body instanceof Uint8Array)) return { kind: "failed", reason: new Error(body.why) }
    if (status === 404) return { kind: "absent" }
    if (status === 200) return { kind: "bytes", bytes: body }
    const reason = new Error(`status ${status}`)
    if (status !== 429 && status < 500) return { kind: "failed", reason }
    return { kind: "again", reason, afterMs: retryAfterMs(retryAfter) }
  } catch (reason) {
    return { kind: "again", reason, afterMs: undefined }
  }
}

/** One GET, and those that it is redirected to. */
async function getFollowing(get: HttpGet, url: string, options: GetOptions): Promise<HttpAnswer> {
  let at = url
  for (let hops = 0; ; hops++) {
    const answer = await get(at, options)
    if (!REDIRECTS.has(answer.status) || answer.location === undefined) return answer
    const next = hops < MAX_REDIRECTS ? redirected(at, answer.location) : TOO_MANY_REDIRECTS
    if (typeof next !== "string") return { ...answer, body: next }
    at = next
  }
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

const TOO_MANY_REDIRECTS: Unusable = { why: `more than ${MAX_REDIRECTS} redirects` }

/** Where a redirect leads, if it stays on its origin or only turns from http to https. */
function redirected(from: string, location: string): string | Unusable {
  const here = new URL(from)
  const there = URL.canParse(location, from) ? new URL(location, from) : undefined
  const secured = here.protocol === "http:" ? `https://${here.hostname}` : here.origin
  if (there?.origin === here.origin || there?.origin === secured) return (there as URL).href
  return { why: `a redirect to ${there?.origin ?? "no URL"}, which is not followed` }
}

/** Resolves after a while, or as soon as everything is to end. */
function delay(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener("abort", done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener("abort", done)
  })
}

/** "120" → 120,000, an HTTP date → the time until then; at most a minute. */
function retryAfterMs(header: string | undefined): number | undefined {
  if (header === undefined) return undefined
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now()
  return Number.isNaN(ms) ? undefined : Math.min(MAX_RETRY_AFTER_MS, Math.max(0, ms))
}

function prefixOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  const isPrefix = parsed !== undefined && /^https?:$/.test(parsed.protocol) && !/[?#]/.test(url)
  if (!isPrefix) throw new TypeError(`not the URL of a log: ${JSON.stringify(url)}`)
  return parsed.href.endsWith("/") ? parsed.href : `${parsed.href}/`
}

function failure(url: string, path: string, attempts: number, reason: unknown): VerifierError {
  const tries = attempts === 1 ? "" : ` after ${attempts} tries`
  const inner = reason instanceof Error && reason.cause instanceof Error ? `: ${reason.cause.message}` : ""
  const message = `cannot read ${url}${tries}: ${wordsOf(reason)}${inner}`
  return new VerifierError("VERIFIER_SOURCE_FAILED", message, { cause: reason, path })
}
