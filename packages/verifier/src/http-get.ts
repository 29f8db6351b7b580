/**
 * One GET of a bounded body: what `source-http` needs of HTTP, and no more.
 *
 * Two implementations: `fetch`, everywhere, below; and node:http in platform-node.ts, which costs a reader
 * of many small tiles less than half as much (66 against 150 µs of CPU for each, Node 20).
 *
 * What many of them gather at a time can be bounded: {@link withRoom}.
 *
 * Effects: the network.
 */

import { GatheredBytes } from "@prooflog/tlog/gathered-bytes"

export interface GetOptions {
  readonly headers: Readonly<Record<string, string>>
  /** Bytes of the longest body that is read. */
  readonly limit: number
  /** From sending to the last byte. */
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  /** Told of the bytes that the body is to be gathered in, before they are; what it throws ends the GET. */
  readonly take?: (bytes: number) => void
}

export interface HttpAnswer {
  readonly status: number
  /** Its Retry-After header, verbatim. */
  readonly retryAfter: string | undefined
  /** Its Location header, verbatim. */
  readonly location: string | undefined
  /** Empty unless the status is 200; content encodings are undone. Or why it is of no use, and would be of none the next time. */
  readonly body: Uint8Array | Unusable
}

/** What is wrong with an answer, in words that end a sentence. */
export interface Unusable {
  readonly why: string
}

/** Rejects for a broken network, a time-out and an abort. */
export type HttpGet = (url: string, options: GetOptions) => Promise<HttpAnswer>

const NO_BYTES = new Uint8Array(0)

/** Returns a {@link HttpGet} that uses a `fetch`. It follows no redirect: where to go is for the caller to say. */
export function getByFetch(fetch: typeof globalThis.fetch): HttpGet {
  return async (url, { headers, limit, timeoutMs, signal, take }) => {
    const timeout = AbortSignal.timeout(timeoutMs)
    const either = signal === undefined ? timeout : AbortSignal.any([timeout, signal])
    const response = await fetch(url, { signal: either, headers: { ...headers }, redirect: "manual" })
    const retryAfter = response.headers.get("retry-after") ?? undefined
    const location = response.headers.get("location") ?? undefined
    const answer = { status: response.status, retryAfter, location }
    if (response.type === "opaqueredirect") return { ...answer, body: HIDDEN_REDIRECT }
    if (response.status === 200 && response.body !== null) {
      return { ...answer, body: await collect(response.body, new GatheredBytes(limit, take), limit) }
    }
    // An unread body would keep its connection from being used again.
    await response.body?.cancel()
    return { ...answer, body: NO_BYTES }
  }
}

const HIDDEN_REDIRECT: Unusable = { why: "a redirect, which a browser hides: give the URL that it leads to" }

async function collect(
  stream: ReadableStream<Uint8Array>,
  gathered: GatheredBytes,
  limit: number,
): Promise<Uint8Array | Unusable> {
  const reader = stream.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return gathered.bytes
      if (!gathered.add(value)) return tooLong(limit)
    }
  } finally {
    // Of a body that was read to its end nothing is left.
    await reader.cancel()
  }
}

export function tooLong(limit: number): Unusable {
  return { why: `longer than the ${limit} bytes of a log` }
}

/** A body finds no room beside those of the other GETs under way. */
const FULL = new Error("no room for this body")

/**
 * Returns the same {@link HttpGet}, but the bodies that it gathers at a time have `maxBytes` together, and one more body
 * on top: how long each will be is its sender's word. One that finds no room is given up, and begun anew when those that
 * found none before it have come to their end; so there is always one that goes on.
 */
export function withRoom(get: HttpGet, maxBytes: number): HttpGet {
  let free = maxBytes
  let last: Promise<unknown> = Promise.resolve()
  return async (url, options) => {
    let taken = 0
    const take = (bytes: number) => {
      if (bytes > free) throw FULL
      free -= bytes
      taken += bytes
    }
    try {
      return await get(url, { ...options, take })
    } catch (error) {
      if (error !== FULL) throw error
    } finally {
      free += taken
    }
    const onTop = last.then(() => get(url, options))
    last = onTop.catch(() => {})
    return await onTop
  }
}
