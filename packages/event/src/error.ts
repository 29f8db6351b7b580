/**
 * What can go wrong in this room: one class, a closed list of codes.
 *
 * Codes are a contract and never change within a major version; messages are for
 * people and may. No message repeats a value that a producer sent.
 * Pure.
 */

/** Every code an {@link EventError} can carry. */
export const EVENT_ERROR_CODES = [
  /** Text that is not strict JSON; `problem`, `line` and `column` say what and where. */
  "EVENT_MALFORMED_JSON",
  /** Bytes that are not the one deterministic CBOR encoding of a value. */
  "EVENT_MALFORMED_CBOR",
  /** A value that has no encoding in the profile: null, NaN, too deep, a lone surrogate. */
  "EVENT_NOT_ENCODABLE",
  /** A record or entry would pass 65,535 bytes. */
  "EVENT_TOO_LARGE",
  /** An event that `checkEvent` would have refused reached `normalizeEvent`. */
  "EVENT_INVALID_EVENT",
  /** Bytes or names that break the rules of a record, or bytes those of a tombstone. */
  "EVENT_MALFORMED_RECORD",
  /** Bytes that are no entry. */
  "EVENT_MALFORMED_ENTRY",
  /** A disclosure that breaks the rules of its form. */
  "EVENT_MALFORMED_DISCLOSURE",
  /** A disclosure or record, well formed, that opens another commitment. */
  "EVENT_COMMITMENT_MISMATCH",
  /** A core name was to be withheld. */
  "EVENT_CANNOT_WITHHOLD",
  /** A retention schedule that breaks its rules. */
  "EVENT_BAD_SCHEDULE",
  /** A line or record of another format that says too little to be an event. */
  "EVENT_UNMAPPABLE",
] as const

export type EventErrorCode = (typeof EVENT_ERROR_CODES)[number]

/** Every way an event, or the text it came in, can break a rule. */
export const EVENT_PROBLEM_CODES = [
  "malformed_json",
  "duplicate_key",
  "forbidden_key",
  "too_deep",
  "unsafe_number",
  "lone_surrogate",
  "not_an_object",
  "missing_field",
  "unknown_field",
  "server_field",
  "wrong_type",
  "too_short",
  "too_long",
  "too_many",
  "out_of_range",
  "bad_format",
  "bad_timestamp",
  "future_timestamp",
  "bad_ip",
  "nested_null",
  "event_too_large",
] as const

export type EventProblemCode = (typeof EVENT_PROBLEM_CODES)[number]

/** One broken rule, and where. */
export interface EventProblem {
  readonly code: EventProblemCode
  /** JSON pointer (RFC 6901) into what was checked; "" is the whole. A name past 128 characters is cut, with `…`. */
  readonly pointer: string
  /** For people. Names the field, the limit and what was found, never the value. */
  readonly message: string
}

export interface EventErrorOptions {
  readonly cause?: unknown
  /** The broken rule, where one can be named. */
  readonly problem?: EventProblem
  /** Line of the text, from 1. */
  readonly line?: number
  /** Column of the text in UTF-16 units, from 1. */
  readonly column?: number
}

export class EventError extends Error {
  readonly code: EventErrorCode
  readonly problem: EventProblem | undefined
  readonly line: number | undefined
  readonly column: number | undefined

  constructor(code: EventErrorCode, message: string, options: EventErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = "EventError"
    this.code = code
    this.problem = options.problem
    this.line = options.line
    this.column = options.column
  }
}
