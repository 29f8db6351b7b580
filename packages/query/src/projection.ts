/**
 * From records to rows: checked bytes in, DuckDB's columns out.
 *
 *     entry   [1, time, class, …]   ─►  received_at, class
 *     record  [1, seed, core, fields] ─►  timestamp, user_id, …   a name that is no column is passed over
 *     enrich(ip_address, user_agent)  ─►  country, asn, …
 *                                            │
 *                       2,048 rows fill a chunk, which goes to the appender
 *
 * Texts go from the record to the chunk as the bytes they are; strings are made only of what is enriched.
 *
 * Spec: docs/spec, "Entry" and "Record and commitment".
 * Trusts what it is given: entries and records were checked by whoever read them from the log.
 */

import {
  BIGINT,
  BLOB,
  BOOLEAN,
  DOUBLE,
  type DuckDBDataChunk,
  type DuckDBType,
  INTEGER,
  LIST,
  TIMESTAMP,
  VARCHAR,
} from "@duckdb/node-api"
import { CheckedRecordReader, FLOAT, TEXT, UNSIGNED } from "@prooflog/event/checked-record"
import { entryTimeMs } from "@prooflog/event/entry"
import { COLUMNS } from "./columns.js"
import { type Derived, DerivedColumns } from "./derived-columns.js"
import { CHUNK_ROWS, type Layout, RowChunk } from "./row-chunk.js"

/** Each is asked about by itself: a call has one of the two. */
export type Enrich = (ip: string | undefined, userAgent: string | undefined) => Derived

const ENTRY_TYPE_OFFSET = 1
const ENTRY_CLASS_OFFSET = 11
const EVENT_TYPE = 1

/** What chunks carry for each type of a column. DuckDB keeps JSON as text. */
const CARRIED: Readonly<Record<string, { readonly type: DuckDBType; readonly layout: Layout }>> = {
  BIGINT: { type: BIGINT, layout: "int64" },
  BOOLEAN: { type: BOOLEAN, layout: "boolean" },
  DOUBLE: { type: DOUBLE, layout: "double" },
  INTEGER: { type: INTEGER, layout: "int32" },
  TIMESTAMP: { type: TIMESTAMP, layout: "int64" },
  VARCHAR: { type: VARCHAR, layout: "text" },
  "VARCHAR[]": { type: LIST(VARCHAR), layout: "list" },
  JSON: { type: VARCHAR, layout: "text" },
}

const CHUNK_COLUMNS = COLUMNS.map(({ name, type }) => {
  const carried = CARRIED[type]
  if (carried === undefined) throw new Error(`bug: ${name} is of a type that no chunk has`)
  return carried
})

/** The record itself, for whoever wants it behind the columns. */
const RECORD = COLUMNS.length
const RECORD_COLUMN = { type: BLOB, layout: "text" } as const

const COMMITTED = COLUMNS.filter((column) => column.origin === "committed")

/** For each committed column: where it stands among all, and how its value gets there. */
const COMMITTED_PLACES = COMMITTED.map((column) => placeOf(column.name))
const SETTERS = COMMITTED.map((column) => setterOf(column.type))

const IP_ADDRESS = COMMITTED.findIndex((column) => column.name === "ip_address")
const USER_AGENT = COMMITTED.findIndex((column) => column.name === "user_agent")

const LEAF_INDEX = placeOf("leaf_index")
const RECEIVED_AT = placeOf("received_at")
const CLASS = placeOf("class")

function placeOf(name: string): number {
  return COLUMNS.findIndex((column) => column.name === name)
}

/** Rows on their way, and the leaf after the last of them. */
export interface Chunk {
  readonly rows: DuckDBDataChunk
  readonly nextLeaf: number
}

/** Leaves of a page, as rows are made of them. */
export interface Leaves {
  readonly firstLeaf: number
  readonly count: number
  readonly entries: Uint8Array
  readonly records: Uint8Array
  readonly leafIndices?: readonly number[]
}

const nothing: Enrich = () => ({})

/** Turns leaves into rows, and full chunks of rows over to whoever appends them. */
export class Projection {
  readonly #reader = new CheckedRecordReader(COMMITTED.map((column) => column.name))
  readonly #chunk: RowChunk
  readonly #keepsRecords: boolean
  readonly #derives: boolean
  readonly #ofAddress: DerivedColumns
  readonly #ofAgent: DerivedColumns

  /** @param keepsRecords - whether a BLOB stands behind the columns: the record */
  constructor(enrich: Enrich = nothing, keepsRecords = false) {
    this.#keepsRecords = keepsRecords
    this.#derives = enrich !== nothing
    this.#chunk = new RowChunk(keepsRecords ? [...CHUNK_COLUMNS, RECORD_COLUMN] : CHUNK_COLUMNS)
    this.#ofAddress = new DerivedColumns((ip) => enrich(ip, undefined))
    this.#ofAgent = new DerivedColumns((userAgent) => enrich(undefined, userAgent))
  }

