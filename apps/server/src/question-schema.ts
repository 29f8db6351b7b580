/**
 * How questions and their answers look, for the OpenAPI document.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { EXPORT_FORMATS } from "@prooflog/query/export-format"
import { INDEX_SCHEMA } from "./route.js"

const SQL = {
  type: "string",
  description: "One SELECT over access_logs, with $1 … or $name where parameters go",
  examples: ["SELECT * FROM access_logs WHERE user_id = 'U12345' AND timestamp > '2023-10-01';"],
}

const SQL_VALUE = { type: ["string", "number", "boolean", "null"] }

export const SQL_PARAMETERS = {
  description: "Values of $1, $2 … in order, or by name",
  oneOf: [
    { type: "array", items: SQL_VALUE, maxItems: 1_000 },
    { type: "object", additionalProperties: SQL_VALUE, maxProperties: 1_000 },
  ],
}

export const SQL_BODY = {
  required: true,
  description: "At most 1 MiB.",
  content: {
    "application/json": {
      schema: {
        type: "object",
        required: ["sql"],
        additionalProperties: false,
        properties: {
          sql: SQL,
          parameters: SQL_PARAMETERS,
          limit: {
            type: "integer",
            minimum: 1,
            default: 10_000,
            description: "Most rows of the answer; v1/schema says how many that may be",
          },
        },
      },
    },
    "application/sql": { schema: SQL },
  },
}

const THROUGH = { ...INDEX_SCHEMA, description: "Leaves that the answer has seen" }

export const SQL_ANSWER = {
  type: "object",
  required: ["columns", "rows", "row_count", "truncated", "through", "ms"],
  properties: {
    columns: {
      type: "array",
      items: {
        type: "object",
        required: ["name", "type"],
        properties: { name: { type: "string" }, type: { type: "string", description: "DuckDB's" } },
      },
    },
    rows: { type: "array", items: { type: "array" } },
    row_count: { type: "integer", minimum: 0 },
    truncated: { type: "boolean", description: "Whether there are more rows than these" },
    through: THROUGH,
    ms: { type: "number", description: "From the question to its answer" },
  },
}

export const EVENTS_ANSWER = {
  type: "object",
  required: ["events", "through"],
  properties: {
    events: {
      type: "array",
      items: { type: "object", description: "Columns by name; those without a value are left out" },
    },
    next_cursor: {
      type: "string",
      description: "Give it as cursor for those that follow; absent at the end",
    },
    through: THROUGH,
  },
}

export const FACETS_ANSWER = {
  type: "object",
  required: ["facets", "missing", "total", "through"],
  properties: {
    facets: {
      type: "object",
      description: "By column: the most frequent values first",
      additionalProperties: {
        type: "array",
        items: {
          type: "object",
          required: ["value", "count"],
          properties: { value: {}, count: { type: "integer" } },
        },
      },
    },
    missing: {
      type: "object",
      description: "By column: events that say nothing there",
      additionalProperties: { type: "integer" },
    },
    total: { type: "integer", description: "Events of the filter" },
    through: THROUGH,
  },
}

export const HISTOGRAM_ANSWER = {
  type: "object",
  required: ["buckets", "through"],
  properties: {
    buckets: {
      type: "array",
      items: {
        type: "object",
        required: ["start", "count", "by_result"],
        properties: {
          start: { type: "string", format: "date-time" },
          local_start: {
            type: "string",
            format: "date-time",
            description: "The same on the clock of the zone, if one was named",
          },
          count: { type: "integer" },
          by_result: { type: "object", additionalProperties: { type: "integer" } },
        },
      },
    },
    through: THROUGH,
  },
}

export const EXPORT_BODY = {
  required: true,
  content: {
    "application/json": {
      schema: {
        type: "object",
        required: ["format"],
        additionalProperties: false,
        description: "Either sql or filter.",
        properties: {
          sql: SQL,
          parameters: SQL_PARAMETERS,
          filter: {
            description:
              "As the query of GET v1/events, without limit, order and cursor: a text, or an object of names and values",
            oneOf: [
              { type: "string" },
              {
                type: "object",
                additionalProperties: {
                  oneOf: [{ type: "string" }, { type: "array", items: { type: "string" } }],
                },
              },
            ],
          },
          format: { enum: EXPORT_FORMATS },
        },
      },
    },
  },
}

export const EXPORT_ANSWER = {
  type: "object",
  required: ["id", "state", "format", "created", "expires"],
  properties: {
    id: { type: "string" },
    state: { enum: ["running", "done", "failed"] },
    format: { enum: EXPORT_FORMATS },
    created: { type: "string", format: "date-time" },
    expires: { type: "string", format: "date-time" },
    rows: { type: "integer" },
    bytes: { type: "integer" },
    through: THROUGH,
    manifest: { type: "object", description: "prooflog-export/1, once it is done" },
    manifest_sha256: { type: "string", description: "Of the manifest's bytes; its event has it too" },
    leaf_index: { ...INDEX_SCHEMA, description: "Of the event that has that hash, once it is done" },
    error: { type: "object", description: "Why it failed: code and message" },
  },
}
