/**
 * Which HTTP status each error code becomes: the only place that knows.
 *
 *     400  cannot be read          401  who are you?        403  not you
 *     404  not here, or not yet    409  the same id, said otherwise
 *     413  too much                422  can be read, breaks a rule
 *     429  too often
 *     503  not now, ask again      500  our own fault
 *
 * The table is exhaustive by its type: a new code in any room does not compile until it stands here.
 */

import { STATUS_CODES } from "node:http"
import type { ArchiveErrorCode } from "@prooflog/archive/error"
import type { EventErrorCode, EventProblemCode } from "@prooflog/event/error"
import type { LedgerErrorCode } from "@prooflog/ledger/error"
import type { QueryErrorCode } from "@prooflog/query/error"
import type { TlogErrorCode } from "@prooflog/tlog/error"
import type { VerifierErrorCode } from "@prooflog/verifier/error"
import type { ServerErrorCode } from "./error.js"

export type AnsweredCode =
  | ServerErrorCode
  | EventErrorCode
  | EventProblemCode
  | LedgerErrorCode
  | TlogErrorCode
  | VerifierErrorCode
  | QueryErrorCode
  | ArchiveErrorCode

export interface Status {
  readonly status: number
  /** The status in words. */
  readonly title: string
  readonly retryAfterSeconds: number | undefined
}

/** @param code - any code that an error of ours can carry */
export function statusOf(code: AnsweredCode): Status {
  const row = STATUS[code]
  const [status, retryAfterSeconds] = typeof row === "number" ? [row] : row
  return { status, title: STATUS_CODES[status] ?? "", retryAfterSeconds }
}

/** A status, or a status and the seconds after which asking again may help. */
type Row = number | readonly [status: number, retryAfterSeconds: number]

