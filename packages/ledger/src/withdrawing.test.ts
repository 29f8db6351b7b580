import { describe, expect, it } from "vitest"
import { LedgerError } from "./error.js"
import type { Ledger, LedgerOptions } from "./ledger.js"
import { openMemoryStorage } from "./memory.js"
import { type LogStorage, MAX_RECORDS, type StoredRecord, type Tombstone } from "./storage.js"
import { makeRecord, submissionOf, Trial, until } from "./trial.js"

/** First byte 0: stays for ever. */
const isFinal = (tombstone: Uint8Array) => tombstone[0] === 0

const DESTROYED = [0, 1]
const DESTROYED_OTHERWISE = [0, 2]
const MOVED = [1, 1]
const MOVED_ON = [1, 2]

function tombstones(bytes: readonly number[], ...leaves: readonly number[]): Tombstone[] {
  return leaves.map((leafIndex) => ({ kind: "tombstone", leafIndex, bytes: new Uint8Array(bytes) }))
}

/** Leaf n holds the entry with number n. */
function records(...leaves: readonly number[]): StoredRecord[] {
  return leaves.map((leafIndex) => ({ kind: "record", leafIndex, bytes: makeRecord(leafIndex) }))
}

async function openLog(
  count: number,
  options: Partial<LedgerOptions> = {},
): Promise<{ trial: Trial; ledger: Ledger }> {
  const trial = new Trial()
  const ledger = await trial.open({ isFinal, ...options })
  await ledger.submit(submissionOf(Array.from({ length: count }, (_, i) => i + 1)))
  return { trial, ledger }
}

/** What stands at the leaves `[start, end)`: "r" or the bytes of the tombstone. */
async function standing({ storage }: Ledger, start: number, end: number): Promise<unknown[]> {
  return (await storage.records(start, end)).map(({ kind, bytes }) => (kind === "record" ? "r" : [...bytes]))
}

