/**
 * Rows as Parquet, each column of the type nearest to DuckDB's.
 *
 *     BOOLEAN                      BOOLEAN
 *     TINYINT … INTEGER            INT32
 *     UINTEGER, BIGINT             INT64
 *     DECIMAL, HUGEINT, UBIGINT    DECIMAL in 16 bytes, exact
 *     FLOAT, DOUBLE                DOUBLE
 *     DATE; TIMESTAMP              DATE; TIMESTAMP in microseconds, UTC
 *     VARCHAR[]                    LIST of text
 *     JSON, other lists, STRUCT    JSON
 *     BLOB                         bytes
 *     everything else              text, as DuckDB writes it
 *
 * Rows are gathered into row groups; a group is closed when it has {@link GROUP_ROWS} rows or about
 * {@link GROUP_TEXT} characters. Compressed with Snappy.
 *
 * Pure.
 */

import { ByteWriter, ParquetWriter, type SchemaElement } from "hyparquet-writer"
import { QueryError } from "./error.js"
import { distinctNames, type Encoder, type ExportSource, NO_BYTES } from "./export-encoder.js"
import type { JsonValue, OutputColumn } from "./store.js"

/** Rows of a row group, and so the rows that are in memory. */
export const GROUP_ROWS = 16_384

/** Characters of text after which a row group is closed, whatever its rows. */
const GROUP_TEXT = 16 * 1024 * 1024

/** One column: how it is declared, and what its values become. */
interface ParquetColumn {
  readonly name: string
  readonly schema: readonly SchemaElement[]
  readonly convert: (value: NonNullable<JsonValue>) => unknown
}

/** Returns the encoder of Parquet. */
export function parquetEncoder(columns: readonly OutputColumn[], source: ExportSource): Encoder {
  const names = distinctNames(columns)
  const typed = columns.map(({ type }, at) => parquetColumn(names[at] as string, type))
  const writer = new ByteWriter(1024 * 1024)
  const parquet = new ParquetWriter({
    writer,
    schema: [{ name: "root", num_children: typed.length }, ...typed.flatMap(({ schema }) => schema)],
    kvMetadata: sourceMetadata(source),
    createdBy: "prooflog",
  })
  let values: unknown[][] = typed.map(() => [])
  let text = 0
  const closeGroup = () => {
    parquet.write({
      columnData: typed.map(({ name }, at) => ({ name, data: values[at] as unknown[], offsetIndex: false })),
      rowGroupSize: GROUP_ROWS,
    })
    values = typed.map(() => [])
    text = 0
  }
  return {
    begin: () => taken(writer),
    encode: (rows) => {
      for (const row of rows) {
        for (const [at, column] of typed.entries()) {
          const value = row[at] ?? null
          if (typeof value === "string") text += value.length
          else if (typeof value === "object" && value !== null) text += 64
          values[at]?.push(value === null ? null : column.convert(value))
        }
        if ((values[0]?.length ?? 0) >= GROUP_ROWS || text >= GROUP_TEXT) closeGroup()
      }
      return taken(writer)
    },
    end: () => {
      if ((values[0]?.length ?? 0) > 0) closeGroup()
      parquet.finish()
      return taken(writer)
    },
  }
}

/** Returns what was written since it was last asked, and lets the writer use its memory anew. */
function taken(writer: ByteWriter): Uint8Array {
  if (writer.index === 0) return NO_BYTES
  const bytes = writer.getBytes().slice()
  writer.index = 0
  return bytes
}

function sourceMetadata({ through, origin, logId }: ExportSource): { key: string; value: string }[] {
  return [
    { key: "prooflog.through", value: String(through) },
    ...(origin === undefined ? [] : [{ key: "prooflog.origin", value: origin }]),
    ...(logId === undefined ? [] : [{ key: "prooflog.log_id", value: logId }]),
  ]
}

