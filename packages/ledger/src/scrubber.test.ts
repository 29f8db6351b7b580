import { describe, expect, it } from "vitest"
import type { Ledger } from "./ledger.js"
import { type MemoryDisk, openMemoryStorage } from "./memory.js"
import { submissionOf, Trial, until } from "./trial.js"

/** A closed log of `count` events; everything is settled and verified. */
async function closedLog(count: number): Promise<Trial> {
  const trial = new Trial()
  const ledger = await trial.open()
  await ledger.submit(submissionOf(Array.from({ length: count }, (_, i) => i)))
  await ledger.close()
  return trial
}

/** The log before anyone re-read it: settled, none of it verified. */
async function unverifiedLog(count: number): Promise<Trial> {
  const trial = await closedLog(count)
  for (const step of trial.disk.journal.splice(0)) step.apply(trial.disk.tables)
  trial.disk.tables.verifiedSize = 0
  return trial
}

function damage(disk: MemoryDisk, rows: "bundles" | "tiles" | "records", key: number | string): void {
  const map = disk.tables[rows] as Map<number | string, Uint8Array>
  const copy = (map.get(key) as Uint8Array).slice()
  copy[copy.length - 1] = (copy.at(-1) as number) ^ 1
  map.set(key, copy)
}

describe("the fresh lane", () => {
  it("verifies what is settled, once, while the log is idle", async () => {
    const trial = await unverifiedLog(5_000)
    const ledger = await trial.open()
    expect(ledger.status().verifiedSize).toBe(0)
    await until(() => ledger.status().verifiedSize === 5_001)
    expect(ledger.status().damage).toBeUndefined()
    await ledger.close()
    const storage = await openMemoryStorage(trial.disk)
    expect(await storage.verifiedSize()).toBe(5_001)
  })

  it("settles after enough new leaves by itself", async () => {
    const ledger = await new Trial().open({ checkRecord: () => {} })
    const many = submissionOf(Array.from({ length: 20_000 }, (_, i) => i))
    for (let i = 0; i < 10; i++) await ledger.submit(many)
    await until(() => ledger.status().settledSize >= 200_000)
    await until(() => ledger.status().verifiedSize >= 200_000)
    await ledger.close()
  })

  it("gives way to commits", async () => {
    const trial = await unverifiedLog(30_000)
    const ledger = await trial.open()
    const end = performance.now() + 300
    while (performance.now() < end) await ledger.submit(submissionOf([1]))
    const slow = ledger.status().verifiedSize
    await until(() => ledger.status().verifiedSize >= 30_001)
    expect(slow).toBeLessThan(25_000)
    await ledger.close()
  })

  it.each([
    ["an entry", "bundles", 3, 1_023],
    ["a tile", "tiles", "0/3", 768],
    ["a tile above", "tiles", "1/0", 4_608],
    ["a record", "records", 1_000, 1_000],
  ] as const)(
    "finds damage to %s, goes on, and does not call it verified",
    async (_, rows, key, leafIndex) => {
      const trial = await unverifiedLog(5_000)
      damage(trial.disk, rows, key)
      // The right edge must be sound, or nothing opens at all.
      if (key === "1/0") return expectRefused(trial)
      const ledger = await trial.open()
      await until(() => ledger.status().damage !== undefined)
      expect(ledger.status().damage).toMatchObject({ code: "LEDGER_CORRUPT", leafIndex })
      expect(trial.alarms).toHaveLength(1)
      await expect(ledger.submit(submissionOf([1]))).resolves.toHaveLength(1)
      await ledger.close()
      expect(ledger.status().verifiedSize).toBeLessThanOrEqual(leafIndex)
    },
  )

  async function expectRefused(trial: Trial): Promise<void> {
    await expect(trial.open()).rejects.toMatchObject({ code: "LEDGER_CORRUPT" })
  }

  it("passes over tombstones", async () => {
    const trial = await unverifiedLog(600)
    const storage = await openMemoryStorage(trial.disk)
    await storage.withdraw([{ kind: "tombstone", leafIndex: 300, bytes: new Uint8Array(3) }])
    await storage.close()
    const ledger = await trial.open()
    await until(() => ledger.status().verifiedSize === 601)
    await ledger.close()
  })
})

describe("the patrol", () => {
  const patrolled = (trial: Trial) => trial.open({ patrolLeavesPerSecond: 1_000_000 })

  const found = (ledger: Ledger) => until(() => ledger.status().damage !== undefined)

  it("walks the whole log", async () => {
    const trial = await closedLog(3_000)
    const ledger = await patrolled(trial)
    await until(() => ledger.status().patrolPasses === 1)
    expect(trial.alarms).toEqual([])
    await ledger.close()
  })

  it.each([
    ["an old entry", "bundles", 0, 255],
    ["an old tile", "tiles", "0/1", 256],
    ["an old record", "records", 300, 300],
  ] as const)("finds damage to %s that was verified before", async (_, rows, key, leafIndex) => {
    const trial = await closedLog(3_000)
    damage(trial.disk, rows, key)
    const ledger = await patrolled(trial)
    await found(ledger)
    expect(ledger.status().damage).toMatchObject({ code: "LEDGER_CORRUPT", leafIndex })
    await until(() => ledger.status().patrolPasses === 1)
    await ledger.close()
  })

  it("finds a commit row that is lost", async () => {
    const trial = new Trial()
    let ledger = await trial.open()
    for (let i = 0; i < 10; i++) await ledger.submit(submissionOf([i]))
    await ledger.close()
    trial.disk.tables.commits.delete(4)
    ledger = await patrolled(trial)
    await found(ledger)
    expect(ledger.status().damage).toMatchObject({ leafIndex: 4 })
    await ledger.close()
  })

  it("stops in the midst of many commits", async () => {
    const trial = new Trial()
    let ledger = await trial.open()
    for (let i = 0; i < 3_000; i++) await ledger.submit(submissionOf([i]))
    await ledger.close()
    const storage = await openMemoryStorage(trial.disk)
    ledger = await trial.open({ storage, patrolLeavesPerSecond: 1_000_000 })
    let rows = 0
    let closed: Promise<void> | undefined
    const commits = storage.commits.bind(storage)
    storage.commits = async function* (start) {
      for await (const row of commits(start)) {
        rows++
        closed ??= ledger.close()
        yield row
      }
    }
    await until(() => closed !== undefined)
    await closed
    expect(rows).toBeLessThanOrEqual(1_000)
    expect(trial.alarms).toEqual([])
  })

  it("takes commits that arrive meanwhile for what they are", async () => {
    const trial = await closedLog(3_000)
    const ledger = await patrolled(trial)
    while (ledger.status().patrolPasses === 0) await ledger.submit(submissionOf([1]))
    expect(trial.alarms).toEqual([])
    await ledger.close()
  })

  it("keeps to its rate", async () => {
    const trial = await closedLog(3_000)
    const ledger = await trial.open({ patrolLeavesPerSecond: 5_000 })
    const began = performance.now()
    await until(() => ledger.status().patrolPasses === 1)
    expect(performance.now() - began).toBeGreaterThan(550)
    await ledger.close()
  })
})
