/**
 * Filters: which rows, as parameters of a URL say it.
 *
 *     ?user_id=U1&user_id=U2&resource_accessed.prefix=/admin&from=2023-10-01&limit=100
 *        └── one of these ──┘  └── and ──┘                    └── and ──┘    └ how many
 *
 *     <column>=           is one of the values; a list has one of them
 *     <column>.not=       is none of them; a row that says nothing is none of them
 *     <column>.prefix=    begins with one of them          text only, literally
 *     <column>.contains=  has one of them in it            text only, literally, case counts
 *     <column>.min= .max= at least, at most                numbers and times only
 *     <column>.exists=    `true`: says something, `false`: says nothing
 *
 * A filter is plain data: it crosses to the process that answers, and may be kept as JSON. Events of
 * the log about itself (`source` is `prooflog`) are left out unless the filter says something of `source`.
 *
 * Pure: no I/O, no clock.
 */

import { formatTimestamp } from "@prooflog/event/timestamp"
import { COLUMNS, type Column } from "./columns.js"
import { QueryError } from "./error.js"
import { type Cursor, parseCursor } from "./filter-cursor.js"
import {
  type FilterTest,
  type FilterValue,
  kindOf,
  parseFilterTime,
  parseFilterValue,
} from "./filter-value.js"
import { nearestName } from "./nearest.js"

export type { FilterTest, FilterValue } from "./filter-value.js"

/** Rows of a page unless told otherwise. */
export const DEFAULT_LIMIT = 50

/** Most rows of a page. */
export const MAX_LIMIT = 1000

/** Most values in one filter. */
export const MAX_VALUES = 256

export interface Condition {
  /** A name of `COLUMNS`. */
  readonly column: string
  readonly test: FilterTest
  /** At least one. Of `not`, all must differ; of the others one is enough. */
  readonly values: readonly FilterValue[]
}

export interface Filter {
  /** All of them hold. */
  readonly conditions: readonly Condition[]
  /** `timestamp` is this or later: `2023-10-01T00:00:00.000000Z`. */
  readonly from?: string
  /** `timestamp` is earlier than this. */
  readonly to?: string
  /** Rows of a page: 1 … {@link MAX_LIMIT}. */
  readonly limit: number
  /** By leaf index. */
  readonly order: "asc" | "desc"
  /** Where the page begins. */
  readonly cursor?: Cursor
}

/** Columns whose text is too long, or too free, to be compared. */
const NOT_FILTERED: ReadonlySet<string> = new Set(["attributes", "raw"])

const FILTERED: ReadonlyMap<string, Column> = new Map(
  COLUMNS.filter((column) => !NOT_FILTERED.has(column.name)).map((column) => [column.name, column]),
)

/** Columns that a filter may name. */
export const FILTERED_COLUMNS: readonly Column[] = [...FILTERED.values()]

/** Tests of which a second value would say nothing more. */
const ONE_VALUE: ReadonlySet<FilterTest> = new Set(["min", "max", "exists"])

/** Parameters that say which rows of the filter come now. */
const PAGE_PARAMETERS = ["limit", "order", "cursor"] as const

/** Parameters that are no columns. */
const OWN_PARAMETERS = ["from", "to", ...PAGE_PARAMETERS] as const

/** Which tests a kind of column takes, besides `is`, `not` and `exists`. */
const MORE_TESTS = {
  text: ["prefix", "contains"],
  number: ["min", "max"],
  time: ["min", "max"],
  boolean: [],
  list: [],
} as const satisfies Record<string, readonly FilterTest[]>

/**
 * Returns the filter that the parameters of a URL say.
 *
 * @param query - suspect
 * @throws {@link QueryError} `QUERY_BAD_FILTER` with the parameter that is unknown, of no sense, or there
 * twice where once is all it may be
 *
 * @example
 * ```ts
 * parseFilter(new URLSearchParams("user_id=U12345&from=2023-10-01"))
 * // { conditions: [{ column: "user_id", test: "is", values: ["U12345"] }],
 * //   from: "2023-10-01T00:00:00.000000Z", limit: 50, order: "desc" }
 * ```
 */
