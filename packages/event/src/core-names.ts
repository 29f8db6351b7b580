/**
 * The names about which the form of a record has rules, whatever the schema of events says.
 *
 * They stand apart from the schema, so that a reader of records needs no schema library.
 *
 * Spec: docs/spec, "Record and commitment".
 * Pure.
 */

/** Names that are in the core of a record, if they are in it at all. Fixed for version 1. */
export const CORE_NAMES = [
  "timestamp",
  "event_id",
  "action",
  "activity",
  "category",
  "result",
  "severity",
  "error_code",
  "resource_type",
  "service",
  "environment",
  "region",
  "http_method",
  "http_protocol",
  "http_status",
  "request_bytes",
  "response_bytes",
  "duration_ms",
  "mfa",
  "user_type",
  "source",
  "source_key_id",
] as const

/** Core names that every record has. */
export const REQUIRED_CORE_NAMES = ["timestamp", "event_id", "action", "result", "source"] as const

/** Other names that every record has. */
export const REQUIRED_FIELD_NAMES = ["user_id", "resource_accessed"] as const
