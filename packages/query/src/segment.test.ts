import { createHash } from "node:crypto"
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DuckDBInstance } from "@duckdb/node-api"
import { encodeEventEntry, stampEntryTime } from "@prooflog/event/entry"
import { openRecord, sealRecord } from "@prooflog/event/record"
import { decompress } from "fzstd"
import { type AsyncBuffer, asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { COLUMNS } from "./columns.js"
import { QueryError } from "./error.js"
import { eventLeaf, type Leaf, pageOf, rowsOf, START_MS } from "./sample-log.js"
import { readRecords, readSegment, type SegmentPage, type SegmentRecord, writeSegment } from "./segment.js"
import { openSegmentDatabase } from "./segment-database.js"
import { openQueryStore } from "./store.js"

let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "segment-"))
})

afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** A leaf of a month's class: every third of the log. */
const leafOf = (i: number) => 7 + 3 * i

function segmentPage(leaves: readonly Leaf[], leafIndices: readonly number[]): SegmentPage {
  const { entries, records } = pageOf(leaves, 0)
  return { leafIndices, entries, records }
}

/** An event of which every column is NULL but those that an entry fills. */
function emptyLeaf(leaf: number): Leaf {
  const said = openRecord(eventLeaf(leaf).record)
  // No column can hold these values.
  const unfit = ([name]: readonly [string, unknown]) => [name, name === "timestamp" ? "never" : 7] as const
  const normal = { core: said.core.map(unfit), fields: said.fields.map(unfit) }
  const { record, commitment } = sealRecord(normal, new Uint8Array(32).fill(leaf & 255))
  const entry = encodeEventEntry("routine", commitment)
  stampEntryTime(entry, 0, START_MS + leaf)
  return { entry, record }
}

/** 64 KiB of attributes, less what stands around them. */
const large = (leaf: number) =>
  eventLeaf(leaf, { attributes: { big: `${leaf}`.padStart(64, "x").repeat(1016) } })

function oddLeaf(i: number): Leaf {
  const leaf = leafOf(i)
  if (i % 5_003 === 1) return emptyLeaf(leaf)
  if (i % 40_009 === 2) return large(leaf)
  if (i % 7 === 3) return eventLeaf(leaf, { user_id: "ä\u0000\uFEFF", tags: ["a", ""], raw: "\uFEFFx" })
  return eventLeaf(leaf, i % 3 === 0 ? { ip_address: "10.0.0.1", user_agent: "Firefox/120" } : {})
}

const ROWS = 140_000
const PAGE = 1_000
const SMALL = 3_000

/** Pages of odd leaves, and the hash of each record on the way. */
function* oddPages(rows: number, hashes: string[] = []): Generator<SegmentPage> {
  for (let at = 0; at < rows; at += PAGE) {
    const leaves = Array.from({ length: PAGE }, (_, i) => oddLeaf(at + i))
    for (const { record } of leaves) hashes.push(hashOf(record))
    yield segmentPage(
      leaves,
      leaves.map((_, i) => leafOf(at + i)),
    )
  }
}

const hashOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

async function allOf(path: string, from?: number, to?: number): Promise<SegmentRecord[]> {
  const all: SegmentRecord[] = []
  for await (const records of readSegment(path, from, to)) all.push(...records)
  return all
}

/** Parquet as another implementation reads it. */
const readByAnother = (file: AsyncBuffer, rowStart: number, rowEnd: number) =>
  parquetReadObjects({
    file,
    rowStart,
    rowEnd,
    utf8: false,
    compressors: { ZSTD: (input, length) => decompress(input, new Uint8Array(length)) },
  })

