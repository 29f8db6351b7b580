/**
 * HTTP by node:http, with connections kept alive: for readers of thousands of small tiles.
 *
 * Chosen by the `#platform` entry of package.json; its twin is platform-portable.ts. What is rare
 * (redirects, encodings other than gzip) is left to `fetch`.
 *
 * Effects: the network.
 */

import { Agent as HttpAgent, get as httpRequest, type IncomingMessage } from "node:http"
import { Agent as HttpsAgent, get as httpsRequest } from "node:https"
import { gunzipSync } from "node:zlib"
import { concat, type GetOptions, getByFetch, type HttpAnswer, type HttpGet } from "./http-get.js"

// Idle connections do not keep a process alive.
const SOCKETS = { keepAlive: true, maxSockets: 64 }
const httpAgent = new HttpAgent(SOCKETS)
const httpsAgent = new HttpsAgent(SOCKETS)

export const httpGet: HttpGet = async (url, options) => {
  const answer = await getPlain(url, options)
  return answer ?? (await getByFetch(globalThis.fetch)(url, options))
}

/** Resolves to undefined for an answer that is better left to `fetch`. */
function getPlain(url: string, options: GetOptions): Promise<HttpAnswer | undefined> {
  const { headers, signal, timeoutMs } = options
  return new Promise((resolve, reject) => {
    const send = url.startsWith("https:") ? httpsRequest : httpRequest
    const agent = url.startsWith("https:") ? httpsAgent : httpAgent
    const request = send(url, { agent, headers, ...(signal === undefined ? {} : { signal }) }, (response) => {
      answerOf(response, options.limit).then(finish, fail)
    })
    const timer = setTimeout(() => request.destroy(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs)
    const finish = (answer: HttpAnswer | undefined) => {
      clearTimeout(timer)
      resolve(answer)
    }
    const fail = (error: unknown) => {
      clearTimeout(timer)
      request.destroy()
      reject(error)
    }
    request.on("error", fail)
  })
}

async function answerOf(response: IncomingMessage, limit: number): Promise<HttpAnswer | undefined> {
  const status = response.statusCode ?? 0
  const encoding = response.headers["content-encoding"] ?? "identity"
  const retryAfter = response.headers["retry-after"]
  const isRedirect = status >= 300 && status < 400
  if (isRedirect || (status === 200 && encoding !== "identity" && encoding !== "gzip")) {
    response.resume()
    return undefined
  }
  if (status !== 200) {
    response.resume()
    return { status, retryAfter, body: new Uint8Array(0) }
  }
  const body = await collect(response, limit)
  if (body === undefined) response.destroy()
  return { status, retryAfter, body: encoding === "gzip" ? gunzip(body, limit) : body }
}

/** By events: an async iterator would cost as much as the rest of the request. */
function collect(response: IncomingMessage, limit: number): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = []
    let length = 0
    response.on("data", (chunk: Buffer) => {
      length += chunk.length
      if (length > limit) resolve(undefined)
      else chunks.push(plain(chunk))
    })
    response.on("end", () => resolve(concat(chunks, length)))
    response.on("error", reject)
    // A connection that closes early ends without "end".
    response.on("close", () => reject(new Error("the connection closed early")))
  })
}

/** The same bytes without Buffer's own idea of slice(). */
function plain(bytes: Buffer): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

function gunzip(body: Uint8Array | undefined, limit: number): Uint8Array | undefined {
  if (body === undefined) return undefined
  try {
    return plain(gunzipSync(body, { maxOutputLength: limit }))
  } catch (cause) {
    if ((cause as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE") return undefined
    throw cause
  }
}
