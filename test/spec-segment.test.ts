/**
 * docs/spec/segment.md, recomputed: the file, its manifest and key, its rows, and the program that holds it against the
 * log with none of our code.
 *
 * The file of the example is kept: segments live for years, so every later version must still read this one.
 */

import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { DuckDBInstance } from "@duckdb/node-api"
import { EMPTY_STATE, formatState, parseState } from "@prooflog/archive/archive-state"
import { formatManifest, keyOf, parseKey, readManifest } from "@prooflog/archive/manifest"
import { commitmentOf } from "@prooflog/event/record"
import { COLUMNS } from "@prooflog/query/columns"
import { readSegment, type SegmentRecord, writeSegment } from "@prooflog/query/segment"
import { formatBundle, parseBundle } from "@prooflog/tlog/bundle"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

const run = promisify(execFile)
const GOLDEN = fileURLToPath(new URL("../packages/query/golden/segment.parquet", import.meta.url))

const pageOf = (name: string) => readFile(new URL(`../docs/spec/${name}`, import.meta.url), "utf8")

const PAGE = await pageOf("segment.md")

/** Texts of the blocks with these words after the three backticks. */
function blocks(info: string, page = PAGE): readonly string[] {
  const parts = page.split(/^```/m)
  return parts.filter((part) => part.startsWith(`${info}\n`)).map((part) => part.slice(info.length + 1))
}

function block(info: string, page = PAGE): string {
  const [text, ...others] = blocks(info, page)
  if (text === undefined || others.length > 0) throw new Error(`expected one block "${info}"`)
  return text
}

const hexIn = (text: string) => text.replace(/;.*/g, "").replace(/\s/g, "")
const bytesIn = (text: string) => new Uint8Array(Buffer.from(hexIn(text), "hex"))
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

const MANIFEST_TEXT = block("json")
const refuse = (problem: string) => new Error(problem)
const MANIFEST = readManifest(JSON.parse(MANIFEST_TEXT), refuse)
const KEY = "segments/routine/2023-10/1-2-371e5a8deaef564b.parquet"

let folder: string
let rows: SegmentRecord[]

/** Where the program finds `@duckdb/node-api`; git looks away. */
beforeAll(async () => {
  folder = await mkdtemp(fileURLToPath(new URL("node_modules/.segment-", import.meta.url)))
  rows = await rowsOf(GOLDEN)
})

afterAll(() => rm(folder, { recursive: true, force: true }))

async function rowsOf(path: string): Promise<SegmentRecord[]> {
  const all: SegmentRecord[] = []
  for await (const records of readSegment(path)) all.push(...records)
  return all
}

describe("docs/spec/segment.md", () => {
  it("shows the manifest of the file, as it stands beside it, and its key", async () => {
    expect(new TextDecoder().decode(formatManifest(MANIFEST))).toBe(MANIFEST_TEXT)
    const bytes = await readFile(GOLDEN)
    const sha256 = createHash("sha256").update(bytes).digest("hex")
    expect(MANIFEST).toMatchObject({ bytes: bytes.length, sha256, count: 2 })
    expect(keyOf(MANIFEST)).toBe(KEY)
    expect(PAGE).toContain(`\n${KEY}         the records`)
    expect(parseKey(KEY)).toEqual({ className: "routine", firstLeaf: 1, lastLeaf: 2 })
  })

  it("names the members of both texts", () => {
    const membersOf = (cddl: string) => {
      const bare = cddl.replace(/;.*/g, "").replace(/^\w+ +=.*\{$/m, "")
      return [...bare.matchAll(/(?:^ {2}|, )(\w+):/gm)].map(([, name]) => name)
    }
    const [manifest = "", catalog = ""] = blocks("cddl")
    expect(membersOf(manifest)).toEqual(Object.keys(MANIFEST))
    const own = ["format", "origin", "log_id", ...Object.keys(EMPTY_STATE)]
    const outer = catalog.replace(/\{\*[^}]*\}\}/s, "{}").replace(/\[\* \{[^}]*\}\]/g, "[]")
    expect(membersOf(outer)).toEqual(own)
    const state = {
      ...EMPTY_STATE,
      segments: [{ state: "in force" as const, stale: false, manifest: MANIFEST }],
    }
    const log = { origin: MANIFEST.origin, logId: MANIFEST.log_id }
    expect(parseState(formatState(log, state), log)).toEqual(state)
  })

  it("shows the rows, and what they open; the first is the record of record.md", async () => {
    const [records = "", commitments = ""] = blocks("hex")
    const shown = records.split(/^; leaf \d+$/m).slice(1)
    expect(rows.map(({ record }) => hexOf(record))).toEqual(shown.map(hexIn))
    expect(shown.map(hexIn)[0]).toBe(hexIn(block("hex record", await pageOf("record.md"))))
    expect(commitments.trim().split("\n").map(hexIn)).toEqual(
      rows.map(({ record }) => hexOf(commitmentOf(record))),
    )
    expect(rows.map(({ leafIndex }) => leafIndex)).toEqual([1, 2])
  })

  it("is how a segment is written today: the same rows, columns of the types of its table", async () => {
    const entries = parseBundle(bytesIn(block("hex bundle", await pageOf("log.md"))), 3).slice(1)
    const path = join(folder, "today.parquet")
    const page = {
      leafIndices: [1, 2],
      entries: formatBundle(entries),
      records: formatBundle(rows.map(({ record }) => record)),
    }
    const written = await writeSegment({ path, pages: [page] })
    expect([written.firstTimeMs, written.lastTimeMs]).toEqual([MANIFEST.first_time, MANIFEST.last_time])
    expect(await rowsOf(path)).toEqual(rows)
    const types = new Map(
      [...PAGE.matchAll(/^\| `([A-Z[\]]+)` \| (.*) \|$/gm)].map(([, sql = "", parquet = ""]) => [
        sql,
        parquet,
      ]),
    )
    const schema = await schemaOf(path)
    const expected = COLUMNS.map(({ name, type }) => [name, types.get(type)?.split(";")[0]])
    expect(schema).toEqual([...expected, ["record", "BYTE_ARRAY"]])
  })
})

/** Name and type of each column, in the words of the page. */
async function schemaOf(path: string): Promise<readonly (readonly [string, string])[]> {
  const instance = await DuckDBInstance.create(":memory:")
  const connection = await instance.connect()
  const sql = `SELECT name, type, converted_type FROM parquet_schema('${path}')`
  const elements = (await connection.runAndReadAll(sql)).getRows().slice(1) as (string | null)[][]
  connection.closeSync()
  instance.closeSync()
  const columns: [string, string][] = []
  for (let i = 0; i < elements.length; i++) {
    const [name, type, kind] = elements[i] as [string, string | null, string | null]
    const said = (of: string | null, more: string | null) =>
      more === null || /^U?INT_/.test(more) ? String(of) : `${of}, ${more}`
    if (kind !== "LIST") columns.push([name, said(type, kind)])
    else {
      // A list, and its items, are elements of their own.
      const [, item, itemKind] = elements[i + 2] as [string, string, string]
      columns.push([name, `LIST of ${said(item, itemKind)}`])
      i += 2
    }
  }
  return columns
}

describe("the program of docs/spec/segment.md", () => {
  const entriesFile = () => join(folder, "mirror/tile/entries/000.p/3")
  const segment = () => join(folder, "segment.parquet")

  beforeAll(async () => {
    const log = await pageOf("log.md")
    await mkdir(join(folder, "mirror/tile/entries/000.p"), { recursive: true })
    await writeFile(join(folder, "mirror/checkpoint"), block("text checkpoint", log))
    await writeFile(join(folder, "check.mjs"), block("js"))
  })

  /** Lays everything down as it is, has something changed, and runs it. */
  async function check(change: () => Promise<void> = async () => {}) {
    await copyFile(GOLDEN, segment())
    await writeFile(`${segment()}.json`, MANIFEST_TEXT)
    await writeFile(entriesFile(), bytesIn(block("hex bundle", await pageOf("log.md"))))
    await change()
    const args = [join(folder, "check.mjs"), segment(), join(folder, "mirror")]
    return run(process.execPath, args).then(
      ({ stdout }) => stdout,
      ({ stderr }) => String(stderr),
    )
  }

  it("verifies the segment", async () => {
    expect(await check()).toBe("2 records are what was logged, leaf 1 to 2\n")
  })

  it("refuses a file with another bit", async () => {
    const said = await check(async () => {
      const bytes = await readFile(segment())
      bytes[100] = (bytes[100] as number) ^ 1
      await writeFile(segment(), bytes)
    })
    expect(said).toContain("the file has another hash")
  })

  it("refuses a record that the log has not committed to", async () => {
    const said = await check(async () => {
      const bytes = await readFile(entriesFile())
      bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1
      await writeFile(entriesFile(), bytes)
    })
    expect(said).toContain("leaf 2 is not what was logged")
  })

  it.each([
    ["class", "critical", "leaf 1 is of another class"],
    ["month", "2023-11", "leaf 1 is no event of that month"],
    ["first_leaf", 0, "leaf 1 is not the first"],
    ["last_leaf", 3, "there are other rows than the manifest says"],
    ["count", 3, "there are other rows than the manifest says"],
  ])("refuses a manifest with another %s", async (name, value, why) => {
    const said = await check(() =>
      writeFile(`${segment()}.json`, JSON.stringify({ ...MANIFEST, [name]: value })),
    )
    expect(said).toContain(why)
  })
})
