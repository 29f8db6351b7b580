import {
  BIGINT,
  BOOLEAN,
  DOUBLE,
  type DuckDBConnection,
  DuckDBInstance,
  INTEGER,
  LIST,
  VARCHAR,
} from "@duckdb/node-api"
import fc from "fast-check"
import { afterAll, beforeAll, expect, test } from "vitest"
import { CHUNK_ROWS, RowChunk } from "./row-chunk.js"

let instance: DuckDBInstance
let connection: DuckDBConnection

beforeAll(async () => {
  instance = await DuckDBInstance.create(":memory:")
  connection = await instance.connect()
  await connection.run(
    "CREATE TABLE kept (a VARCHAR, b VARCHAR, i INTEGER, l BIGINT, d DOUBLE, y BOOLEAN, s VARCHAR[])",
  )
})

afterAll(() => {
  connection.closeSync()
  instance.closeSync()
})

const columns = [
  { type: VARCHAR, layout: "text" },
  { type: VARCHAR, layout: "text" },
  { type: INTEGER, layout: "int32" },
  { type: BIGINT, layout: "int64" },
  { type: DOUBLE, layout: "double" },
  { type: BOOLEAN, layout: "boolean" },
  { type: LIST(VARCHAR), layout: "list" },
] as const

type Row = [
  string | null,
  string | null,
  number | null,
  number | null,
  number | null,
  boolean | null,
  string[] | null,
]

function addRow(chunk: RowChunk, [a, b, i, l, d, y, s]: Row): void {
  chunk.addRow()
  for (const [column, text] of [a, b].entries()) {
    if (text === null) continue
    // Not at the beginning of its bytes, nor at their end.
    const bytes = Buffer.from(`<${text}>`)
    chunk.setText(column, bytes, 1, bytes.length - 1)
  }
  if (i !== null) chunk.setInt32(2, i)
  if (l !== null) chunk.setInt64(3, l)
  if (d !== null) chunk.setDouble(4, d)
  if (y !== null) chunk.setBoolean(5, y)
  if (s !== null) chunk.setList(6, s)
}

/** Sends chunks of rows through one table, and reads them back. */
async function kept(chunks: readonly (readonly Row[])[]): Promise<unknown[][]> {
  await connection.run("DELETE FROM kept")
  const chunk = new RowChunk(columns)
  const appender = await connection.createAppender("kept")
  for (const rows of chunks) {
    for (const row of rows) addRow(chunk, row)
    expect(chunk.rows).toBe(rows.length)
    appender.appendDataChunk(chunk.take())
    expect(chunk.rows).toBe(0)
  }
  appender.flushSync()
  appender.closeSync()
  return (await connection.runAndReadAll("SELECT * FROM kept ORDER BY rowid")).getRowsJS()
}

const asRead = ([a, b, i, l, d, y, s]: Row) => [a, b, i, l === null ? null : BigInt(l), d, y, s]

/** Around the length of a text that stands in its row, and far beyond. */
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.integer({ min: 0, max: 400 }).map((length) => "äx\u0000".repeat(length).slice(0, length)),
)
const row = fc.tuple(
  fc.option(text),
  fc.option(text),
  fc.option(fc.integer()),
  fc.option(fc.maxSafeInteger()),
  fc.option(fc.double()),
  fc.option(fc.boolean()),
  fc.option(fc.array(text, { maxLength: 3 })),
)

test("rows come back as they were set, and nothing of an earlier chunk with them", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(row, { minLength: 1, maxLength: 9 }), { maxLength: 4 }),
      async (chunks) => {
        expect(await kept(chunks)).toEqual(chunks.flat().map(asRead))
      },
    ),
  )
})

test("full chunks, with more text than there was room for", async () => {
  const rows = Array.from({ length: CHUNK_ROWS }, (_, i): Row => {
    const long = `${i}-`.repeat(1 + (i % 200))
    return [i % 3 === 0 ? null : long, `b${i}`, i % 2 === 0 ? i : null, -i, i / 7, i % 5 === 0, null]
  })
  const few: Row[] = [
    [null, null, null, 1, null, null, null],
    ["short", null, null, null, null, null, ["x", "y".repeat(99)]],
  ]
  expect(await kept([rows, few, rows])).toEqual([...rows, ...few, ...rows].map(asRead))
})
