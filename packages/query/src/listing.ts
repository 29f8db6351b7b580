/**
 * Pages of events by filter, newest or oldest first.
 *
 *     leaves   0 ┌──────────────────────────┬──────────┬──┐ through
 *                │            16            │    4     │ 1│
 *                └──────────────────────────┴──────────┴──┘
 *                         third look          second    first
 *
 * Newest first looks from the end, in windows, and only for the leaves of the page, whose rows are read afterwards: to
 * DuckDB a row of fifty columns is fifty times the work. What happened lately is found without reading the rest, and what never
 * happened costs one reading of everything. A window is as large as what was found so far lets expect, up to 16
 * times the one before. No look passes what the store had come to at the first.
 *
 * A page ends at its limit of events or of bytes, whichever comes first: an event may have 400 KB.
 *
 * Also the door to filters, facets and histograms.
 */

import { TABLE } from "./columns.js"
import { QueryError } from "./error.js"
import { type Filter, MAX_LIMIT } from "./filter.js"
import { formatCursor, leavesBehind } from "./filter-cursor.js"
import { namesOf, ParameterList, requireVisible, type SqlText, whereSql } from "./filter-sql.js"
import type { Asked, AskOptions } from "./listing-asked.js"
import type { JsonValue } from "./store.js"

export { DEFAULT_TOP, type FacetOptions, type Facets, facets, MAX_FACETS, MAX_TOP } from "./facets.js"
export {
  type Condition,
  DEFAULT_LIMIT,
  FILTERED_COLUMNS,
  type Filter,
  type FilterTest,
  MAX_LIMIT,
  parseFilter,
  parseRowFilter,
} from "./filter.js"
export { type Cursor, formatCursor, leavesBehind, parseCursor } from "./filter-cursor.js"
export { filterSql, namesOf, requireVisible, type SqlText } from "./filter-sql.js"
export { type Bucket, type Histogram, type HistogramOptions, histogram, INTERVALS } from "./histogram.js"
export type { Asked, AskOptions } from "./listing-asked.js"

/** One row: its columns by name, without those that are NULL. */
export type FlatEvent = Readonly<Record<string, JsonValue>>

export interface Listing {
  readonly events: readonly FlatEvent[]
  /** The same as the text of a JSON array: what `maxBytes` counts. */
  readonly json: string
  /** Where the next page begins. Absent if there is none; the next page may still be empty. */
  readonly nextCursor?: string
  /** Leaves whose rows were there: of these, the page misses none that it should have. */
  readonly through: number
}

export interface ListOptions extends AskOptions {
  /** Bytes of JSON, UTF-8, after which a page ends early, though never before its first event; 4 MiB if absent. */
  readonly maxBytes?: number
}

/**
 * Least LIMIT of a look. Up to 50 rows DuckDB finds first and reads afterwards, by a join, which in a window costs more
 * than it saves.
 */
const LEAST_LIMIT = 51

/** Bytes of a page unless it is told: some thousand usual events. */
const USUAL_BYTES = 4 * 1024 * 1024

/** Leaves of the first window of a filter, two of DuckDB's row groups: to look there costs less than to ask twice. */
const FIRST_WINDOW = 245_760

/** Where any event will do: some are the log's own. */
const FIRST_WINDOW_OF_ANY = 4_096

/** How much larger than the one before a window may be. */
const GROWTH = 16

/** A window is so much larger than it would have to be if events came evenly. */
const MARGIN = 2

/**
 * Returns one page of events.
 *
 * @throws {@link QueryError} `QUERY_BAD_FILTER` for a filter about a withheld column; `QUERY_BEHIND` if the page
 * begins past the rows there are, as while they are made anew; what `run` throws
 */
export async function listEvents(
  store: Asked,
  filter: Filter,
  { maxBytes = USUAL_BYTES, ...options }: ListOptions = {},
): Promise<Listing> {
  if (!Number.isInteger(filter.limit) || filter.limit < 1 || filter.limit > MAX_LIMIT) {
    throw new RangeError(`limit: expected 1 to ${MAX_LIMIT}`)
  }
  requireVisible(namesOf(filter), options.withheld)
  const { through } = store
  if (filter.cursor !== undefined && leavesBehind(filter.cursor) > through) {
    throw new QueryError("QUERY_BEHIND", `answers see ${through} leaves, and the cursor is past them`)
  }
  const found = await findLeaves(store, filter, through, options)
  if (found.length === 0) return { events: [], json: "[]", through }
  const { events, json, isCut } = await readPage(store, filter, found, maxBytes, options)
  const last = isCut ? (events.at(-1)?.leaf_index as number) : (found.at(-1) as number)
  const isEnd = found.length < filter.limit || last === (filter.order === "desc" ? 0 : through - 1)
  if (isEnd && !isCut) return { events, json, through }
  const side = filter.order === "desc" ? "before" : "after"
  return { events, json, nextCursor: formatCursor({ side, leafIndex: last }), through }
}

