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

const TREE_SIZE = 700
const entries = Array.from({ length: TREE_SIZE }, (_, i) => new TextEncoder().encode(`entry ${i}`))

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
    const reader = new LogReader(storage)
    for (let leafIndex = 0; leafIndex < TREE_SIZE; leafIndex += 7) {
      const entry = await reader.entry(leafIndex, TREE_SIZE)
      expect(entry).toEqual(entries[leafIndex])
      const path = await reader.inclusionPath(leafIndex, TREE_SIZE)
      checkInclusion({ leafIndex, treeSize: TREE_SIZE, leafHash: leafHash(entry), path, rootHash })
      expect(await reader.record(leafIndex)).toEqual(Uint8Array.of(leafIndex & 0xff))
    }
  })

  it("finds them in every smaller tree", async () => {
    const reader = new LogReader(storage)
    for (const treeSize of [1, 2, 255, 256, 257, 512, 513]) {
      expect(await reader.entry(treeSize - 1, treeSize)).toEqual(entries[treeSize - 1])
    }
  })

  it("reads each tile and bundle once, however many ask at once", async () => {
    const reader = new LogReader(storage)
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
    const reader = new LogReader(flaky)
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
    const found = new LogReader(counting).storedRecords([9, 2, 600, 2])
    expect(asked).toBe(4)
    expect((await found).map(({ leafIndex, bytes }) => [leafIndex, bytes[0]])).toEqual(
      [9, 2, 600, 2].map((leafIndex) => [leafIndex, leafIndex & 0xff]),
    )
  })

  it("says that a destroyed record is destroyed", async () => {
    const withdraw = (leafIndex: number, bytes: Uint8Array) =>
      storage.withdraw([{ kind: "tombstone", leafIndex, bytes }])
    await withdraw(5, encodeTombstone({ state: "destroyed", reason: 0, reference: 3 }))
    await withdraw(6, encodeTombstone({ state: "moved", segment: "segments/a" }))
    await withdraw(7, new Uint8Array(1))
    const reader = new LogReader(storage)
    await expect(reader.record(5)).rejects.toMatchObject({
      code: "SERVER_DESTROYED",
      leafIndex: 5,
      destroyed: { reason: "schedule", reference: 3 },
    })
    await expect(reader.record(6)).rejects.toMatchObject({ code: "SERVER_NOT_READY" })
    await expect(reader.record(7)).rejects.toMatchObject({ code: "EVENT_MALFORMED_RECORD" })
  })
})
