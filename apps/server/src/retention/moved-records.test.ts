import { encodeTombstone } from "@prooflog/event/tombstone"
import { describe, expect, it } from "vitest"
import { ServerError } from "../error.js"
import type { MovedRecord } from "../followers/archive-calls.js"
import { MovedRecords, type StoredLeaf } from "./moved-records.js"

const movedTo = (leafIndex: number, segment: string): StoredLeaf => ({
  kind: "tombstone",
  leafIndex,
  bytes: encodeTombstone({ state: "moved", segment }),
})

const never = () => Promise.reject(new Error("bug: nothing has changed"))

describe("moved records", () => {
  it("are asked for together while the archive is busy, each segment by itself", async () => {
    const asked: (readonly MovedRecord[])[] = []
    let answer = () => {}
    const busy = new Promise<void>((resolve) => {
      answer = resolve
    })
    const moved = new MovedRecords({
      async records(all) {
        asked.push(all)
        if (asked.length === 1) await busy
        return all.map(({ leafIndex }) => Uint8Array.of(leafIndex))
      },
    })
    const one = (leaf: number, key: string) => moved.among([movedTo(leaf, key)], never)
    const first = one(9, "a")
    await Promise.resolve()
    const others = [one(5, "a"), one(3, "b"), one(1, "a"), one(5, "a")]
    answer()
    const found = (await Promise.all([first, ...others])).flat()
    expect(found.map(({ bytes }) => bytes[0])).toEqual([9, 5, 3, 1, 5])
    expect(asked.map((all) => all.map(({ leafIndex, key }) => `${leafIndex}${key}`))).toEqual([
      ["9a"],
      ["1a", "5a"],
      ["3b"],
    ])
  })

  it("are not kept waiting by one who asks for those of many segments", async () => {
    const asked: string[] = []
    const moved = new MovedRecords({
      async records([first]) {
        asked.push(first?.key ?? "")
        return [Uint8Array.of(1)]
      },
    })
    const many = moved.among(
      Array.from({ length: 100 }, (_, leaf) => movedTo(leaf, `many/${leaf}`)),
      never,
    )
    await Promise.resolve()
    await moved.among([movedTo(200, "one")], never)
    expect(asked.indexOf("one")).toBeLessThan(3)
    // And not twice for one segment that both want.
    await Promise.all([many, moved.among([movedTo(99, "many/99")], never)])
    expect(asked).toHaveLength(101)
  })

  it("of other segments are answered if one is damaged", async () => {
    const moved = new MovedRecords({
      async records(all) {
        if (all[0]?.key === "b") throw new ServerError("SERVER_ARCHIVE_DAMAGED", "b: leaf 2")
        return all.map(() => Uint8Array.of(1))
      },
    })
    const [good, bad] = await Promise.allSettled([
      moved.among([movedTo(1, "a")], never),
      moved.among([movedTo(2, "b")], never),
    ])
    expect(good).toMatchObject({ status: "fulfilled", value: [{ kind: "record", leafIndex: 1 }] })
    expect(bad).toMatchObject({ status: "rejected", reason: { code: "SERVER_ARCHIVE_DAMAGED" } })
  })

  it.each<[string, StoredLeaf]>([
    ["restored", { kind: "record", leafIndex: 4, bytes: Uint8Array.of(7) }],
    [
      "destroyed",
      {
        kind: "tombstone",
        leafIndex: 4,
        bytes: encodeTombstone({ state: "destroyed", reason: 0, reference: 0 }),
      },
    ],
  ])("that were %s while they were looked for are read again from storage", async (_, now) => {
    const moved = new MovedRecords({ records: async () => [undefined] })
    expect(await moved.among([movedTo(4, "a")], async () => now)).toEqual([now])
  })

  it("of a segment that is written anew are looked for in the new one, and not for ever", async () => {
    const asked: string[] = []
    const moved = new MovedRecords({
      async records([first]) {
        asked.push(first?.key ?? "")
        return [first?.key === "c" ? Uint8Array.of(1) : undefined]
      },
    })
    let reads = 0
    const found = await moved.among([movedTo(4, "a")], async () => movedTo(4, reads++ === 0 ? "b" : "c"))
    expect([asked, found[0]?.kind]).toEqual([["a", "b", "c"], "record"])
    const lost = moved.among([movedTo(4, "a")], async () => movedTo(4, "b"))
    await expect(lost).rejects.toMatchObject({ code: "SERVER_ARCHIVE_UNAVAILABLE", leafIndex: 4 })
  })

  describe("of leaves beside each other", () => {
    /** 3,000 leaves, all of them moved into `segments/a`. */
    function logOf(changes: ReadonlyMap<number, StoredLeaf> = new Map()) {
      const at = (leaf: number) => changes.get(leaf) ?? movedTo(leaf, "segments/a")
      return {
        at,
        treeSize: async () => 3_000,
        records: async (start: number, end: number) =>
          Array.from({ length: end - start }, (_, i) => at(start + i)),
      }
    }

    it("are read in pieces, once for all who go through them", async () => {
      const asked: number[] = []
      const moved = new MovedRecords({
        async records(all) {
          asked.push(all.length)
          return all.map(({ leafIndex }) => Uint8Array.of(leafIndex & 0xff))
        },
      })
      const log = logOf()
      const slices = [0, 200, 900, 2_800].map(async (start) =>
        moved.near(await log.records(start, start + 200), log, never),
      )
      for (const [i, start] of [0, 200, 900, 2_800].entries()) {
        const found = (await slices[i]) ?? []
        expect(found.map(({ kind, bytes }) => [kind, bytes[0]])).toEqual(
          Array.from({ length: 200 }, (_, n) => ["record", (start + n) & 0xff]),
        )
      }
      expect(asked.reduce((sum, count) => sum + count, 0)).toBe(3_000)
    })

    it("are not answered any more when they are destroyed, though they were read a moment ago", async () => {
      const moved = new MovedRecords({ records: async (all) => all.map(() => Uint8Array.of(1)) })
      const log = logOf()
      expect((await moved.near(await log.records(0, 9), log, never)).map(({ kind }) => kind)).not.toContain(
        "tombstone",
      )
      const bytes = encodeTombstone({ state: "destroyed", reason: 0, reference: 0 })
      const after = logOf(new Map([[4, { kind: "tombstone", leafIndex: 4, bytes }]]))
      const found = await moved.near(await after.records(0, 9), after, never)
      expect(found.map(({ kind }) => kind).indexOf("tombstone")).toBe(4)
      expect(found[4]?.bytes).toBe(bytes)
    })

    it("are answered where another of their piece is damaged", async () => {
      const moved = new MovedRecords({
        async records(all) {
          if (all.some(({ leafIndex }) => leafIndex === 700))
            throw new ServerError("SERVER_ARCHIVE_DAMAGED", "700")
          return all.map(() => Uint8Array.of(1))
        },
      })
      const log = logOf()
      expect(await moved.near(await log.records(0, 100), log, never)).toHaveLength(100)
      const damaged = moved.near(await log.records(650, 750), log, never)
      await expect(damaged).rejects.toMatchObject({ code: "SERVER_ARCHIVE_DAMAGED" })
    })
  })
})
