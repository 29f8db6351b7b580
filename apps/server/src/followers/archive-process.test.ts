/** The archive's process over a real log: LevelDB and a folder of segments. What it does in a bucket is tested beside. */

import { access, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Progress } from "@prooflog/archive/ports"
import { readSegment, writeSegment } from "@prooflog/query/segment"
import { bundlePath, formatBundle, parseBundle } from "@prooflog/tlog/bundle"
import { signCheckpoint } from "@prooflog/tlog/checkpoint"
import { sha256 } from "@prooflog/tlog/hash"
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest"
import {
  type ArchivedLog,
  type ArchivedLogOptions,
  children,
  DAY_MS,
  erase,
  filesWith,
  movedOf,
  openArchivedLog,
  othersThan,
  range,
  segmentPath,
  standingsOf,
} from "../../fixtures/archived-log.js"

let base: string
let count = 0
const closers: (() => Promise<void>)[] = []

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), "prooflog-archive-"))
})
afterEach(async () => {
  vi.restoreAllMocks()
  for (const close of closers.splice(0).reverse()) await close()
  expect(children()).toEqual([])
})
afterAll(() => rm(base, { recursive: true }))

async function open(options?: ArchivedLogOptions, dir = join(base, `log-${count++}`)): Promise<ArchivedLog> {
  const log = await openArchivedLog(dir, options)
  closers.push(() => log.close())
  return log
}

async function leavesIn(path: string): Promise<number[]> {
  const leaves: number[] = []
  for await (const rows of readSegment(path)) leaves.push(...rows.map(({ leafIndex }) => leafIndex))
  return leaves
}

const codesOf = (failed: readonly { step: string; error: Error & { code?: string } }[]) =>
  failed.map(({ step, error }) => [step, error.code])