describe("a segment of many odd rows", () => {
  let path: string
  const hashes: string[] = []
  let written: Awaited<ReturnType<typeof writeSegment>>

  beforeAll(async () => {
    path = join(directory, "odd.parquet")
    const enrich = (ip: string | undefined) =>
      ip === undefined ? { os: "Linux" } : { country: "DE", asn: 5 }
    written = await writeSegment({ path, pages: oddPages(ROWS, hashes), enrich })
  })

  test("is told in full, and only its owner may read it", () => {
    const bytes = readFileSync(path)
    expect(written).toEqual({
      rows: ROWS,
      bytes: bytes.length,
      sha256: hashOf(bytes),
      firstLeaf: leafOf(0),
      lastLeaf: leafOf(ROWS - 1),
      firstTimeMs: START_MS + leafOf(0),
      lastTimeMs: START_MS + leafOf(ROWS - 1),
    })
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readdirSync(directory).filter((name) => name.endsWith(".tmp"))).toEqual([])
  })

  test("gives every record back, byte for byte, in leaf order", async () => {
    let at = 0
    for await (const records of readSegment(path)) {
      for (const { leafIndex, record } of records) {
        if (leafIndex !== leafOf(at) || hashOf(record) !== hashes[at]) throw new Error(`row ${at} differs`)
        at++
      }
    }
    expect(at).toBe(ROWS)
  })

  test("gives a range back, and nothing beside it", async () => {
    const [from, to] = [leafOf(130_000) - 1, leafOf(130_100)]
    const found = await allOf(path, from, to)
    expect(found.map(({ leafIndex }) => leafIndex)).toEqual(
      Array.from({ length: 100 }, (_, i) => leafOf(130_000 + i)),
    )
    expect(found.map(({ record }) => hashOf(record))).toEqual(hashes.slice(130_000, 130_100))
    expect(await allOf(path, leafOf(ROWS))).toEqual([])
  })

  test("gives records back one by one", async () => {
    const rows = [ROWS - 1, 1, 2, 122_880, 122_879]
    const found = await readRecords(path, [...rows.map(leafOf), leafOf(5) + 1, leafOf(ROWS)])
    expect(found.size).toBe(rows.length)
    for (const row of rows) expect(hashOf(found.get(leafOf(row)) as Uint8Array)).toBe(hashes[row])
    expect((await readRecords(path, [])).size).toBe(0)
  })

  test("is Parquet with zstd, in row groups that a reader can hold", async () => {
    const metadata = await parquetMetadataAsync(await asyncBufferFromFile(path))
    const groups = metadata.row_groups.map(({ num_rows }) => Number(num_rows))
    expect(Math.max(...groups)).toBeLessThanOrEqual(122_880)
    expect(groups.reduce((sum, rows) => sum + rows)).toBe(ROWS)
    expect(
      new Set(metadata.row_groups.flatMap(({ columns }) => columns.map((column) => column.meta_data?.codec))),
    ).toEqual(new Set(["ZSTD"]))
    const names = metadata.schema.filter(({ name }) => !["schema", "list", "element"].includes(name))
    expect(names.map(({ name }) => name).slice(-COLUMNS.length - 1)).toEqual([
      ...COLUMNS.map(({ name }) => name),
      "record",
    ])
  })

  test("has the rows that the query store has, as another reader reads them", async () => {
    const store = await openQueryStore({ path: ":memory:", memoryMb: 256 })
    const leaves = Array.from({ length: 60 }, (_, i) => oddLeaf(i))
    const indices = leaves.map((_, i) => leafOf(i))
    await store.append(pageOf(leaves, leafOf(0), indices))
    await store.commit()
    const names = ["leaf_index", "user_id", "raw", "event_id", "attributes", "tags", "class"] as const
    const expected = await rowsOf(store, `SELECT ${names.join()} FROM access_logs ORDER BY leaf_index`)
    await store.close()
    const read = await readByAnother(await asyncBufferFromFile(path), 0, 60)
    const text = (value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString() : value)
    const plain = (value: unknown): unknown => {
      if (typeof value === "bigint") return Number(value)
      if (Array.isArray(value)) return value.map(text)
      const said = text(value) ?? null
      // The client of the store drops a byte order mark; see the README.
      return typeof said === "string" ? said.replace(/^\uFEFF/, "") : said
    }
    expect(read.map((row) => names.map((name) => plain(row[name])))).toEqual(expected)
    expect(read.map(({ record }) => hashOf(record as Uint8Array))).toEqual(hashes.slice(0, 60))
    expect(
      Object.values(read[1] as object).filter((value) => value !== null && value !== undefined),
    ).toHaveLength(4)
  })

  test("has row groups of few rows where records are large", async () => {
    const file = join(directory, "large.parquet")
    const leaves = Array.from({ length: 2_500 }, (_, i) => i)
    const hashes: string[] = []
    const pages = (function* () {
      for (let at = 0; at < leaves.length; at += 500) {
        const slice = leaves.slice(at, at + 500)
        const made = slice.map(large)
        for (const { record } of made) hashes.push(hashOf(record))
        yield segmentPage(made, slice)
      }
    })()
    await writeSegment({ path: file, pages })
    const metadata = await parquetMetadataAsync(await asyncBufferFromFile(file))
    expect(metadata.row_groups.map(({ num_rows }) => Number(num_rows))).toEqual([2_048, 452])
    let next = 0
    for await (const records of readSegment(file)) {
      for (const { leafIndex, record } of records) {
        if (leafIndex !== next || hashOf(record) !== hashes[next]) throw new Error(`row ${next}`)
        next++
      }
    }
    expect(next).toBe(2_500)
  })
})

