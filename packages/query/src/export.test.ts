import { createHash } from "node:crypto"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DuckDBInstance } from "@duckdb/node-api"
import fc from "fast-check"
import { parquetMetadata, parquetReadObjects } from "hyparquet"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { COLUMNS } from "./columns.js"
import { QueryError } from "./error.js"
import { writeExport } from "./export.js"
import { distinctNames } from "./export-encoder.js"
import { EXPORT_FORMATS, type ExportFormat } from "./export-format.js"
import { GROUP_ROWS } from "./export-parquet.js"
import { parseRowFilter } from "./filter.js"
import { filterSql } from "./filter-sql.js"
import { openTestTable } from "./listing-oracle.js"
import type { JsonValue, OutputColumn, Rows } from "./store.js"

let folder: string
let files = 0

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "export-"))
})

afterAll(() => rmSync(folder, { recursive: true }))

const newPath = () => join(folder, `file-${files++}`)

/** "user_id VARCHAR" … */
function columnsOf(...texts: readonly string[]): OutputColumn[] {
  return texts.map((text) => {
    const [name = "", ...type] = text.split(" ")
    return { name, type: type.join(" ") }
  })
}

interface CountedRows extends Rows {
  closed: boolean
}

function rowsOf(
  columns: readonly OutputColumn[],
  values: readonly (readonly JsonValue[])[],
  failAfter?: number,
): CountedRows {
  async function* batches() {
    for (let at = 0; at < values.length; at += 3) {
      if (failAfter !== undefined && at >= failAfter) throw new QueryError("QUERY_INTERRUPTED", "interrupted")
      yield values.slice(at, at + 3)
    }
  }
  const rows = {
    columns,
    through: 77,
    batches: batches(),
    closed: false,
    close: async () => {
      rows.closed = true
    },
  }
  return rows
}

async function exported(
  format: ExportFormat,
  columns: readonly OutputColumn[],
  values: readonly (readonly JsonValue[])[],
) {
  const path = newPath()
  const done = await writeExport(rowsOf(columns, values), format, path, {
    origin: "log.example",
    logId: "ab",
  })
  const bytes = readFileSync(path)
  expect(done).toEqual({
    rows: values.length,
    bytes: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    through: 77,
  })
  return { path, text: () => bytes.toString("utf8") }
}

/** One row of SELECT *, all NULL but for these. */
function wholeRow(said: Readonly<Record<string, JsonValue>>): JsonValue[] {
  return COLUMNS.map(({ name }) => said[name] ?? null)
}

describe("writeExport", () => {
  it.each(EXPORT_FORMATS)("writes an answer without rows as %s", async (format) => {
    await exported(format, COLUMNS, [])
  })

  it.each(EXPORT_FORMATS)(
    "removes a %s file that could not be finished, and closes the answer",
    async (format) => {
      const path = newPath()
      const row = wholeRow({
        leaf_index: 1,
        timestamp: "2023-10-01T00:00:00.000000Z",
        received_at: "2023-10-01T00:00:00.000000Z",
      })
      const rows = rowsOf(
        COLUMNS,
        Array.from({ length: 9 }, () => row),
        6,
      )
      await expect(writeExport(rows, format, path)).rejects.toMatchObject({ code: "QUERY_INTERRUPTED" })
      expect(readdirSync(folder)).not.toContain(path.split("/").at(-1))
      expect(rows.closed).toBe(true)
    },
  )

  it("touches no file that was there before", async () => {
    const path = newPath()
    writeFileSync(path, "precious")
    const rows = rowsOf(columnsOf("a INTEGER"), [[1]])
    await expect(writeExport(rows, "csv", path)).rejects.toMatchObject({ code: "QUERY_FAILED" })
    expect(readFileSync(path, "utf8")).toBe("precious")
    expect(rows.closed).toBe(true)
  })

  it("says what the disk said, but not where", async () => {
    const rows = rowsOf(columnsOf("a INTEGER"), [[1]])
    const failure = await writeExport(rows, "csv", join(folder, "nowhere", "file")).catch(
      (error: Error) => error,
    )
    expect(failure).toMatchObject({
      code: "QUERY_FAILED",
      message: "the export could not be written (ENOENT)",
    })
  })

  it("writes files larger than what it gathers", async () => {
    const long = "x".repeat(700_000)
    const { text } = await exported(
      "ndjson",
      columnsOf("a VARCHAR"),
      Array.from({ length: 7 }, () => [long]),
    )
    expect(text()).toBe(`{"a":"${long}"}\n`.repeat(7))
  })
})

