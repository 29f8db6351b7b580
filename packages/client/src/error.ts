/**
 * What can go wrong in the client, as codes.
 *
 * Nothing of this reaches the code that calls `record()`: a code arrives through a callback
 * (`onError`, `onNotice`, `onAlarm`), and only `createClient` throws one, at start-up.
 *
 * Pure: no I/O, no clock, no randomness.
 */

/** Every code of this package. Codes never change within a major version; messages may. */
export const CLIENT_ERROR_CODES = [
  /** No answer: name not found, connection refused or reset, time-out. Tried again. */
  "CLIENT_NO_ANSWER",
  /** 429 or 503: the server asks to wait. Tried again, not before its Retry-After. */
  "CLIENT_SERVER_BUSY",
  /** Another 5xx. Tried again. */
  "CLIENT_SERVER_FAILED",
  /** A redirect or a 4xx that blames key or URL, not the events. Tried again, slowly: keys and URLs get mended. */
  "CLIENT_NOT_ALLOWED",
  /** A 2xx whose body is not what was asked for. Tried again. */
  "CLIENT_UNEXPECTED_ANSWER",
  /** The spool folder cannot be used, or a write to it failed; events wait in memory meanwhile. */
  "CLIENT_SPOOL_FAILED",
  /** A line of the spool is torn or does not match its checksum. */
  "CLIENT_SPOOL_DAMAGED",
  /** The head file, or a file of refused heads beside it, cannot be read, written, or opened under the policy. */
  "CLIENT_HEAD_FILE",
  /** Notice: no head was known, so the first one that came was believed. */
  "CLIENT_FIRST_USE",
  /**
   * Evidence of acknowledged events that cannot be checked just now, or is under a head without the policy's quorum, and
   * is asked for again; or that the client stopped asking for: it did not come for so long, or the log says that the
   * record was destroyed.
   */
  "CLIENT_UNPROVEN",
  /** A bug of the client's own, caught before it could reach the service. */
  "CLIENT_BUG",
  /** Alarm: the log holds something else than was sent. */
  "CLIENT_EVENT_CHANGED",
  /** Alarm: the evidence does not verify. */
  "CLIENT_EVIDENCE_REFUSED",
  /** Alarm: an acknowledged event is not in the evidence, or was later denied. */
  "CLIENT_EVIDENCE_MISSING",
  /** Alarm: a head smaller than one that was already verified. */
  "CLIENT_HEAD_BEHIND",
  /** Alarm: a head that does not extend one that was already verified. */
  "CLIENT_HEAD_INCONSISTENT",
] as const

export type ClientErrorCode = (typeof CLIENT_ERROR_CODES)[number]

export class ClientError extends Error {
  override readonly name = "ClientError"
  readonly code: ClientErrorCode

  constructor(code: ClientErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Nothing of ours may become an unhandled rejection in somebody's service. */
export function bug(cause: unknown): ClientError {
  return new ClientError("CLIENT_BUG", `bug: ${cause instanceof Error ? cause.message : String(cause)}`, {
    cause,
  })
}