const STATUS: Readonly<Record<AnsweredCode, Row>> = {
  SERVER_NO_KEY: 401,
  SERVER_UNKNOWN_KEY: 401,
  SERVER_REVOKED_KEY: 401,
  SERVER_EXPIRED_KEY: 401,
  SERVER_WRONG_ROLE: 403,
  SERVER_NOT_YOURS: 403,
  SERVER_NOT_FOUND: 404,
  SERVER_NOT_PUBLISHED: 404,
  SERVER_NOT_AN_EVENT: 404,
  SERVER_DESTROYED: 410,
  LEDGER_RECORD_DESTROYED: 410,
  SERVER_METHOD_NOT_ALLOWED: 405,
  SERVER_MALFORMED_QUERY: 400,
  SERVER_MALFORMED_REQUEST: 400,
  SERVER_HEADERS_TOO_LARGE: 431,
  SERVER_REQUEST_TIMEOUT: 408,
  SERVER_BODY_ABORTED: 400,
  SERVER_BODY_TOO_LARGE: 413,
  SERVER_TOO_MANY_EVENTS: 413,
  SERVER_UNSUPPORTED_MEDIA_TYPE: 415,
  SERVER_UNSUPPORTED_ENCODING: 415,
  SERVER_MALFORMED_GZIP: 400,
  SERVER_GZIP_BOMB: 413,
  SERVER_MALFORMED_UTF8: 400,
  SERVER_MALFORMED_CHECKPOINT: 400,
  SERVER_OTHER_LOG: 422,
  SERVER_UNSIGNED_CHECKPOINT: 422,
  SERVER_FORKED_HEAD: 422,
  SERVER_MALFORMED_CHALLENGE: 400,
  SERVER_CHALLENGE_TOO_LARGE: 413,
  SERVER_REFUSED_EVENT: 422,
  SERVER_CONFLICT: 409,
  SERVER_REFUSED_KEY_REQUEST: 422,
  SERVER_REFUSED_REQUEST: 422,
  SERVER_NOTHING_TO_ERASE: 422,
  SERVER_BUSY: [503, 1],
  SERVER_TOO_MANY_REQUESTS: [429, 1],
  SERVER_NOT_READY: [503, 5],
  SERVER_HOLD_UNDECIDED: [503, 30],
  SERVER_ARCHIVE_UNAVAILABLE: [503, 5],
  SERVER_ARCHIVE_DAMAGED: 500,
  SERVER_ARCHIVE_BUSY: 409,
  SERVER_ALERTS_AWAY: [503, 1],
  SERVER_BUG: 500,
  SERVER_FOLDER_NOT_EMPTY: 500,
  SERVER_NOT_A_LOG: 500,
  SERVER_MALFORMED_FOLDER: 500,
  SERVER_BAD_POLICY: 500,
  SERVER_MALFORMED_KEY_FILE: 500,
  SERVER_KEY_FILE_LOCKED: [503, 5],

  // An event, or the text it came in
  malformed_json: 400,
  duplicate_key: 422,
  forbidden_key: 422,
  too_deep: 422,
  unsafe_number: 422,
  lone_surrogate: 422,
  not_an_object: 422,
  missing_field: 422,
  unknown_field: 422,
  server_field: 422,
  wrong_type: 422,
  too_short: 422,
  too_long: 422,
  too_many: 422,
  out_of_range: 422,
  bad_format: 422,
  bad_timestamp: 422,
  future_timestamp: 422,
  bad_ip: 422,
  nested_null: 422,
  event_too_large: 413,
  EVENT_MALFORMED_JSON: 400,
  EVENT_MALFORMED_CBOR: 400,
  EVENT_NOT_ENCODABLE: 422,
  EVENT_TOO_LARGE: 413,
  EVENT_INVALID_EVENT: 422,
  EVENT_UNMAPPABLE: 422,
  EVENT_CANNOT_WITHHOLD: 400,

  // A question: what it says cannot be read, it fails while it runs, or nobody can answer it now
  QUERY_SYNTAX: 400,
  QUERY_NOT_ONE_SELECT: 400,
  QUERY_FORBIDDEN: 400,
  QUERY_UNKNOWN_COLUMN: 400,
  QUERY_UNKNOWN_TABLE: 400,
  QUERY_UNKNOWN_FUNCTION: 400,
  QUERY_INVALID: 400,
  QUERY_BAD_PARAMETERS: 400,
  QUERY_BAD_FILTER: 400,
  QUERY_FAILED: 422,
  QUERY_TIMEOUT: 422,
  QUERY_TOO_MUCH_MEMORY: 422,
  QUERY_INTERRUPTED: [503, 1],
  QUERY_BUSY: [503, 1],
  QUERY_BEHIND: [503, 1],
  QUERY_RESTARTED: [503, 1],
  QUERY_UNAVAILABLE: [503, 5],

  // A schedule file that was sent
  ARCHIVE_BAD_SCHEDULE: 422,
  ARCHIVE_BELOW_PRESET: 422,
  ARCHIVE_SHORTENS_PROMISE: 422,

  // The archive stopped, and destroyed nothing: its operator has to look
  ARCHIVE_BAD_STATE: 500,
  ARCHIVE_CATALOG_BEHIND: 500,
  ARCHIVE_FOREIGN_STORE: 500,
  ARCHIVE_SEGMENT_REFUSED: 500,
  ARCHIVE_SEGMENT_UNREADABLE: 500,
  ARCHIVE_LOG_REFUSED: 500,
  ARCHIVE_NOT_ANNOUNCED: 500,

  // Damage and bugs: what is stored, or what was made of it, breaks its own rules
  QUERY_BAD_SEGMENT: 500,
  EVENT_MALFORMED_RECORD: 500,
  EVENT_MALFORMED_ENTRY: 500,
  EVENT_MALFORMED_DISCLOSURE: 500,
  EVENT_COMMITMENT_MISMATCH: 500,
  EVENT_BAD_SCHEDULE: 500,
  LEDGER_CORRUPT: 500,
  LEDGER_MISSING_RECORD: 500,
  LEDGER_RECORD_REFUSED: 500,

  // The ledger cannot commit, for now or until an operator looks
  LEDGER_QUEUE_FULL: [503, 1],
  LEDGER_CLOSED: [503, 5],
  LEDGER_CLOCK_JUMPED: [503, 30],
  LEDGER_DISK_FULL: [503, 30],
  LEDGER_POISONED: [503, 30],
  LEDGER_STORAGE_FAILED: [503, 5],
  LEDGER_NOT_PUBLISHING: [503, 5],
  LEDGER_OTHER_WRITER: [503, 30],

  // Only ever met while a log is opened, before there is anyone to answer
  LEDGER_BAD_SIGNED_HEAD: 500,
  LEDGER_BEHIND_SIGNED_HEAD: 500,
  LEDGER_BEHIND_WITNESS: 500,
  LEDGER_LOCKED: 500,
  LEDGER_NO_SIGNED_HEAD: 500,
  LEDGER_SIGNED_HEAD_MISMATCH: 500,

  // Alarms of the ledger about its witnesses: no request ever meets them
  LEDGER_WITNESS_AHEAD: 500,
  LEDGER_WITNESS_DISAGREES: 500,

  // About bytes that were suspect, and the server's own: what it stores is damaged
  TLOG_MALFORMED_TILE_PATH: 500,
  TLOG_MALFORMED_TILE: 500,
  TLOG_MALFORMED_BUNDLE: 500,
  TLOG_MALFORMED_KEY: 500,
  TLOG_AMBIGUOUS_KEY: 500,
  TLOG_MALFORMED_NOTE: 500,
  TLOG_MALFORMED_CHECKPOINT: 500,
  TLOG_MALFORMED_POLICY: 500,
  TLOG_MALFORMED_RECEIPT: 500,
  TLOG_MALFORMED_WITNESS_REQUEST: 500,
  TLOG_UNKNOWN_LOG: 500,
  TLOG_NO_SIGNATURE: 500,
  TLOG_BAD_SIGNATURE: 500,
  TLOG_NO_QUORUM: 500,
  TLOG_PROOF_REFUSED: 500,
  VERIFIER_MALFORMED_EVIDENCE: 500,
  VERIFIER_MALFORMED_RECEIPT: 500,
  VERIFIER_CHECKPOINT_REFUSED: 500,
  VERIFIER_NO_QUORUM: 500,
  VERIFIER_NOT_IN_TREE: 500,
  VERIFIER_ENTRY_REFUSED: 500,
  VERIFIER_DISCLOSURE_REFUSED: 500,
  VERIFIER_NOT_DISCLOSED: 500,
  VERIFIER_OTHER_LOG: 500,
  VERIFIER_WENT_BACK: 500,
  VERIFIER_FORKED: 500,
  VERIFIER_ROOT_REFUSED: 500,
  VERIFIER_TILE_REFUSED: 500,
  VERIFIER_BUNDLE_REFUSED: 500,
  VERIFIER_GENESIS_REFUSED: 500,
  VERIFIER_TIME_WENT_BACK: 500,
  VERIFIER_UNKNOWN_CLASS: 500,
  VERIFIER_SCHEDULE_REFUSED: 500,
  VERIFIER_REPEATED_COMMITMENT: 500,
  VERIFIER_MISSING_RECORD: 500,
  VERIFIER_RECORD_REFUSED: 500,
  VERIFIER_MISSING: 500,
  VERIFIER_SOURCE_FAILED: 500,
  VERIFIER_LOG_TOO_LARGE: 500,
  VERIFIER_ACCUSATION_MALFORMED: 500,
  VERIFIER_ACCUSATION_REFUSED: 500,
  VERIFIER_UNKNOWN_KEY_TYPE: 500,
}
