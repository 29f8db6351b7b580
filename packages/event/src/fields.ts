/**
 * The names that version 1 of a record can hold by schema, and what each is.
 *
 *     said by the producer  ──►  core     impersonal, shown by every disclosure
 *                           └─►  fields   may be withheld, one by one
 *     added by the server   ──►  core     source, source_key_id
 *
 * They stand apart from the schema, which is made of them: whoever only writes records, or names columns, needs
 * no schema library.
 *
 * Spec: docs/spec, "Event".
 * Pure.
 */

import { CORE_NAMES } from "./core-names.js"

/** Most code points in `source` and `source_key_id`, which the server adds. */
export const MAX_SOURCE_LENGTH = 128

/** Most characters in an `event_id`. */
export const MAX_EVENT_ID_LENGTH = 128

/** The form of an `event_id`: ASCII that needs no quoting in a URL, a shell or a file. */
export const EVENT_ID_PATTERN = "^[A-Za-z0-9._:/-]+$"

/** Limits of `attributes`, over those that its schema can say. */
export const ATTRIBUTES_LIMITS = {
  /** Keys of the object itself. */
  keys: 64,
  /** Keys of it and of every object in it. */
  allKeys: 256,
  /** Code points in a key, at any depth. */
  keyLength: 128,
  /** A scalar is 0, an object of scalars 1. */
  depth: 4,
  /** Bytes of its CBOR. */
  bytes: 16_384,
} as const

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

/** What each field means, in one or two sentences, for people. */
export const FIELD_MEANINGS: Readonly<Record<ProducerName, string>> = {
  timestamp:
    "When it happened: RFC 3339 with a zone, or an integer of milliseconds since 1970. Kept to the microsecond. At most 10 minutes ahead of the server.",
  user_id: "Who did it; `anonymous` if nobody was authenticated.",
  action: "What was done, as `document.read`, `s3.GetObject` or `http.GET`. `access` if absent.",
  resource_accessed: "Canonical name of what was accessed: a URL path, an ARN, `pods/namespace/name`.",
  result: "`denied`: refused for lack of rights; `error`: the server's fault; `failure`: any other refusal.",
  ip_address:
    "Where it came from: an IPv4 or IPv6 address without zone, kept as RFC 5952 text. An IPv4-mapped IPv6 address is kept as the IPv4 address it stands for.",
  source_address: "Where it came from, if that is no IP address: a host name, `AWS Internal`.",
  ip_chain: "X-Forwarded-For as received, client first. Anyone may have written it.",
  event_id:
    "Names the event within its source, so that sending it twice logs it once. A UUIDv7 from the server if absent.",
  category: "Kind of event. Readers take `api` if absent.",
  activity: "What was done, in one of few words. Readers derive it from the action if absent.",
  user_type: "What kind of identity `user_id` is.",
  user_name: "Name to show for the user.",
  user_email: "E-mail address of the user.",
  on_behalf_of: "Identity that was impersonated or assumed.",
  session_id: "Session, to tie events together.",
  request_id: "Request, to tie events together.",
  resource_type: "Kind of the resource.",
  resource_id: "Identifier of the resource.",
  resource_name: "Name to show for the resource.",
  reason: "Why it failed, in words.",
  error_code: "Why it failed, as a code.",
  severity: "How grave it is. Readers take `info` if absent.",
  service: "System that says this.",
  host: "Machine that says this.",
  environment: "Deployment: `production`, `staging`.",
  region: "Region of the system.",
  user_agent: "User agent as received. Anyone may have written it.",
  http_method: "HTTP method.",
  http_host: "Host header.",
  http_path: "Path of the URL.",
  http_query: "Query of the URL, without `?`.",
  http_status: "Status of the HTTP response.",
  http_referrer: "Referer header as received.",
  http_protocol: "As `HTTP/1.1`.",
  request_bytes: "Bytes received.",
  response_bytes: "Bytes sent.",
  duration_ms: "How long it took, in milliseconds; fractions are kept.",
  trace_id: "W3C trace: 32 lower-case hex digits, not all zero.",
  span_id: "W3C span: 16 lower-case hex digits, not all zero.",
  mfa: "Whether more than one factor authenticated the user.",
  tags: "Words of the producer's own.",
  attributes:
    "Whatever has no field here: strings, numbers, booleans, arrays and objects, no nulls. At most 64 keys (256 with those inside), 128 characters a key, depth 4, 16 KiB.",
  raw: "The line or record this was made from, kept as evidence.",
}

/** The words that a field is one of, where it is one of few. */
export const FIELD_WORDS = {
  result: ["success", "failure", "denied", "error", "unknown"],
  category: ["api", "auth", "admin", "data", "network", "system"],
  activity: [
    "create",
    "read",
    "update",
    "delete",
    "login",
    "logout",
    "execute",
    "search",
    "import",
    "export",
    "share",
    "grant",
    "revoke",
    "other",
  ],
  user_type: ["user", "service", "api_key", "system", "anonymous", "unknown"],
  severity: ["info", "low", "medium", "high", "critical"],
} as const satisfies Partial<Record<ProducerName, readonly string[]>>

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
