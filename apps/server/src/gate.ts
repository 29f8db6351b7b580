/**
 * The gate: what every request passes before any routing.
 *
 *     GET /acme/v1/evidence?leaf_index=7     Authorization: Bearer pl_…
 *         ──┬── ─────┬─────  ─────┬─────                        ──┬──
 *         prefix    path        query                           caller
 *
 * The path stays as it was sent: nothing is decoded, so `tile/0/%30` is not a second name of `tile/0/0`.
 */

import type { IncomingMessage } from "node:http"
import { ServerError } from "./error.js"
import type { Caller, KeyRing } from "./key-ring.js"
import { includesRole, type Role } from "./keys.js"

/** A request that has passed the gate. */
export interface Call {
  readonly req: IncomingMessage
  readonly method: string
  /** Below the log's prefix, as sent: `checkpoint`, `tile/0/x001/234`. */
  readonly path: string
  /** What follows `?`, as sent; empty if nothing does. */
  readonly query: string
  /** The holder of the key that came with it, if one did. */
  readonly caller: Caller | undefined
  /** When it came, ms since the epoch. */
  readonly timeMs: number
}

export interface GateOptions {
  /** Begins and ends with `/`. */
  readonly prefix: string
  readonly keys: KeyRing
  readonly clock: () => number
  /** Bytes that a body may have, on the wire. */
  readonly maxBodyBytes: number
}

/**
 * Returns the gate of a log.
 *
 * @throws (the gate) {@link ServerError} `SERVER_NOT_FOUND` outside the prefix, `SERVER_BODY_TOO_LARGE` by the
 * length a request announces, `SERVER_UNKNOWN_KEY`, `SERVER_REVOKED_KEY`, `SERVER_EXPIRED_KEY`
 */
export function openGate({ prefix, keys, clock, maxBodyBytes }: GateOptions): (req: IncomingMessage) => Call {
  return (req) => {
    const { method = "GET", url = "/", headers } = req
    if (!url.startsWith(prefix)) throw new ServerError("SERVER_NOT_FOUND", "there is no log at this path")
    const timeMs = clock()
    const caller = keys.identify(headers.authorization, timeMs)
    const length = headers["content-length"]
    if (length !== undefined && Number(length) > maxBodyBytes) {
      throw new ServerError(
        "SERVER_BODY_TOO_LARGE",
        `a body may have ${maxBodyBytes} bytes, this one has ${length}`,
      )
    }
    const mark = url.indexOf("?")
    const path = url.slice(prefix.length, mark < 0 ? undefined : mark)
    return { req, method, path, query: mark < 0 ? "" : url.slice(mark + 1), caller, timeMs }
  }
}

/**
 * Returns the caller if it may do what one of these roles may.
 *
 * @throws {@link ServerError} `SERVER_NO_KEY` or `SERVER_WRONG_ROLE`
 */
export function requireRole(call: Call, roles: readonly Role[]): Caller {
  const caller = requireCaller(call)
  for (const role of roles) if (includesRole(caller.roles, role)) return caller
  throw new ServerError("SERVER_WRONG_ROLE", `this needs the role ${roles.join(" or ")}`)
}

/** @throws {@link ServerError} `SERVER_NO_KEY` */
export function requireCaller({ caller }: Call): Caller {
  if (caller !== undefined) return caller
  throw new ServerError("SERVER_NO_KEY", "this needs an API key: Authorization: Bearer pl_…")
}
