/** What of a purge the storage exam cannot see: LevelDB's levels, its snapshots, the steps. */

import type { LogStorage, Tombstone } from "@prooflog/ledger/storage"
import { sha256 } from "@prooflog/tlog/hash"
import { Level } from "level"
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import type { Db } from "./level-db.js"
import { openLevelStorage } from "./level-storage.js"
import { failNextBatch, LevelUnderTest, patchBatches } from "./level-under-test.js"
import { Readers } from "./readers.js"
import { formatNumber, indexKey, keyIndex, numberKey, RECORD, TO_PURGE, TOMBSTONE } from "./rows.js"
import { deepestLevel, parseTables } from "./tables.js"
import { Withdrawn } from "./withdrawn.js"

beforeAll(patchBatches)

let under: LevelUnderTest
/** Open at the beginning of each test, and at its end if it was opened again. */
let db: Db
beforeEach(async () => {
  under = await LevelUnderTest.make()
  db = await openRaw()
  await db.put(numberKey("format"), formatNumber(1))
})
afterEach(async () => {
  await db.close()
  await under.destroy()
})

async function openRaw(): Promise<Db> {
  const raw = new Level<Uint8Array, Uint8Array>(under.folder, { keyEncoding: "view", valueEncoding: "view" })
  await raw.open()
  return raw as Db
}

/** The storage over what the raw database has written. */
async function openStorage(): Promise<LogStorage> {
  await db.close()
  return await openLevelStorage(under.folder)
}

const recordOf = (leaf: number) => Buffer.from(sha256(Buffer.from(`record ${leaf}`)))

function tombstonesOf(leaves: readonly number[]): Tombstone[] {
  return leaves.map((leafIndex) => ({ kind: "tombstone", leafIndex, bytes: new Uint8Array([1]) }))
}

async function putRecords(leaves: readonly number[]): Promise<Uint8Array[]> {
  const batch = db.batch()
  for (const leaf of leaves) batch.put(indexKey(RECORD, leaf), recordOf(leaf))
  await batch.write()
  return leaves.map(recordOf)
}

function numbers(count: number, step = 1): number[] {
  return Array.from({ length: count }, (_, i) => i * step)
}

const EVERYTHING = [new Uint8Array([0]), new Uint8Array([0xff])] as const

describe("a record below its own deletion", () => {
  /** Withdrawn and compacted while a snapshot was open. */
  async function stick(leaves: readonly number[]): Promise<void> {
    const snapshot = db.snapshot()
    const batch = db.batch()
    for (const leaf of leaves) {
      batch.del(indexKey(RECORD, leaf))
      batch.put(indexKey(TOMBSTONE, leaf), new Uint8Array([1]))
      batch.put(indexKey(TO_PURGE, leaf), new Uint8Array(0))
    }
    await batch.write()
    await db.compactRange(...EVERYTHING)
    await snapshot.close()
  }

  it("in the last level stays through any compaction, and is purged all the same", async () => {
    const needles = await putRecords([1, 2, 3])
    await db.compactRange(...EVERYTHING)
    await stick([2])
    for (let pass = 0; pass < 3; pass++) await db.compactRange(...EVERYTHING)
    expect(await under.held(needles)).toHaveLength(3)
    const storage = await openStorage()
    expect(await storage.purge()).toBe(true)
    expect(await under.held(needles)).toEqual([needles[0], needles[2]])
    await storage.close()
  })

  it.each([0, 1, 2, 3, 4])("is purged after %i passes that took it deeper", async (passes) => {
    const needles = await putRecords([1, 2, 3, 4])
    for (let pass = 0; pass < passes; pass++) {
      await db.compactRange(...EVERYTHING)
      await putRecords([0, 9])
    }
    await stick([2, 3])
    const storage = await openStorage()
    await storage.purge()
    expect(await under.held(needles)).toEqual([needles[0], needles[3]])
    await storage.close()
  })
})

