import { encodeTombstone } from "@prooflog/event/tombstone"
import { MemoryDisk, openMemoryStorage } from "@prooflog/ledger/memory"
import type { LogStorage } from "@prooflog/ledger/storage"
import { formatBundle } from "@prooflog/tlog/bundle"
import { leafHash } from "@prooflog/tlog/hash"
import { checkInclusion } from "@prooflog/tlog/inclusion"
import { EMPTY_EDGE, integrate } from "@prooflog/tlog/integrate"
import { TILE_WIDTH } from "@prooflog/tlog/tile"
import { beforeAll, describe, expect, it } from "vitest"
import { LogReader } from "./log-reader.js"
import { MovedRecords } from "./retention/moved-records.js"

const TREE_SIZE = 700
const entries = Array.from({ length: TREE_SIZE }, (_, i) => new TextEncoder().encode(`entry ${i}`))

const NOTHING_MOVED = new MovedRecords({
  records: () => Promise.reject(new Error("bug: nothing was moved")),
})

describe("the log's reader", () => {
  let storage: LogStorage
  let rootHash: Uint8Array
  let reads: string[]
  beforeAll(async () => {
    const inMemory = await openMemoryStorage(new MemoryDisk())
    const tree = integrate(EMPTY_EDGE, Buffer.concat(entries.map(leafHash)))
    rootHash = tree.rootHash
    const bundles = Array.from({ length: Math.ceil(TREE_SIZE / TILE_WIDTH) }, (_, index) => ({
      index,
      bytes: formatBundle(entries.slice(index * TILE_WIDTH, (index + 1) * TILE_WIDTH)),
    }))
    const records = formatBundle(entries.map((_, i) => Uint8Array.of(i & 0xff)))
    await inMemory.commit({
      follows: 0,
      treeSize: TREE_SIZE,
      rootHash,
      tiles: tree.tiles,
      bundles,
      records,
      ids: [],
    })
    reads = []
    storage = new Proxy(inMemory, {
      get: (target, name) =>
        name === "read"
          ? (path: string) => {
              reads.push(path)
              return target.read(path)
            }
          : (target[name as keyof LogStorage] as () => unknown).bind(target),
    })
  })

  it("finds every entry, and the path that proves it", async () => {
    const reader = new LogReader(storage, NOTHING_MOVED)
    for (let leafIndex = 0; leafIndex < TREE_SIZE; leafIndex += 7) {
      const entry = await reader.entry(leafIndex, TREE_SIZE)
      expect(entry).toEqual(entries[leafIndex])
      const path = await reader.inclusionPath(leafIndex, TREE_SIZE)
      checkInclusion({ leafIndex, treeSize: TREE_SIZE, leafHash: leafHash(entry), path, rootHash })
      expect(await reader.record(leafIndex)).toEqual(Uint8Array.of(leafIndex & 0xff))
    }
  })

  it("finds them in every smaller tree", async () => {
    const reader = new LogReader(storage, NOTHING_MOVED)
    for (const treeSize of [1, 2, 255, 256, 257, 512, 513]) {
      expect(await reader.entry(treeSize - 1, treeSize)).toEqual(entries[treeSize - 1])
    }
  })

  it("reads each tile and bundle once, however many ask at once", async () => {
    const reader = new LogReader(storage, NOTHING_MOVED)
    reads.length = 0
    await Promise.all(Array.from({ length: 50 }, (_, i) => reader.inclusionPath(i, TREE_SIZE)))
    await Promise.all(Array.from({ length: 50 }, (_, i) => reader.entry(i, TREE_SIZE)))
    expect(reads.length).toBe(new Set(reads).size)
  })

  it("keeps no reading that failed", async () => {
    let broken = true
    const flaky = new Proxy(storage, {
      get: (target, name) =>
        name === "read" && broken
          ? () => Promise.reject(new Error("unplugged"))
          : (target[name as keyof LogStorage] as () => unknown).bind(target),
    })
    const reader = new LogReader(flaky, NOTHING_MOVED)
    await expect(reader.entry(3, TREE_SIZE)).rejects.toThrow("unplugged")
    broken = false
    expect(await reader.entry(3, TREE_SIZE)).toEqual(entries[3])
  })

  it("asks for several records in one turn, and gives them in order", async () => {
    let asked = 0
    const counting = new Proxy(storage, {
      get: (target, name) =>
        name === "records"
          ? (start: number, end: number) => {
              asked++
              return target.records(start, end)
            }
          : (target[name as keyof LogStorage] as () => unknown).bind(target),
    })
    const found = new LogReader(counting, NOTHING_MOVED).storedRecords([9, 2, 600, 2])
    expect(asked).toBe(4)
    expect((await found).map(({ leafIndex, bytes }) => [leafIndex, bytes[0]])).toEqual(
      [9, 2, 600, 2].map((leafIndex) => [leafIndex, leafIndex & 0xff]),
    )
  })

  it("says that a destroyed record is destroyed", async () => {
    await withdraw(5, encodeTombstone({ state: "destroyed", reason: 0, reference: 3 }))
    await withdraw(7, new Uint8Array(1))
    const reader = new LogReader(storage, NOTHING_MOVED)
    await expect(reader.record(5)).rejects.toMatchObject({
      code: "SERVER_DESTROYED",
      leafIndex: 5,
      destroyed: { reason: "schedule", reference: 3 },
    })
    await expect(reader.record(7)).rejects.toMatchObject({ code: "EVENT_MALFORMED_RECORD" })
  })

  it("answers a record that was moved as if it had stayed, one by one, several, and in a range", async () => {
    for (const leaf of [6, 300, 301])
      await withdraw(leaf, encodeTombstone({ state: "moved", segment: `segments/${leaf < 300 ? "a" : "b"}` }))
    const asked: string[] = []
    const moved = new MovedRecords({
      async records(all) {
        asked.push(all.map(({ leafIndex, key }) => `${leafIndex} ${key}`).join())
        return all.map(({ leafIndex }) => Uint8Array.of(leafIndex & 0xff, 99))
      },
    })
    const reader = new LogReader(storage, moved)
    expect(await reader.record(6)).toEqual(Uint8Array.of(6, 99))
    const several = await reader.storedRecords([301, 6, 8, 300, 6])
    expect(several.map(({ kind, leafIndex, bytes }) => [kind, leafIndex, bytes.length])).toEqual([
      ["record", 301, 2],
      ["record", 6, 2],
      ["record", 8, 1],
      ["record", 300, 2],
      ["record", 6, 2],
    ])
    // Each segment once, its leaves ascending and without repeats.
    expect(asked).toEqual(["6 segments/a", "300 segments/b,301 segments/b", "6 segments/a"])
    const all: number[] = []
    for await (const slice of reader.leaves(4, TREE_SIZE, 100)) {
      for (const { leafIndex, kind, bytes } of slice) {
        all.push(leafIndex)
        const size = { 6: 2, 300: 2, 301: 2 }[leafIndex] ?? 1
        if (kind === "record") expect([leafIndex, bytes.length]).toEqual([leafIndex, size])
      }
    }
    expect(all).toEqual(Array.from({ length: TREE_SIZE - 4 }, (_, i) => i + 4))
    // Whoever goes on from leaf to leaf is not asked for each slice.
    expect(asked.slice(3)).toEqual(["6 segments/a", "300 segments/b,301 segments/b"])
  })

  function withdraw(leafIndex: number, bytes: Uint8Array): Promise<void> {
    return storage.withdraw([{ kind: "tombstone", leafIndex, bytes }])
  }
})
