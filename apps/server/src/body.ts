/**
 * Bodies: read whole, inflated if they are gzip, never more than was allowed.
 *
 *     announced length   compared before a byte is read (gate)
 *     bytes on the wire  counted as they come
 *     inflated bytes     at most 10 MiB, and at most 100 for each byte on the wire
 *     bytes in memory    of all requests together, bounded: past it, 503; as few as came, however they are cut
 *
 * The bytes are suspect throughout.
 */

import type { IncomingMessage } from "node:http"
import { promisify } from "node:util"
import { gunzip } from "node:zlib"
import { ServerError } from "./error.js"

/** The largest body, in bytes, on the wire and inflated. */
export const MAX_BODY_BYTES = 10 * 1024 * 1024

/** How much a body may grow when it is inflated; access events grow ten to thirty times. */
const MAX_GROWTH = 100

/** Below this size growth harms no one, and short bodies may grow much. */
const HARMLESS_BYTES = 64 * 1024

const NO_BYTES = Buffer.alloc(0)

const inflate = promisify(gunzip)

/** Bytes of bodies in memory, of many requests or answers together. */
export class BodyBudget {
  readonly #full: string
  #free: number

  /** @param full - what is said where there is no more room */
  constructor(bytes: number, full = "too many bodies at once") {
    this.#free = bytes
    this.#full = full
  }

  /** @throws {@link ServerError} `SERVER_BUSY` if there is no room for that many bytes */
  take(bytes: number): void {
    if (bytes > this.#free) throw new ServerError("SERVER_BUSY", this.#full)
    this.#free -= bytes
  }

  give(bytes: number): void {
    this.#free += bytes
  }
}

/**
 * Reads a body and gives it to `use`, then lets go of it.
 *
 * @param maxBytes - on the wire and inflated; at most {@link MAX_BODY_BYTES}
 * @throws {@link ServerError} `SERVER_BODY_TOO_LARGE`, `SERVER_BODY_ABORTED`, `SERVER_BUSY`,
 * `SERVER_UNSUPPORTED_ENCODING`, `SERVER_MALFORMED_GZIP`, `SERVER_GZIP_BOMB`
 */
export async function withBody<T>(
  req: IncomingMessage,
  budget: BodyBudget,
  use: (bytes: Buffer) => T | Promise<T>,
  maxBytes = MAX_BODY_BYTES,
): Promise<T> {
  const encoding = req.headers["content-encoding"]
  const gzip = encoding !== undefined && isGzip(encoding)
  let taken = 0
  const take = (bytes: number) => {
    budget.take(bytes)
    taken += bytes
  }
  try {
    const wire = await readWire(req, take, maxBytes)
    if (!gzip) return await use(wire)
    const limit = Math.min(maxBytes, Math.max(HARMLESS_BYTES, wire.length * MAX_GROWTH))
    take(limit)
    return await use(await inflated(wire, limit, maxBytes))
  } finally {
    budget.give(taken)
  }
}

/**
 * Two listeners and no stream: at a small body this is most of what reading costs.
 *
 * Chunks are copied together as they come, but for a single one: a sender can cut a body into chunks of one byte, and
 * each chunk kept as an object takes 400. What is taken is the room that they are copied to.
 */
function readWire(req: IncomingMessage, take: (bytes: number) => void, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // As long as announced, if it was: then the parser lets no more through.
    const most = Math.min(maxBytes, Number(req.headers["content-length"] ?? maxBytes))
    let bytes: Buffer = NO_BYTES
    let length = 0
    const gather = (chunk: Buffer) => {
      const end = length + chunk.length
      if (end > maxBytes) throw tooLarge(maxBytes)
      if (end > bytes.length) {
        const room = length === 0 ? end : Math.max(end, Math.min(most, 2 * bytes.length))
        take(room - bytes.length)
        const grown = length === 0 ? chunk : Buffer.allocUnsafeSlow(room)
        if (grown !== chunk) bytes.copy(grown, 0, 0, length)
        bytes = grown
      }
      if (bytes !== chunk) chunk.copy(bytes, length)
      length = end
    }
    req.on("data", (chunk: Buffer) => {
      try {
        gather(chunk)
      } catch (error) {
        // What still comes is read and dropped, so that the answer can be read by a client that writes on.
        req.removeAllListeners("data").resume()
        bytes = NO_BYTES
        reject(error)
      }
    })
    req.on("end", () => resolve(bytes.subarray(0, length)))
    req.on("error", (cause) => reject(aborted(cause)))
    req.on("close", () => req.complete || reject(aborted()))
  })
}

async function inflated(wire: Buffer, limit: number, maxBytes: number): Promise<Buffer> {
  try {
    return await inflate(wire, { maxOutputLength: limit })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ERR_BUFFER_TOO_LARGE") {
      throw new ServerError("SERVER_MALFORMED_GZIP", "the body is not gzip", { cause })
    }
    if (limit === maxBytes) throw tooLarge(maxBytes)
    throw new ServerError("SERVER_GZIP_BOMB", `a body may grow ${MAX_GROWTH} times when it is inflated`, {
      cause,
    })
  }
}

function isGzip(encoding: string): boolean {
  switch (encoding.toLowerCase()) {
    case "gzip":
    case "x-gzip":
      return true
    case "identity":
      return false
    default:
      throw new ServerError("SERVER_UNSUPPORTED_ENCODING", "Content-Encoding may be gzip, or left out")
  }
}

function tooLarge(maxBytes: number): ServerError {
  return new ServerError("SERVER_BODY_TOO_LARGE", `a body may have ${maxBytes} bytes here, inflated too`)
}

function aborted(cause?: unknown): ServerError {
  return new ServerError("SERVER_BODY_ABORTED", "the body ended before its end", { cause })
}
