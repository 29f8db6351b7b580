/**
 * The OpenAPI document: made from the routes that are served and from the schema that events are checked with.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { AccessEventSchema } from "@prooflog/event/schema"
import type { AnswerForm, Route } from "./route.js"
import { INDEX_SCHEMA } from "./route.js"

export interface OpenApiDocument {
  readonly openapi: "3.1.0"
  readonly info: object
  readonly servers: readonly object[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, object>>>>
  readonly components: object
}

/** @param prefix - URL path of the log */
export function describeApi(routes: readonly Route[], prefix: string): OpenApiDocument {
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes) {
    const path = `/${route.path}`
    paths[path] ??= {}
    paths[path][route.method.toLowerCase()] = describeRoute(route)
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Prooflog",
      version: "1",
      description:
        "An access log that can be checked by people who do not trust its operator. Public paths need no key and follow c2sp.org/tlog-tiles; the others need an API key.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: prefix }],
    paths,
    components: {
      securitySchemes: {
        key: { type: "http", scheme: "bearer", bearerFormat: "pl_<8 hex digits>_<64 hex digits>" },
      },
      schemas: { AccessEvent: AccessEventSchema, Placement: PLACEMENT, Refusal: REFUSAL, Problem: PROBLEM },
    },
  }
}

/** The schema of events sent by `POST v1/events`, in each form. */
export const EVENTS_BODY = {
  required: true,
  description: "Also gzip (Content-Encoding). At most 10 MiB, inflated too, and 10,000 events.",
  content: {
    "application/json": {
      schema: { oneOf: [ref("AccessEvent"), { type: "array", items: ref("AccessEvent") }] },
    },
    "application/x-ndjson": { schema: { type: "string", description: "One AccessEvent a line" } },
    "application/cbor": {
      schema: { description: "As application/json, in deterministic CBOR (RFC 8949, 4.2.1)" },
    },
  },
}

export const ONE_EVENT_ANSWER = {
  allOf: [ref("Placement"), { type: "object", properties: { evidence: evidence() } }],
}

export const MANY_EVENTS_ANSWER = {
  type: "object",
  required: ["results"],
  properties: {
    results: {
      type: "array",
      description: "One for each event, in order",
      items: { oneOf: [ref("Placement"), ref("Refusal")] },
    },
    evidence: evidence(),
  },
}

const PLACEMENT = {
  type: "object",
  required: ["event_id", "leaf_index", "received_at"],
  properties: {
    event_id: { type: "string" },
    leaf_index: INDEX_SCHEMA,
    received_at: { type: "string", format: "date-time" },
    duplicate: { const: true, description: "It was in the log before" },
    unchecked: {
      const: true,
      description: "The original is destroyed: whether it was the same, nobody can say",
    },
  },
}

const REFUSAL = {
  type: "object",
  required: ["code", "message"],
  properties: {
    code: { type: "string", description: "Stable; every code is in docs/errors.md" },
    message: { type: "string" },
    pointer: { type: "string", format: "json-pointer" },
    line: { type: "integer", minimum: 1 },
    column: { type: "integer", minimum: 1 },
    errors: { type: "array", items: { type: "object" }, description: "Every broken rule" },
    leaf_index: INDEX_SCHEMA,
  },
}

const PROBLEM = {
  type: "object",
  description: "RFC 9457",
  required: ["type", "title", "status", "detail", "code"],
  properties: {
    type: { type: "string" },
    title: { type: "string" },
    status: { type: "integer" },
    detail: { type: "string" },
    code: { type: "string", description: "Stable; every code is in docs/errors.md" },
    pointer: { type: "string", format: "json-pointer" },
    line: { type: "integer", minimum: 1 },
    column: { type: "integer", minimum: 1 },
    hint: { type: "string", description: "What may have been meant" },
    parameter: { type: "string" },
    errors: { type: "array", items: { type: "object" } },
    leaf_index: INDEX_SCHEMA,
  },
}

function describeRoute({ summary, access, parameters, requestBody, answers }: Route): object {
  return {
    summary,
    ...(access === "public" ? {} : { security: [{ key: access }] }),
    ...(parameters && {
      parameters: parameters.map((parameter) => ({ ...parameter, ...listStyle(parameter.schema) })),
    }),
    ...(requestBody && { requestBody }),
    responses: {
      ...Object.fromEntries(Object.entries(answers).map(([status, form]) => [status, describeAnswer(form)])),
      default: {
        description: "Refused",
        content: { "application/problem+json": { schema: ref("Problem") } },
      },
    },
  }
}

function describeAnswer({ description, mediaType, schema = {} }: AnswerForm): object {
  return { description, content: { [mediaType]: { schema } } }
}

/** Lists are given as `a,b`. */
function listStyle(schema: object): object {
  return "items" in schema ? { style: "form", explode: false } : {}
}

function evidence(): object {
  return {
    type: ["object", "null"],
    description:
      "With ?wait=receipt: an evidence file (prooflog-evidence/1), or null if its head was not published in time",
  }
}

function ref(name: string): object {
  return { $ref: `#/components/schemas/${name}` }
}