describe("withdrawing", () => {
  it("answers tombstones from then on, durably, and leaves the tree as it was", async () => {
    const { trial, ledger } = await openLog(10)
    await ledger.published(11, 5_000)
    await ledger.withdraw(tombstones(DESTROYED, 2, 3, 10))
    expect(await standing(ledger, 1, 5)).toEqual(["r", DESTROYED, DESTROYED, "r"])
    trial.disk.pullPlug()
    const reopened = await trial.open({ isFinal })
    expect(await standing(reopened, 1, 5)).toEqual(["r", DESTROYED, DESTROYED, "r"])
    expect(reopened.signedHead.rootHash).toEqual(ledger.signedHead.rootHash)
    expect(reopened.treeSize).toBe(11)
    await reopened.close()
    expect(trial.alarms).toEqual([])
  })

  it.each<readonly [string, readonly Tombstone[]]>([
    ["the genesis", tombstones(DESTROYED, 0, 1)],
    ["a leaf beyond the tree", tombstones(DESTROYED, 1, 11)],
    ["a leaf twice", tombstones(DESTROYED, 1, 1)],
    ["leaves out of order", tombstones(DESTROYED, 2, 1)],
    ["half a leaf", tombstones(DESTROYED, 1, 1.5)],
    ["a leaf below none", tombstones(DESTROYED, -1)],
    ["a tombstone without bytes", tombstones([], 1)],
    ["a tombstone that is too long", tombstones(new Array(65_536).fill(0), 1)],
    ["too many", tombstones(DESTROYED, ...new Array(MAX_RECORDS + 1).keys())],
    ["too many bytes", tombstones(new Array(65_000).fill(1), ...new Array(65).keys())],
  ])("refuses %s and writes nothing", async (_, refused) => {
    const { ledger } = await openLog(10)
    await expect(ledger.withdraw(refused)).rejects.toThrow(RangeError)
    expect(await standing(ledger, 1, 11)).toEqual(new Array(10).fill("r"))
    expect(ledger.status().accepting).toBe(true)
    await ledger.close()
  })

  it("takes as many as it says, wherever they are", async () => {
    const { ledger } = await openLog(3 * MAX_RECORDS)
    await ledger.withdraw(tombstones(MOVED, ...Array.from({ length: MAX_RECORDS }, (_, i) => 3 * i + 1)))
    expect(await standing(ledger, 1, 8)).toEqual([MOVED, "r", "r", MOVED, "r", "r", MOVED])
    expect(await standing(ledger, 3 * MAX_RECORDS - 2, 3 * MAX_RECORDS)).toEqual([MOVED, "r"])
    await ledger.withdraw([])
    await ledger.close()
  })

  it.each<readonly [string, readonly number[], readonly number[], boolean]>([
    ["destroyed → destroyed otherwise", DESTROYED, DESTROYED_OTHERWISE, false],
    ["destroyed → moved", DESTROYED, MOVED, false],
    ["destroyed → the same", DESTROYED, DESTROYED, true],
    ["moved → destroyed", MOVED, DESTROYED, true],
    ["moved → moved on", MOVED, MOVED_ON, true],
    ["moved → the same", MOVED, MOVED, true],
  ])("%s", async (_, first, next, mayFollow) => {
    const { ledger } = await openLog(10)
    await ledger.withdraw(tombstones(first, 5))
    // With leaves that are free, before and behind.
    const call = ledger.withdraw(tombstones(next, 4, 5, 6))
    if (mayFollow) {
      await call
      expect(await standing(ledger, 4, 7)).toEqual([next, next, next])
    } else {
      await expect(call).rejects.toMatchObject({ code: "LEDGER_RECORD_DESTROYED", leafIndex: 5 })
      expect(await standing(ledger, 4, 7)).toEqual(["r", first, "r"])
    }
    expect(ledger.status().accepting).toBe(true)
    await ledger.close()
  })

  it("takes every tombstone for final unless told otherwise", async () => {
    const ledger = await new Trial().open()
    await ledger.submit(submissionOf([1]))
    await ledger.withdraw(tombstones(MOVED, 1))
    await expect(ledger.withdraw(tombstones(DESTROYED, 1))).rejects.toMatchObject({
      code: "LEDGER_RECORD_DESTROYED",
    })
    await ledger.close()
  })

  it("of the same leaf by two at once ends with one of them", async () => {
    const { ledger } = await openLog(3)
    const [first, second] = await Promise.allSettled([
      ledger.withdraw(tombstones(DESTROYED, 2)),
      ledger.withdraw(tombstones(MOVED, 2)),
    ])
    expect(first.status).toBe("fulfilled")
    expect(second).toMatchObject({ reason: { code: "LEDGER_RECORD_DESTROYED" } })
    expect(await standing(ledger, 2, 3)).toEqual([DESTROYED])
    await ledger.close()
  })
})