describe("an export of a filter", () => {
  it.each(EXPORT_FORMATS)("has each row of it once, in the order of the log, as %s", async (format) => {
    const table = await openTestTable()
    const rows = Array.from({ length: 5000 }, (_, leaf) => ({
      leaf_index: leaf * 2,
      user_id: `U${leaf % 3}`,
      tags: leaf % 2 === 0 ? ["a", "b"] : null,
      attributes: leaf % 5 === 0 ? { deep: [leaf] } : null,
      duration_ms: leaf / 4,
    }))
    await table.insert(rows)
    const path = newPath()
    const question = filterSql(parseRowFilter(new URLSearchParams("user_id=U1")))
    const done = await writeExport(await table.run(question), format, path)
    await table.close()
    const wanted = rows.filter((row) => row.user_id === "U1").map((row) => row.leaf_index)
    expect(done).toMatchObject({ rows: wanted.length, through: 9999 })
    expect(await leavesOf(format, path)).toEqual(wanted)
  })
})

/** Reads the leaf indices back. */
async function leavesOf(format: ExportFormat, path: string): Promise<number[]> {
  const file = readFileSync(path)
  const lines = () => file.toString().trimEnd().split(/\r?\n/)
  switch (format) {
    case "csv":
      return parseCsv(file.toString())
        .slice(1)
        .map(([leaf]) => Number(leaf))
    case "ndjson":
      return lines().map((line) => JSON.parse(line).leaf_index)
    case "ocsf":
      return lines().map((line) => JSON.parse(line).metadata.sequence)
    case "parquet": {
      const rows = await parquetReadObjects({ file: new Uint8Array(file).buffer })
      return rows.map(({ leaf_index }) => Number(leaf_index))
    }
  }
}

describe("distinctNames", () => {
  it("gives each column a name of its own", () => {
    const names = (...texts: string[]) => distinctNames(texts.map((name) => ({ name, type: "" })))
    expect(names("a", "b", "a", "a")).toEqual(["a", "b", "a_2", "a_3"])
    expect(names("a", "a", "a_2")).toEqual(["a", "a_3", "a_2"])
  })
})

