/**
 * Pages of events by filter, newest or oldest first.
 *
 *     leaves   0 ┌──────────────────────────┬──────────┬──┐ through
 *                │            16            │    4     │ 1│
 *                └──────────────────────────┴──────────┴──┘
 *                         third look          second    first
 *
 * Newest first looks from the end, in windows: what happened lately is found without reading the rest, and what never
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
import { namesOf, ParameterList, requireVisible, whereSql } from "./filter-sql.js"
import type { Asked, AskOptions } from "./listing-asked.js"
import type { JsonValue, Rows } from "./store.js"

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

/** Leaves of the first window: eight of DuckDB's vectors. */
const FIRST_WINDOW = 16_384

/** How much larger than the one before a window may be. */
const GROWTH = 16

/** A window is so much larger than it would have to be if events came evenly. */
const MARGIN = 1.5

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
  const newestFirst = filter.order === "desc"
  const page = new Page(filter.limit, maxBytes)
  let [low, high] = firstRange(filter, through)
  let looked = 0
  for (let width = FIRST_WINDOW; low < high && !page.isFull; width = nextWidth(width, looked, page)) {
    looked += Math.min(width, high - low)
    const start = newestFirst ? Math.max(low, high - width) : low
    const end = newestFirst ? high : Math.min(high, low + width)
    await look(store, filter, start, end, page, options)
    if (newestFirst) high = start
    else low = end
  }
  const { events, json } = page
  const last = events.at(-1)?.leaf_index
  // A full page may have ended anywhere in its window: what comes next begins behind its last row.
  if (!page.isFull || typeof last !== "number") return { events, json, through }
  if (newestFirst ? last === 0 : last === through - 1) return { events, json, through }
  return {
    events,
    json,
    nextCursor: formatCursor({ side: newestFirst ? "before" : "after", leafIndex: last }),
    through,
  }
}

/** @param looked - leaves in which the page found what it has */
function nextWidth(width: number, looked: number, { room, events }: Page): number {
  if (events.length === 0) return width * GROWTH
  return Math.min(width * GROWTH, Math.max(FIRST_WINDOW, Math.ceil((looked / events.length) * room * MARGIN)))
}

/** Returns the leaves that a page may come from: `[low, high)`. */
function firstRange({ order, cursor }: Filter, through: number): [low: number, high: number] {
  if (order === "desc") return [0, cursor?.leafIndex ?? through]
  return [cursor === undefined ? 0 : cursor.leafIndex + 1, through]
}

async function look(
  store: Asked,
  filter: Filter,
  start: number,
  end: number,
  page: Page,
  options: AskOptions,
): Promise<void> {
  const parameters = new ParameterList()
  // The limit is a literal: DuckDB sorts whole rows, and all of them, unless it knows how few are wanted.
  const sql =
    `SELECT * FROM ${TABLE} WHERE leaf_index >= ${parameters.add(start, "BIGINT")}` +
    ` AND leaf_index < ${parameters.add(end, "BIGINT")} AND ${whereSql(filter, parameters)}` +
    ` ORDER BY leaf_index ${filter.order === "desc" ? "DESC" : "ASC"} LIMIT ${Math.max(page.room, LEAST_LIMIT)}`
  await fill(page, await store.run({ sql, parameters: parameters.values, ...options }))
}

/** Reads rows until the page is full, and closes them. */
async function fill(page: Page, rows: Rows): Promise<void> {
  const names = rows.columns.map(({ name }) => name)
  for await (const batch of rows.batches) {
    for (const row of batch) if (!page.add(flatEvent(names, row))) return
  }
}

/** Events, up to a limit of their number and one of their bytes. */
class Page {
  readonly events: FlatEvent[] = []
  readonly #texts: string[] = []
  readonly #limit: number
  #bytesLeft: number
  #isCut = false

  constructor(limit: number, maxBytes: number) {
    this.#limit = limit
    this.#bytesLeft = maxBytes
  }

  /** Events that it still takes, if they are small. */
  get room(): number {
    return this.#limit - this.events.length
  }

  get isFull(): boolean {
    return this.#isCut || this.room === 0
  }

  get json(): string {
    return `[${this.#texts.join(",")}]`
  }

  /** Takes an event. Returns whether it had room for it: it has for one of any size as its first. */
  add(event: FlatEvent): boolean {
    if (this.room === 0) return false
    const text = JSON.stringify(event)
    this.#bytesLeft -= Buffer.byteLength(text)
    this.#isCut = this.#bytesLeft < 0 && this.events.length > 0
    if (this.#isCut) return false
    this.events.push(event)
    this.#texts.push(text)
    return true
  }
}

function flatEvent(names: readonly string[], row: readonly JsonValue[]): FlatEvent {
  const event: Record<string, JsonValue> = {}
  for (const [at, name] of names.entries()) {
    const value = row[at]
    if (value !== null && value !== undefined) event[name] = value
  }
  return event
}
