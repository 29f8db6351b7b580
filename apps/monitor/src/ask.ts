/**
 * One request of ours, with a bounded answer: so long, so many bytes, and no redirect.
 *
 * Effects: the network.
 */

import { GatheredBytes } from "@prooflog/tlog/gathered-bytes"

export interface Asked {
  readonly status: number
  /** UTF-8, damaged where it is none. */
  readonly text: string
}

/** The answer is longer than it may be. */
export class TooLongError extends Error {
  override readonly name = "TooLongError"
}

export interface AskOptions {
  readonly method?: "GET" | "POST"
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** From sending to the last byte. */
  readonly timeoutMs: number
  /** Bytes of the longest answer. */
  readonly limit: number
  readonly signal: AbortSignal
}

/**
 * Returns what is answered.
 *
 * @throws {@link TooLongError}; what `fetch` throws for a broken network, a redirect, a time-out and an abort
 */
export async function ask(url: string, options: AskOptions): Promise<Asked> {
  const { method = "GET", headers = {}, body, timeoutMs, limit, signal } = options
  const response = await fetch(url, {
    method,
    headers: { ...headers },
    ...(body !== undefined && { body }),
    redirect: "error",
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
  })
  const gathered = new GatheredBytes(limit)
  for await (const chunk of response.body ?? []) {
    // Leaving the loop ends the connection.
    if (!gathered.add(chunk)) throw new TooLongError(`${url} answers with more than ${limit} bytes`)
  }
  return { status: response.status, text: new TextDecoder().decode(gathered.bytes) }
}