export function parseFilter(query: URLSearchParams): Filter {
  const names = [...new Set(query.keys())]
  const own = (name: (typeof OWN_PARAMETERS)[number]) => single(query, name)
  const conditions = names
    .filter((name) => !isOwn(name))
    .map((name) => parseCondition(name, query.getAll(name)))
  const count = conditions.reduce((sum, { values }) => sum + values.length, 0)
  if (count > MAX_VALUES) {
    throw badFilter(
      conditions[0]?.column ?? "",
      `a filter has at most ${MAX_VALUES} values, this one ${count}`,
    )
  }
  const from = parseTime("from", own("from"))
  const to = parseTime("to", own("to"))
  if (from !== undefined && to !== undefined && to <= from)
    throw badFilter("to", "to must be later than from")
  const cursor = own("cursor")
  const order = parseOrder(own("order"))
  return {
    conditions,
    ...(from === undefined ? {} : { from: formatTimestamp(from) }),
    ...(to === undefined ? {} : { to: formatTimestamp(to) }),
    limit: parseLimit(own("limit")),
    order,
    ...(cursor === undefined ? {} : { cursor: parseCursor(cursor, order) }),
  }
}

/**
 * Returns the filter of an answer that has no pages: all its rows count, in no order of the asker's.
 *
 * @throws {@link QueryError} as {@link parseFilter}; also for `limit`, `order` and `cursor`
 */
export function parseRowFilter(query: URLSearchParams): Filter {
  const paged = PAGE_PARAMETERS.find((name) => query.has(name))
  if (paged !== undefined)
    throw badFilter(paged, "is for pages of events: here every row of the filter counts")
  return parseFilter(query)
}

/**
 * Returns the column of a name in a filter.
 *
 * @throws {@link QueryError} `QUERY_BAD_FILTER` if there is none that can be filtered; `hint` names the nearest
 */
export function filteredColumn(name: string, parameter = name): Column {
  const column = FILTERED.get(name)
  if (column !== undefined) return column
  if (NOT_FILTERED.has(name)) throw badFilter(parameter, `${name} cannot be filtered: ask in SQL`)
  const nearest = nearestName(name.split(".", 1)[0] ?? "", [...FILTERED.keys(), ...OWN_PARAMETERS])
  throw badFilter(
    parameter,
    "there is no such column or parameter",
    nearest === undefined ? undefined : `Did you mean ${nearest}?`,
  )
}

/** Returns the error for a parameter: `what` says what is wrong, without its value. */
export function badFilter(parameter: string, what: string, hint?: string): QueryError {
  // A name may be as long and as strange as a URL: it is quoted, and cut.
  const shown = JSON.stringify(parameter.length > 80 ? `${parameter.slice(0, 80)}…` : parameter)
  return new QueryError("QUERY_BAD_FILTER", `${shown}: ${what}`, {
    parameter,
    ...(hint === undefined ? {} : { hint }),
  })
}

function parseCondition(parameter: string, texts: readonly string[]): Condition {
  const dot = parameter.indexOf(".")
  const name = dot < 0 ? parameter : parameter.slice(0, dot)
  const column = filteredColumn(name, parameter)
  const test = dot < 0 ? "is" : parseTest(parameter, column, parameter.slice(dot + 1))
  const fail = (what: string) => badFilter(parameter, what)
  if (ONE_VALUE.has(test) && texts.length > 1) throw fail("is there more than once")
  return {
    column: column.name,
    test,
    values: texts.map((text) => parseFilterValue(column, test, text, fail)),
  }
}

function parseTest(parameter: string, column: Column, text: string): FilterTest {
  const allowed: readonly FilterTest[] = ["not", ...MORE_TESTS[kindOf(column)], "exists"]
  const test = allowed.find((each) => each === text)
  if (test !== undefined) return test
  throw badFilter(
    parameter,
    `${column.name} can be asked for ${allowed.map((each) => `.${each}`).join(", ")}`,
  )
}

function parseLimit(text: string | undefined): number {
  if (text === undefined) return DEFAULT_LIMIT
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (limit < 1 || limit > MAX_LIMIT) throw badFilter("limit", `expected an integer of 1 to ${MAX_LIMIT}`)
  return limit
}

function parseOrder(text: string | undefined): "asc" | "desc" {
  if (text === undefined || text === "desc") return "desc"
  if (text === "asc") return "asc"
  throw badFilter("order", "expected asc or desc")
}

function parseTime(parameter: string, text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseFilterTime(text, (what) => badFilter(parameter, what))
}

function isOwn(name: string): boolean {
  return (OWN_PARAMETERS as readonly string[]).includes(name)
}

function single(query: URLSearchParams, name: string): string | undefined {
  const texts = query.getAll(name)
  if (texts.length > 1) throw badFilter(name, "is there more than once")
  return texts[0]
}
