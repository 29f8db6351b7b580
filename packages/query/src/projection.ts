/**
 * From records to rows: checked bytes in, DuckDB's columns out.
 *
 *     entry   [1, time, class, …]   ─►  received_at, class
 *     record  [1, seed, core, fields] ─►  timestamp, user_id, …   a name that is no column is passed over
 *     enrich(ip_address, user_agent)  ─►  country, asn, …
 *                                            │
 *                       2,048 rows fill a chunk, which goes to the appender
 *
 * Values wait in one array per column. When a chunk goes, only the columns that have a value in it are
 * written: of about 55, a log uses 20. The others go as columns of the type of NULL, which cost nothing, where
 * two thousand NULLs of any other type cost as much as two thousand texts. A chunk is used once: it would keep
 * every text that was ever in it.
 *
 * Spec: docs/spec, "Entry" and "Record and commitment".
 * Trusts what it is given: entries and records were checked by whoever read them from the log.
 */

import {
  BIGINT,
  BOOLEAN,
  DOUBLE,
  DuckDBDataChunk,
  DuckDBTimestampValue,
  type DuckDBType,
  type DuckDBValue,
  INTEGER,
  LIST,
  listValue,
  SQLNULL,
  TIMESTAMP,
  VARCHAR,
} from "@duckdb/node-api"
import type { CborValue } from "@prooflog/event/cbor"
import { CheckedRecordReader } from "@prooflog/event/checked-record"
import { entryTimeMs } from "@prooflog/event/entry"
import { COLUMNS } from "./columns.js"

/** What is made from an event's address and user agent. What is not known is left out. */
export interface Derived {
  /** ISO 3166-1, two letters. */
  readonly country?: string
  readonly asn?: number
  readonly as_organization?: string
  readonly browser?: string
  readonly os?: string
}

export type Enrich = (ip: string | undefined, userAgent: string | undefined) => Derived

/** Rows in a chunk: DuckDB's vector size. */
export const CHUNK_ROWS = 2048

const ENTRY_TYPE_OFFSET = 1
const ENTRY_CLASS_OFFSET = 11
const EVENT_TYPE = 1

/** Types of the columns as chunks carry them. DuckDB keeps JSON as text. */
const CHUNK_TYPES: Readonly<Record<string, DuckDBType>> = {
  BIGINT,
  BOOLEAN,
  DOUBLE,
  INTEGER,
  TIMESTAMP,
  VARCHAR,
  "VARCHAR[]": LIST(VARCHAR),
  JSON: VARCHAR,
}

const TYPES: readonly DuckDBType[] = COLUMNS.map((column) => {
  const type = CHUNK_TYPES[column.type]
  if (type === undefined) throw new Error(`bug: ${column.name} is of a type that no chunk has`)
  return type
})

const COMMITTED = COLUMNS.filter((column) => column.origin === "committed")

/** For each committed column: where it stands among all, and how its value becomes DuckDB's. */
const COMMITTED_PLACES = COMMITTED.map((column) => placeOf(column.name))
const CONVERTERS = COMMITTED.map((column) => converterTo(column.type))

const IP_ADDRESS = COMMITTED.findIndex((column) => column.name === "ip_address")
const USER_AGENT = COMMITTED.findIndex((column) => column.name === "user_agent")

const LEAF_INDEX = placeOf("leaf_index")
const RECEIVED_AT = placeOf("received_at")
const CLASS = placeOf("class")
const COUNTRY = placeOf("country")
const ASN = placeOf("asn")
const AS_ORGANIZATION = placeOf("as_organization")
const BROWSER = placeOf("browser")
const OS = placeOf("os")

function placeOf(name: string): number {
  return COLUMNS.findIndex((column) => column.name === name)
}

/** Leaves of a page, as rows are made of them. */
export interface Leaves {
  readonly firstLeaf: number
  readonly count: number
  readonly entries: Uint8Array
  readonly records: Uint8Array
  readonly leafIndices?: readonly number[]
}

/** Turns leaves into rows, and full chunks of rows over to whoever appends them. */
export class Projection {
  readonly #reader = new CheckedRecordReader(COMMITTED.map((column) => column.name))
  readonly #enrich: Enrich | undefined
  /** Values of the rows that wait, by column. Empty, or with a hole for each row that has none. */
  readonly #waiting: DuckDBValue[][] = COLUMNS.map(() => [])
  /** Columns that have a value among the rows that wait. */
  readonly #filled = new Uint8Array(COLUMNS.length)
  readonly #classes = new Map<string, string>()
  #lastTimeMs = 0
  #lastTime = microseconds(0)
  #rows = 0

  constructor(enrich: Enrich | undefined) {
    this.#enrich = enrich
  }

  /** Rows that wait to become a chunk: fewer than {@link CHUNK_ROWS}. */
  get waitingRows(): number {
    return this.#rows
  }

