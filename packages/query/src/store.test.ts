import { fork } from "node:child_process"
import { once } from "node:events"
import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { QueryError } from "./error.js"
import { eventLeaf, isSampleRow, pageOf, rowsOf, samplePage } from "./sample-log.js"
import { type Discarded, openQueryStore, type QueryStore } from "./store.js"

let directory: string
let path: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "query-"))
  path = join(directory, "access_logs.duckdb")
})

afterEach(() => rmSync(directory, { recursive: true, force: true }))

const openStore = (onDiscard?: (reason: Discarded) => void) =>
  openQueryStore({ path, memoryMb: 256, ...(onDiscard && { onDiscard }) })

const leavesOf = async (store: QueryStore) =>
  (await rowsOf(store, "SELECT leaf_index FROM access_logs ORDER BY leaf_index")).map(([leaf]) => leaf)

/** Rows of one of DuckDB's row groups. */
const ROW_GROUP = 122_880

const sampleLeaves = (end: number) => Array.from({ length: end }, (_, leaf) => leaf).filter(isSampleRow)

describe("a commit", () => {
  test("comes by itself soon after a page", async () => {
    const store = await openStore()
    const committed = new Promise((resolve) => store.onCommit(resolve))
    await store.append(samplePage(0, 10))
    expect(store.through).toBe(0)
    expect(await committed).toBe(10)
    expect(store.through).toBe(10)
    expect(store.cursor).toBe("after 10")
    expect(await leavesOf(store)).toEqual(sampleLeaves(10))
    await store.close()
  })

  test("comes with a row group of rows, while more pages are taken", async () => {
    const store = await openStore()
    const committed: number[] = []
    store.onCommit((through) => committed.push(through))
    const page = pageOf(
      Array.from({ length: 4096 }, (_, leaf) => eventLeaf(leaf)),
      0,
    )
    const pages = 35
    for (let i = 0; i < pages; i++) await store.append({ ...page, firstLeaf: i * 4096, cursor: `${i}` })
    await store.commit()
    // 122,880 rows are 30 pages; a slow machine may have committed some of them by the clock.
    expect(committed.length).toBeGreaterThan(1)
    expect([store.through, store.cursor]).toEqual([pages * 4096, `${pages - 1}`])
    expect(
      await rowsOf(store, "SELECT count(*), count(DISTINCT leaf_index), max(leaf_index) FROM access_logs"),
    ).toEqual([[pages * 4096, pages * 4096, pages * 4096 - 1]])
    await store.close()
  })

  test("waits while more leaves are known to follow", async () => {
    const store = await openStore()
    await store.append({ ...samplePage(0, 5), more: true })
    await sleep(1_000)
    expect(store.through).toBe(0)
    const committed = new Promise((resolve) => store.onCommit(resolve))
    await store.append(samplePage(5, 10))
    expect(await committed).toBe(10)
    await store.close()
  })

  test("of many rows ends where a row group does, and what comes again is passed over", async () => {
    const store = await openStore()
    const committed: number[] = []
    store.onCommit((through) => committed.push(through))
    // No page ends where a row group does.
    const size = 4_000
    const page = pageOf(
      Array.from({ length: size }, (_, leaf) => eventLeaf(leaf)),
      0,
    )
    const pageAt = (i: number) => {
      const firstLeaf = 1 + i * size
      return { ...page, firstLeaf, cursor: `after ${firstLeaf + size}`, more: true }
    }
    await store.append(samplePage(0, 1))
    for (let i = 0; i < 63; i++) await store.append(pageAt(i))
    await expect.poll(() => store.through, { timeout: 30_000 }).toBe(2 * ROW_GROUP + 1)
    expect(committed.filter((through) => through > 1)).toEqual([ROW_GROUP + 1, 2 * ROW_GROUP + 1])
    expect(store.cursor).toBe(`after ${1 + 61 * size}`)
    // As if it had died here: what is behind the last commit is gone.
    copyFileSync(path, `${path}.copy`)
    copyFileSync(`${path}.wal`, `${path}.copy.wal`)
    await store.close()
    const again = await openQueryStore({ path: `${path}.copy`, memoryMb: 256 })
    expect(again.through).toBe(2 * ROW_GROUP + 1)
    for (let i = 61; i < 64; i++) await again.append(pageAt(i))
    await expect(again.append(pageAt(63))).rejects.toThrow(RangeError)
    await again.close()
    const { DuckDBInstance } = await import("@duckdb/node-api")
    const instance = await DuckDBInstance.create(`${path}.copy`)
    const connection = await instance.connect()
    const counted = await connection.runAndReadAll(
      "SELECT count(*), count(DISTINCT leaf_index) FROM prooflog_events",
    )
    const groups = await connection.runAndReadAll(
      `SELECT DISTINCT row_group_id, sum(count) FROM pragma_storage_info('prooflog_events')
       WHERE column_name = 'leaf_index' AND segment_type = 'BIGINT' GROUP BY 1 ORDER BY 1`,
    )
    connection.closeSync()
    instance.closeSync()
    const rows = 64 * size
    expect(counted.getRows()).toEqual([[BigInt(rows), BigInt(rows)]])
    expect(groups.getRows().map(([, count]) => Number(count))).toEqual([
      ROW_GROUP,
      ROW_GROUP,
      rows - 2 * ROW_GROUP,
    ])
  })

  test("says which columns have values, for every later opening", async () => {
    const first = await openStore()
    await first.append(pageOf([eventLeaf(0, { trace_id: "t-0" })], 0))
    await first.close()
    const second = await openStore()
    await second.append(pageOf([eventLeaf(1)], 1))
    await second.commit()
    expect(await rowsOf(second, "SELECT trace_id FROM access_logs")).toEqual([["t-0"], [null]])
    await second.close()
  })

  test("that fails is told, though nobody waits for it", async () => {
    const store = await openStore()
    const failed = new Promise((resolve) => store.onFailure(resolve))
    // No transaction can keep such a cursor.
    await store.append({ ...samplePage(0, 10), cursor: Symbol("no text") as never })
    expect(await failed).toMatchObject({ code: "QUERY_UNAVAILABLE" })
    await expect(store.append(samplePage(10, 20))).rejects.toMatchObject({ code: "QUERY_UNAVAILABLE" })
    await expect(store.close()).rejects.toMatchObject({ code: "QUERY_UNAVAILABLE" })
  })

  test("of nothing is none", async () => {
    const store = await openStore()
    const committed: number[] = []
    store.onCommit((through) => committed.push(through))
    await store.commit()
    await store.append(samplePage(0, 1))
    await store.commit()
    await store.commit()
    expect(committed).toEqual([1])
    await store.close()
  })

  test("is made at the end", async () => {
    const store = await openStore()
    await store.append(samplePage(0, 10))
    await store.close()
    const again = await openStore()
    expect([again.through, again.cursor]).toEqual([10, "after 10"])
    await again.append(samplePage(10, 20))
    await again.commit()
    expect(await leavesOf(again)).toEqual(sampleLeaves(20))
    await again.close()
  })
})

