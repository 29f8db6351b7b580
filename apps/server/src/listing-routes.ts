/**
 * Questions by filters: events, how often each value occurs, how many there were when.
 *
 *     GET v1/events?user_id=U12345&result=denied&from=2023-10-01&limit=50      newest first
 *     GET v1/facets?field=user_id&field=result&top=10&from=2023-10-01          the most frequent values
 *     GET v1/histogram?interval=1h&zone=Europe/Madrid&result=error             counts by time and result
 *
 * All three take the same filters. Events about the log itself (source `prooflog`) are left out unless a filter
 * names a source.
 */

import {
  DEFAULT_LIMIT,
  DEFAULT_TOP,
  FILTERED_COLUMNS,
  INTERVALS,
  MAX_FACETS,
  MAX_LIMIT,
  MAX_TOP,
  parseFilter,
  parseRowFilter,
} from "@prooflog/query/listing"
import { type Answer, jsonAnswer } from "./answer.js"
import { type Call, requireRole } from "./gate.js"
import { askLogged, type Found, type OwnAction, WHOLE_LOG } from "./own-events.js"
import { listParameter, MIN_SIZE, malformed, minSizeOf, parseIndex } from "./query.js"
import { EVENTS_ANSWER, FACETS_ANSWER, HISTOGRAM_ANSWER } from "./question-schema.js"
import type { Asking } from "./reading.js"
import type { Parameter, Route } from "./route.js"
import type { ServedLog } from "./served-log.js"
import { withheldFromReader } from "./withhold.js"

export function listingRoutes(log: ServedLog): readonly Route[] {
  return [
    {
      method: "GET",
      path: "v1/events",
      access: ["reader"],
      summary: "Events by filters, newest first",
      parameters: [...PAGE_PARAMETERS, ...FILTER_PARAMETERS, MIN_SIZE],
      answers: { 200: { description: "Events", mediaType: "application/json", schema: EVENTS_ANSWER } },
      handle: (call) => answerFiltered(call, "log.list", (query, asking) => list(log, query, asking)),
    },
    {
      method: "GET",
      path: "v1/facets",
      access: ["reader"],
      summary: "The most frequent values of fields, with how often each occurs",
      parameters: [
        {
          name: "field",
          in: "query",
          required: true,
          description: `1 to ${MAX_FACETS} columns: repeated, or with commas between them`,
          schema: { type: "array", items: { type: "string" }, minItems: 1, maxItems: MAX_FACETS },
        },
        {
          name: "top",
          in: "query",
          description: "Values of each column, the most frequent first",
          schema: { type: "integer", minimum: 1, maximum: MAX_TOP, default: DEFAULT_TOP },
        },
        ...FILTER_PARAMETERS,
        MIN_SIZE,
      ],
      answers: { 200: { description: "Values", mediaType: "application/json", schema: FACETS_ANSWER } },
      handle: (call) => answerFiltered(call, "log.facets", (query, asking) => facets(log, query, asking)),
    },
    {
      method: "GET",
      path: "v1/histogram",
      access: ["reader"],
      summary: "How many events there were when, by result",
      parameters: [
        {
          name: "interval",
          in: "query",
          description: "Width of a bucket",
          schema: { enum: INTERVALS, default: "1h" },
        },
        {
          name: "zone",
          in: "query",
          description: "Where days and hours begin: a name as Europe/Madrid, or ±hh:mm; UTC if left out",
          schema: { type: "string" },
        },
        ...FILTER_PARAMETERS,
        MIN_SIZE,
      ],
      answers: { 200: { description: "Buckets", mediaType: "application/json", schema: HISTOGRAM_ANSWER } },
      handle: (call) =>
        answerFiltered(call, "log.histogram", (query, asking) => histogram(log, query, asking)),
    },
  ]

  /** What the three have in common: who asks, what is hidden from them, and the event that tells of it. */
  function answerFiltered(
    call: Call,
    action: OwnAction,
    ask: (query: URLSearchParams, asking: Asking) => Promise<Found<Answer>>,
  ): Promise<Answer> {
    const withheld = withheldFromReader(requireRole(call, ["reader"]), log.withholding)
    const doing = { action, resource: WHOLE_LOG, said: { filter: call.query } }
    return askLogged(log, call, doing, async (signal) => {
      const query = new URLSearchParams(call.query)
      const minSize = minSizeOf(query)
      return ask(query, { withheld, minSize, signal })
    })
  }
}