  /** Names of the columns in which any row of the chunks handed out so far has a value, in the order of `COLUMNS`. */
  filledColumns(): readonly string[] {
    return COLUMNS.filter((_, i) => this.#chunk.filled[i]).map(({ name }) => name)
  }

  /**
   * Reads leaves, and yields a chunk whenever one is full; it must be appended before the next is asked for.
   * What is left over waits for the next leaves, or for {@link takeRest}.
   *
   * @param from - leaves before it are passed over
   * @param room - how many rows a chunk may have just now, if fewer than {@link CHUNK_ROWS}: ≥ 1
   */
  *chunksOf(leaves: Leaves, from: number, room: () => number): Generator<Chunk> {
    const { entries, records, count } = leaves
    const texts = Buffer.from(records.buffer, records.byteOffset, records.byteLength)
    let entry = 0
    let record = 0
    for (let i = 0; i < count; i++) {
      const entryStart = entry + 2
      const recordStart = record + 2
      entry = entryStart + lengthAt(entries, entry)
      record = recordStart + lengthAt(records, record)
      if (entry > entries.length || record > records.length) throw new RangeError("leaves: cut short")
      const leaf = leaves.leafIndices?.[i] ?? leaves.firstLeaf + i
      if (leaf < from) continue
      if (record === recordStart || entries[entryStart + ENTRY_TYPE_OFFSET] !== EVENT_TYPE) continue
      this.#addRow(leaf, entries, entryStart)
      this.#reader.read(records, recordStart, record)
      this.#addCommitted(records)
      if (this.#derives) this.#addDerived(texts)
      if (this.#keepsRecords) this.#chunk.setText(RECORD, records, recordStart, record)
      if (this.#chunk.rows >= Math.min(CHUNK_ROWS, room())) {
        yield { rows: this.#chunk.take(), nextLeaf: leaf + 1 }
      }
    }
    if (entry !== entries.length || record !== records.length)
      throw new RangeError("leaves: more than `count`")
  }

  /** Returns the rows that wait as a chunk, or `undefined` if none do. */
  takeRest(): DuckDBDataChunk | undefined {
    return this.#chunk.rows === 0 ? undefined : this.#chunk.take()
  }

  #addRow(leaf: number, entries: Uint8Array, entry: number): void {
    this.#chunk.addRow()
    this.#chunk.setInt64(LEAF_INDEX, leaf)
    this.#chunk.setInt64(RECEIVED_AT, entryTimeMs(entries, entry) * 1000)
    const head = entries[entry + ENTRY_CLASS_OFFSET] as number
    const name = entry + ENTRY_CLASS_OFFSET + (head < 0x78 ? 1 : 2)
    const length = head < 0x78 ? head & 0x1f : (entries[name - 1] as number)
    this.#chunk.setText(CLASS, entries, name, name + length)
  }

  #addCommitted(records: Uint8Array): void {
    const { kinds } = this.#reader
    for (let i = 0; i < kinds.length; i++) {
      if (kinds[i] === 0) continue
      const set = SETTERS[i] as Setter
      set(this.#chunk, COMMITTED_PLACES[i] as number, this.#reader, i, records)
    }
  }

  #addDerived(texts: Buffer): void {
    const { kinds, starts, ends } = this.#reader
    const ip = IP_ADDRESS
    const agent = USER_AGENT
    if (kinds[ip] === TEXT) this.#ofAddress.set(this.#chunk, texts, starts[ip] as number, ends[ip] as number)
    if (kinds[agent] === TEXT) {
      this.#ofAgent.set(this.#chunk, texts, starts[agent] as number, ends[agent] as number)
    }
  }
}

/** Sets a column to a value of the record that was read last; leaves it NULL if it cannot hold that value. */
type Setter = (
  chunk: RowChunk,
  column: number,
  reader: CheckedRecordReader,
  index: number,
  records: Uint8Array,
) => void

/**
 * Whoever accepted the event checked its types by the schema, and the log keeps what it accepted. But a record
 * proves only that something was said: what is of another type is no value of the column.
 */
function setterOf(type: string): Setter {
  switch (type) {
    case "VARCHAR":
      return (chunk, column, { kinds, starts, ends }, index, records) => {
        if (kinds[index] !== TEXT) return
        chunk.setText(column, records, starts[index] as number, ends[index] as number)
      }
    case "TIMESTAMP":
    case "BIGINT":
      return (chunk, column, reader, index) => {
        const value = numberOf(reader, index)
        if (Number.isSafeInteger(value)) chunk.setInt64(column, value as number)
      }
    case "INTEGER":
      return (chunk, column, reader, index) => {
        const value = numberOf(reader, index)
        if (value !== undefined && value === (value | 0)) chunk.setInt32(column, value)
      }
    case "DOUBLE":
      return (chunk, column, reader, index) => {
        const value = numberOf(reader, index)
        if (value !== undefined) chunk.setDouble(column, value)
      }
    case "BOOLEAN":
      return (chunk, column, reader, index) => {
        const value = reader.valueOf(index)
        if (typeof value === "boolean") chunk.setBoolean(column, value)
      }
    case "VARCHAR[]":
      return (chunk, column, reader, index) => {
        const value = reader.valueOf(index)
        if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) return
        chunk.setList(column, value as string[])
      }
    default:
      return (chunk, column, reader, index) => {
        const value = reader.valueOf(index)
        if (value instanceof Uint8Array) return
        const json = Buffer.from(JSON.stringify(value))
        chunk.setText(column, json, 0, json.length)
      }
  }
}

function numberOf(reader: CheckedRecordReader, index: number): number | undefined {
  const kind = reader.kinds[index]
  if (kind === UNSIGNED || kind === FLOAT) return reader.numbers[index]
  const value = reader.valueOf(index)
  return typeof value === "number" ? value : undefined
}

function lengthAt(packed: Uint8Array, at: number): number {
  return (packed[at] as number) * 256 + (packed[at + 1] as number)
}
