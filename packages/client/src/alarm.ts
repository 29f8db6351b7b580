/**
 * Alarms: the log was caught at something that an honest log does not do.
 *
 * An alarm holds both sides, so that it can be shown to others: what was sent and the evidence that
 * came back, or the head that was known and the head that was shown.
 */

import type { ClientErrorCode } from "./error.js"

export type AlarmCode = Extract<
  ClientErrorCode,
  | "CLIENT_EVENT_CHANGED"
  | "CLIENT_EVIDENCE_REFUSED"
  | "CLIENT_EVIDENCE_MISSING"
  | "CLIENT_HEAD_BEHIND"
  | "CLIENT_HEAD_INCONSISTENT"
>

export interface Alarm {
  readonly code: AlarmCode
  /** What was found, in words; names fields, never their values. */
  readonly message: string
  /** When it was found, ms since the epoch, by this machine's clock. */
  readonly timeMs: number
  /** The event it is about, if it is about one. */
  readonly eventId?: string
  /** The leaf that was acknowledged for it. */
  readonly leafIndex?: number
  /** One side: the lines that were sent, JSON without newline, as in the request. */
  readonly sent?: readonly string[]
  /**
   * The other side: the evidence file that came back, verbatim, or cut down to the event where that was changed; or the
   * result that came instead of one.
   */
  readonly received?: string
  /** One side: the signed note verified before, verbatim. */
  readonly knownHead?: string
  /** The other side: the signed note shown now, verbatim. */
  readonly shownHead?: string
  /**
   * Accusation files (`prooflog-accusation/1`) that the two heads make: they convict the log, or a witness that cosigned
   * both, before anyone with the policy.
   */
  readonly accusations?: readonly string[]
  /** Paths of the files beside the head file that keep the two heads, and the accusations. */
  readonly keptIn?: readonly string[]
  /** The error of the room that refused it. */
  readonly cause?: unknown
}
