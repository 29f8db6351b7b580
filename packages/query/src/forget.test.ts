import { fork } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { eventLeaf, pageOf, rowsOf } from "./sample-log.js"
import { openQueryStore, type QueryStore } from "./store.js"

let directory: string
let path: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "forget-"))
  path = join(directory, "access_logs.duckdb")
})

afterEach(() => rmSync(directory, { recursive: true, force: true }))

const openStore = () => openQueryStore({ path, memoryMb: 256 })

/** Events of two classes, in turn. */
const page = (from: number, to: number) =>
  pageOf(
    Array.from({ length: to - from }, (_, i) =>
      eventLeaf(from + i, {}, (from + i) % 2 === 0 ? "even" : "odd"),
    ),
    from,
  )

const leavesOf = async (store: QueryStore) =>
  (await rowsOf(store, "SELECT leaf_index FROM access_logs ORDER BY leaf_index")).map(([leaf]) => leaf)

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

describe("forgetting", () => {
  test("deletes the rows of leaves, and says how many there were", async () => {
    const store = await openStore()
    await store.append(page(0, 100))
    await store.commit()
    expect(await store.forget([7, 3, 3, 99, 5_000], "a")).toBe(3)
    expect([store.forgotten, store.deletedRows, store.through]).toEqual(["a", 3, 100])
    expect(await leavesOf(store)).toEqual(range(0, 100).filter((leaf) => ![3, 7, 99].includes(leaf)))
    expect(await store.forget([], "b")).toBe(0)
    expect([store.forgotten, store.deletedRows]).toEqual(["b", 3])
    await store.close()
  })

  test("deletes a range of one class", async () => {
    const store = await openStore()
    await store.append(page(0, 100))
    await store.commit()
    expect(await store.forget({ from: 10, to: 20, className: "odd" }, "a")).toBe(5)
    expect(await store.forget({ from: 10, to: 20, className: "other" }, "b")).toBe(0)
    const gone = [11, 13, 15, 17, 19]
    expect(await leavesOf(store)).toEqual(range(0, 100).filter((leaf) => !gone.includes(leaf)))
    await store.close()
  })

  test("takes what was appended, though it was not committed", async () => {
    const store = await openStore()
    await store.append(page(0, 10))
    expect(await store.forget([0, 9], "a")).toBe(2)
    expect(await leavesOf(store)).toEqual(range(1, 9))
    expect(store.cursor).toBe("after 10")
    await store.append(page(10, 12))
    await store.commit()
    expect(await leavesOf(store)).toEqual([...range(1, 9), 10, 11])
    await store.close()
  })

  test("is not seen by a question that was begun before, and by all others", async () => {
    const store = await openStore()
    await store.append(page(0, 10_000))
    await store.commit()
    const before = await store.run({ sql: "SELECT leaf_index FROM access_logs", isExport: true })
    await store.forget({ from: 0, to: 10_000, className: "odd" }, "a")
    expect(await rowsOf(store, "SELECT count(*) FROM access_logs")).toEqual([[5_000]])
    let rows = 0
    for await (const batch of before.batches) rows += batch.length
    expect(rows).toBe(10_000)
    await store.close()
  })

  test("is kept with its mark", async () => {
    const first = await openStore()
    expect([first.forgotten, first.deletedRows]).toEqual([undefined, 0])
    await first.append(page(0, 10))
    await first.forget([1], "a")
    await first.close()
    const second = await openStore()
    expect([second.forgotten, second.deletedRows, second.cursor]).toEqual(["a", 1, "after 10"])
    await second.append(page(10, 12))
    await second.commit()
    expect(second.forgotten).toBe("a")
    expect(await leavesOf(second)).toEqual([0, ...range(2, 12)])
    await second.close()
  })

  test.each([[[-1]], [[1.5]], [[Number.NaN]], [{ from: 0, to: -1, className: "odd" }]])(
    "of %j is refused",
    async (leaves) => {
      const store = await openStore()
      await store.append(page(0, 4))
      await expect(store.forget(leaves, "a")).rejects.toThrow(RangeError)
      expect(await store.forget([1], "b")).toBe(1)
      await store.close()
    },
  )

  test("killed at any time, is whole or never was, as its mark says", async () => {
    const setUp = await openStore()
    await setUp.append(page(0, 40_000))
    await setUp.close()
    const dist = fileURLToPath(new URL("../dist/store.js", import.meta.url))
    const file = join(directory, "child.mjs")
    writeFileSync(
      file,
      `import { openQueryStore } from ${JSON.stringify(dist)}
       const store = await openQueryStore({ path: ${JSON.stringify(path)}, memoryMb: 256 })
       process.send("open")
       for (let step = Number(store.forgotten ?? 0); step < 1000; step++) {
         await store.forget(Array.from({ length: 40 }, (_, i) => step * 40 + i), String(step + 1))
         process.send(step + 1)
       }`,
    )
    let told = 0
    for (let round = 0; round < 4; round++) {
      const child = fork(file, { execArgv: [] })
      child.on("message", (message) => {
        if (typeof message === "number") told = message
      })
      await once(child, "message")
      const until = told + 5 + round
      while (told < until) await once(child, "message")
      child.kill("SIGKILL")
      await once(child, "exit")
      const store = await openStore()
      const steps = Number(store.forgotten)
      expect(steps).toBeGreaterThanOrEqual(told)
      expect(store.deletedRows).toBe(steps * 40)
      expect(await leavesOf(store)).toEqual(range(steps * 40, 40_000))
      await store.close()
    }
  })
})