async function list({ reading }: ServedLog, query: URLSearchParams, asking: Asking): Promise<Found<Answer>> {
  const { eventsJson, count, nextCursor, through } = await reading.list(parseFilter(query), asking)
  const next = nextCursor === undefined ? "" : `,"next_cursor":${JSON.stringify(nextCursor)}`
  const body = Buffer.concat([
    Buffer.from('{"events":'),
    eventsJson,
    Buffer.from(`${next},"through":${through}}`),
  ])
  return { answer: jsonAnswer(200, body), said: { rows: count, through } }
}

async function facets(
  { reading }: ServedLog,
  query: URLSearchParams,
  asking: Asking,
): Promise<Found<Answer>> {
  const fields = [...new Set(listParameter(query, "field"))]
  query.delete("field")
  if (fields.length === 0 || fields.length > MAX_FACETS) {
    throw malformed("field", `must be given 1 to ${MAX_FACETS} times`)
  }
  const top = topOf(query)
  const found = await reading.facets(parseRowFilter(query), fields, { ...asking, top })
  const rows = Object.values(found.facets).reduce((sum, values) => sum + values.length, 0)
  return { answer: jsonAnswer(200, JSON.stringify(found)), said: { rows, through: found.through } }
}

/** Takes `top` out of a query; `undefined` if it is not there. */
function topOf(query: URLSearchParams): number | undefined {
  const texts = query.getAll("top")
  query.delete("top")
  if (texts.length === 0) return undefined
  const top = texts.length === 1 ? parseIndex(texts[0] as string) : undefined
  if (top !== undefined && top >= 1 && top <= MAX_TOP) return top
  throw malformed("top", `must be given once, as an integer of 1 … ${MAX_TOP}`)
}

async function histogram(
  { reading }: ServedLog,
  query: URLSearchParams,
  asking: Asking,
): Promise<Found<Answer>> {
  const interval = query.get("interval") ?? "1h"
  const zone = query.get("zone") ?? undefined
  query.delete("interval")
  query.delete("zone")
  const found = await reading.histogram(parseRowFilter(query), { interval, zone }, asking)
  return {
    answer: jsonAnswer(200, JSON.stringify(found)),
    said: { rows: found.buckets.length, through: found.through },
  }
}

const SEVERAL = { type: "array", items: { type: "string" } }

/** The filters as the document tells them: an object of names and values, each a parameter of the query. */
export const FILTER_PARAMETERS: readonly Parameter[] = [
  {
    name: "filter",
    in: "query",
    description:
      "Columns by name: user_id=U12345&result=denied; repeated, any of the values. Of each column also .not and .exists (true, false); of texts .prefix and .contains; of numbers and times .min and .max: action.not=login, http_status.min=500. ip_address takes an IPv4 network too: 10.0.0.0/8. And from (inclusive) and to (exclusive) on timestamp, RFC 3339 or a date",
    schema: {
      type: "object",
      properties: {
        from: { type: "string" },
        to: { type: "string" },
        ...Object.fromEntries(
          FILTERED_COLUMNS.map(({ name, meaning }) => [name, { ...SEVERAL, description: meaning }]),
        ),
      },
      additionalProperties: SEVERAL,
    },
  },
]

const PAGE_PARAMETERS: readonly Parameter[] = [
  {
    name: "limit",
    in: "query",
    description: "Most events of an answer, which has 4 MiB at most: with a next_cursor, more are behind it",
    schema: { type: "integer", minimum: 1, maximum: MAX_LIMIT, default: DEFAULT_LIMIT },
  },
  {
    name: "order",
    in: "query",
    description: "By place in the log",
    schema: { enum: ["asc", "desc"], default: "desc" },
  },
  {
    name: "cursor",
    in: "query",
    description: "next_cursor of the answer before this one",
    schema: { type: "string" },
  },
]
