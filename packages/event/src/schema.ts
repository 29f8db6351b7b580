/**
 * The access event, field by field: one schema from which types, validation, the
 * OpenAPI document and SQL columns are taken.
 *
 * It is flat, and each name is the same in JSON, CBOR, SQL, CSV and on screen.
 *
 *     said by the producer  ──►  core     impersonal, shown by every disclosure
 *                           └─►  fields   may be withheld, one by one
 *     added by the server   ──►  core     source, source_key_id
 *
 * Limits of text count Unicode code points, as JSON Schema's `maxLength` does.
 * Spec: docs/spec, "Event" and "Record".
 * Pure: no I/O, no clock, no randomness.
 */

import Type, { type Static } from "typebox"
import type { ProducerName } from "./fields.js"
import { MAX_EPOCH_MS, MIN_EPOCH_MS } from "./timestamp.js"

// They stand where whoever needs them, and not the schema, gets no schema library with them.
export { CORE_NAMES, REQUIRED_CORE_NAMES, REQUIRED_FIELD_NAMES } from "./core-names.js"
export { FIELDS, type Field, MAX_SOURCE_LENGTH } from "./fields.js"
export { FORBIDDEN_KEYS } from "./forbidden-keys.js"

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

const text = (maxLength: number, description: string, minLength = 0) =>
  Type.Optional(
    Type.String(minLength > 0 ? { minLength, maxLength, description } : { maxLength, description }),
  )

const count = (description: string) =>
  Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description }))

