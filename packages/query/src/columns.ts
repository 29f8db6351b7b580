/**
 * The columns of `access_logs`: every field of the schema, and what stands beside it.
 *
 *     leaf_index                       where it is in the log              position
 *     timestamp … raw, source, …       what the record says                committed
 *     received_at, class               what the entry says                 position
 *     country … os                     made from ip_address, user_agent    derived
 *
 * A committed column says what the producer said: it is NULL where nothing was said, also where readers
 * take a default. A derived column can be made again from the one it comes from, and is never proven.
 * Times are UTC, to the microsecond.
 *
 * Pure.
 */

import { CORE_NAMES } from "@prooflog/event/core-names"
import { FIELD_MEANINGS, FIELDS } from "@prooflog/event/fields"

/** Name of the one table that questions may read. */
export const TABLE = "access_logs"

/** The source of events of the log about itself. */
export const OWN_SOURCE = "prooflog"

export interface Column {
  readonly name: string
  /** DuckDB's, as SQL says it. */
  readonly type: string
  /** One or two sentences, for people. */
  readonly meaning: string
  /** `committed`: in the record; `position`: in the entry or its place; `derived`: recomputable, not proven. */
  readonly origin: "committed" | "position" | "derived"
  /** For a derived column: the field it is derived from. */
  readonly from?: string
}

/** Types of the fields that are no text. */
const FIELD_TYPES: Readonly<Record<string, string>> = {
  timestamp: "TIMESTAMP",
  http_status: "INTEGER",
  request_bytes: "BIGINT",
  response_bytes: "BIGINT",
  duration_ms: "DOUBLE",
  mfa: "BOOLEAN",
  ip_chain: "VARCHAR[]",
  tags: "VARCHAR[]",
  attributes: "JSON",
}

/** Columns that stand first: what an access is, at a glance. */
const FIRST = ["timestamp", "user_id", "action", "resource_accessed", "result", "ip_address"]

const SERVER_MEANINGS: Readonly<Record<string, string>> = {
  timestamp: "When it happened, UTC, to the microsecond.",
  action: "What was done, as `document.read`, `s3.GetObject` or `http.GET`; `access` if nothing was said.",
  source: "Where the log took it from: the source of the key that wrote it. `prooflog` is the log itself.",
  source_key_id: "Identifier of the key that wrote it.",
}

/** Every column, in the order of `SELECT *`. */
export const COLUMNS: readonly Column[] = [
  position("leaf_index", "BIGINT", "Place in the log, from 0: what a row is proven by."),
  ...FIRST.map(committed),
  ...FIELDS.map((field) => field.name)
    .filter((name) => !FIRST.includes(name))
    .map(committed),
  position("received_at", "TIMESTAMP", "When the log took it in, UTC, to the millisecond."),
  position("class", "VARCHAR", "Retention class: how long its record is kept."),
  derived("country", "VARCHAR", "ip_address", "Country of the address: ISO 3166-1, two letters."),
  derived("asn", "BIGINT", "ip_address", "Number of the network the address belongs to."),
  derived("as_organization", "VARCHAR", "ip_address", "Who runs that network."),
  derived("browser", "VARCHAR", "user_agent", "Browser that the user agent claims to be."),
  derived("os", "VARCHAR", "user_agent", "Operating system that the user agent claims to run on."),
]

const CORE: readonly string[] = CORE_NAMES

/** Names of the fields that can be withheld: those that were said outside the core of an event. */
export const WITHHOLDABLE: readonly string[] = COLUMNS.filter(
  ({ name, origin }) => origin === "committed" && !CORE.includes(name),
).map(({ name }) => name)

const BY_NAME: ReadonlyMap<string, Column> = new Map(COLUMNS.map((column) => [column.name, column]))

/** Returns the column of this name, in lower case as in {@link COLUMNS}, or `undefined`. */
export function findColumn(name: string): Column | undefined {
  return BY_NAME.get(name)
}

/**
 * Returns the names of the columns that show a withheld field: itself, and those derived from it.
 *
 * @param withheld - names of {@link WITHHOLDABLE}; others are passed over: the core, which all evidence shows, is no
 * secret in SQL either
 */
export function hiddenColumns(withheld: readonly string[]): readonly string[] {
  return COLUMNS.filter(
    (column) =>
      (WITHHOLDABLE.includes(column.name) && withheld.includes(column.name)) ||
      (column.from !== undefined && withheld.includes(column.from)),
  ).map((column) => column.name)
}

function committed(name: string): Column {
  const meaning = SERVER_MEANINGS[name] ?? descriptionOf(name)
  return { name, type: FIELD_TYPES[name] ?? "VARCHAR", meaning, origin: "committed" }
}

function position(name: string, type: string, meaning: string): Column {
  return { name, type, meaning, origin: "position" }
}

function derived(name: string, type: string, from: string, meaning: string): Column {
  return { name, type, meaning, origin: "derived", from }
}

function descriptionOf(name: string): string {
  const meanings: Readonly<Record<string, string>> = FIELD_MEANINGS
  const description = meanings[name]
  if (description === undefined) throw new Error(`bug: the field ${name} has no description`)
  return description
}
