/**
 * HTTP by node:http, with connections kept alive: for readers of thousands of small tiles.
 *
 * Chosen by the `#platform` entry of package.json; its twin is platform-portable.ts.
 *
 * Effects: the network.
 */

import { Agent as HttpAgent, get as httpRequest, type IncomingMessage } from "node:http"
import { Agent as HttpsAgent, get as httpsRequest } from "node:https"
import { gunzipSync } from "node:zlib"
import { GatheredBytes } from "@prooflog/tlog/gathered-bytes"
import { type GetOptions, type HttpAnswer, type HttpGet, tooLong, type Unusable } from "./http-get.js"

// Idle connections do not keep a process alive.
const SOCKETS = { keepAlive: true, maxSockets: 64 }
const httpAgent = new HttpAgent(SOCKETS)
const httpsAgent = new HttpsAgent(SOCKETS)

/** Bytes of an unwanted body that are read so that its connection can be used again. */
const MAX_UNWANTED = 64 * 1024

const NO_BYTES = new Uint8Array(0)

export const httpGet: HttpGet = (url, options) =>
  new Promise((resolve, reject) => {
    const { headers, signal, timeoutMs } = options
    const send = url.startsWith("https:") ? httpsRequest : httpRequest
    const agent = url.startsWith("https:") ? httpsAgent : httpAgent
    const request = send(url, { agent, headers, ...(signal === undefined ? {} : { signal }) }, (response) => {
      answerOf(response, options).then(finish, fail)
    })
    const timer = setTimeout(() => request.destroy(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs)
    const finish = (answer: HttpAnswer) => {
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

async function answerOf(response: IncomingMessage, options: GetOptions): Promise<HttpAnswer> {
  const { location, "retry-after": retryAfter } = response.headers
  const answer = { status: response.statusCode ?? 0, retryAfter, location }
  if (answer.status === 200) return { ...answer, body: await bodyOf(response, options) }
  // The answer is known, whatever becomes of its body.
  await collect(response, new GatheredBytes(MAX_UNWANTED)).catch(() => {})
  return { ...answer, body: NO_BYTES }
}

async function bodyOf(
  response: IncomingMessage,
  { limit, take }: GetOptions,
): Promise<Uint8Array | Unusable> {
  const encoding = response.headers["content-encoding"] ?? "identity"
  if (encoding !== "identity" && encoding !== "gzip") {
    response.destroy()
    return { why: `of the content encoding ${JSON.stringify(encoding.slice(0, 40))}` }
  }
  const body = await collect(response, new GatheredBytes(limit, take))
  if (body === undefined) return tooLong(limit)
  return encoding === "gzip" ? gunzip(body, limit) : body
}

/**
 * Returns the body, or `undefined` and cuts the connection if it is too long.
 *
 * By events: an async iterator would cost as much as the rest of the request.
 */
function collect(response: IncomingMessage, gathered: GatheredBytes): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    response.on("data", (chunk: Buffer) => {
      try {
        if (gathered.add(plain(chunk))) return
        resolve(undefined)
      } catch (error) {
        reject(error)
      }
      response.destroy()
    })
    response.on("end", () => resolve(gathered.bytes))
    response.on("error", reject)
    // A connection that closes early ends without "end".
    response.on("close", () => reject(new Error("the connection closed early")))
  })
}

/** The same bytes without Buffer's own idea of slice(). */
function plain(bytes: Buffer): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

function gunzip(body: Uint8Array, limit: number): Uint8Array | Unusable {
  try {
    return plain(gunzipSync(body, { maxOutputLength: limit }))
  } catch (cause) {
    if ((cause as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE") return tooLong(limit)
    throw cause
  }
}
