/**
 * What became of every event, counted, and told to whoever asked to be told.
 *
 *     recorded + recovered = accepted + duplicates + rejected + dropped + pending
 *
 * A callback of the user cannot harm the client: what it throws, now or later, is swallowed.
 */

import type { Alarm } from "./alarm.js"
import { type CapturedEvent, type DropReason, eventIdOf } from "./captured-event.js"
import type { ClientError } from "./error.js"
import type { Notice } from "./notice.js"

/** An event that was given up before the server answered for it. */
export interface Drop {
  readonly reason: DropReason
  readonly eventId?: string
  /** The line that would have been sent, if there is one. */
  readonly event?: string
}

/** An event that the server refused for good. */
export interface Rejection {
  /** The server's code: `missing_field`, `SERVER_CONFLICT`, … */
  readonly code: string
  readonly message: string
  /** JSON pointer into the event. */
  readonly pointer?: string
  readonly eventId?: string
  /** The line that was sent. */
  readonly event: string
}

export interface Callbacks {
  /** An event was given up. */
  readonly onDrop?: (drop: Drop) => void
  /** The server refused an event for good. */
  readonly onReject?: (rejection: Rejection) => void
  /** Something failed and is tried again; no event is lost by it. */
  readonly onError?: (error: ClientError) => void
  /** Nothing failed, but somebody should know. Without this callback a notice is a warning of the process. */
  readonly onNotice?: (notice: Notice) => void
  /** The log was caught. Without this callback an alarm is a warning of the process (`process.emitWarning`). */
  readonly onAlarm?: (alarm: Alarm) => void
}

export interface ClientStats {
  /** Calls of `record()`. */
  readonly recorded: number
  /** Events that processes no longer running left in the spool. */
  readonly recovered: number
  /** Events written to the spool by this client: they survive the death of the process. */
  readonly spooled: number
  /** Logged by one of our requests. */
  readonly accepted: number
  /** Logged before: an earlier try had arrived, or somebody sent the same `event_id`. */
  readonly duplicates: number
  /** Refused by the server for good. */
  readonly rejected: number
  /** Given up. */
  readonly dropped: number
  readonly droppedBy: Readonly<Record<DropReason, number>>
  /** Recorded and not yet answered for. */
  readonly pending: number
  /** Requests that failed and were, or will be, tried again. */
  readonly failures: number
  /** Acknowledged events whose evidence was checked, field by field. 0 without a policy. */
  readonly verified: number
  /** Acknowledged events whose evidence is still awaited. */
  readonly unproven: number
  /** Acknowledged events whose evidence never came, and is no longer awaited. */
  readonly givenUp: number
  /** Alarms ever raised; {@link ClientStats.alarms} holds the first of them. */
  readonly alarmCount: number
  readonly alarms: readonly Alarm[]
}

/** Alarms kept for `stats()`: each may hold a whole evidence file. */
const MAX_ALARMS = 32

export class Tally {
  readonly #callbacks: Callbacks
  readonly #alarms: Alarm[] = []
  #alarmCount = 0
  readonly #droppedBy: Record<DropReason, number> = {
    unreadable: 0,
    too_large: 0,
    queue_full: 0,
    spool_full: 0,
    spool_damaged: 0,
    closed: 0,
  }
  recorded = 0
  recovered = 0
  spooled = 0
  accepted = 0
  duplicates = 0
  failures = 0
  verified = 0
  givenUp = 0
  #rejected = 0

  constructor(callbacks: Callbacks) {
    this.#callbacks = callbacks
  }

  dropped(reason: DropReason, event?: CapturedEvent): void {
    this.#droppedBy[reason] += 1
    const { onDrop } = this.#callbacks
    if (onDrop === undefined) return
    const told = event && { ...idMember(event), event: event.text }
    call(onDrop, { reason, ...told })
  }

  /** Lines that nothing is left of. */
  lost(count: number): void {
    for (let i = 0; i < count; i++) this.dropped("spool_damaged")
  }

  rejected(event: CapturedEvent, refusal: Pick<Rejection, "code" | "message" | "pointer">): void {
    this.#rejected += 1
    const { onReject } = this.#callbacks
    if (onReject === undefined) return
    const { code, message, pointer } = refusal
    const told = { code, message, ...(pointer !== undefined && { pointer }) }
    call(onReject, { ...told, ...idMember(event), event: event.text })
  }

  failed(error: ClientError): void {
    const { onError } = this.#callbacks
    if (onError !== undefined) call(onError, error)
  }

  notice(notice: Notice): void {
    const { onNotice } = this.#callbacks
    if (onNotice !== undefined) call(onNotice, notice)
    else process.emitWarning(notice.message, { type: "ProoflogNotice", code: notice.code })
  }

  alarm(alarm: Alarm): void {
    this.#alarmCount += 1
    if (this.#alarms.length < MAX_ALARMS) this.#alarms.push(alarm)
    const { onAlarm } = this.#callbacks
    if (onAlarm !== undefined) call(onAlarm, alarm)
    else process.emitWarning(alarm.message, { type: "ProoflogAlarm", code: alarm.code })
  }

  stats(pending: number, unproven: number): ClientStats {
    const { recorded, recovered, spooled, accepted, duplicates, failures, verified, givenUp } = this
    const droppedBy = { ...this.#droppedBy }
    return {
      recorded,
      recovered,
      spooled,
      accepted,
      duplicates,
      rejected: this.#rejected,
      dropped: Object.values(droppedBy).reduce((a, b) => a + b),
      droppedBy,
      pending,
      failures,
      verified,
      unproven,
      givenUp,
      alarmCount: this.#alarmCount,
      alarms: [...this.#alarms],
    }
  }
}

function idMember(event: CapturedEvent): { eventId?: string } {
  const eventId = eventIdOf(event)
  return eventId === undefined ? {} : { eventId }
}

/** Calls what the user gave us. An async function that fails must not become an unhandled rejection either. */
function call<T>(callback: (value: T) => unknown, value: T): void {
  try {
    const result = callback(value)
    if (result !== undefined) Promise.resolve(result).catch(() => {})
  } catch {
    // The user's own affair.
  }
}