describe("the same leaves", () => {
  test("make the same bytes, whatever was in memory before", async () => {
    const [first, second] = [join(directory, "first.parquet"), join(directory, "second.parquet")]
    const one = await writeSegment({ path: first, pages: oddPages(20_000) })
    const others = Array.from({ length: 20_000 }, (_, i) => eventLeaf(i, { raw: `needle ${i}`.repeat(20) }))
    const page = segmentPage(
      others,
      others.map((_, i) => i),
    )
    await writeSegment({ path: join(directory, "other.parquet"), pages: [page] })
    expect((await writeSegment({ path: second, pages: oddPages(20_000) })).sha256).toBe(one.sha256)
    expect(readFileSync(second).equals(readFileSync(first))).toBe(true)
  })
})

describe("pages that are refused", () => {
  const leaf = eventLeaf(0)
  const noEvent: Leaf = { entry: leaf.entry, record: new Uint8Array(0) }
  test.each<[string, () => Iterable<SegmentPage>]>([
    ["are none", () => []],
    ["have no leaves", () => [segmentPage([], [])]],
    ["are out of order", () => [segmentPage([leaf, leaf], [2, 1])]],
    ["repeat a leaf", () => [segmentPage([leaf], [1]), segmentPage([leaf], [1])]],
    ["have a leaf without a record", () => [segmentPage([leaf, noEvent], [1, 2])]],
    ["have fewer indices than entries", () => [segmentPage([leaf, leaf], [1])]],
    ["have more indices than entries", () => [segmentPage([leaf], [1, 2])]],
  ])("%s", async (_, pages) => {
    const path = join(directory, "refused.parquet")
    await expect(writeSegment({ path, pages: pages() })).rejects.toThrow(RangeError)
    expect(readdirSync(directory).filter((name) => name.startsWith("refused"))).toEqual([])
  })

  test("throw an error of their own", async () => {
    const path = join(directory, "refused.parquet")
    const pages = (function* () {
      yield* oddPages(PAGE)
      throw new Error("the log is damaged")
    })()
    await expect(writeSegment({ path, pages })).rejects.toThrow("the log is damaged")
    expect(readdirSync(directory).filter((name) => name.startsWith("refused"))).toEqual([])
  })
})

describe("a file that is there", () => {
  test("is not written over", async () => {
    const path = join(directory, "there.parquet")
    writeFileSync(path, "mine")
    await expect(writeSegment({ path, pages: oddPages(PAGE) })).rejects.toMatchObject({
      code: "QUERY_FAILED",
    })
    expect(readFileSync(path, "utf8")).toBe("mine")
  })
})