describe("a purge", () => {
  it.each([
    [0, "kept"],
    [0, "not kept"],
    [1, "kept"],
    [1, "not kept"],
  ] as const)("whose write %i failed, %s, is done again", async (after, outcome) => {
    const needles = await putRecords([1, 2, 3])
    let storage = await openStorage()
    await storage.withdraw(tombstonesOf([1, 2]))
    failNextBatch(outcome, "IO error: 000003.log: No space left on device", after)
    await expect(storage.purge()).rejects.toMatchObject({ code: "LEDGER_DISK_FULL" })
    await expect(storage.purge()).rejects.toMatchObject({ code: "LEDGER_POISONED" })
    await storage.close()
    storage = await openLevelStorage(under.folder)
    expect(await storage.purge()).toBe(true)
    expect(await under.held(needles)).toEqual([needles[2]])
    await storage.close()
    db = await openRaw()
    const left = db.keys({ gte: new Uint8Array([TO_PURGE]), lt: new Uint8Array([TO_PURGE + 1]) })
    expect(await left.all()).toEqual([])
  })

  it("of far leaves takes steps, and goes on where it was stopped", async () => {
    const leaves = numbers(100, 20_000)
    const needles = await putRecords(leaves)
    const storage = await openStorage()
    await storage.withdraw(tombstonesOf(leaves))
    const stop = new AbortController()
    const told: number[] = []
    const onProgress = (gone: number) => {
      told.push(gone)
      if (told.length === 2) stop.abort()
    }
    expect(await storage.purge({ signal: stop.signal, onProgress })).toBe(false)
    expect(told).toEqual([16, 32])
    expect(await storage.purge({ onProgress })).toBe(true)
    expect(told.slice(2)).toEqual([16, 32, 48, 64, 68])
    expect(await under.held(needles)).toEqual([])
    await storage.close()
  })

  it("of many leaves takes steps", async () => {
    const leaves = numbers(70_000)
    const storage = await openStorage()
    for (let at = 0; at < leaves.length; at += 10_000) {
      await storage.withdraw(tombstonesOf(leaves.slice(at, at + 10_000)))
    }
    const told: number[] = []
    expect(await storage.purge({ onProgress: (gone) => told.push(gone) })).toBe(true)
    expect(told).toEqual([32_768, 65_536, 70_000])
    await storage.close()
  })

  it("compacts once more if the records went deeper meanwhile", async () => {
    await putRecords([5, 6])
    const key = `r${String.raw`\x00`.repeat(6)}${String.raw`\x05`}`
    const levels = [1, 2, 2, 2]
    const compacted: number[] = []
    const withdrawn = withdrawnOver({
      getProperty: () => `--- level ${levels.shift()} ---\n 5:9['${key}' @ 1 : 1 .. '${key}' @ 1 : 1]\n`,
      onCompact: (first) => compacted.push(first),
    })
    await withdrawn.withdraw(tombstonesOf([5]))
    await withdrawn.purge({})
    expect(compacted).toEqual([5, 5])
    expect(levels).toEqual([])
  })

  it("compacts no wider ranges than it can in a while, and stops between two", async () => {
    // Near each other, but many: as wide as may be. Then one alone, and one more.
    const leaves = [...numbers(9, 10_000), 200_000, 300_000]
    await putRecords(leaves)
    const compacted: number[] = []
    const stop = new AbortController()
    const withdrawn = withdrawnOver({
      onCompact: (first, last) => {
        compacted.push(first, last)
        if (first === 200_000) stop.abort()
      },
    })
    await withdrawn.withdraw(tombstonesOf(leaves))
    const told: number[] = []
    const onProgress = (gone: number) => told.push(gone)
    expect(await withdrawn.purge({ signal: stop.signal, onProgress })).toBe(false)
    expect(compacted).toEqual([0, 60_000, 70_000, 80_000, 200_000, 200_000])
    expect(told).toEqual([10])
    expect(await withdrawn.purge({ onProgress })).toBe(true)
    expect(compacted.slice(6)).toEqual([300_000, 300_000])
    expect(told).toEqual([10, 1])
  })

  /** Over a database that is watched, and says of its tables what it is told to. */
  function withdrawnOver(watch: {
    readonly readers?: Readers
    readonly getProperty?: () => string
    readonly onCompact: (first: number, last: number) => void
  }): Withdrawn {
    const watched = new Proxy(db, {
      get(target, name) {
        if (name === "getProperty" && watch.getProperty !== undefined) return watch.getProperty
        if (name === "compactRange") {
          return (start: Uint8Array, end: Uint8Array) => {
            if (start[0] === RECORD) watch.onCompact(keyIndex(start), keyIndex(end))
            return target.compactRange(start, end)
          }
        }
        const value: unknown = Reflect.get(target, name)
        return typeof value === "function" ? value.bind(target) : value
      },
    })
    return new Withdrawn({
      db: watched,
      readers: watch.readers ?? new Readers(),
      write: (batch) => batch.write(),
    })
  }

  it("waits for those who have the old files open, and deletes them then", async () => {
    const needles = await putRecords([1, 2, 3])
    await db.compactRange(...EVERYTHING)
    const readers = new Readers()
    let reading: Promise<void> | undefined
    const withdrawn = withdrawnOver({
      readers,
      onCompact: () => {
        reading ??= readers.read(async () => {
          const iterator = db.iterator()
          await iterator.next()
          await new Promise((resolve) => setTimeout(resolve, 100))
          await iterator.close()
        })
      },
    })
    await withdrawn.withdraw(tombstonesOf([1, 2]))
    await withdrawn.purge({})
    expect(await under.held(needles)).toEqual([needles[2]])
    await reading
  })

  it("writes its deletions while nobody reads", async () => {
    await putRecords([1])
    const readers = new Readers()
    let release = () => {}
    const slow = readers.read(
      () =>
        new Promise<void>((resolve) => {
          release = resolve
        }),
    )
    let writes = 0
    let isWriting = false
    const withdrawn = new Withdrawn({
      db,
      readers,
      write: async (batch) => {
        writes++
        isWriting = true
        await batch.write()
        await new Promise((resolve) => setTimeout(resolve, 20))
        isWriting = false
      },
    })
    await withdrawn.withdraw(tombstonesOf([1]))
    const purging = withdrawn.purge({})
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(writes).toBe(1)
    // Whoever comes now waits until they are written.
    const sawWriting = readers.read(async () => isWriting)
    release()
    await slow
    expect(await sawWriting).toBe(false)
    expect(writes).toBe(2)
    expect(await purging).toBe(true)
  })
})

it("LevelDB prints its tables as they are read here", async () => {
  await putRecords(numbers(300, 1_000))
  await db.compactRange(...EVERYTHING)
  const tables = parseTables(db.getProperty("leveldb.sstables"))
  expect(tables.length).toBeGreaterThan(0)
  const depth = (first: number, last: number) =>
    deepestLevel(tables, indexKey(RECORD, first), indexKey(RECORD, last))
  expect(depth(0, 0)).toBeGreaterThan(0)
  expect(depth(299_000, 2 ** 40)).toBe(depth(0, 0))
  expect(depth(299_001, 2 ** 40)).toBe(0)
})