  /**
   * Reads leaves, and yields a chunk whenever one is full; it must be appended before the next is asked for.
   * What is left over waits for the next leaves, or for {@link takeRest}.
   */
  *chunksOf(leaves: Leaves): Generator<DuckDBDataChunk> {
    const { entries, records, count } = leaves
    this.#reader.load(records, latin1(records))
    let entry = 0
    let record = 0
    for (let i = 0; i < count; i++) {
      const entryStart = entry + 2
      const recordStart = record + 2
      entry = entryStart + lengthAt(entries, entry)
      record = recordStart + lengthAt(records, record)
      if (entry > entries.length || record > records.length) throw new RangeError("leaves: cut short")
      if (record === recordStart || entries[entryStart + ENTRY_TYPE_OFFSET] !== EVENT_TYPE) continue
      this.#addRow(leaves.leafIndices?.[i] ?? leaves.firstLeaf + i, entries, entryStart, recordStart, record)
      if (this.#rows === CHUNK_ROWS) yield this.#takeChunk()
    }
    if (entry !== entries.length || record !== records.length)
      throw new RangeError("leaves: more than `count`")
  }

  /** Returns the rows that wait as a chunk, or `undefined` if none do. */
  takeRest(): DuckDBDataChunk | undefined {
    return this.#rows === 0 ? undefined : this.#takeChunk()
  }

  #addRow(leaf: number, entries: Uint8Array, entry: number, recordStart: number, recordEnd: number): void {
    const row = this.#rows++
    this.#set(row, LEAF_INDEX, BigInt(leaf))
    this.#set(row, RECEIVED_AT, this.#receivedAt(entryTimeMs(entries, entry)))
    this.#set(row, CLASS, this.#classAt(entries, entry + ENTRY_CLASS_OFFSET))
    this.#reader.read(recordStart, recordEnd)
    const values = this.#reader.values
    for (let i = 0; i < values.length; i++) {
      const value = values[i]
      if (value === undefined) continue
      const converted = (CONVERTERS[i] as Converter)(value)
      if (converted !== null) this.#set(row, COMMITTED_PLACES[i] as number, converted)
    }
    if (this.#enrich !== undefined) {
      this.#addDerived(row, this.#enrich(textOf(values[IP_ADDRESS]), textOf(values[USER_AGENT])))
    }
  }

  #addDerived(row: number, derived: Derived): void {
    if (derived.country !== undefined) this.#set(row, COUNTRY, derived.country)
    if (derived.asn !== undefined) this.#set(row, ASN, BigInt(derived.asn))
    if (derived.as_organization !== undefined) this.#set(row, AS_ORGANIZATION, derived.as_organization)
    if (derived.browser !== undefined) this.#set(row, BROWSER, derived.browser)
    if (derived.os !== undefined) this.#set(row, OS, derived.os)
  }

  #set(row: number, column: number, value: DuckDBValue): void {
    const waiting = this.#waiting[column] as DuckDBValue[]
    if (this.#filled[column] === 0) {
      this.#filled[column] = 1
      for (let i = 0; i < CHUNK_ROWS; i++) waiting[i] = null
    }
    waiting[row] = value
  }

  /** Many leaves are received in the same millisecond. */
  #receivedAt(timeMs: number): DuckDBTimestampValue {
    if (this.#lastTimeMs !== timeMs) {
      this.#lastTimeMs = timeMs
      this.#lastTime = microseconds(timeMs * 1000)
    }
    return this.#lastTime
  }

  /** Returns the class at this offset of an entry. There are few: each is made once. */
  #classAt(bytes: Uint8Array, start: number): string {
    const head = bytes[start] as number
    const textStart = head < 0x78 ? start + 1 : start + 2
    const length = head < 0x78 ? head & 0x1f : (bytes[start + 1] as number)
    const name = latin1(bytes.subarray(textStart, textStart + length))
    const known = this.#classes.get(name)
    if (known !== undefined) return known
    if (this.#classes.size >= 1024) this.#classes.clear()
    this.#classes.set(name, name)
    return name
  }

  #takeChunk(): DuckDBDataChunk {
    const rows = this.#rows
    const types = TYPES.map((type, column) => (this.#filled[column] === 1 ? type : SQLNULL))
    const chunk = DuckDBDataChunk.create(types, rows)
    for (let column = 0; column < TYPES.length; column++) {
      if (this.#filled[column] === 0) continue
      const vector = chunk.getColumnVector(column)
      const waiting = this.#waiting[column] as DuckDBValue[]
      for (let row = 0; row < rows; row++) vector.setItem(row, waiting[row] as DuckDBValue)
      vector.flush()
    }
    this.#filled.fill(0)
    this.#rows = 0
    return chunk
  }
}

/** Makes DuckDB's value of a record's; null if the record says something that the column cannot hold. */
type Converter = (value: CborValue) => DuckDBValue

/**
 * Whoever accepted the event checked its types by the schema, and the log keeps what it accepted. But a record
 * proves only that something was said: what is of another type is no value of the column.
 */
function converterTo(type: string): Converter {
  switch (type) {
    case "VARCHAR":
      return (value) => (typeof value === "string" ? value : null)
    case "TIMESTAMP":
      return (value) => (Number.isSafeInteger(value) ? microseconds(value as number) : null)
    case "INTEGER":
      return (value) => (value === ((value as number) | 0) ? (value as number) : null)
    case "BIGINT":
      return (value) => (Number.isSafeInteger(value) ? BigInt(value as number) : null)
    case "DOUBLE":
      return (value) => (typeof value === "number" ? value : null)
    case "BOOLEAN":
      return (value) => (typeof value === "boolean" ? value : null)
    case "VARCHAR[]":
      return (value) =>
        Array.isArray(value) && value.every((item) => typeof item === "string") ? listValue(value) : null
    default:
      return (value) => (value instanceof Uint8Array ? null : JSON.stringify(value))
  }
}

function microseconds(micros: number): DuckDBTimestampValue {
  return new DuckDBTimestampValue(BigInt(micros))
}

function textOf(value: CborValue | undefined): string | undefined {
  return typeof value === "string" ? value : undefined
}

function lengthAt(packed: Uint8Array, at: number): number {
  return (packed[at] as number) * 256 + (packed[at + 1] as number)
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1")
}