describe("a file that is refused", () => {
  let good: string
  const hashes: string[] = []

  beforeAll(async () => {
    good = join(directory, "good.parquet")
    await writeSegment({ path: good, pages: oddPages(SMALL, hashes) })
  })

  const bad = (path: string) =>
    expect(allOf(path)).rejects.toMatchObject({ name: "QueryError", code: "QUERY_BAD_SEGMENT" })

  test("is not there", async () => {
    await bad(join(directory, "nowhere.parquet"))
  })

  test.each([0, 3, 4, 12, 0.3, 0.99])("is cut short: %d", async (at) => {
    const path = join(directory, "cut.parquet")
    copyFileSync(good, path)
    truncateSync(path, at < 1 ? Math.floor(statSync(good).size * at) : at)
    await bad(path)
    await expect(readRecords(path, [leafOf(0)])).rejects.toMatchObject({ code: "QUERY_BAD_SEGMENT" })
  })

  test.each([
    ["no record", "SELECT 1::BIGINT AS leaf_index"],
    ["no leaf_index", "SELECT 'x'::BLOB AS record"],
    ["a record of text", "SELECT 1::BIGINT AS leaf_index, 'x' AS record"],
    ["a leaf_index of text", "SELECT '1' AS leaf_index, 'x'::BLOB AS record"],
    ["a record that is NULL", "SELECT 1::BIGINT AS leaf_index, NULL::BLOB AS record"],
    ["leaves out of order", "SELECT unnest([2, 1])::BIGINT AS leaf_index, 'x'::BLOB AS record"],
    ["a leaf twice", "SELECT unnest([1, 1])::BIGINT AS leaf_index, 'x'::BLOB AS record"],
    ["a leaf below 0", "SELECT unnest([-1, 1, 1])::BIGINT AS leaf_index, 'x'::BLOB AS record"],
  ])("has %s", async (_, sql) => {
    const path = join(directory, "other-columns.parquet")
    const instance = await DuckDBInstance.create(":memory:")
    const connection = await instance.connect()
    await connection.run(`COPY (${sql}) TO '${path}' (FORMAT parquet, COMPRESSION zstd)`)
    connection.closeSync()
    instance.closeSync()
    await bad(path)
  })

  test("is damaged, or what it gives is other bytes or no more than it was given", async () => {
    const bytes = readFileSync(good)
    const path = join(directory, "damaged.parquet")
    let seed = 20_231_021
    const random = (below: number) => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
      return seed % below
    }
    const outcomes = { refused: 0, differs: 0, harmless: 0 }
    for (let round = 0; round < 120; round++) {
      const damaged = Buffer.from(bytes)
      // Half of them in the footer, which says where everything is.
      const footer = round % 2 === 0 ? 12_000 : bytes.length
      const at = bytes.length - 1 - random(footer)
      damaged[at] = (damaged[at] as number) ^ (1 + random(255))
      writeFileSync(path, damaged)
      try {
        const read = await allOf(path)
        const same = read.filter(
          ({ leafIndex, record }) => hashOf(record) === hashes[(leafIndex - leafOf(0)) / 3],
        )
        outcomes[same.length === SMALL ? "harmless" : "differs"]++
        expect(read.length).toBeLessThanOrEqual(SMALL)
      } catch (error) {
        if (!(error instanceof QueryError) || error.code !== "QUERY_BAD_SEGMENT") throw error
        outcomes.refused++
      }
    }
    expect(outcomes.refused).toBeGreaterThan(25)
    expect(outcomes.harmless).toBeGreaterThan(2)
  })
})

describe("the DuckDB of a segment", () => {
  test("can touch that file, and nothing else", async () => {
    const folder = join(directory, "inside")
    mkdirSync(folder)
    const [path, beside, outside] = [
      join(folder, "a.parquet"),
      join(folder, "b.parquet"),
      join(directory, "c.txt"),
    ]
    await writeSegment({ path, pages: oddPages(PAGE) })
    copyFileSync(path, beside)
    writeFileSync(outside, "secret")
    for (const spills of [false, true]) {
      const { connection, file, close } = await openSegmentDatabase(path, 128, spills)
      const counted = await connection.runAndReadAll(`SELECT count(*) FROM read_parquet(${file})`)
      expect(counted.getRows()).toEqual([[BigInt(PAGE)]])
      for (const sql of [
        `SELECT * FROM read_parquet('${beside}')`,
        `SELECT * FROM read_parquet('${path}/../b.parquet')`,
        `SELECT * FROM read_parquet('${folder}/*.parquet')`,
        `SELECT * FROM read_text('${outside}')`,
        `SELECT * FROM glob('${folder}/*')`,
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM read_csv('/proc/self/environ')",
        `COPY (SELECT 1) TO '${join(folder, "new.csv")}'`,
        `COPY (SELECT 1) TO '${outside}'`,
        `ATTACH '${join(folder, "new.db")}' AS other`,
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM read_parquet('http://127.0.0.1:1/a.parquet')",
        "SET enable_external_access = true",
        `SET allowed_paths = ['${outside}']`,
        `SET allowed_directories = ['${directory}']`,
        `SET temp_directory = '${directory}'`,
        "SET lock_configuration = false",
      ]) {
        await expect(connection.run(sql), sql).rejects.toThrow(
          /Permission Error|has been locked|disabled|configuration/i,
        )
      }
      await close()
    }
    expect(readdirSync(folder).sort()).toEqual(["a.parquet", "b.parquet"])
    expect(readFileSync(outside, "utf8")).toBe("secret")
  })

  test("takes no pattern for a path", async () => {
    await expect(openSegmentDatabase("/tmp/*.parquet", 128, false)).rejects.toThrow(RangeError)
    await expect(openSegmentDatabase("/tmp/[a].parquet", 128, false)).rejects.toThrow(RangeError)
  })
})