describe("a file", () => {
  const fill = async () => {
    const store = await openStore()
    await store.append(samplePage(0, 3000))
    await store.close()
  }

  test.each([
    ["is no database", () => writeFileSync(path, "not a database at all".repeat(1000))],
    ["is cut short", () => truncateSync(path, 5000)],
    ["is empty but for its head", () => truncateSync(path, 4096)],
    [
      "has a damaged head",
      () => writeFileSync(path, Buffer.concat([Buffer.alloc(64, 7), readFileSync(path).subarray(64)])),
    ],
  ])("that %s is begun anew, and that is said", async (_, damage) => {
    await fill()
    damage()
    const said: Discarded[] = []
    const store = await openStore((reason) => said.push(reason))
    expect(said).toEqual(["damaged"])
    expect([store.through, store.cursor]).toEqual([0, undefined])
    await store.append(samplePage(0, 5))
    await store.commit()
    expect(await leavesOf(store)).toEqual(sampleLeaves(5))
    await store.close()
  })

  test("with other tables is begun anew, and that is said", async () => {
    const { DuckDBInstance } = await import("@duckdb/node-api")
    const instance = await DuckDBInstance.create(path)
    const connection = await instance.connect()
    await connection.run("CREATE TABLE prooflog_events (x INTEGER)")
    connection.closeSync()
    instance.closeSync()
    const said: Discarded[] = []
    const store = await openStore((reason) => said.push(reason))
    expect(said).toEqual(["other columns"])
    expect(await rowsOf(store, "SELECT count(*) FROM access_logs")).toEqual([[0]])
    await store.close()
  })

  test("that is new, or as it was left, is not said to be thrown away", async () => {
    const said: Discarded[] = []
    await (await openStore((reason) => said.push(reason))).close()
    await (await openStore((reason) => said.push(reason))).close()
    expect(said).toEqual([])
  })

  test("in a directory that is not there cannot be opened", async () => {
    await expect(openQueryStore({ path: join(directory, "no", "x"), memoryMb: 64 })).rejects.toMatchObject({
      code: "QUERY_UNAVAILABLE",
    })
  })

  test("that another process has open is waited for", async () => {
    const holder = startChild(`
      const store = await openQueryStore({ path: ${JSON.stringify(path)}, memoryMb: 64 })
      process.send("open")
      process.once("message", async () => { await store.close(); process.exit() })
    `)
    await once(holder, "message")
    const opening = openStore()
    holder.send("close")
    await once(holder, "exit")
    await (await opening).close()
  })
})

