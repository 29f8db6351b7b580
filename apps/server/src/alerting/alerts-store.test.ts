import { mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { AlertsStore, StoreChanges } from "./alerts-store.js"

describe("what the alerts child keeps", () => {
  let base: string
  let path: string
  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), "prooflog-alerts-"))
    path = join(base, "alerts")
  })
  afterEach(() => rm(base, { recursive: true }))

  async function rowsOf(store: AlertsStore, space: "rule" | "alert" | "outbox"): Promise<unknown[]> {
    const rows: unknown[] = []
    for await (const row of store.rows(space)) rows.push(row)
    return rows
  }

  function changes(...rows: readonly (readonly [key: string, value: string | undefined])[]): StoreChanges {
    const made = new StoreChanges()
    for (const [key, value] of rows) {
      if (value === undefined) made.remove("rule", key)
      else made.keep("rule", key, value)
    }
    return made
  }

  it("is there again, space by space, in the order of keys", async () => {
    const store = await AlertsStore.open(path)
    const made = changes(["b", "2"], ["a", "1"], ["ü\u0000/", "3"])
    made.keep("alert", "a", "other")
    made.keep("meta", "cursor", "here")
    await store.commit(made)
    await store.commit(changes(["b", undefined], ["a", "4"]))
    await store.close()
    const again = await AlertsStore.open(path)
    expect(await rowsOf(again, "rule")).toEqual([
      ["a", "4"],
      ["ü\u0000/", "3"],
    ])
    expect(await rowsOf(again, "alert")).toEqual([["a", "other"]])
    expect(await rowsOf(again, "outbox")).toEqual([])
    expect(await again.row("meta", "cursor")).toBe("here")
    expect(await again.row("meta", "started")).toBeUndefined()
    await again.close()
  })

  it("is written anew without a byte of what was removed, and goes on", async () => {
    const store = await AlertsStore.open(path)
    const many = Array.from({ length: 3_000 }, (_, i) => [`key${i}`, `needle-${i} `.repeat(20)] as const)
    await store.commit(changes(...many))
    await store.commit(changes(...many.slice(1).map(([key]) => [key, undefined] as const)))
    const rewritten = store.rewrite()
    const after = store.commit(changes(["later", "5"]))
    await Promise.all([rewritten, after])
    expect(await rowsOf(store, "rule")).toEqual([many[0], ["later", "5"]])
    expect(await readdir(base)).toEqual(["alerts"])
    const files = await readdir(path)
    const bytes = await Promise.all(files.map((file) => readFile(join(path, file), "latin1")))
    expect(bytes.some((text) => text.includes("needle-1234"))).toBe(false)
    expect(bytes.some((text) => text.includes("later"))).toBe(true)
    await store.close()
  })

  it("answers rows while it is written anew", async () => {
    const store = await AlertsStore.open(path)
    await store.commit(changes(...Array.from({ length: 3_000 }, (_, i) => [`key${i}`, String(i)] as const)))
    let isOver = false
    const rewritten = store.rewrite().finally(() => {
      isOver = true
    })
    while (!isOver) expect(await store.row("rule", "key7")).toBe("7")
    await rewritten
    await store.close()
  })

  it("keeps nothing after what could not be kept: what follows would be without it", async () => {
    const store = await AlertsStore.open(path)
    await store.commit(changes(["a", "1"]))
    // No value of a row: LevelDB does not take it.
    const bad = store.commit(changes(["a", null as unknown as string]))
    const good = store.commit(changes(["b", "2"]))
    expect((await Promise.allSettled([bad, good])).map(({ status }) => status)).toEqual([
      "rejected",
      "rejected",
    ])
    await store.close()
    const again = await AlertsStore.open(path)
    expect(await rowsOf(again, "rule")).toEqual([["a", "1"]])
    await again.close()
  })

  it("is whole wherever its writing anew was interrupted", async () => {
    const store = await AlertsStore.open(path)
    await store.commit(changes(["a", "1"]))
    await store.close()
    const half = await AlertsStore.open(`${path}.new`)
    await half.commit(changes(["a", "half"]))
    await half.close()
    // Before the first rename the old one counts.
    const before = await AlertsStore.open(path)
    expect(await rowsOf(before, "rule")).toEqual([["a", "1"]])
    await before.close()
    expect(await readdir(base)).toEqual(["alerts"])
    // After it the new one does.
    const whole = await AlertsStore.open(`${path}.new`)
    await whole.commit(changes(["a", "whole"]))
    await whole.close()
    await rename(path, `${path}.old`)
    const after = await AlertsStore.open(path)
    expect(await rowsOf(after, "rule")).toEqual([["a", "whole"]])
    await after.close()
    expect(await readdir(base)).toEqual(["alerts"])
  })
})
