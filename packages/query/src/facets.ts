/**
 * Facets: the most frequent values of some columns, among the rows of a filter.
 *
 *     result      success 37,506 · failure 1,106 · …      missing 0
 *     user_email  (none of the first 20)                   missing 38,612
 *
 * All are counted in one snapshot, so that they fit each other and `total`. A list counts once for each
 * of its elements.
 */

import { type Column, TABLE } from "./columns.js"
import { badFilter, type Filter, filteredColumn } from "./filter.js"
import { namesOf, ParameterList, requireVisible, whereSql } from "./filter-sql.js"
import { kindOf } from "./filter-value.js"
import type { Asked, AskOptions } from "./listing-asked.js"
import type { JsonValue } from "./store.js"

export interface FacetOptions extends AskOptions {
  /** Values of each column: 1 … 1,000; 20 if absent. */
  readonly top?: number
}

export interface Facets {
  /** By column: the most frequent values first, equals in their own order. NULL is no value. */
  readonly facets: Readonly<Record<string, readonly { readonly value: JsonValue; readonly count: number }[]>>
  /** By column: rows that say nothing there. */
  readonly missing: Readonly<Record<string, number>>
  /** Rows of the filter. */
  readonly total: number
  readonly through: number
}

/** Values of each column unless told otherwise. */
export const DEFAULT_TOP = 20

/** Most values of each column. */
export const MAX_TOP = 1000

/** Most columns at once. */
export const MAX_FACETS = 16

/** Columns of which hardly a value occurs twice: their counts would fill the memory and say nothing. */
const UNCOUNTED: ReadonlySet<string> = new Set(["leaf_index", "event_id", "timestamp", "received_at"])

/**
 * Returns the most frequent values of these columns.
 *
 * @param names - columns, suspect; one that is there twice counts once
 * @throws {@link QueryError} `QUERY_BAD_FILTER` for a name that is no column, that cannot be counted, or is
 * withheld; for too many or none
 */
export async function facets(
  store: Asked,
  filter: Filter,
  names: readonly string[],
  { top = DEFAULT_TOP, ...options }: FacetOptions = {},
): Promise<Facets> {
  const columns = [...new Set(names)].map(countedColumn)
  if (columns.length === 0 || columns.length > MAX_FACETS) {
    throw badFilter("field", `expected 1 to ${MAX_FACETS} columns`)
  }
  if (!Number.isInteger(top) || top < 1 || top > MAX_TOP) {
    throw badFilter("top", `expected an integer of 1 to ${MAX_TOP}`)
  }
  requireVisible([...namesOf(filter), ...names], options.withheld)
  const parameters = new ParameterList()
  const where = whereSql(filter, parameters)
  const counts = columns.map(
    (column, at) => `SELECT * FROM (SELECT ${at}::INTEGER AS facet, v::VARCHAR AS v, count(*) AS n
FROM ${valuesSql(column, where)} WHERE v IS NOT NULL GROUP BY v ORDER BY n DESC, v LIMIT ${top})`,
  )
  // All that is counted over whole rows, in one reading: the rows, then for each column those without a value.
  const wholes = ["count(*)", ...columns.map((column) => `count(*) FILTER (${missingSql(column)})`)]
  const places = wholes.map((_, at) => -1 - at)
  const totals = `SELECT unnest([${places}]), NULL, unnest([${wholes.join(", ")}]) FROM ${TABLE} WHERE ${where}`
  const sql = [...counts, totals].join("\nUNION ALL ")
  const rows = await store.run({ sql, parameters: parameters.values, ...options })
  const found = columns.map(() => [] as { value: JsonValue; count: number }[])
  const missed = columns.map(() => 0)
  let total = 0
  for await (const batch of rows.batches) {
    for (const [place, value, count] of batch) {
      const at = Number(place)
      if (at >= 0)
        found[at]?.push({ value: writtenValue(columns[at] as Column, String(value)), count: Number(count) })
      else if (at === -1) total = Number(count)
      else missed[-2 - at] = Number(count)
    }
  }
  const byName = <T>(values: readonly T[]) =>
    Object.fromEntries(columns.map(({ name }, at) => [name, values[at] as T]))
  return {
    facets: byName(found.map((counts) => byCount(counts))),
    missing: byName(missed),
    total,
    through: rows.through,
  }
}

function countedColumn(name: string): Column {
  const column = filteredColumn(name, name)
  if (UNCOUNTED.has(name)) throw badFilter(name, "nearly every row has another value: it cannot be counted")
  return column
}

/** Returns what holds the values of a column, one a row, as `v`. */
function valuesSql({ name, type }: Column, where: string): string {
  const value = type.endsWith("[]") ? `unnest(${name})` : name
  return `(SELECT ${value} AS v FROM ${TABLE} WHERE ${where})`
}

function missingSql({ name, type }: Column): string {
  return type.endsWith("[]") ? `coalesce(len(${name}), 0) = 0` : `${name} IS NULL`
}

/** Returns the value of a column that DuckDB wrote as this text. */
function writtenValue(column: Column, text: string): JsonValue {
  const kind = kindOf(column)
  if (kind === "number") return Number(text)
  return kind === "boolean" ? text === "true" : text
}

/** Puts the counts in order again, since UNION ALL promises none. */
function byCount<T extends { readonly value: JsonValue; readonly count: number }>(
  counts: readonly T[],
): readonly T[] {
  return [...counts].sort((a, b) => b.count - a.count || compareValues(a.value, b.value))
}

function compareValues(a: JsonValue, b: JsonValue): number {
  if (typeof a === "number" && typeof b === "number") return a - b
  const [left, right] = [String(a), String(b)]
  return left < right ? -1 : left > right ? 1 : 0
}
