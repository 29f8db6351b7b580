/**
 * One GET of a bounded body: what `source-http` needs of HTTP, and no more.
 *
 * Two implementations: `fetch`, everywhere, below; and node:http in platform-node.ts, which costs a reader
 * of many small tiles less than half as much (66 against 150 µs of CPU for each, Node 20).
 *
 * Effects: the network.
 */

export interface GetOptions {
  readonly headers: Readonly<Record<string, string>>
  /** Bytes of the longest body that is read. */
  readonly limit: number
  /** From sending to the last byte. */
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
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
  return async (url, { headers, limit, timeoutMs, signal }) => {
    const timeout = AbortSignal.timeout(timeoutMs)
    const either = signal === undefined ? timeout : AbortSignal.any([timeout, signal])
    const response = await fetch(url, { signal: either, headers: { ...headers }, redirect: "manual" })
    const retryAfter = response.headers.get("retry-after") ?? undefined
    const location = response.headers.get("location") ?? undefined
    const answer = { status: response.status, retryAfter, location }
    if (response.type === "opaqueredirect") return { ...answer, body: HIDDEN_REDIRECT }
    if (response.status === 200 && response.body !== null) {
      return { ...answer, body: await collect(response.body, limit) }
    }
    // An unread body would keep its connection from being used again.
    await response.body?.cancel()
    return { ...answer, body: NO_BYTES }
  }
}

const HIDDEN_REDIRECT: Unusable = { why: "a redirect, which a browser hides: give the URL that it leads to" }

async function collect(stream: ReadableStream<Uint8Array>, limit: number): Promise<Uint8Array | Unusable> {
  const gathered = new GatheredBytes(limit)
  const reader = stream.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return gathered.bytes
    if (!gathered.add(value)) {
      await reader.cancel()
      return tooLong(limit)
    }
  }
}

export function tooLong(limit: number): Unusable {
  return { why: `longer than the ${limit} bytes of a log` }
}

/**
 * The bytes of a body as they come in.
 *
 * Chunks are copied together at once, except for a single one: a sender can cut 16 MB into chunks of one byte,
 * and each chunk kept as an object takes 400.
 */
export class GatheredBytes {
  readonly #limit: number
  #bytes: Uint8Array = NO_BYTES
  #length = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Returns false, and takes no more, if that would be past the limit. */
  add(chunk: Uint8Array): boolean {
    const length = this.#length + chunk.length
    if (length > this.#limit) return false
    if (this.#length === 0) {
      this.#bytes = chunk
    } else {
      if (length > this.#bytes.length) this.#grow(length)
      this.#bytes.set(chunk, this.#length)
    }
    this.#length = length
    return true
  }

  /** The first chunk is never written to: it is exactly as long as what is gathered, so that it is grown out of first. */
  #grow(least: number): void {
    const bytes = new Uint8Array(Math.min(this.#limit, Math.max(least, 2 * this.#bytes.length)))
    bytes.set(this.bytes)
    this.#bytes = bytes
  }
}
