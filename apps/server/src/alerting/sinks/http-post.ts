/**
 * One notification by HTTP: so long, so many bytes of the answer, and no redirect.
 *
 * URLs and headers hold secrets: nothing of them is in what is said of a failure.
 *
 * Effects: the network.
 */

import { GatheredBytes } from "@prooflog/tlog/gathered-bytes"
import type { Outcome } from "../delivery.js"

/** Receivers should answer within 15 to 30 seconds, says Standard Webhooks. */
const TIMEOUT_MS = 15_000

/** Of an answer, no more is looked at. */
const MAX_ANSWER = 16_384

export interface HttpPost {
  readonly url: string
  /** JSON. */
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  /** ms since 1970. */
  readonly nowMs: number
  /** {@link TIMEOUT_MS} unless set. */
  readonly timeoutMs: number | undefined
}

export interface HttpAnswer {
  readonly status: number
  /** UTF-8, damaged where it is none; at most {@link MAX_ANSWER} bytes. Suspect. */
  readonly text: string
  /** As the header says it: ms from now. */
  readonly retryAfterMs?: number
}

/** Posts JSON. Never rejects: what is no answer is an outcome. */
export async function post({
  url,
  body,
  headers,
  signal,
  nowMs,
  timeoutMs = TIMEOUT_MS,
}: HttpPost): Promise<HttpAnswer | Outcome> {
  const timeout = AbortSignal.timeout(timeoutMs)
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json", "user-agent": "prooflog" },
      body,
      redirect: "manual",
      signal: AbortSignal.any([signal, timeout]),
    })
    const retryAfterMs = retryAfter(response.headers.get("retry-after"), nowMs)
    return {
      status: response.status,
      text: await beginningOf(response),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    }
  } catch (error) {
    const why = timeout.aborted ? `no answer within ${timeoutMs} ms` : `no answer: ${codeOf(error)}`
    return { kind: "later", why }
  }
}

/** Returns what every status means that a receiver gives no meaning of its own. */
export function laterOf({ status, retryAfterMs }: HttpAnswer, patienceMs: number): Outcome {
  const why = status >= 300 && status < 400 ? `${status}: redirects are not followed` : String(status)
  const pauseMs = retryAfterMs ?? (status === 429 ? patienceMs : undefined)
  return { kind: "later", why, ...(pauseMs !== undefined && { retryAfterMs: pauseMs }) }
}

export function isAnswer(answer: HttpAnswer | Outcome): answer is HttpAnswer {
  return "status" in answer
}

/** Returns ms from now: of seconds, or of a date; `undefined` of anything else. */
export function retryAfter(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1_000
  const dateMs = / GMT$/.test(header) ? Date.parse(header) : Number.NaN
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs)
}

async function beginningOf(response: Response): Promise<string> {
  const gathered = new GatheredBytes(MAX_ANSWER)
  try {
    for await (const chunk of response.body ?? []) {
      // Leaving the loop ends the connection.
      if (!gathered.add(chunk)) break
    }
  } catch {
    // It broke off, or took too long: the status is there, and is the answer. Whoever needs the text sees what came of it.
  }
  return new TextDecoder().decode(gathered.bytes)
}

/** Codes of Node and of its HTTP client, such as ECONNREFUSED: their messages name hosts. */
function codeOf(error: unknown): string {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException
    if (typeof code === "string" && /^[A-Z][A-Z0-9_]{1,63}$/.test(code)) return code
  }
  return "the connection broke"
}
