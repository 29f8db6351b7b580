/**
 * Values of a filter: text in, what the column holds out, or a refusal.
 *
 *     http_status=404              404
 *     ip_address=2001:DB8:0::1     "2001:db8::1"                     as it is logged
 *     ip_address=10.4.0.0/14       "10.4.0.0/14"                     a network
 *     received_at.min=2023-10-01   "2023-10-01T00:00:00.000000Z"     the day's begin, UTC
 *
 * Pure.
 */

import { FIELD_WORDS } from "@prooflog/event/fields"
import { normalizeIpAddress } from "@prooflog/event/ip-address"
import { formatTimestamp, parseTimestamp } from "@prooflog/event/timestamp"
import type { Column } from "./columns.js"
import { parseNetwork } from "./filter-network.js"

/** How a column is compared. */
export type FilterTest = "is" | "not" | "prefix" | "contains" | "min" | "max" | "exists"

export type FilterValue = string | number | boolean

export type ColumnKind = "text" | "number" | "time" | "boolean" | "list"

/** Longest text taken, in UTF-16 units: the longest that a filtered column holds. */
const MAX_TEXT = 8192

type Fail = (what: string) => Error

/** Returns how the values of a column are compared. */
export function kindOf({ type }: Column): ColumnKind {
  if (type.endsWith("[]")) return "list"
  if (type === "TIMESTAMP") return "time"
  if (type === "BOOLEAN") return "boolean"
  return type === "BIGINT" || type === "INTEGER" || type === "DOUBLE" ? "number" : "text"
}

/**
 * Returns the value that a text means for this column and test.
 *
 * @param text - suspect
 * @param fail - makes the error, which names the parameter
 */
export function parseFilterValue(column: Column, test: FilterTest, text: string, fail: Fail): FilterValue {
  if (test === "exists") return parseBoolean(text, fail)
  const kind = kindOf(column)
  if (kind === "number") return parseNumber(text, column.type !== "DOUBLE", fail)
  if (kind === "time") return formatTimestamp(parseFilterTime(text, fail))
  if (kind === "boolean") return parseBoolean(text, fail)
  if (text.length > MAX_TEXT) throw fail(`longer than ${MAX_TEXT} characters`)
  if (text.includes("\u0000")) throw fail("a text with a zero byte cannot be searched for")
  if (test === "prefix" || test === "contains") {
    if (text === "") throw fail("expected at least one character")
    return text
  }
  if (column.name === "ip_address") return parseAddress(text, fail)
  const words = wordsOf(column.name)
  if (words !== undefined && !words.includes(text)) throw fail(`expected one of ${words.join(", ")}`)
  return text
}

/**
 * Returns the microseconds since 1970 that a time in a filter means: RFC 3339 with a zone, or a date,
 * which is its first instant in UTC.
 */
export function parseFilterTime(text: string, fail: Fail): number {
  const time = parseTimestamp(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text)
  if (time !== undefined && Number.isSafeInteger(time)) return time
  const lostPlus = /\d \d{2}:\d{2}$/.test(text) ? "; in a URL, + is written %2B" : ""
  throw fail(`expected a date or an RFC 3339 time with a zone, as 2023-10-21T15:32:00Z${lostPlus}`)
}

function parseNumber(text: string, whole: boolean, fail: Fail): number {
  const form = whole ? /^-?\d{1,16}$/ : /^-?(?:\d{1,40})(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?$/
  const value = form.test(text) ? Number(text) : Number.NaN
  if (whole ? Number.isSafeInteger(value) : Number.isFinite(value)) return value + 0
  throw fail(whole ? "expected an integer" : "expected a number")
}

function parseBoolean(text: string, fail: Fail): boolean {
  if (text === "true") return true
  if (text === "false") return false
  throw fail("expected true or false")
}

function parseAddress(text: string, fail: Fail): string {
  const address = text.includes("/") ? parseNetwork(text)?.text : normalizeIpAddress(text)
  if (address !== undefined) return address
  throw fail(
    text.includes("/")
      ? "expected an IPv4 network as 10.0.0.0/8 (networks of IPv6 are not supported)"
      : "expected an IPv4 or IPv6 address without zone",
  )
}

/** Returns the words that a field is one of, if it is one of few. */
function wordsOf(name: string): readonly string[] | undefined {
  const words: Readonly<Record<string, readonly string[]>> = FIELD_WORDS
  return Object.hasOwn(words, name) ? words[name] : undefined
}
