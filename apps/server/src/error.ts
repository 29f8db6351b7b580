/**
 * Everything the server refuses, by name.
 *
 * A code never changes its meaning; the words beside it may. Which HTTP status a code becomes is written in
 * `status.ts` and nowhere else.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import type { EventProblem } from "@prooflog/event/error"
import type { Destroyed } from "./retention/destroyed.js"

export const SERVER_ERROR_CODES = [
  // Who asks
  "SERVER_NO_KEY",
  "SERVER_UNKNOWN_KEY",
  "SERVER_REVOKED_KEY",
  "SERVER_EXPIRED_KEY",
  "SERVER_WRONG_ROLE",
  "SERVER_NOT_YOURS",
  // What is asked for
  "SERVER_NOT_FOUND",
  "SERVER_NOT_PUBLISHED",
  "SERVER_NOT_AN_EVENT",
  "SERVER_DESTROYED",
  "SERVER_METHOD_NOT_ALLOWED",
  "SERVER_MALFORMED_QUERY",
  // What is sent
  "SERVER_MALFORMED_REQUEST",
  "SERVER_HEADERS_TOO_LARGE",
  "SERVER_REQUEST_TIMEOUT",
  "SERVER_BODY_ABORTED",
  "SERVER_BODY_TOO_LARGE",
  "SERVER_TOO_MANY_EVENTS",
  "SERVER_UNSUPPORTED_MEDIA_TYPE",
  "SERVER_UNSUPPORTED_ENCODING",
  "SERVER_MALFORMED_GZIP",
  "SERVER_GZIP_BOMB",
  "SERVER_MALFORMED_UTF8",
  /** A head was to be compared, and what was sent is no signed checkpoint. */
  "SERVER_MALFORMED_CHECKPOINT",
  /** It is of another origin. */
  "SERVER_OTHER_LOG",
  /** It does not bear this log's signature, or one on it is false. */
  "SERVER_UNSIGNED_CHECKPOINT",
  /** It bears this log's signature, and is of another tree; the accusation is kept. */
  "SERVER_FORKED_HEAD",
  "SERVER_MALFORMED_CHALLENGE",
  /** Its answers would have more bytes than are made for one. */
  "SERVER_CHALLENGE_TOO_LARGE",
  /** Shown under the code of its first problem. */
  "SERVER_REFUSED_EVENT",
  "SERVER_CONFLICT",
  "SERVER_REFUSED_KEY_REQUEST",
  /** A member of a request's body is missing, unknown, or not what it must be; `parameter` names it. */
  "SERVER_REFUSED_REQUEST",
  /** Nothing is there that could be erased. */
  "SERVER_NOTHING_TO_ERASE",
  // What the server cannot do now
  "SERVER_BUSY",
  /** One address asks too often, or one key or address has too many bodies on their way. */
  "SERVER_TOO_MANY_REQUESTS",
  "SERVER_NOT_READY",
  /** A hold cannot be asked what it holds, so that nothing may be destroyed. */
  "SERVER_HOLD_UNDECIDED",
  /** A segment of the archive, or the process that reads them, cannot be had now; the message names the key. */
  "SERVER_ARCHIVE_UNAVAILABLE",
  /** A segment of the archive is not what the log says; the message names key and leaf. */
  "SERVER_ARCHIVE_DAMAGED",
  /** The archive is at something already; the message names the job. */
  "SERVER_ARCHIVE_BUSY",
  /** The process that evaluates rules is away, or nobody wants it. */
  "SERVER_ALERTS_AWAY",
  "SERVER_BUG",
  // The folder of a log
  "SERVER_FOLDER_NOT_EMPTY",
  "SERVER_NOT_A_LOG",
  "SERVER_MALFORMED_FOLDER",
  /** The log's own policy is missing, malformed, not for this log, or asks for a quorum that cannot be asked. */
  "SERVER_BAD_POLICY",
  "SERVER_MALFORMED_KEY_FILE",
  "SERVER_KEY_FILE_LOCKED",
] as const

export type ServerErrorCode = (typeof SERVER_ERROR_CODES)[number]

export interface ServerErrorOptions {
  readonly cause?: unknown
  /** The query parameter or request member that is at fault. */
  readonly parameter?: string
  /** Methods that the path does take, for 405. */
  readonly allow?: string
  /** What is wrong with an event, every fault of it. */
  readonly problems?: readonly EventProblem[]
  /** Leaf the refusal is about: the one that holds the same `event_id`, the one asked for. */
  readonly leafIndex?: number
  /** Why the record of that leaf is no more. */
  readonly destroyed?: Destroyed
}

/** A refusal with a stable code. What it carries beyond the code is shown to the one who asked. */
export class ServerError extends Error {
  override readonly name = "ServerError"
  readonly code: ServerErrorCode
  readonly parameter: string | undefined
  readonly allow: string | undefined
  readonly problems: readonly EventProblem[] | undefined
  readonly leafIndex: number | undefined
  readonly destroyed: Destroyed | undefined

  constructor(code: ServerErrorCode, message: string, options: ServerErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.parameter = options.parameter
    this.allow = options.allow
    this.problems = options.problems
    this.leafIndex = options.leafIndex
    this.destroyed = options.destroyed
  }
}
