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
  /** Empty unless the status is 200; content encodings are undone. `undefined` if it is longer than the limit. */
  readonly body: Uint8Array | undefined
}

/** Rejects for a broken network, a time-out and an abort. */
export type HttpGet = (url: string, options: GetOptions) => Promise<HttpAnswer>

const NO_BYTES = new Uint8Array(0)

/** Returns a {@link HttpGet} that uses a `fetch`. */
export function getByFetch(fetch: typeof globalThis.fetch): HttpGet {
  return async (url, { headers, limit, timeoutMs, signal }) => {
    const timeout = AbortSignal.timeout(timeoutMs)
    const either = signal === undefined ? timeout : AbortSignal.any([timeout, signal])
    const response = await fetch(url, { signal: either, headers: { ...headers } })
    const retryAfter = response.headers.get("retry-after") ?? undefined
    if (response.status !== 200) {
      // An unread body would keep its connection from being used again.
      await response.body?.cancel()
      return { status: response.status, retryAfter, body: NO_BYTES }
    }
    const body = response.body === null ? NO_BYTES : await collect(response.body, limit)
    return { status: 200, retryAfter, body }
  }
}

async function collect(stream: ReadableStream<Uint8Array>, limit: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  let length = 0
  const reader = stream.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return concat(chunks, length)
    length += value.length
    if (length > limit) {
      await reader.cancel()
      return undefined
    }
    chunks.push(value)
  }
}

/** Joins the chunks of a body; a single one is not copied. */
export function concat(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const [first] = chunks
  if (first !== undefined && chunks.length === 1) return first
  const bytes = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}
