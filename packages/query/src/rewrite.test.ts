import { fork } from "node:child_process"
import { once } from "node:events"
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { DuckDBInstance } from "@duckdb/node-api"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { eventLeaf, pageOf, rowsOf } from "./sample-log.js"
import { openQueryStore } from "./store.js"

/** As it is built: it starts processes of its own, which run what is built. */
const DIST = fileURLToPath(new URL("../dist/rewrite.js", import.meta.url))
const { rewriteDatabase } = (await import(DIST)) as typeof import("./rewrite.js")

const ROW_GROUP = 122_880
const ROWS = 170_000
const REST = (ROWS / 4) * 3
/** Of the leaves whose rows are left. */
const SUM = 10_837_457_500
const PAGE = 5_000
const NEEDLE = "needle"

let directory: string
/** A store of which rows were forgotten, and was closed then. */
let template: string
let path: string

const isForgotten = (leaf: number) => leaf % 4 === 1

/** Texts of a few values, which become dictionaries, and of many, which are compressed by their parts. */
function leafOf(leaf: number) {
  const word = isForgotten(leaf) ? NEEDLE : "kept"
  return eventLeaf(leaf, {
    user_id: `${word}-${leaf % 10}`,
    user_agent: `${word} browser of a long name, number ${leaf % 50}`,
    resource_accessed: `/${word}/${(leaf * 2_654_435_761) % 4_294_967_296}/${leaf}`,
    raw: leaf % 1_000 === 1 ? `${word} `.repeat(2_000) : undefined,
    ...(isForgotten(leaf) && { trace_id: "0123456789abcdef0123456789abcdef" }),
  } as never)
}

const filesWith = (text: string, folder = directory) =>
  readdirSync(folder).filter((name) => readFileSync(join(folder, name)).includes(text))

beforeAll(async () => {
  template = mkdtempSync(join(tmpdir(), "rewrite-"))
  const store = await openQueryStore({ path: join(template, "x.duckdb"), memoryMb: 256 })
  for (let at = 0; at < ROWS; at += PAGE) {
    const leaves = Array.from({ length: PAGE }, (_, i) => leafOf(at + i))
    await store.append({ ...pageOf(leaves, at), more: true })
  }
  const forgotten = Array.from({ length: ROWS }, (_, leaf) => leaf).filter(isForgotten)
  expect(await store.forget(forgotten, "up to here")).toBe(ROWS / 4)
  await store.close()
})

afterAll(() => rmSync(template, { recursive: true, force: true }))

beforeEach(() => {
  directory = join(template, "copy")
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory)
  for (const name of readdirSync(template).filter((name) => name.startsWith("x."))) {
    cpSync(join(template, name), join(directory, name))
  }
  path = join(directory, "x.duckdb")
})

async function inDatabase(sql: string): Promise<unknown[][]> {
  const instance = await DuckDBInstance.create(path)
  const connection = await instance.connect()
  const rows = (await connection.runAndReadAll(sql)).getRows()
  connection.closeSync()
  instance.closeSync()
  return rows
}

const compressions = async () =>
  (
    await inDatabase(
      `SELECT DISTINCT compression FROM pragma_storage_info('prooflog_events')
       WHERE column_name IN ('user_agent', 'resource_accessed') AND segment_type = 'VARCHAR' ORDER BY 1`,
    )
  ).flat()

/** What must be in it, whether it was written anew or not. */
async function expectRest(deletedRows: number): Promise<void> {
  const store = await openQueryStore({ path, memoryMb: 256, onDiscard: (why) => expect(why).toBe("kept") })
  expect([store.through, store.cursor, store.forgotten]).toEqual([ROWS, `after ${ROWS}`, "up to here"])
  expect(store.deletedRows).toBe(deletedRows)
  expect(
    await rowsOf(
      store,
      `SELECT count(*), count(DISTINCT leaf_index), sum(leaf_index), count(*) FILTER (leaf_index % 4 = 1),
         count(*) FILTER (user_id LIKE 'kept%' AND user_agent LIKE 'kept%' AND event_id = 'e-' || leaf_index)
       FROM access_logs`,
    ),
  ).toEqual([[REST, REST, SUM, 0, REST]])
  await store.close()
}

