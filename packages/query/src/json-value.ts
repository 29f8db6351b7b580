/**
 * Values of an answer as JSON says them: one form, for answers, exports and proofs.
 *
 *     TIMESTAMP                    "2023-10-21T15:32:00.000000Z"     always UTC
 *     BIGINT … HUGEINT             a number, or decimal text past 2⁵³ − 1
 *     DOUBLE                       a number; "NaN", "Infinity", "-Infinity"
 *     DECIMAL                      decimal text
 *     DATE TIME INTERVAL UUID …    DuckDB's text
 *     LIST, ARRAY                  array
 *     STRUCT, MAP                  object; a map's keys as text
 *     JSON                         what it says, up to 1,000 levels
 *     BLOB                         base64
 *
 * Pure.
 */

import {
  type DuckDBArrayValue,
  type DuckDBBlobValue,
  type DuckDBDateValue,
  type DuckDBListValue,
  type DuckDBMapValue,
  type DuckDBStructValue,
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBValue,
} from "@duckdb/node-api"
import { QueryError } from "./error.js"

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }

/** Makes JSON of the values of one type. */
export type ToJson = (value: DuckDBValue) => JsonValue

/**
 * Returns what makes JSON of the values of a type, nulls among them. That throws {@link QueryError} `QUERY_FAILED` for
 * JSON that is nested deeper than others can read it.
 *
 * @throws {@link QueryError} `QUERY_INVALID` for a type whose values would lose a member
 */
export function toJsonOf(type: DuckDBType): ToJson {
  const convert = converterOf(type)
  return (value) => (value === null ? null : convert(value))
}

function converterOf(type: DuckDBType): ToJson {
  switch (type.typeId) {
    case DuckDBTypeId.BOOLEAN:
    case DuckDBTypeId.TINYINT:
    case DuckDBTypeId.SMALLINT:
    case DuckDBTypeId.INTEGER:
    case DuckDBTypeId.UTINYINT:
    case DuckDBTypeId.USMALLINT:
    case DuckDBTypeId.UINTEGER:
    case DuckDBTypeId.ENUM:
      return (value) => value as JsonValue
    case DuckDBTypeId.VARCHAR:
      return type.alias === "JSON" ? (value) => parseJson(value as string) : (value) => value as string
    case DuckDBTypeId.FLOAT:
    case DuckDBTypeId.DOUBLE:
      return (value) => (Number.isFinite(value) ? (value as number) : String(value))
    case DuckDBTypeId.BIGINT:
    case DuckDBTypeId.UBIGINT:
    case DuckDBTypeId.HUGEINT:
    case DuckDBTypeId.UHUGEINT:
    case DuckDBTypeId.BIGNUM:
      return (value) => integer(value as bigint)
    case DuckDBTypeId.TIMESTAMP:
    case DuckDBTypeId.TIMESTAMP_TZ:
      return (value) => time(value, (value as { readonly micros: bigint }).micros, 1_000n, 3)
    case DuckDBTypeId.TIMESTAMP_S:
      return (value) => time(value, (value as { readonly seconds: bigint }).seconds * 1_000_000n, 1_000n, 3)
    case DuckDBTypeId.TIMESTAMP_MS:
      return (value) => time(value, (value as { readonly millis: bigint }).millis * 1_000n, 1_000n, 3)
    case DuckDBTypeId.TIMESTAMP_NS:
      return (value) => time(value, (value as { readonly nanos: bigint }).nanos, 1_000_000n, 6)
    case DuckDBTypeId.DATE:
      return (value) => date(value as DuckDBDateValue)
    case DuckDBTypeId.BLOB:
      return (value) => Buffer.from((value as DuckDBBlobValue).bytes).toString("base64")
    case DuckDBTypeId.LIST:
    case DuckDBTypeId.ARRAY: {
      const item = toJsonOf((type as { readonly valueType: DuckDBType } & DuckDBType).valueType)
      return (value) => (value as DuckDBListValue | DuckDBArrayValue).items.map(item)
    }
    case DuckDBTypeId.STRUCT: {
      const { entryNames, entryTypes } = type as DuckDBType & StructShape
      requireDistinct(entryNames)
      const members = entryNames.map((name, i) => [name, toJsonOf(entryTypes[i] as DuckDBType)] as const)
      return (value) => struct(value as DuckDBStructValue, members)
    }
    case DuckDBTypeId.MAP: {
      const { keyType, valueType } = type as DuckDBType & MapShape
      return (value) => map(value as DuckDBMapValue, toJsonOf(keyType), toJsonOf(valueType))
    }
    default:
      return (value) => String(value)
  }
}