describe("a store that is closed", () => {
  test("takes and answers nothing", async () => {
    const store = await openStore()
    await store.close()
    await expect(store.append(samplePage(0, 1))).rejects.toBeInstanceOf(QueryError)
    await expect(store.run({ sql: "SELECT 1" })).rejects.toThrow()
    await store.close()
  })
})

const DIST = fileURLToPath(new URL("../dist/store.js", import.meta.url))

/** Starts a process that runs this code with `openQueryStore` at hand, from the built package. */
function startChild(code: string) {
  const file = join(directory, `child-${Math.random()}.mjs`)
  writeFileSync(file, `import { openQueryStore } from ${JSON.stringify(DIST)}\n${code}`)
  return fork(file, { serialization: "advanced", execArgv: [] })
}

test("killed again and again, it has every row once", async () => {
  const leaves = 20_000
  const step = 500
  const code = `
    const store = await openQueryStore({ path: ${JSON.stringify(path)}, memoryMb: 256 })
    process.on("message", async (page) => {
      await store.append(page)
      if (page.firstLeaf % 1500 === 0) void store.commit()
      process.send("next")
    })
    process.send({ through: store.through, cursor: store.cursor })
  `
  let deaths = 0
  let through = 0
  while (through < leaves) {
    const child = startChild(code)
    const [start] = (await once(child, "message")) as [{ through: number; cursor: string | undefined }]
    expect(start.through).toBeGreaterThanOrEqual(through)
    expect(start.cursor).toBe(start.through === 0 ? undefined : `after ${start.through}`)
    through = start.through
    // More pages each time, so that it gets on whatever was lost.
    const pages = 3 + 3 * deaths
    let next = through
    for (let i = 0; i < pages && next < leaves; i++) {
      child.send(samplePage(next, Math.min(leaves, next + step)))
      next = Math.min(leaves, next + step)
      if (i % 2 === 0) await once(child, "message")
    }
    child.kill("SIGKILL")
    await once(child, "exit")
    deaths++
    if (deaths > 60) throw new Error(`no progress past ${through}`)
    if (next === leaves) {
      const store = await openStore()
      await store.append(samplePage(store.through, leaves + 1))
      await store.commit()
      through = store.through
      expect(await leavesOf(store)).toEqual(sampleLeaves(leaves + 1))
      await store.close()
    }
  }
  expect(deaths).toBeGreaterThan(4)
})