/** Returns the leaves of a page in its order, at most as many as the filter's limit. */
async function findLeaves(
  store: Asked,
  filter: Filter,
  through: number,
  options: AskOptions,
): Promise<readonly number[]> {
  const found: number[] = []
  let looked = 0
  let [low, high] = firstRange(filter, through)
  for (let width = firstWidth(filter); low < high && found.length < filter.limit; ) {
    const room = filter.limit - found.length
    const isNewestFirst = filter.order === "desc"
    const start = isNewestFirst ? Math.max(low, high - width) : low
    const end = isNewestFirst ? high : Math.min(high, low + width)
    const { sql, parameters } = scan("leaf_index", filter, start, end)
    const rows = await store.run({ sql: `${sql} ${firstOf(filter, room)}`, parameters, ...options })
    for await (const batch of rows.batches) for (const [leaf] of batch) found.push(leaf as number)
    if (isNewestFirst) high = start
    else low = end
    looked += end - start
    const wanted = filter.limit - found.length
    width = Math.min(width * GROWTH, Math.max(width, expected(looked, found.length, wanted)))
  }
  // DuckDB was allowed more.
  return found.slice(0, filter.limit)
}

/** The limit is a literal: DuckDB sorts all it finds unless it knows how few are wanted. */
function firstOf({ order }: Filter, limit: number): string {
  return `ORDER BY leaf_index ${order === "desc" ? "DESC" : "ASC"} LIMIT ${Math.max(limit, LEAST_LIMIT)}`
}

/** Returns the leaves that a page may come from: `[low, high)`. */
function firstRange({ order, cursor }: Filter, through: number): [low: number, high: number] {
  if (order === "desc") return [0, cursor?.leafIndex ?? through]
  return [cursor === undefined ? 0 : cursor.leafIndex + 1, through]
}

function firstWidth({ conditions, from, to }: Filter): number {
  const takesAny = conditions.length === 0 && from === undefined && to === undefined
  return takesAny ? FIRST_WINDOW_OF_ANY : FIRST_WINDOW
}

/** Returns in how many leaves `wanted` more may be found, if `found` were found in `looked`. */
function expected(looked: number, found: number, wanted: number): number {
  if (found === 0) return Number.POSITIVE_INFINITY
  return Math.ceil((looked / found) * wanted * MARGIN)
}

/** Reads the rows of leaves, up to where they have too many bytes. */
async function readPage(
  store: Asked,
  filter: Filter,
  leaves: readonly number[],
  maxBytes: number,
  options: AskOptions,
): Promise<{ readonly events: FlatEvent[]; readonly json: string; readonly isCut: boolean }> {
  const ends = [leaves[0] as number, leaves.at(-1) as number]
  const { sql, parameters } = scan("*", filter, Math.min(...ends), Math.max(...ends) + 1)
  // A scan keeps the order of the log; to sort rows of fifty columns is half of the work.
  const answer = await store.run({ sql, parameters, ...options })
  const rows: (readonly JsonValue[])[] = []
  for await (const batch of answer.batches) rows.push(...batch)
  if (filter.order === "desc") rows.reverse()
  const names = answer.columns.map(({ name }) => name)
  const events: FlatEvent[] = []
  const texts: string[] = []
  let bytesLeft = maxBytes
  for (const row of rows) {
    const event = flatEvent(names, row)
    const text = JSON.stringify(event)
    bytesLeft -= Buffer.byteLength(text)
    // The first may be of any size.
    if (bytesLeft < 0 && events.length > 0) break
    events.push(event)
    texts.push(text)
  }
  return { events, json: `[${texts.join(",")}]`, isCut: events.length < rows.length }
}

/** The statement for the leaves in `[start, end)` that pass the filter, in the order of the log. */
function scan(columns: "leaf_index" | "*", filter: Filter, start: number, end: number): SqlText {
  const list = new ParameterList()
  const sql =
    `SELECT ${columns} FROM ${TABLE} WHERE leaf_index >= ${list.add(start, "BIGINT")}` +
    ` AND leaf_index < ${list.add(end, "BIGINT")} AND ${whereSql(filter, list)}`
  return { sql, parameters: list.values }
}

function flatEvent(names: readonly string[], row: readonly JsonValue[]): FlatEvent {
  const event: Record<string, JsonValue> = {}
  for (const [at, name] of names.entries()) {
    const value = row[at]
    if (value !== null && value !== undefined) event[name] = value
  }
  return event
}