interface StructShape {
  readonly entryNames: readonly string[]
  readonly entryTypes: readonly DuckDBType[]
}

interface MapShape {
  readonly keyType: DuckDBType
  readonly valueType: DuckDBType
}

function integer(value: bigint): JsonValue {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value.toString()
}

/** Milliseconds that `Date` can say: ±100,000,000 days. */
const MAX_DATE_MS = 8_640_000_000_000_000n

/**
 * Returns RFC 3339 text; what has no such text, as infinity and years past 9999, is said as DuckDB does.
 *
 * @param perMs - units in a millisecond
 * @param digits - decimals those make
 */
function time(value: DuckDBValue, units: bigint, perMs: bigint, digits: number): string {
  const rest = ((units % perMs) + perMs) % perMs
  const ms = (units - rest) / perMs
  if (ms < -MAX_DATE_MS || ms > MAX_DATE_MS) return String(value)
  const text = new Date(Number(ms)).toISOString()
  if (text.length !== 24) return String(value)
  return `${text.slice(0, -1)}${String(rest).padStart(digits, "0")}Z`
}

/** Days that mean infinity. */
const INFINITE_DAYS = 2_147_483_647

function date(value: DuckDBDateValue): string {
  if (value.days === INFINITE_DAYS) return "infinity"
  return value.days === -INFINITE_DAYS ? "-infinity" : String(value)
}

function struct(value: DuckDBStructValue, members: readonly (readonly [string, ToJson])[]): JsonValue {
  return objectOf(members.map(([name, convert]) => [name, convert(memberOf(value, name))]))
}

function memberOf(value: DuckDBStructValue, name: string): DuckDBValue {
  return Object.hasOwn(value.entries, name) ? (value.entries[name] as DuckDBValue) : null
}

/** DuckDB's client keeps members in a plain object: of two that have one name it keeps one, of `__proto__` none. */
function requireDistinct(names: readonly string[]): void {
  if (new Set(names).size === names.length && !names.includes("__proto__")) return
  throw new QueryError(
    "QUERY_INVALID",
    "an answer cannot hold a row whose members have no names of their own",
    {
      hint: "Name them, as {'a': 1, 'b': 2}, or make a list of them, as [1, 2].",
    },
  )
}

function map(value: DuckDBMapValue, key: ToJson, convert: ToJson): JsonValue {
  return objectOf(
    value.entries.map((entry) => {
      const name = key(entry.key)
      return [typeof name === "string" ? name : JSON.stringify(name), convert(entry.value)]
    }),
  )
}

/** As `Object.fromEntries`, which makes an own member of `__proto__` too. */
function objectOf(entries: readonly (readonly [string, JsonValue])[]): { readonly [key: string]: JsonValue } {
  return Object.fromEntries(entries)
}

/** Most levels of a JSON value: what writes JSON calls itself for each, and so does whoever reads the answer. */
const MAX_JSON_DEPTH = 1_000

function parseJson(text: string): JsonValue {
  const value = valueOrText(text)
  // A level takes two characters: most values are too short to be looked at.
  if (text.length > 2 * MAX_JSON_DEPTH && isDeeper(value, MAX_JSON_DEPTH)) {
    throw new QueryError("QUERY_FAILED", `a JSON value has more than ${MAX_JSON_DEPTH} levels`)
  }
  return value
}

/** What DuckDB takes for JSON and JavaScript does not, as `nan`, stays text. */
function valueOrText(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue
  } catch {
    return text
  }
}

/** Whether a value has more levels of arrays and objects. Looks no deeper than that. */
function isDeeper(value: JsonValue, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false
  return levels === 0 || Object.values(value).some((inside) => isDeeper(inside, levels - 1))
}
