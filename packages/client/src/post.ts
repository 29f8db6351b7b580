/**
 * One request with a batch of events, and the server's answer put in order.
 *
 *     2xx                     one result per event, maybe evidence
 *     400, 409, 413, 422      the body is refused for what is in it: a smaller batch will show by which event
 *     429, 503                the server asks to wait
 *     other 5xx, no answer    tried again
 *     3xx, other 4xx          key or URL are wrong: tried again, for they get mended and the events are good
 *
 * Effects: the network, through the `fetch` given.
 */

import { parseRetryAfter } from "./backoff.js"
import type { CapturedEvent } from "./captured-event.js"
import { ClientError } from "./error.js"
import { memberText } from "./json-member.js"

/** Bytes of an answer at most. Evidence of a full batch is a few MiB; reading more would hold the service up. */
const MAX_ANSWER_BYTES = 16 << 20

/** Statuses that blame the body of the request, if the answer names one of our codes: a proxy's may mean anything. */
const BODY_REFUSED: readonly number[] = [400, 409, 413, 422]

/** Codes under such a status that blame the request's line or head. */
const REQUEST_REFUSED: readonly unknown[] = ["SERVER_MALFORMED_QUERY", "SERVER_MALFORMED_REQUEST"]

/** Codes of single results that will pass: the server could not take this event just now. */
const PASSING = /^(LEDGER_|SERVER_BUSY$|SERVER_NOT_READY$|SERVER_BUG$)/

/** What the server says of one event. */
export type EventResult =
  | {
      readonly kind: "logged"
      readonly leafIndex: number
      /** It was in the log before this request. */
      readonly duplicate: boolean
      /** The server could not compare the contents, for the original was destroyed. */
      readonly unchecked: boolean
    }
  | { readonly kind: "rejected"; readonly code: string; readonly message: string; readonly pointer?: string }
  | { readonly kind: "later"; readonly error: ClientError }

export interface Answered {
  readonly kind: "answered"
  /** One for each event, in order. */
  readonly results: readonly EventResult[]
  /** An evidence file, suspect; `undefined` if there is none yet. */
  readonly evidence: string | undefined
  readonly retryAfterMs: number
}

export interface BodyRefused {
  readonly kind: "body refused"
  readonly code: string
  readonly message: string
  readonly pointer?: string
}

export interface Failed {
  readonly kind: "failed"
  readonly error: ClientError
  readonly retryAfterMs: number
}

export interface PostOptions {
  /** The log's URL prefix, ending in `/`. */
  readonly url: string
  readonly key: string
  /** Asks for evidence with the answer. */
  readonly waitForReceipt: boolean
  /** Time for one request, from sending to the answer's last byte, milliseconds. */
  readonly timeoutMs: number
  readonly fetch: typeof globalThis.fetch
  readonly clock: () => number
}

export class Post {
  readonly #options: PostOptions
  readonly #underWay = new Set<AbortController>()

  constructor(options: PostOptions) {
    this.#options = options
  }