function parquetColumn(name: string, type: string): ParquetColumn {
  const simple = (
    element: Omit<SchemaElement, "name">,
    convert: ParquetColumn["convert"],
  ): ParquetColumn => ({
    name,
    schema: [{ name, repetition_type: "OPTIONAL", ...element }],
    convert,
  })
  const [, precision, scale] = /^DECIMAL\((\d+),(\d+)\)$/.exec(type) ?? []
  if (precision !== undefined) return decimal(name, Number(precision), Number(scale))
  switch (type) {
    case "BOOLEAN":
      return simple({ type: "BOOLEAN" }, same)
    case "TINYINT":
    case "SMALLINT":
    case "INTEGER":
    case "UTINYINT":
    case "USMALLINT":
      return simple({ type: "INT32" }, same)
    case "UINTEGER":
    case "BIGINT":
      return simple({ type: "INT64" }, (value) => BigInt(value as number | string))
    case "UBIGINT":
    case "HUGEINT":
    case "UHUGEINT":
      return decimal(name, 38, 0)
    case "FLOAT":
    case "DOUBLE":
      return simple({ type: "DOUBLE" }, Number)
    case "DATE":
      return simple({ type: "INT32", converted_type: "DATE" }, (value) => daysOf(name, value))
    case "TIMESTAMP":
    case "TIMESTAMP_S":
    case "TIMESTAMP_MS":
    case "TIMESTAMP WITH TIME ZONE":
      return simple(
        { type: "INT64", logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MICROS" } },
        (value) => microsecondsOf(name, value),
      )
    case "VARCHAR[]":
      return { name, schema: listOfText(name), convert: same }
    case "BLOB":
      return simple({ type: "BYTE_ARRAY" }, (value) => new Uint8Array(Buffer.from(String(value), "base64")))
  }
  if (type === "JSON" || /^(?:STRUCT|MAP|UNION)\(|\]$/.test(type)) {
    return simple({ type: "BYTE_ARRAY", converted_type: "JSON" }, same)
  }
  return simple({ type: "BYTE_ARRAY", converted_type: "UTF8" }, (value) =>
    typeof value === "string" ? value : JSON.stringify(value),
  )
}

function listOfText(name: string): readonly SchemaElement[] {
  return [
    { name, repetition_type: "OPTIONAL", converted_type: "LIST", num_children: 1 },
    { name: "list", repetition_type: "REPEATED", num_children: 1 },
    { name: "element", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" },
  ]
}

function decimal(name: string, precision: number, scale: number): ParquetColumn {
  const limit = 10n ** BigInt(precision)
  return {
    name,
    schema: [
      {
        name,
        repetition_type: "OPTIONAL",
        type: "FIXED_LEN_BYTE_ARRAY",
        type_length: 16,
        converted_type: "DECIMAL",
        precision,
        scale,
      },
    ],
    convert: (value) => {
      const [, sign, whole = "", fraction = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(String(value)) ?? []
      const unscaled = BigInt(`${whole}${fraction.padEnd(scale, "0")}` || "0") * (sign === "-" ? -1n : 1n)
      if (whole === "" || fraction.length > scale || unscaled >= limit || unscaled <= -limit)
        throw unfit(name)
      return unscaled
    },
  }
}

function daysOf(name: string, value: JsonValue): number {
  const time = /^\d{4}-\d\d-\d\d$/.test(String(value)) ? Date.parse(`${String(value)}T00:00:00Z`) : Number.NaN
  if (Number.isNaN(time)) throw unfit(name)
  return time / 86_400_000
}

/** 2023-10-21T15:32:00.123456Z → 1697902320123456n. */
function microsecondsOf(name: string, value: JsonValue): bigint {
  const [, seconds, micros] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{6})Z$/.exec(String(value)) ?? []
  const time = seconds === undefined ? Number.NaN : Date.parse(`${seconds}Z`)
  if (Number.isNaN(time)) throw unfit(name)
  return BigInt(time) * 1000n + BigInt(micros as string)
}

function same(value: NonNullable<JsonValue>): unknown {
  return value
}

/** The error for a value that its type in Parquet cannot hold: infinity, a year before 1. */
function unfit(name: string): QueryError {
  return new QueryError(
    "QUERY_FAILED",
    `a value of the column ${JSON.stringify(name.slice(0, 80))} is one that Parquet cannot hold`,
    { hint: "cast the column to VARCHAR" },
  )
}