describe("a file written anew", () => {
  test("has the rows that are left, in whole row groups, and the same cursor", async () => {
    const all = "SELECT md5(string_agg(hash(e)::VARCHAR ORDER BY rowid)) FROM prooflog_events e"
    const before = await inDatabase(all)
    expect(await rewriteDatabase({ path, memoryMb: 256 })).toBe(true)
    expect(await inDatabase(all)).toEqual(before)
    await expectRest(0)
    expect(
      await inDatabase(
        `SELECT sum(count)::INTEGER FROM pragma_storage_info('prooflog_events')
         WHERE column_name = 'leaf_index' AND segment_type = 'BIGINT' GROUP BY row_group_id ORDER BY row_group_id`,
      ),
    ).toEqual([[ROW_GROUP], [REST - ROW_GROUP]])
    // Only forgotten rows had a value there.
    expect((await inDatabase("SELECT filled FROM prooflog_cursor"))[0]?.[0]).not.toContain("trace_id")
  })

  test("holds no byte of a forgotten row, and neither does any file beside it", async () => {
    expect(await compressions()).toEqual(["Dictionary", "FSST"])
    expect(filesWith(NEEDLE)).toContain("x.duckdb")
    const sizeBefore = readFileSync(path).length
    const seen: string[] = []
    await rewriteDatabase({
      path,
      memoryMb: 256,
      // Not even on its way: the second process must see nothing else than this.
      onStep: (step) => {
        if (step !== "renamed") seen.push(...filesWith(NEEDLE))
        if (step === "copied out")
          seen.push(`${filesWith("/kept/").filter((name) => name.endsWith(".parquet"))}`)
      },
    })
    expect(seen).toEqual(["x.duckdb", "x.duckdb.new.parquet", "x.duckdb"])
    expect(await compressions()).toEqual(expect.arrayContaining(["Dictionary", "FSST"]))
    expect(readdirSync(directory)).toEqual(["x.duckdb"])
    expect(filesWith(NEEDLE)).toEqual([])
    expect(filesWith("kept browser")).toEqual(["x.duckdb"])
    expect(readFileSync(path).length).toBeLessThan(sizeBefore)
  })

  test("is not begun where there is none, or one that is thrown away", async () => {
    expect(await rewriteDatabase({ path: join(directory, "none.duckdb"), memoryMb: 256 })).toBe(false)
    writeFileSync(path, "no database".repeat(1_000))
    expect(await rewriteDatabase({ path, memoryMb: 256 })).toBe(false)
    expect(readdirSync(directory)).toEqual(["x.duckdb"])
  })

  test("is not begun while somebody has the old one open", async () => {
    const store = await openQueryStore({ path, memoryMb: 256 })
    await expect(rewriteDatabase({ path, memoryMb: 256 })).rejects.toMatchObject({
      code: "QUERY_UNAVAILABLE",
    })
    await store.close()
    await expectRest(ROWS / 4)
  })

  test("that cannot be written leaves the old one as it was", async () => {
    mkdirSync(join(directory, "x.duckdb.new.wal"))
    await expect(rewriteDatabase({ path, memoryMb: 256 })).rejects.toMatchObject({
      code: "QUERY_UNAVAILABLE",
    })
    rmSync(join(directory, "x.duckdb.new.wal"), { recursive: true })
    await expectRest(ROWS / 4)
  })
})

describe("killed", () => {
  const start = () => {
    const file = join(template, "child.mjs")
    writeFileSync(
      file,
      `import { rewriteDatabase } from ${JSON.stringify(DIST)}
       const [path, until] = process.argv.slice(2)
       process.send("begun")
       await rewriteDatabase({ path, memoryMb: 256, onStep: (step) => {
         if (step === until) process.kill(process.pid, "SIGKILL")
       } })`,
    )
    return (until: string) => fork(file, [path, until], { execArgv: [] })
  }

  test.each([
    ["copied out", ROWS / 4],
    ["copied in", ROWS / 4],
    ["renamed", 0],
  ])(
    "when rows were %s, it leaves a whole file, and what comes next completes it",
    async (step, deletedRows) => {
      const child = start()(step)
      const [, signal] = (await once(child, "exit")) as [number | null, string | null]
      expect(signal).toBe("SIGKILL")
      expect(existsSync(`${path}.new.parquet`)).toBe(step === "copied out")
      expect(existsSync(`${path}.new`)).toBe(step === "copied in")
      await expectRest(deletedRows)
      // Opening removed what was half done.
      expect(readdirSync(directory).filter((name) => name.includes(".new"))).toEqual([])
      expect(await rewriteDatabase({ path, memoryMb: 256 })).toBe(true)
      expect(filesWith(NEEDLE)).toEqual([])
      await expectRest(0)
    },
  )

  test.each([300, 700])("after %d ms, it is one of both, and is completed by doing it again", async (ms) => {
    const child = start()("never")
    await once(child, "message")
    await sleep(ms)
    child.kill("SIGKILL")
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit")
    expect(await rewriteDatabase({ path, memoryMb: 256 })).toBe(true)
    expect(filesWith(NEEDLE)).toEqual([])
    await expectRest(0)
  })
})