  /** Sends the events once. Never rejects. */
  async send(events: readonly CapturedEvent[]): Promise<Answered | BodyRefused | Failed> {
    const abort = new AbortController()
    const timer = setTimeout(
      () => abort.abort(new Error("the time for a request is over")),
      this.#options.timeoutMs,
    )
    timer.unref()
    this.#underWay.add(abort)
    try {
      const response = await this.#request(events, abort.signal)
      const retryAfterMs = parseRetryAfter(response.headers.get("retry-after"), this.#options.clock())
      const text = await readText(response)
      if (response.ok) return readResults(text, events.length, retryAfterMs)
      return readProblem(response.status, text, retryAfterMs)
    } catch (error) {
      return failed(asClientError(error), 0)
    } finally {
      clearTimeout(timer)
      this.#underWay.delete(abort)
    }
  }

  /** Ends all requests under way; they answer as failed. */
  abort(): void {
    for (const abort of this.#underWay) abort.abort(new Error("the client was closed"))
  }

  #request(events: readonly CapturedEvent[], signal: AbortSignal): Promise<Response> {
    const { url, key, waitForReceipt } = this.#options
    const { fetch } = this.#options
    return fetch(`${url}v1/events${waitForReceipt ? "?wait=receipt" : ""}`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${key}`,
        "content-type": "application/x-ndjson",
        accept: "application/json",
      },
      body: events.map(({ text }) => text).join("\n"),
      // A redirect would turn the POST into a GET.
      redirect: "manual",
      signal,
    })
  }
}

/** @throws {@link ClientError} `CLIENT_UNEXPECTED_ANSWER` */
function readResults(text: string, count: number, retryAfterMs: number): Answered {
  const results = parseJson(memberText(text, "results"))
  if (!Array.isArray(results) || results.length !== count) {
    throw new ClientError("CLIENT_UNEXPECTED_ANSWER", `the answer does not hold ${count} results`)
  }
  // Evidence stays text: whoever verifies it reads it strictly, and reading it twice would take twice the time.
  const evidence = memberText(text, "evidence")
  return {
    kind: "answered",
    results: results.map(readResult),
    evidence: evidence === "null" ? undefined : evidence,
    retryAfterMs,
  }
}

function readResult(value: unknown): EventResult {
  const result = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>
  const { leaf_index: leafIndex, code } = result
  if (typeof code === "string") return readRefusal(code, result)
  if (!Number.isSafeInteger(leafIndex) || (leafIndex as number) < 0) {
    throw new ClientError("CLIENT_UNEXPECTED_ANSWER", "a result has neither a leaf index nor a code")
  }
  return {
    kind: "logged",
    leafIndex: leafIndex as number,
    duplicate: result.duplicate === true,
    // What was not in the log before cannot have been destroyed there.
    unchecked: result.duplicate === true && result.unchecked === true,
  }
}

function readRefusal(code: string, { message, detail, pointer }: Record<string, unknown>): EventResult {
  const words = String(message ?? detail ?? code)
  if (PASSING.test(code)) {
    return { kind: "later", error: new ClientError("CLIENT_SERVER_BUSY", `${code}: ${words}`) }
  }
  return { kind: "rejected", code, message: words, ...(typeof pointer === "string" && { pointer }) }
}

function readProblem(status: number, text: string, retryAfterMs: number): BodyRefused | Failed {
  const { code, detail, pointer } = (parseJson(text) ?? {}) as Record<string, unknown>
  const words = `status ${status}${typeof code === "string" ? ` ${code}` : ""}`
  const isOurs = typeof code === "string" && !REQUEST_REFUSED.includes(code)
  // Proxies limit bodies too, and 413 has no other meaning.
  if ((BODY_REFUSED.includes(status) && isOurs) || status === 413) {
    return {
      kind: "body refused",
      code: isOurs ? code : `HTTP_${status}`,
      message: typeof detail === "string" ? detail : words,
      ...(typeof pointer === "string" && { pointer }),
    }
  }
  if (status === 429 || status === 503)
    return failed(new ClientError("CLIENT_SERVER_BUSY", words), retryAfterMs)
  const errorCode = status >= 500 || status === 408 ? "CLIENT_SERVER_FAILED" : "CLIENT_NOT_ALLOWED"
  return failed(new ClientError(errorCode, words), retryAfterMs)
}

function failed(error: ClientError, retryAfterMs: number): Failed {
  return { kind: "failed", error, retryAfterMs }
}

/** What `fetch` throws says little; its cause says what the socket met. */
function asClientError(error: unknown): ClientError {
  if (error instanceof ClientError) return error
  const { message = String(error), cause } = (error ?? {}) as {
    message?: string
    cause?: { message?: string }
  }
  const words = cause?.message === undefined ? message : `${message}: ${cause.message}`
  return new ClientError("CLIENT_NO_ANSWER", words, { cause: error })
}

async function readText(response: Response): Promise<string> {
  if (response.body === null) return ""
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    length += chunk.length
    if (length > MAX_ANSWER_BYTES) throw new ClientError("CLIENT_UNEXPECTED_ANSWER", "the answer is too long")
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString("utf8")
}

/** `undefined` for what is no JSON. */
function parseJson(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}