describe("CSV", () => {
  it.each(["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"])(
    "defuses a text that begins like %j",
    async (value) => {
      const { text } = await exported("csv", columnsOf("a VARCHAR"), [[value]])
      expect(parseCsv(text())).toEqual([["a"], [`'${value}`]])
    },
  )

  it.each(["x\ny", "x\ry", "x\r\ny", 'x"y', "x,y"])(
    "quotes %j, which could pass for another row or cell",
    async (value) => {
      const { text } = await exported("csv", columnsOf("a VARCHAR"), [[value]])
      expect(text()).toBe(`a\r\n"${value.replace('"', '""')}"\r\n`)
    },
  )

  it("leaves numbers alone, large ones too, and lists and JSON as JSON text", async () => {
    const { text } = await exported(
      "csv",
      columnsOf(
        "a INTEGER",
        "b BIGINT",
        "c DECIMAL(9,2)",
        "d DOUBLE",
        "e BOOLEAN",
        "f VARCHAR[]",
        "g JSON",
        "h VARCHAR",
        "i VARCHAR",
      ),
      [[-5, "-9223372036854775808", "-1.50", "-Infinity", false, ["=a", 'b"'], { k: [1, "x"] }, "", null]],
    )
    expect(text()).toBe(
      "a,b,c,d,e,f,g,h,i\r\n" +
        `-5,-9223372036854775808,-1.50,'-Infinity,false,"[""=a"",""b\\""""]","{""k"":[1,""x""]}","",\r\n`,
    )
  })

  it("defuses a header, which whoever asks may name", async () => {
    const { text } = await exported("csv", [{ name: "=cmd()", type: "INTEGER" }], [[1]])
    expect(text()).toBe("'=cmd()\r\n1\r\n")
  })

  it("can be read back", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.array(fc.string({ unit: fc.constantFrom("a", '"', ",", "\r", "\n", "=", "é", " ") }), {
            minLength: 3,
            maxLength: 3,
          }),
          { maxLength: 8 },
        ),
        async (values) => {
          const { text } = await exported("csv", columnsOf("a VARCHAR", "b VARCHAR", "c VARCHAR"), values)
          const defused = values.map((row) =>
            row.map((value) => (/^[=\r\n]/.test(value) ? `'${value}` : value)),
          )
          expect(parseCsv(text())).toEqual([["a", "b", "c"], ...defused])
        },
      ),
      { numRuns: 60 },
    )
  })
})

describe("NDJSON", () => {
  it("writes one object a line, without what is NULL", async () => {
    const { text } = await exported(
      "ndjson",
      columnsOf("a INTEGER", "a VARCHAR", "__proto__ VARCHAR", "t VARCHAR[]"),
      [
        [1, null, "x", ["\n"]],
        [null, null, null, null],
      ],
    )
    expect(text()).toBe('{"a":1,"__proto__":"x","t":["\\n"]}\n{}\n')
  })
})