describe("restoring", () => {
  it("answers the records again, and is repeatable", async () => {
    const { ledger } = await openLog(600)
    await ledger.withdraw(tombstones(MOVED, 5, 6, 300, 599))
    expect(await ledger.purge()).toBe(true)
    await ledger.restoreRecords(records(5, 300))
    await ledger.restoreRecords(records(4, 5, 300, 599))
    expect(await standing(ledger, 4, 8)).toEqual(["r", "r", MOVED, "r"])
    const [row] = await ledger.storage.records(300, 301)
    expect(Buffer.from(row?.bytes as Uint8Array)).toEqual(Buffer.from(makeRecord(300)))
    await ledger.close()
  })

  it("refuses a record of a leaf whose tombstone is final", async () => {
    const { ledger } = await openLog(10)
    await ledger.withdraw(tombstones(MOVED, 4))
    await ledger.withdraw(tombstones(DESTROYED, 5))
    await expect(ledger.restoreRecords(records(4, 5))).rejects.toMatchObject({
      code: "LEDGER_RECORD_DESTROYED",
      leafIndex: 5,
    })
    expect(await standing(ledger, 4, 6)).toEqual([MOVED, DESTROYED])
    await ledger.close()
  })

  it("refuses a record that does not open its entry, also where one stands", async () => {
    const { ledger } = await openLog(10)
    await ledger.withdraw(tombstones(MOVED, 4, 5))
    for (const leafIndex of [5, 6]) {
      const wrong: StoredRecord = { kind: "record", leafIndex, bytes: makeRecord(7) }
      await expect(ledger.restoreRecords([...records(4), wrong])).rejects.toMatchObject({
        code: "LEDGER_RECORD_REFUSED",
        leafIndex,
      })
    }
    expect(await standing(ledger, 4, 7)).toEqual([MOVED, MOVED, "r"])
    await expect(ledger.restoreRecords(records(11))).rejects.toThrow(RangeError)
    await ledger.close()
  })

  it("is refused to a ledger that cannot check it", async () => {
    const { ledger } = await openLog(1, { checkRecord: undefined as never })
    await expect(ledger.restoreRecords(records(1))).rejects.toThrow("no checkRecord")
    await ledger.close()
  })
})

/** Notes what reaches a storage, in order; each write takes a while. */
function watched(storage: LogStorage, seen: string[]): LogStorage {
  for (const name of ["commit", "withdraw", "restore"] as const) {
    const write = storage[name].bind(storage) as (rows: never) => Promise<void>
    storage[name] = async (rows: never) => {
      seen.push(`${name}(`)
      await new Promise((resolve) => setTimeout(resolve, 3))
      await write(rows)
      seen.push(")")
    }
  }
  return storage
}

