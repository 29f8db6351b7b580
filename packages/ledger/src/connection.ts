/**
 * HTTP with a peer that may be dead, slow or hostile.
 *
 *     send ─► status ─► body, at most so many bytes        all of it before the caller's signal says stop
 *
 * The connection is kept alive from one exchange to the next. A server may close it at the very moment at which
 * something is sent: then nothing was answered, and the same is sent once more over a new one. Redirects are
 * not followed: whoever is to be asked has the address that the policy gives.
 */

import { Agent as HttpAgent, request as httpRequest } from "node:http"
import { Agent as HttpsAgent, request as httpsRequest } from "node:https"
import { readBody } from "./connection-body.js"

export interface HttpAnswer {
  readonly status: number
  /** Suspect. */
  readonly body: Uint8Array
}

export interface HttpExchange {
  /** Under the connection's prefix, without a slash before it. */
  readonly path: string
  /** Makes it a POST of text. */
  readonly body?: string
  /** Most bytes of the answer's body. */
  readonly maxBytes: number
  readonly signal: AbortSignal
}

export class Connection {
  readonly #prefix: URL
  #agent: HttpAgent

  /** @throws `RangeError` unless `prefix` is an http or https URL without query and fragment */
  constructor(prefix: string) {
    this.#prefix = prefixOf(prefix)
    this.#agent = this.#newAgent()
  }

  /** @throws Error, of Node or of this module, if there is no whole answer */
  async exchange(exchange: HttpExchange): Promise<HttpAnswer> {
    const first = await this.#attempt(exchange)
    if (first !== "closed before it was answered") return first
    // Others that are kept may have been closed, too.
    this.#agent.destroy()
    this.#agent = this.#newAgent()
    const second = await this.#attempt(exchange)
    if (second === "closed before it was answered") throw new Error(second)
    return second
  }

  close(): void {
    this.#agent.destroy()
  }

  #newAgent(): HttpAgent {
    const options = { keepAlive: true }
    return this.#prefix.protocol === "https:" ? new HttpsAgent(options) : new HttpAgent(options)
  }

  #attempt({ path, body, maxBytes, signal }: HttpExchange): Promise<HttpAnswer | Closed> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted()
      const send = this.#prefix.protocol === "https:" ? httpsRequest : httpRequest
      const request = send(new URL(path, this.#prefix), {
        agent: this.#agent,
        method: body === undefined ? "GET" : "POST",
        headers: body === undefined ? {} : { "content-type": "text/plain; charset=utf-8" },
      })
      let answered = false
      const abort = () => request.destroy(signal.reason)
      signal.addEventListener("abort", abort, { once: true })
      request.on("response", (response) => {
        answered = true
        const { statusCode: status = 0 } = response
        // What is destroyed while its body arrives is heard of by the answer, which does not know why.
        readBody(response, maxBytes).then(
          (body) => resolve({ status, body }),
          (error) => reject(signal.aborted ? signal.reason : error),
        )
      })
      request.on("error", (error: NodeJS.ErrnoException) => {
        const wasClosed = error.code === "ECONNRESET" || error.code === "EPIPE"
        if (!answered && !signal.aborted && request.reusedSocket && wasClosed)
          resolve("closed before it was answered")
        else reject(error)
      })
      request.on("close", () => signal.removeEventListener("abort", abort))
      request.end(body)
    })
  }
}

type Closed = "closed before it was answered"

function prefixOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isPrefix = url?.search === "" && url.hash === "" && /^https?:$/.test(url.protocol)
  if (url === undefined || !isPrefix) {
    throw new RangeError(`expected an http or https URL without query, got ${JSON.stringify(text)}`)
  }
  url.pathname = url.pathname.replace(/\/*$/, "/")
  return url
}