describe("Parquet", () => {
  const columns = columnsOf(
    "bool BOOLEAN",
    "small SMALLINT",
    "big BIGINT",
    "huge HUGEINT",
    "dec DECIMAL(9,2)",
    "dbl DOUBLE",
    "day DATE",
    "happened TIMESTAMP",
    "text VARCHAR",
    "tags VARCHAR[]",
    "doc JSON",
    "pair STRUCT(a INTEGER, b VARCHAR)",
    "nums INTEGER[]",
    "bytes BLOB",
    "span INTERVAL",
    "text VARCHAR",
  )
  const values: JsonValue[][] = [
    [
      true,
      -3,
      "9223372036854775807",
      "-170141183460469231",
      "-1.50",
      "NaN",
      "2023-10-21",
      "2023-10-21T15:32:00.123456Z",
      "é\u0000x",
      ["a", "b"],
      { k: [1, null] },
      { a: 1, b: "x" },
      [1, 2],
      "AAH/",
      "1 day",
      "second",
    ],
    columns.map(() => null),
    [
      false,
      7,
      -5,
      12,
      "7",
      -0.5,
      "1969-12-31",
      "1969-12-31T23:59:59.999999Z",
      "",
      [],
      [],
      { a: null, b: null },
      [],
      "",
      "00:00:01",
      "",
    ],
  ]

  it("is read by DuckDB with the types and values it was written with", async () => {
    const { path } = await exported("parquet", columns, values)
    const connection = await (await DuckDBInstance.create(":memory:")).connect()
    const types = await connection.runAndReadAll(`DESCRIBE SELECT * FROM read_parquet('${path}')`)
    expect(Object.fromEntries(types.getRows().map(([name, type]) => [String(name), String(type)]))).toEqual({
      bool: "BOOLEAN",
      small: "INTEGER",
      big: "BIGINT",
      huge: "DECIMAL(38,0)",
      dec: "DECIMAL(9,2)",
      dbl: "DOUBLE",
      day: "DATE",
      happened: "TIMESTAMP WITH TIME ZONE",
      text: "VARCHAR",
      tags: "VARCHAR[]",
      doc: "JSON",
      pair: "JSON",
      nums: "JSON",
      bytes: "BLOB",
      span: "VARCHAR",
      text_2: "VARCHAR",
    })
    const read = await connection.runAndReadAll(
      `SELECT * REPLACE (epoch_us(happened) AS happened, hex(bytes) AS bytes) FROM read_parquet('${path}')`,
    )
    expect(read.getRowsJson()).toEqual([
      [
        true,
        -3,
        "9223372036854775807",
        "-170141183460469231",
        "-1.50",
        "NaN",
        "2023-10-21",
        "1697902320123456",
        "é\u0000x",
        ["a", "b"],
        '{"k":[1,null]}',
        '{"a":1,"b":"x"}',
        "[1,2]",
        "0001FF",
        "1 day",
        "second",
      ],
      columns.map(() => null),
      [
        false,
        7,
        "-5",
        "12",
        "7.00",
        -0.5,
        "1969-12-31",
        "-1",
        "",
        [],
        "[]",
        '{"a":null,"b":null}',
        "[]",
        "",
        "00:00:01",
        "",
      ],
    ])
    const metadata = await connection.runAndReadAll(
      `SELECT decode(key), decode(value) FROM parquet_kv_metadata('${path}') ORDER BY 1`,
    )
    expect(metadata.getRows()).toEqual([
      ["prooflog.log_id", "ab"],
      ["prooflog.origin", "log.example"],
      ["prooflog.through", "77"],
    ])
    connection.closeSync()
  })

  it("is read by hyparquet, row group by row group", async () => {
    const count = GROUP_ROWS * 2 + 5
    const { path } = await exported(
      "parquet",
      columnsOf("leaf_index BIGINT", "user_id VARCHAR", "tags VARCHAR[]"),
      Array.from({ length: count }, (_, at) => [
        at,
        at % 3 === 0 ? null : `U${at % 100}`,
        at % 2 === 0 ? null : [`t${at % 7}`],
      ]),
    )
    const buffer = new Uint8Array(readFileSync(path)).buffer
    expect(parquetMetadata(buffer).row_groups.map(({ num_rows }) => Number(num_rows))).toEqual([
      GROUP_ROWS,
      GROUP_ROWS,
      5,
    ])
    const rows = await parquetReadObjects({ file: buffer })
    expect(rows).toHaveLength(count)
    expect(rows.every(({ leaf_index }, at) => leaf_index === BigInt(at))).toBe(true)
    expect(rows[3]).toEqual({ leaf_index: 3n, user_id: null, tags: ["t3"] })
    expect(rows[4]).toEqual({ leaf_index: 4n, user_id: "U4", tags: undefined })
  })

  it.each([
    ["DATE", "infinity"],
    ["TIMESTAMP", "infinity"],
    ["TIMESTAMP", "0044-03-15 (BC) 00:00:00"],
    ["HUGEINT", "100000000000000000000000000000000000000"],
  ])("refuses a %s that is %s, and names the column", async (type, value) => {
    await expect(
      writeExport(rowsOf(columnsOf(`odd ${type}`), [[value]]), "parquet", newPath()),
    ).rejects.toMatchObject({ code: "QUERY_FAILED", hint: "cast the column to VARCHAR" })
  })
})

/** RFC 4180, character by character. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  let field = ""
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at] as string
    if (quoted) {
      if (character !== '"') field += character
      else if (text[at + 1] === '"') field += text[++at]
      else quoted = false
    } else if (character === '"') quoted = true
    else if (character === ",") {
      row.push(field)
      field = ""
    } else if (text.startsWith("\r\n", at)) {
      rows.push([...row, field])
      row = []
      field = ""
      at++
    } else field += character
  }
  expect([quoted, row, field]).toEqual([false, [], ""])
  return rows
}