describe("beside commits", () => {
  it("a write of records stands between two commits, and commits take turns with it", async () => {
    const trial = new Trial()
    const seen: string[] = []
    const ledger = await trial.open({ isFinal, storage: watched(await openMemoryStorage(trial.disk), seen) })
    await ledger.submit(submissionOf([1, 2, 3]))
    const submitting = (async () => {
      for (let n = 4; n < 24; n++) await ledger.submit(submissionOf([n]))
    })()
    for (let round = 0; round < 3; round++) {
      await Promise.all([ledger.withdraw(tombstones(MOVED, 1, 2)), ledger.restoreRecords(records(1, 2))])
    }
    await submitting
    expect(seen.join("")).toMatch(/^((commit|withdraw|restore)\(\))*$/)
    expect(seen.filter((event) => event === "withdraw(")).toHaveLength(3)
    // Commits had their turn between them.
    expect(seen.join("")).toMatch(/withdraw\(\)commit\(\)(.*)withdraw\(\)commit\(\)/)
    await ledger.close()
  })

  it.each(["kept", "not kept"] as const)(
    "a write of records that failed, %s, poisons the ledger",
    async (fault) => {
      const { trial, ledger } = await openLog(10)
      trial.disk.nextWriteFails = fault
      const withdrawn = ledger.withdraw(tombstones(DESTROYED, 1))
      const [refused] = await Promise.allSettled([
        withdrawn,
        ledger.submit(submissionOf([11])).catch(() => {}),
      ])
      expect(refused).toMatchObject({ reason: { code: "LEDGER_POISONED" } })
      expect(ledger.status()).toMatchObject({ accepting: false, reason: "LEDGER_POISONED" })
      expect(trial.alarms.map(({ code }) => code)).toEqual(["LEDGER_POISONED"])
      for (const call of [
        ledger.submit(submissionOf([12])),
        ledger.withdraw(tombstones(DESTROYED, 2)),
        ledger.restoreRecords(records(3)).then(() => ledger.withdraw(tombstones(DESTROYED, 3))),
        ledger.purge(),
      ]) {
        await expect(call).rejects.toMatchObject({ code: "LEDGER_POISONED" })
      }
      await ledger.close()
      const reopened = await trial.open({ isFinal })
      expect(await standing(reopened, 1, 2)).toEqual([fault === "kept" ? DESTROYED : "r"])
      await reopened.close()
    },
  )

  it("a purge that failed poisons the ledger, and a full disk says so", async () => {
    const trial = new Trial()
    const storage = await openMemoryStorage(trial.disk)
    const ledger = await trial.open({ isFinal, storage })
    await ledger.submit(submissionOf([1, 2]))
    await ledger.withdraw(tombstones(DESTROYED, 1))
    storage.purge = async () => {
      throw new LedgerError("LEDGER_DISK_FULL", "no room")
    }
    await expect(ledger.purge()).rejects.toMatchObject({ code: "LEDGER_DISK_FULL" })
    expect(ledger.status()).toMatchObject({ accepting: false, reason: "LEDGER_POISONED" })
    await expect(ledger.submit(submissionOf([3]))).rejects.toMatchObject({ code: "LEDGER_POISONED" })
    await ledger.close()
    expect(trial.alarms.map(({ code }) => code)).toEqual(["LEDGER_POISONED"])
  })

  it("nothing is written below the watermark", async () => {
    const { trial, ledger } = await openLog(5, { minFreeBytes: 1_000 })
    trial.disk.space = { free: 999, total: 10_000 }
    await until(() => ledger.status().reason === "LEDGER_DISK_FULL")
    for (const call of [
      ledger.withdraw(tombstones(DESTROYED, 1)),
      ledger.restoreRecords(records(1)),
      ledger.purge(),
    ]) {
      await expect(call).rejects.toMatchObject({ code: "LEDGER_DISK_FULL" })
    }
    await ledger.close()
  })

  it("a close waits for what is under way, lets a purge end early, and refuses what comes after", async () => {
    const trial = new Trial()
    const storage = await openMemoryStorage(trial.disk)
    const ledger = await trial.open({ isFinal, storage })
    await ledger.submit(submissionOf([1, 2, 3]))
    let purgeEnded = false
    storage.purge = async ({ signal } = {}) => {
      while (!signal?.aborted) await new Promise((resolve) => setTimeout(resolve, 1))
      await new Promise((resolve) => setTimeout(resolve, 20))
      purgeEnded = true
      return false
    }
    const purged = ledger.purge({ signal: new AbortController().signal })
    const withdrawn = ledger.withdraw(tombstones(DESTROYED, 1))
    const closed = ledger.close()
    await expect(ledger.withdraw(tombstones(DESTROYED, 2))).rejects.toMatchObject({ code: "LEDGER_CLOSED" })
    await expect(ledger.purge()).rejects.toMatchObject({ code: "LEDGER_CLOSED" })
    await withdrawn
    await closed
    expect(purgeEnded).toBe(true)
    expect(await purged).toBe(false)
    const reopened = await trial.open({ isFinal })
    expect(await standing(reopened, 1, 3)).toEqual([DESTROYED, "r"])
    await reopened.close()
  })

  it("the scrubber takes a tombstone for right, and an opening does, settled or not", async () => {
    const { trial, ledger } = await openLog(700)
    await ledger.withdraw(tombstones(MOVED, 3, 256, 699))
    await ledger.withdraw(tombstones(DESTROYED, 300))
    trial.disk.pullPlug()
    const unsettled = await trial.open({ isFinal, patrolLeavesPerSecond: 1e6 })
    await unsettled.withdraw(tombstones(DESTROYED, 301))
    await unsettled.purge()
    await unsettled.restoreRecords(records(256))
    await until(() => unsettled.status().patrolPasses > 0)
    await unsettled.close()
    const settled = await trial.open({ isFinal })
    await until(() => settled.status().verifiedSize === 701)
    expect(settled.status().damage).toBeUndefined()
    await settled.close()
    expect(trial.alarms).toEqual([])
  })
})
