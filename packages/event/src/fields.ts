/**
 * The names that version 1 of a record can hold by schema, and what each is.
 *
 *     said by the producer  ──►  core     impersonal, shown by every disclosure
 *                           └─►  fields   may be withheld, one by one
 *     added by the server   ──►  core     source, source_key_id
 *
 * They stand apart from the schema, whose limits and types the one who only writes records does not
 * need; the compiler holds the two lists of names together.
 *
 * Spec: docs/spec, "Event".
 * Pure.
 */

import { CORE_NAMES } from "./core-names.js"

/** Most code points in `source` and `source_key_id`, which the server adds. */
export const MAX_SOURCE_LENGTH = 128

/** Names that a producer may use, in the order of the schema. */
const PRODUCER_NAMES = [
  "timestamp",
  "user_id",
  "action",
  "resource_accessed",
  "result",
  "ip_address",
  "source_address",
  "ip_chain",
  "event_id",
  "category",
  "activity",
  "user_type",
  "user_name",
  "user_email",
  "on_behalf_of",
  "session_id",
  "request_id",
  "resource_type",
  "resource_id",
  "resource_name",
  "reason",
  "error_code",
  "severity",
  "service",
  "host",
  "environment",
  "region",
  "user_agent",
  "http_method",
  "http_host",
  "http_path",
  "http_query",
  "http_status",
  "http_referrer",
  "http_protocol",
  "request_bytes",
  "response_bytes",
  "duration_ms",
  "trace_id",
  "span_id",
  "mfa",
  "tags",
  "attributes",
  "raw",
] as const

/** A name that a producer may use. */
export type ProducerName = (typeof PRODUCER_NAMES)[number]

/** Names that say, or may say, who a person is. */
const PERSONAL_NAMES: ReadonlySet<string> = new Set([
  "user_id",
  "user_name",
  "user_email",
  "on_behalf_of",
  "ip_address",
  "source_address",
  "ip_chain",
  "session_id",
  "user_agent",
  "resource_accessed",
  "resource_id",
  "resource_name",
  "reason",
  "http_path",
  "http_query",
  "http_referrer",
  "tags",
  "attributes",
  "raw",
])

/** One name that version 1 of a record can hold by schema. */
export interface Field {
  readonly name: string
  /** Shown by every disclosure; never withheld. */
  readonly core: boolean
  /** Says, or may say, who a person is. */
  readonly personal: boolean
  readonly setBy: "producer" | "server"
}

/** Every name of the schema, in its order, then the two that the server adds. */
export const FIELDS: readonly Field[] = [
  ...PRODUCER_NAMES.map((name) => describeField(name, "producer")),
  describeField("source", "server"),
  describeField("source_key_id", "server"),
]

function describeField(name: string, setBy: Field["setBy"]): Field {
  return {
    name,
    core: (CORE_NAMES as readonly string[]).includes(name),
    personal: PERSONAL_NAMES.has(name),
    setBy,
  }
}
