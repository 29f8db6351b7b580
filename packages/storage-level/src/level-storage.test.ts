import { execFile } from "node:child_process"
import { rm, stat } from "node:fs/promises"
import { promisify } from "node:util"
import type { Commit, LogStorage } from "@prooflog/ledger/storage"
import { storageSuite } from "@prooflog/ledger/storage-suite"
import { formatBundle } from "@prooflog/tlog/bundle"
import { EMPTY_EDGE, integrate } from "@prooflog/tlog/integrate"
import { Level } from "level"
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { openLevelStorage } from "./level-storage.js"
import { failNextBatch, LevelUnderTest, patchBatches } from "./level-under-test.js"
import { formatNumber, numberKey } from "./rows.js"

beforeAll(patchBatches)

storageSuite("LevelDB", { describe, it }, () => LevelUnderTest.make())

describe("LevelDB", () => {
  let under: LevelUnderTest
  beforeEach(async () => {
    under = await LevelUnderTest.make()
  })
  afterEach(() => under.destroy())

  it.each(["No space left on device", "Disk quota exceeded"])(
    "says of a write that found no room that the disk is full, and commits no more: %s",
    async (message) => {
      const storage = await under.open()
      failNextBatch("not kept", `IO error: /var/lib/log/000005.log: ${message}`)
      await expect(storage.commit(commitOf([3]))).rejects.toMatchObject({ code: "LEDGER_DISK_FULL" })
      await expect(storage.commit(commitOf([3]))).rejects.toMatchObject({ code: "LEDGER_POISONED" })
    },
  )

  it("commits no more after any write failed, whatever it was for", async () => {
    const storage = await under.open()
    await storage.commit(commitOf([3]))
    failNextBatch("not kept")
    await expect(storage.setVerifiedSize(1)).rejects.toMatchObject({ code: "LEDGER_STORAGE_FAILED" })
    await expect(storage.commit(commitOf([3]))).rejects.toMatchObject({ code: "LEDGER_POISONED" })
  })

  it("does not vouch for a write that was under way when another failed", async () => {
    const storage = await under.open()
    await storage.commit(commitOf([3]))
    failNextBatch("not kept")
    const failing = storage.setVerifiedSize(1)
    const beside = storage.withdraw([{ kind: "tombstone", leafIndex: 0, bytes: new Uint8Array(1) }])
    await expect(failing).rejects.toMatchObject({ code: "LEDGER_STORAGE_FAILED" })
    await expect(beside).rejects.toMatchObject({ code: "LEDGER_POISONED" })
  })

  it("refuses a second process", async () => {
    await under.open()
    const module = new URL("../dist/level-storage.js", import.meta.url).href
    const script = `import(${JSON.stringify(module)}).then((m) => m.openLevelStorage(process.argv[1]))
      .then(() => console.log("opened"), (error) => console.log(error.code))`
    const { stdout } = await promisify(execFile)(process.execPath, ["-e", script, under.folder])
    expect(stdout.trim()).toBe("LEDGER_LOCKED")
  })

  it("refuses a format that it does not know", async () => {
    await (await under.open()).close()
    const db = new Level<Uint8Array, Uint8Array>(under.folder, { keyEncoding: "view", valueEncoding: "view" })
    await db.put(numberKey("format"), formatNumber(2))
    await db.close()
    await expect(under.open()).rejects.toMatchObject({ code: "LEDGER_STORAGE_FAILED" })
    await expect(under.open()).rejects.toThrow("format 2, expected 1")
  })

  it("leaves no lock behind after an opening that failed", async () => {
    const storage = await under.open()
    await storage.close()
    await rm(`${under.folder}/CURRENT`)
    await expect(under.open()).rejects.toMatchObject({ code: "LEDGER_CORRUPT" })
    await rm(under.folder, { recursive: true })
    await (await under.open()).close()
  })

  it("answers a page of large records whole", async () => {
    const storage = await under.open()
    const sizes = Array.from({ length: 300 }, (_, i) => 60_000 + i)
    await storage.commit(commitOf(sizes))
    expect((await storage.records(0, 300)).map(({ bytes }) => bytes.length)).toEqual(sizes)
    await storage.withdraw([{ kind: "tombstone", leafIndex: 0, bytes: new Uint8Array(1) }])
    expect((await storage.records(0, 300)).map(({ bytes }) => bytes.length)).toEqual([1, ...sizes.slice(1)])
  })

  it("says which record is missing", async () => {
    const storage = await under.open()
    await storage.commit(commitOf([5, 5, 5, 5]))
    await storage.close()
    const db = new Level<Uint8Array, Uint8Array>(under.folder, { keyEncoding: "view", valueEncoding: "view" })
    await db.del(Buffer.from("7200000000000002", "hex"))
    await db.close()
    const damaged = await under.open()
    await expect(damaged.records(0, 4)).rejects.toMatchObject({ code: "LEDGER_MISSING_RECORD", leafIndex: 2 })
    expect(await damaged.records(0, 2)).toHaveLength(2)
  })

  it("has next to nothing in its journal once it is settled", async () => {
    const storage = await under.open()
    await storage.commit(commitOf(Array.from({ length: 1_000 }, () => 1_000)))
    const journalSize = async () => {
      const sizes = await Promise.all((await under.files(".log")).map((path) => stat(path)))
      return sizes.reduce((sum, { size }) => sum + size, 0)
    }
    expect(await journalSize()).toBeGreaterThan(1_000_000)
    await storage.settle()
    expect(await journalSize()).toBeLessThan(1_000)
  })

  it("reads the rows that are asked for in one turn at once", async () => {
    const storage = await under.open()
    await storage.commit(commitOf(Array.from({ length: 700 }, () => 1)))
    const asked = await Promise.all(
      ["tile/0/000", "tile/0/001", "tile/entries/002.p/1", "tile/0/009"].map((p) => storage.read(p)),
    )
    expect(asked.map((bytes) => bytes?.length)).toEqual([8_192, 8_192, 6, undefined])
  })

  it("opens where there is no folder yet", async () => {
    const storage: LogStorage = await openLevelStorage(`${under.folder}/a/b`)
    expect(await storage.treeSize()).toBe(0)
    await storage.close()
  })
})

/** The first commit of a log, with records of these sizes. */
function commitOf(sizes: readonly number[]): Commit {
  const leafHashes = new Uint8Array(sizes.length * 32)
  const { rootHash, tiles } = integrate(EMPTY_EDGE, leafHashes)
  const bundles = []
  for (let index = 0; index * 256 < sizes.length; index++) {
    const width = Math.min(256, sizes.length - index * 256)
    bundles.push({ index, bytes: formatBundle(Array.from({ length: width }, () => new Uint8Array(4))) })
  }
  const records = formatBundle(sizes.map((size) => new Uint8Array(size)))
  return { follows: 0, treeSize: sizes.length, rootHash, tiles, bundles, records, ids: [] }
}