/** What a producer may say. A member that is `null` counts as absent; unknown names are refused. */
export const AccessEventSchema = Type.Object(
  {
    timestamp: Type.Union(
      [
        Type.String({ format: "date-time", minLength: 20, maxLength: 64 }),
        Type.Integer({ minimum: MIN_EPOCH_MS, maximum: MAX_EPOCH_MS }),
      ],
      {
        description:
          "When it happened: RFC 3339 with a zone, or an integer of milliseconds since 1970. Kept to the microsecond. At most 10 minutes ahead of the server.",
      },
    ),
    user_id: Type.String({
      minLength: 1,
      maxLength: 256,
      description: "Who did it; `anonymous` if nobody was authenticated.",
    }),
    action: text(
      256,
      "What was done, as `document.read`, `s3.GetObject` or `http.GET`. `access` if absent.",
      1,
    ),
    resource_accessed: Type.String({
      minLength: 1,
      maxLength: 2048,
      description: "Canonical name of what was accessed: a URL path, an ARN, `pods/namespace/name`.",
    }),
    result: Type.Enum(["success", "failure", "denied", "error", "unknown"], {
      description:
        "`denied`: refused for lack of rights; `error`: the server's fault; `failure`: any other refusal.",
    }),
    ip_address: Type.Optional(
      Type.String({
        minLength: 2,
        maxLength: 45,
        description:
          "Where it came from: an IPv4 or IPv6 address without zone, kept as RFC 5952 text. An IPv4-mapped IPv6 address is kept as the IPv4 address it stands for.",
      }),
    ),
    source_address: text(255, "Where it came from, if that is no IP address: a host name, `AWS Internal`."),
    ip_chain: Type.Optional(
      Type.Array(Type.String({ maxLength: 255 }), {
        maxItems: 16,
        description: "X-Forwarded-For as received, client first. Anyone may have written it.",
      }),
    ),
    event_id: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: MAX_EVENT_ID_LENGTH,
        pattern: EVENT_ID_PATTERN,
        description:
          "Names the event within its source, so that sending it twice logs it once. A UUIDv7 from the server if absent.",
      }),
    ),
    category: Type.Optional(
      Type.Enum(["api", "auth", "admin", "data", "network", "system"], {
        description: "Kind of event. Readers take `api` if absent.",
      }),
    ),
    activity: Type.Optional(
      Type.Enum(
        [
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
        { description: "What was done, in one of few words. Readers derive it from the action if absent." },
      ),
    ),
    user_type: Type.Optional(
      Type.Enum(["user", "service", "api_key", "system", "anonymous", "unknown"], {
        description: "What kind of identity `user_id` is.",
      }),
    ),
    user_name: text(256, "Name to show for the user."),
    user_email: text(320, "E-mail address of the user."),
    on_behalf_of: text(256, "Identity that was impersonated or assumed."),
    session_id: text(128, "Session, to tie events together."),
    request_id: text(128, "Request, to tie events together."),
    resource_type: text(128, "Kind of the resource."),
    resource_id: text(1024, "Identifier of the resource."),
    resource_name: text(512, "Name to show for the resource."),
    reason: text(1024, "Why it failed, in words."),
    error_code: text(128, "Why it failed, as a code."),
    severity: Type.Optional(
      Type.Enum(["info", "low", "medium", "high", "critical"], {
        description: "How grave it is. Readers take `info` if absent.",
      }),
    ),
    service: text(128, "System that says this."),
    host: text(128, "Machine that says this."),
    environment: text(128, "Deployment: `production`, `staging`."),
    region: text(128, "Region of the system."),
    user_agent: text(8192, "User agent as received. Anyone may have written it."),
    http_method: text(16, "HTTP method."),
    http_host: text(255, "Host header."),
    http_path: text(4096, "Path of the URL."),
    http_query: text(8192, "Query of the URL, without `?`."),
    http_status: Type.Optional(
      Type.Integer({ minimum: 100, maximum: 599, description: "Status of the HTTP response." }),
    ),
    http_referrer: text(2048, "Referer header as received."),
    http_protocol: text(16, "As `HTTP/1.1`."),
    request_bytes: count("Bytes received."),
    response_bytes: count("Bytes sent."),
    duration_ms: Type.Optional(
      Type.Number({ minimum: 0, description: "How long it took, in milliseconds; fractions are kept." }),
    ),
    trace_id: Type.Optional(
      Type.String({
        pattern: "^(?!0{32}$)[0-9a-f]{32}$",
        description: "W3C trace: 32 lower-case hex digits, not all zero.",
      }),
    ),
    span_id: Type.Optional(
      Type.String({
        pattern: "^(?!0{16}$)[0-9a-f]{16}$",
        description: "W3C span: 16 lower-case hex digits, not all zero.",
      }),
    ),
    mfa: Type.Optional(Type.Boolean({ description: "Whether more than one factor authenticated the user." })),
    tags: Type.Optional(
      Type.Array(Type.String({ maxLength: 64 }), {
        maxItems: 32,
        description: "Words of the producer's own.",
      }),
    ),
    attributes: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        maxProperties: ATTRIBUTES_LIMITS.keys,
        description:
          "Whatever has no field here: strings, numbers, booleans, arrays and objects, no nulls. At most 64 keys (256 with those inside), 128 characters a key, depth 4, 16 KiB.",
      }),
    ),
    raw: text(65_535, "The line or record this was made from, kept as evidence."),
  } satisfies Record<ProducerName, unknown>,
  {
    $id: "AccessEvent",
    title: "Access event",
    description: "Who did what to which resource, when, from where, and how it went.",
    additionalProperties: false,
  },
)

/** An event as a producer says it, before it is normalised. */
export type AccessEvent = Static<typeof AccessEventSchema>

/** A name that a producer may use. */
export type AccessEventName = keyof AccessEvent

/** Names that only the server may set, whether they are in the record (the first two) or beside it. */
export const SERVER_NAMES: ReadonlySet<string> = new Set([
  "source",
  "source_key_id",
  "tenant_id",
  "received_at",
  "schema_version",
  "log_id",
  "leaf_index",
  "leaf_hash",
  "checkpoint_size",
  "retention_class",
  "expires_at",
  "legal_hold",
  "derived_country",
  "derived_asn",
  "derived_city",
  "derived_lat",
  "derived_lon",
  "derived_ua_browser",
  "derived_ua_os",
  "derived_ua_device",
  "derived_is_bot",
])
