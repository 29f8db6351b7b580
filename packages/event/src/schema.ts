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
import {
  ATTRIBUTES_LIMITS,
  EVENT_ID_PATTERN,
  FIELD_WORDS,
  MAX_EVENT_ID_LENGTH,
  FIELD_MEANINGS as MEANINGS,
  type ProducerName,
} from "./fields.js"
import { MAX_EPOCH_MS, MIN_EPOCH_MS } from "./timestamp.js"

// They stand where whoever needs them, and not the schema, gets no schema library with them.
export { CORE_NAMES, REQUIRED_CORE_NAMES, REQUIRED_FIELD_NAMES } from "./core-names.js"
export {
  ATTRIBUTES_LIMITS,
  EVENT_ID_PATTERN,
  FIELDS,
  type Field,
  MAX_EVENT_ID_LENGTH,
  MAX_SOURCE_LENGTH,
} from "./fields.js"
export { FORBIDDEN_KEYS } from "./forbidden-keys.js"

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
        description: MEANINGS.timestamp,
      },
    ),
    user_id: Type.String({
      minLength: 1,
      maxLength: 256,
      description: MEANINGS.user_id,
    }),
    action: text(256, MEANINGS.action, 1),
    resource_accessed: Type.String({
      minLength: 1,
      maxLength: 2048,
      description: MEANINGS.resource_accessed,
    }),
    result: Type.Enum(FIELD_WORDS.result, {
      description: MEANINGS.result,
    }),
    ip_address: Type.Optional(
      Type.String({
        minLength: 2,
        maxLength: 45,
        description: MEANINGS.ip_address,
      }),
    ),
    source_address: text(255, MEANINGS.source_address),
    ip_chain: Type.Optional(
      Type.Array(Type.String({ maxLength: 255 }), {
        maxItems: 16,
        description: MEANINGS.ip_chain,
      }),
    ),
    event_id: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: MAX_EVENT_ID_LENGTH,
        pattern: EVENT_ID_PATTERN,
        description: MEANINGS.event_id,
      }),
    ),
    category: Type.Optional(
      Type.Enum(FIELD_WORDS.category, {
        description: MEANINGS.category,
      }),
    ),
    activity: Type.Optional(Type.Enum(FIELD_WORDS.activity, { description: MEANINGS.activity })),
    user_type: Type.Optional(
      Type.Enum(FIELD_WORDS.user_type, {
        description: MEANINGS.user_type,
      }),
    ),
    user_name: text(256, MEANINGS.user_name),
    user_email: text(320, MEANINGS.user_email),
    on_behalf_of: text(256, MEANINGS.on_behalf_of),
    session_id: text(128, MEANINGS.session_id),
    request_id: text(128, MEANINGS.request_id),
    resource_type: text(128, MEANINGS.resource_type),
    resource_id: text(1024, MEANINGS.resource_id),
    resource_name: text(512, MEANINGS.resource_name),
    reason: text(1024, MEANINGS.reason),
    error_code: text(128, MEANINGS.error_code),
    severity: Type.Optional(
      Type.Enum(FIELD_WORDS.severity, {
        description: MEANINGS.severity,
      }),
    ),
    service: text(128, MEANINGS.service),
    host: text(128, MEANINGS.host),
    environment: text(128, MEANINGS.environment),
    region: text(128, MEANINGS.region),
    user_agent: text(8192, MEANINGS.user_agent),
    http_method: text(16, MEANINGS.http_method),
    http_host: text(255, MEANINGS.http_host),
    http_path: text(4096, MEANINGS.http_path),
    http_query: text(8192, MEANINGS.http_query),
    http_status: Type.Optional(
      Type.Integer({ minimum: 100, maximum: 599, description: MEANINGS.http_status }),
    ),
    http_referrer: text(2048, MEANINGS.http_referrer),
    http_protocol: text(16, MEANINGS.http_protocol),
    request_bytes: count(MEANINGS.request_bytes),
    response_bytes: count(MEANINGS.response_bytes),
    duration_ms: Type.Optional(Type.Number({ minimum: 0, description: MEANINGS.duration_ms })),
    trace_id: Type.Optional(
      Type.String({
        pattern: "^(?!0{32}$)[0-9a-f]{32}$",
        description: MEANINGS.trace_id,
      }),
    ),
    span_id: Type.Optional(
      Type.String({
        pattern: "^(?!0{16}$)[0-9a-f]{16}$",
        description: MEANINGS.span_id,
      }),
    ),
    mfa: Type.Optional(Type.Boolean({ description: MEANINGS.mfa })),
    tags: Type.Optional(
      Type.Array(Type.String({ maxLength: 64 }), {
        maxItems: 32,
        description: MEANINGS.tags,
      }),
    ),
    attributes: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        maxProperties: ATTRIBUTES_LIMITS.keys,
        description: MEANINGS.attributes,
      }),
    ),
    raw: text(65_535, MEANINGS.raw),
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