describe("the archive's process", () => {
  it("is begun by the first who needs it, and ended when nothing is asked of it any more", async () => {
    const log = await open({ given: { timing: { idleMs: 1 } } })
    expect(await log.archive.numbers()).toMatchObject({ segments: 0, records: 0, classes: {} })
    expect(children()).toEqual([])
    await log.submit(3)
    expect(await log.daily(0)).toMatchObject({
      archived: { records: 0 },
      destroyed: { withdrawn: 0 },
      failed: [],
    })
    await vi.waitFor(() => expect(children()).toEqual([]), { timeout: 20_000 })
    expect(await log.daily(20)).toMatchObject({ archived: { records: 3 }, failed: [] })
  })

  it("moves what is no longer hot, and answers it as it was", async () => {
    const log = await open({ archive: { segmentRows: 3_000 } })
    await log.submit(2_000)
    await log.submit(2, "long")
    await log.submit(2_300)
    const progress: Progress[] = []
    const { archive } = log
    const asked = { ...log.asked(20), verifiedMs: log.asked(20).nowMs }
    expect(await archive.daily(asked, { onProgress: (each) => void progress.push(each) })).toEqual({
      archived: { segments: 3, records: 4_302 },
      destroyed: { withdrawn: 0, heldBack: 0 },
      verified: { segments: 0, rows: 0, faults: [] },
      failed: [],
    })
    expect(progress.length).toBeGreaterThan(0)
    expect(log.told.map(({ what, count: records }) => [what, records])).toEqual([
      ["archived", 3_000],
      ["archived", 1_300],
      ["archived", 2],
    ])
    for (const { id } of log.told) expect(id).toMatch(/^[A-Za-z0-9._:/-]{1,128}$/)

    const leaves = [...log.records.keys()]
    expect(othersThan(log, leaves, await archive.records(await movedOf(log, leaves)))).toEqual([])
    // Single ones, by keys of yesterday.
    const few = [1, 2_001, 4_302]
    const stale = few.map((leafIndex) => ({ leafIndex, key: "segments/x/2020-01/1-9-0.parquet" }))
    expect(othersThan(log, few, await archive.records(stale))).toEqual([])

    expect(await archive.verify()).toEqual({ segments: 3, rows: 4_302, faults: [] })
    expect(await archive.numbers()).toMatchObject({
      segments: 3,
      records: 4_302,
      classes: {
        short: { segments: 2, records: 4_300, firstLeaf: 1, lastLeaf: 4_302, archivedBeforeLeaf: 4_303 },
        long: { segments: 1, records: 2, firstLeaf: 2_001, lastLeaf: 2_002, heldBack: 0 },
      },
      owed: { unfinished: 0, stale: 0, purge: false, rewrite: false, untold: 0, expiring: 0 },
    })
    expect(await archive.daily(asked)).toMatchObject({ archived: { segments: 0, records: 0 }, failed: [] })
    expect(log.told).toHaveLength(3)
    expect(await readdir(log.folder.archiveScratchPath)).toEqual([])
  })

  it("destroys what is due, but for what a hold is on, and tells what has expired", async () => {
    const log = await open()
    await log.submit(10)
    await log.daily(20)
    log.held.add(4)
    expect(await log.daily(60)).toMatchObject({ destroyed: { withdrawn: 9, heldBack: 1 }, failed: [] })
    const [key = ""] = await standingsOf(log, [4])
    expect(await leavesIn(segmentPath(log, key))).toEqual([4])
    expect(await standingsOf(log, [1, 2, 3, 5, 10])).toEqual(["destroyed"])
    expect([...log.forgotten]).toEqual([1, 2, 3, 5, 6, 7, 8, 9, 10])
    expect(log.rewrites).toBe(1)
    expect(log.isLocked).toBe(false)
    expect((await log.archive.numbers()).owed).toMatchObject({ expiring: 9 })
    log.held.clear()
    expect(await log.daily(95)).toMatchObject({ destroyed: { withdrawn: 1, heldBack: 0 } })
    expect(log.told.map(({ what, count: records }) => [what, records])).toEqual([
      ["archived", 10],
      ["withdrawn", 9],
      ["gone", 9],
      ["expired", 9],
      ["withdrawn", 1],
      ["gone", 1],
    ])
    expect(await log.archive.numbers()).toMatchObject({ segments: 0, records: 0 })
    expect(filesWith(join(log.folder.dir, "data", "archive", "segments"), "")).toEqual([])
  })

  it("makes erased records gone, and a range hot again, by leaves and by time, of one class or all", async () => {
    const log = await open()
    await log.submit(100)
    await log.submit(10, "long")
    await log.daily(20)
    const before = await movedOf(log, range(1, 101))
    const [key = ""] = await standingsOf(log, [1])
    await erase(log, [7, 8, 90])
    await log.archive.gone([7, 8, 90])
    await expect(access(segmentPath(log, key))).rejects.toThrow()
    const [anew = ""] = await standingsOf(log, [1, 100])
    const left = range(1, 101).filter((leaf) => ![7, 8, 90].includes(leaf))
    expect(await leavesIn(segmentPath(log, anew))).toEqual(left)
    expect(log.rewrites).toBe(1)
    for (const needle of ["user-7-needle", "user-90-needle"]) {
      expect(filesWith(log.folder.dir, needle)).toEqual([])
    }
    // Asked by tombstones that were read before: what is destroyed by now is none of the archive's.
    expect(othersThan(log, range(1, 101), await log.archive.records(before))).toEqual([7, 8, 90])
    expect(await log.archive.verify()).toMatchObject({ rows: 107, faults: [] })

    expect(await log.archive.restore({ from: 95, to: 106 })).toEqual({ records: 11, segments: 0 })
    expect(await standingsOf(log, range(95, 106))).toEqual(["hot"])
    const days = { fromMs: Date.now() - DAY_MS, toMs: Date.now() + DAY_MS }
    expect(await log.archive.restore({ ...days, className: "long" })).toEqual({ records: 5, segments: 1 })
    expect(await log.archive.restore({ fromMs: days.toMs, toMs: days.toMs + 1 })).toMatchObject({
      records: 0,
    })
    expect(await standingsOf(log, range(101, 111))).toEqual(["hot"])
    const [stored] = await log.ledger.storage.records(102, 103)
    expect(othersThan(log, [102], [stored?.bytes])).toEqual([])
    expect(log.told.filter(({ what }) => what === "restored")).toHaveLength(3)
  })

  it("finds a flipped byte, answers nothing of it, and says which segment cannot be had", async () => {
    const log = await open()
    await log.submit(10)
    await log.submit(10, "long")
    await log.daily(20)
    const [short = "", long = ""] = await standingsOf(log, [1, 11])
    await flip(segmentPath(log, short))
    expect(await log.archive.verify()).toMatchObject({ segments: 2, rows: 10, faults: [{ key: short }] })
    await writeFile(segmentPath(log, short), "no segment")
    await expect(log.archive.records(await movedOf(log, [3]))).rejects.toMatchObject({
      code: "SERVER_ARCHIVE_DAMAGED",
      leafIndex: 3,
      message: expect.stringContaining(short),
    })
    // Whole segments: one of other leaves, and one in which a leaf has the record of another.
    await writeFile(segmentPath(log, short), await readFile(segmentPath(log, long)))
    await expect(log.archive.records(await movedOf(log, [3]))).rejects.toMatchObject({
      code: "SERVER_ARCHIVE_DAMAGED",
      leafIndex: 3,
    })
    await rm(segmentPath(log, short))
    await writeOther(log, segmentPath(log, short), range(1, 11), 3)
    expect(othersThan(log, [2, 5], await log.archive.records(await movedOf(log, [2, 5])))).toEqual([])
    await expect(log.archive.records(await movedOf(log, [2, 3]))).rejects.toMatchObject({
      code: "SERVER_ARCHIVE_DAMAGED",
      leafIndex: 3,
    })
    await rm(segmentPath(log, long))
    await expect(log.archive.records(await movedOf(log, [12]))).rejects.toMatchObject({
      code: "SERVER_ARCHIVE_UNAVAILABLE",
      message: expect.stringContaining(long),
    })
  })

  it("moves what was published and its own log has signed, as the log has it, and nothing else", async () => {
    const log = await open()
    const { folder, ledger } = log
    const shows = (head: Partial<typeof ledger.publishedHead>) =>
      vi.spyOn(ledger, "publishedHead", "get").mockReturnValue({ ...ledger.publishedHead, ...head })
    await log.submit(5)
    const { note } = ledger.publishedHead
    await log.submit(5)

    const lying = shows({ note: note.replace(/^6$/m, "7") })
    expect(codesOf((await log.daily(20)).failed)).toEqual(
      ["archive", "destroy", "verify"].map((step) => [step, "VERIFIER_CHECKPOINT_REFUSED"]),
    )
    lying.mockRestore()
    const nothing = {
      origin: folder.origin,
      treeSize: 0,
      rootHash: sha256(new Uint8Array(0)),
      extensions: [],
    }
    const empty = shows({ note: signCheckpoint(nothing, folder.signerKey) })
    expect(await log.daily(20)).toMatchObject({ archived: { records: 0 }, failed: [] })
    empty.mockRestore()

    const old = shows({ note })
    expect(await log.daily(20)).toMatchObject({ archived: { records: 5 }, failed: [] })
    expect(await standingsOf(log, range(6, 11))).toEqual(["hot"])
    old.mockRestore()

    const { storage } = ledger
    const [other] = await storage.records(8, 9)
    const records = storage.records.bind(storage)
    const swapped = vi.spyOn(storage, "records").mockImplementation(async (start, end) => {
      const stored = await records(start, end)
      return stored.map((each) =>
        each.leafIndex === 7 ? { ...each, bytes: other?.bytes ?? each.bytes } : each,
      )
    })
    const { failed } = await log.daily(20)
    expect(failed).toMatchObject([
      { step: "archive", error: { code: "ARCHIVE_SEGMENT_REFUSED", leafIndex: 7 } },
    ])
    expect(await standingsOf(log, range(6, 11))).toEqual(["hot"])
    swapped.mockRestore()
  })

  it.each([
    ["while records are withdrawn", 20],
    ["while no hold can be placed", 60],
  ])("is killed %s: no lock is left, and the next run goes on", async (_, day) => {
    const log = await open()
    await log.submit(20)
    if (day === 60) await log.daily(20)
    const withdraw = log.ledger.withdraw.bind(log.ledger)
    vi.spyOn(log.ledger, "withdraw").mockImplementationOnce(async (tombstones) => {
      for (const pid of children()) process.kill(pid, "SIGKILL")
      await withdraw(tombstones)
    })
    const { failed } = await log.daily(day)
    expect(codesOf(failed)).toEqual([[day === 20 ? "archive" : "destroy", "SERVER_ARCHIVE_UNAVAILABLE"]])
    await vi.waitFor(() => expect(log.isLocked).toBe(false))
    expect(await log.daily(day)).toMatchObject({ failed: [] })
    if (day === 60) expect(await standingsOf(log, range(1, 21))).toEqual(["destroyed"])
    else {
      const found = await log.archive.records(await movedOf(log, range(1, 21)))
      expect(othersThan(log, range(1, 21), found)).toEqual([])
    }
    expect((await log.archive.numbers()).owed).toMatchObject({ unfinished: 0, purge: false, untold: 0 })
  })

  it("ends where the next run can go on when it is told to, with the reason", async () => {
    const log = await open()
    await log.submit(20)
    const stop = new AbortController()
    const withdraw = log.ledger.withdraw.bind(log.ledger)
    vi.spyOn(log.ledger, "withdraw").mockImplementationOnce(async (tombstones) => {
      stop.abort(new Error("enough"))
      await withdraw(tombstones)
    })
    await expect(log.archive.daily(log.asked(20), { signal: stop.signal })).rejects.toThrow("enough")
    expect(await log.daily(20)).toMatchObject({ failed: [] })
    vi.spyOn(log.ledger, "purge").mockImplementationOnce(async () => {
      log.archive.stop()
      return false
    })
    await erase(log, [3])
    await expect(log.archive.gone([3])).rejects.toMatchObject({ name: "AbortError" })
    await log.archive.gone([3])
    expect((await log.archive.numbers()).owed).toMatchObject({ purge: false, rewrite: false })

    const { archiveScratchPath: scratch } = log.folder
    await log.archive.close()
    await expect(log.archive.verify()).rejects.toMatchObject({ name: "AbortError" })
    await expect(log.archive.numbers()).rejects.toMatchObject({ code: "SERVER_ARCHIVE_UNAVAILABLE" })
    await log.ledger.close()
    // What a process left behind that was killed holds records.
    await writeFile(join(scratch, "draft-7.parquet"), "left behind")
    const again = await open({}, log.folder.dir)
    expect(await again.archive.verify()).toMatchObject({ rows: 19, faults: [] })
    expect(await readdir(scratch)).toEqual([])
  })
})

/** Writes a segment in which one leaf has the record of the leaf behind it. */
async function writeOther({ ledger, records }: ArchivedLog, path: string, leaves: number[], wrong: number) {
  const { storage, treeSize } = ledger
  const entries = parseBundle((await storage.read(bundlePath(0, treeSize))) as Uint8Array, treeSize)
  const page = {
    leafIndices: leaves,
    entries: formatBundle(leaves.map((leaf) => entries[leaf] as Uint8Array)),
    records: formatBundle(leaves.map((leaf) => records.get(leaf === wrong ? leaf + 1 : leaf) as Uint8Array)),
  }
  await writeSegment({ path, pages: [page] })
}

/** Changes one bit in the middle of a file. */
async function flip(path: string): Promise<void> {
  const bytes = await readFile(path)
  const at = bytes.length >> 1
  bytes[at] = (bytes[at] as number) ^ 1
  await writeFile(path, bytes)
}
