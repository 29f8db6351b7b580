/**
 * Bodies: read whole, inflated if they are gzip, never more than was allowed.
 *
 *     announced length   compared before a byte is read (gate)
 *     bytes on the wire  counted as they come
 *     inflated bytes     at most 10 MiB, and at most 100 for each byte on the wire
 *     bytes in memory    of all requests together, bounded: past it, 503; as few as came, however they are cut
 *     one holder         a key, or the network of an address without a key, has a part of that, and so many bodies that
 *                        have not come to their end: past it, 429, and there is still room for the others
 *
 * The bytes are suspect throughout.
 */

import type { IncomingMessage } from "node:http"
import { promisify } from "node:util"
import { gunzip } from "node:zlib"
import { networkOf } from "@prooflog/event/ip-address"
import { GatheredBytes } from "@prooflog/tlog/gathered-bytes"
import { ServerError } from "./error.js"
import type { Call } from "./gate.js"

/** The largest body, in bytes, on the wire and inflated. */
export const MAX_BODY_BYTES = 10 * 1024 * 1024

/** How much a body may grow when it is inflated; access events grow ten to thirty times. */
const MAX_GROWTH = 100

/** Below this size growth harms no one, and short bodies may grow much. */
const HARMLESS_BYTES = 64 * 1024

const inflate = promisify(gunzip)

/** What one holder may have of a {@link BodyBudget} at once. */
export interface Share {
  readonly bytes: number
  /** Bodies that have not come to their end: each has a connection, however few its bytes. */
  readonly unfinished: number
}

const ALL: Share = { bytes: Number.POSITIVE_INFINITY, unfinished: Number.POSITIVE_INFINITY }

/** Bytes of bodies in memory, of many requests or answers together. */
export class BodyBudget {
  readonly #full: string
  readonly #share: Share
  readonly #holders = new Map<string, { bytes: number; unfinished: number; bodies: number }>()
  #free: number

  /**
   * @param full - what is said where there is no more room
   * @param share - of one holder; all there is unless set
   */
  constructor(bytes: number, full = "too many bodies at once", share = ALL) {
    this.#free = bytes
    this.#full = full
    this.#share = share
  }

  /** @throws {@link ServerError} `SERVER_BUSY` if there is no room for that many bytes */
  take(bytes: number): void {
    if (bytes > this.#free) throw new ServerError("SERVER_BUSY", this.#full)
    this.#free -= bytes
  }

  give(bytes: number): void {
    this.#free += bytes
  }

  /**
   * Makes room for one body of a holder.
   *
   * @throws {@link ServerError} `SERVER_TOO_MANY_REQUESTS` if the holder has too many that have not come to their end
   */
  begin(holder: string): HeldBody {
    const held = this.#holders.get(holder) ?? { bytes: 0, unfinished: 0, bodies: 0 }
    if (held.unfinished >= this.#share.unfinished) throw tooMany("too many unfinished bodies at once")
    this.#holders.set(holder, held)
    held.bodies++
    held.unfinished++
    let taken = 0
    let isFinished = false
    const finished = () => {
      if (!isFinished) held.unfinished--
      isFinished = true
    }
    return {
      take: (bytes) => {
        if (held.bytes + bytes > this.#share.bytes) throw tooMany("too many bytes of bodies at once")
        this.take(bytes)
        held.bytes += bytes
        taken += bytes
      },
      give: (bytes) => {
        this.give(bytes)
        held.bytes -= bytes
        taken -= bytes
      },
      finished,
      end: () => {
        finished()
        this.give(taken)
        held.bytes -= taken
        if (--held.bodies === 0) this.#holders.delete(holder)
      },
    }
  }
}

/** A body on its way through a {@link BodyBudget}. */
interface HeldBody {
  /** @throws {@link ServerError} `SERVER_BUSY`, `SERVER_TOO_MANY_REQUESTS` if its holder has too many bytes */
  take(bytes: number): void
  /** Of what it took. */
  give(bytes: number): void
  /** All of it has come. */
  finished(): void
  /** Nobody needs it any more. Once. */
  end(): void
}

function tooMany(what: string): ServerError {
  return new ServerError("SERVER_TOO_MANY_REQUESTS", `${what} of one key, or one address`)
}

/**
 * Reads a body and gives it to `use`, then lets go of it.
 *
 * @param maxBytes - on the wire and inflated; at most {@link MAX_BODY_BYTES}
 * @throws {@link ServerError} `SERVER_BODY_TOO_LARGE`, `SERVER_BODY_ABORTED`, `SERVER_BUSY`,
 * `SERVER_TOO_MANY_REQUESTS`, `SERVER_UNSUPPORTED_ENCODING`, `SERVER_MALFORMED_GZIP`, `SERVER_GZIP_BOMB`
 */
export async function withBody<T>(
  { req, caller }: Pick<Call, "req" | "caller">,
  budget: BodyBudget,
  use: (bytes: Buffer) => T | Promise<T>,
  maxBytes = MAX_BODY_BYTES,
): Promise<T> {
  const encoding = req.headers["content-encoding"]
  const gzip = encoding !== undefined && isGzip(encoding)
  const held = budget.begin(caller?.keyId ?? networkOf(req.socket.remoteAddress ?? ""))
  try {
    const wire = await readWire(req, held.take, maxBytes)
    held.finished()
    if (!gzip) return await use(wire)
    const limit = Math.min(maxBytes, Math.max(HARMLESS_BYTES, wire.length * MAX_GROWTH))
    held.take(limit)
    const bytes = await inflated(wire, limit, maxBytes)
    held.give(limit - bytes.length)
    return await use(bytes)
  } finally {
    held.end()
  }
}

/** Two listeners and no stream: at a small body this is most of what reading costs. */
function readWire(req: IncomingMessage, take: (bytes: number) => void, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // As long as announced, if it was: then the parser lets no more through.
    const most = Math.min(maxBytes, Number(req.headers["content-length"] ?? maxBytes))
    let gathered: GatheredBytes | undefined = new GatheredBytes(most, take)
    const giveUp = (error: unknown) => {
      // What still comes is read and dropped, so that the answer can be read by a client that writes on.
      req.removeAllListeners("data").resume()
      gathered = undefined
      reject(error)
    }
    req.on("data", (chunk: Buffer) => {
      try {
        if (gathered?.add(chunk) === false) giveUp(tooLarge(maxBytes))
      } catch (error) {
        giveUp(error)
      }
    })
    req.on("end", () => gathered && resolve(bufferOf(gathered.bytes)))
    req.on("error", (cause) => reject(aborted(cause)))
    req.on("close", () => req.complete || reject(aborted()))
  })
}

/** The same bytes as a Buffer. */
function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
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
