import { describe, expect, it } from "vitest"
import { LedgerError } from "./error.js"
import { openMemoryStorage } from "./memory.js"
import {
  entryNumber,
  entryTime,
  leavesOf,
  makeEntry,
  makeId,
  makeRecord,
  readEntries,
  rootOf,
  START_MS,
  submissionOf,
  Trial,
  until,
} from "./trial.js"

describe("a new log", () => {
  it("has its genesis committed, signed and published when it opens", async () => {
    const trial = new Trial()
    const ledger = await trial.open()
    expect(ledger.treeSize).toBe(1)
    expect(ledger.signedHead.treeSize).toBe(1)
    expect(ledger.publishedHead).toBe(ledger.signedHead)
    expect((await trial.signedHead.read())?.note).toBe(ledger.signedHead.note)
    const entries = await readEntries(ledger.storage)
    expect(entryTime(entries[0] as Uint8Array, 0)).toBe(START_MS)
    expect(ledger.signedHead.rootHash).toEqual(rootOf(entries))
    await ledger.close()
  })

  it("is not begun again", async () => {
    const trial = new Trial()
    await (await trial.open()).close()
    const genesis = () => {
      throw new Error("called twice")
    }
    const ledger = await trial.open({ genesis })
    expect(ledger.treeSize).toBe(1)
    await ledger.close()
  })
})

describe("submitting", () => {
  it("places entries in the order of a submission, with one time, and keeps entry and record", async () => {
    const trial = new Trial()
    const ledger = await trial.open()
    trial.pass(500)
    const placements = await ledger.submit(submissionOf([10, 11, 12]))
    expect(placements).toEqual(
      [1, 2, 3].map((leafIndex) => ({ leafIndex, timeMs: START_MS + 500, duplicate: false })),
    )
    const entries = await readEntries(ledger.storage)
    expect(entries.slice(1).map(entryNumber)).toEqual([10, 11, 12])
    expect(entries.slice(1).map((entry) => entryTime(entry, 0))).toEqual(new Array(3).fill(START_MS + 500))
    const records = await ledger.storage.records(0, 4)
    expect(records.map(({ bytes }) => bytes.length)).toEqual([0, 32, 32, 32])
    expect(Buffer.from(records[2]?.bytes as Uint8Array)).toEqual(Buffer.from(makeRecord(11)))
    await ledger.close()
  })

  it("does not write to the bytes it was given", async () => {
    const ledger = await new Trial().open()
    const submission = submissionOf([1, 2, 3], [1, 2, 1])
    const before = Buffer.from(submission.entries).toString("hex")
    await ledger.submit(submission)
    expect(Buffer.from(submission.entries).toString("hex")).toBe(before)
    await ledger.close()
  })

  it("makes one commit of all submissions of one turn", async () => {
    const trial = new Trial()
    const ledger = await trial.open()
    const before = trial.commits.length
    const placed = await Promise.all(Array.from({ length: 300 }, (_, i) => ledger.submit(submissionOf([i]))))
    expect(trial.commits.length - before).toBe(1)
    expect(placed.map(leavesOf)).toEqual(Array.from({ length: 300 }, (_, i) => [i + 1]))
    await ledger.close()
  })

  it("gathers what arrives while a commit is in flight into the next one", async () => {
    const trial = new Trial()
    const storage = await openMemoryStorage(trial.disk)
    const ledger = await trial.open({ storage: slowed(trial.watch(storage)) })
    const before = trial.commits.length
    const all = [ledger.submit(submissionOf([0]))]
    for (let i = 1; i <= 5; i++) {
      await new Promise((resolve) => setTimeout(resolve, 1))
      all.push(ledger.submit(submissionOf([i])))
    }
    await Promise.all(all)
    expect(trial.commits.slice(before).map(({ treeSize, follows }) => treeSize - follows)).toEqual([1, 5])
    await ledger.close()
  })

  it("spreads a large submission over commits and answers it after the last", async () => {
    const trial = new Trial()
    const ledger = await trial.open()
    const before = trial.commits.length
    const numbers = Array.from({ length: 10_000 }, (_, i) => i)
    const placements = await ledger.submit(submissionOf(numbers))
    expect(leavesOf(placements)).toEqual(numbers.map((n) => n + 1))
    expect(trial.commits.length - before).toBeGreaterThan(1)
    for (const { follows, treeSize } of trial.commits) expect(treeSize - follows).toBeLessThanOrEqual(2_048)
    const entries = await readEntries(ledger.storage)
    expect(entries.slice(1).map(entryNumber)).toEqual(numbers)
    await ledger.close()
  })

  it("bounds the bytes of a commit, too", async () => {
    const trial = new Trial()
    const ledger = await trial.open()
    const big = packed(Array.from({ length: 300 }, () => new Uint8Array(60_000)))
    const small = submissionOf(Array.from({ length: 300 }, (_, i) => i)).entries
    await ledger.submit({ entries: small, records: big, count: 300 })
    expect(Math.max(...trial.commits.map(({ records }) => records.length))).toBeLessThan(5 * 2 ** 20)
    expect(ledger.treeSize).toBe(301)
    await ledger.storage.close()
  })

  it.each([
    ["a wrong count of entries", { ...submissionOf([1, 2]), count: 1 }],
    ["no entries", { entries: new Uint8Array(0), records: new Uint8Array(0), count: 0 }],
    ["fewer records", { ...submissionOf([1, 2]), records: submissionOf([1]).records }],
    ["an id that is too short", { ...submissionOf([1]), ids: [makeId(1).slice(1)] }],
    ["fewer ids", { ...submissionOf([1, 2]), ids: [makeId(1)] }],
  ])("refuses %s as a programmer's mistake", async (_, submission) => {
    const ledger = await new Trial().open()
    await expect(ledger.submit(submission)).rejects.toThrow(RangeError)
    await expect(ledger.submit(submissionOf([1]))).resolves.toHaveLength(1)
    await ledger.close()
  })

  it("refuses torn packing", async () => {
    const ledger = await new Trial().open()
    const { entries, records } = submissionOf([1])
    const torn = { entries: entries.subarray(0, 9), records, count: 1 }
    await expect(ledger.submit(torn)).rejects.toMatchObject({ code: "TLOG_MALFORMED_BUNDLE" })
    await ledger.close()
  })
})

describe("back-pressure", () => {
  it("refuses what does not fit the queue, and accepts again when it has drained", async () => {
    const ledger = await new Trial().open({ queueBytes: 1_000 })
    const accepted = Array.from({ length: 17 }, (_, i) => ledger.submit(submissionOf([i])))
    expect(ledger.status().queueBytes).toBe(17 * 56)
    await expect(ledger.submit(submissionOf([99]))).rejects.toMatchObject({ code: "LEDGER_QUEUE_FULL" })
    await Promise.all(accepted)
    expect(ledger.status().queueBytes).toBe(0)
    await expect(ledger.submit(submissionOf([100]))).resolves.toHaveLength(1)
    await ledger.close()
  })

  it("calls what could never fit a mistake", async () => {
    const ledger = await new Trial().open({ queueBytes: 100 })
    await expect(ledger.submit(submissionOf([1, 2]))).rejects.toThrow(RangeError)
    await ledger.close()
  })
})

describe("a full disk", () => {
  it("stops acceptance below the watermark and ends by itself; readers go on", async () => {
    const trial = new Trial()
    const ledger = await trial.open()
    await ledger.submit(submissionOf([1]))
    trial.disk.space = { free: 49, total: 1_000 }
    await until(() => !ledger.status().accepting)
    expect(ledger.status()).toMatchObject({ reason: "LEDGER_DISK_FULL", freeBytes: 49, totalBytes: 1_000 })
    await expect(ledger.submit(submissionOf([2]))).rejects.toMatchObject({ code: "LEDGER_DISK_FULL" })
    expect(await ledger.storage.read("tile/0/000.p/2")).toHaveLength(64)
    expect(trial.alarms.map(({ code }) => code)).toEqual(["LEDGER_DISK_FULL"])
    trial.disk.space = { free: 50, total: 1_000 }
    await until(() => ledger.status().accepting)
    expect(leavesOf(await ledger.submit(submissionOf([3])))).toEqual([2])
    await ledger.close()
  })

  it("takes the watermark as given", async () => {
    const trial = new Trial()
    trial.disk.space = { free: 500, total: 1_000 }
    const ledger = await trial.open({ minFreeBytes: 501 })
    expect(ledger.status()).toMatchObject({ accepting: false, reason: "LEDGER_DISK_FULL" })
    await ledger.close()
  })
})

describe("a poisoned ledger", () => {
  it.each(["kept", "not kept"] as const)(
    "answers no one after a commit failed and was %s; reopening finds out",
    async (fault) => {
      const trial = new Trial()
      const ledger = await trial.open()
      const [first] = await ledger.submit(submissionOf([1]))
      const signed = ledger.signedHead.treeSize
      trial.disk.nextWriteFails = fault
      const caught = [submissionOf([2]), submissionOf([3], [7])].map((one) => ledger.submit(one))
      for (const one of caught) await expect(one).rejects.toMatchObject({ code: "LEDGER_POISONED" })
      await expect(ledger.submit(submissionOf([4]))).rejects.toMatchObject({ code: "LEDGER_POISONED" })
      expect(ledger.status()).toMatchObject({ accepting: false, reason: "LEDGER_POISONED", queueBytes: 0 })
      expect(trial.alarms.map(({ code }) => code)).toEqual(["LEDGER_POISONED"])
      expect(ledger.signedHead.treeSize).toBeLessThanOrEqual(Math.max(2, signed))
      await ledger.close()

      const reopened = await trial.open()
      const kept = (await readEntries(reopened.storage)).slice(1).map(entryNumber)
      expect(kept).toEqual(fault === "kept" ? [1, 2] : [1])
      expect(first?.leafIndex).toBe(1)
      const again = await reopened.submit(submissionOf([5]))
      expect(leavesOf(again)).toEqual([reopened.treeSize - 1])
      await reopened.close()
    },
  )

  it("says that the disk was full if that is why", async () => {
    const trial = new Trial()
    const storage = await openMemoryStorage(trial.disk)
    const ledger = await trial.open({ storage })
    storage.commit = async () => {
      throw new LedgerError("LEDGER_DISK_FULL", "no space left on device")
    }
    await expect(ledger.submit(submissionOf([1]))).rejects.toMatchObject({ code: "LEDGER_DISK_FULL" })
    await expect(ledger.submit(submissionOf([2]))).rejects.toMatchObject({
      code: "LEDGER_POISONED",
      cause: { code: "LEDGER_DISK_FULL" },
    })
    await ledger.close()
  })

  it("answers everyone although its alarm fails", async () => {
    const trial = new Trial()
    const ledger = await trial.open({
      onAlarm: () => {
        throw new Error("the pager is broken")
      },
    })
    trial.disk.nextWriteFails = "not kept"
    const caught = [submissionOf([1]), submissionOf([2], [2])].map((one) => ledger.submit(one))
    for (const one of caught) await expect(one).rejects.toMatchObject({ code: "LEDGER_POISONED" })
    await ledger.close()
  })

  it("is what another writer makes of it", async () => {
    const trial = new Trial()
    const storage = await openMemoryStorage(trial.disk)
    const ledger = await trial.open({ storage })
    const commit = storage.commit.bind(storage)
    storage.commit = (one) => commit({ ...one, follows: one.follows + 1 })
    await expect(ledger.submit(submissionOf([1]))).rejects.toMatchObject({
      code: "LEDGER_POISONED",
      cause: { code: "LEDGER_OTHER_WRITER" },
    })
    await ledger.close()
  })
})

describe("the clock", () => {
  it("never goes back", async () => {
    const trial = new Trial()
    const ledger = await trial.open()
    trial.nowMs = START_MS - 3_600_000
    expect((await ledger.submit(submissionOf([1])))[0]?.timeMs).toBe(START_MS)
    await ledger.close()
    const reopened = await trial.open()
    expect((await reopened.submit(submissionOf([2])))[0]?.timeMs).toBe(START_MS)
    trial.nowMs = START_MS + 1
    expect((await reopened.submit(submissionOf([3])))[0]?.timeMs).toBe(START_MS + 1)
    await reopened.close()
  })

  it("stops sequencing after a jump ahead, until it returns", async () => {
    const trial = new Trial()
    const ledger = await trial.open({ monotonic: () => trial.monotonicMs })
    trial.nowMs = START_MS + 601_000
    const first = ledger.submit(submissionOf([1]))
    await expect(first).rejects.toMatchObject({ code: "LEDGER_CLOCK_JUMPED" })
    expect(ledger.status()).toMatchObject({ accepting: false, reason: "LEDGER_CLOCK_JUMPED", queueBytes: 0 })
    trial.nowMs = START_MS + 5
    expect(ledger.status().accepting).toBe(true)
    expect((await ledger.submit(submissionOf([2])))[0]).toMatchObject({ leafIndex: 1, timeMs: START_MS + 5 })
    await ledger.close()
  })

  it("stops sequencing after a jump ahead, until it is accepted", async () => {
    const trial = new Trial()
    const ledger = await trial.open({ monotonic: () => trial.monotonicMs })
    trial.nowMs = START_MS + 86_400_000
    await expect(ledger.submit(submissionOf([1], [1]))).rejects.toMatchObject({ code: "LEDGER_CLOCK_JUMPED" })
    ledger.acceptClock()
    expect((await ledger.submit(submissionOf([1], [1])))[0]).toEqual({
      leafIndex: 1,
      timeMs: START_MS + 86_400_000,
      duplicate: false,
    })
    await ledger.close()
  })

  it("may be far ahead after a long idle time, as the monotonic clock passed, too", async () => {
    const trial = new Trial()
    const ledger = await trial.open({ monotonic: () => trial.monotonicMs })
    trial.pass(30 * 86_400_000)
    await expect(ledger.submit(submissionOf([1]))).resolves.toHaveLength(1)
    await ledger.close()
  })
})

describe("an idle ledger", () => {
  it("writes nothing", async () => {
    const trial = new Trial()
    const storage = await openMemoryStorage(trial.disk)
    const ledger = await trial.open({
      storage,
      signEveryMs: 5,
      publishEveryMs: 5,
      patrolLeavesPerSecond: 100_000,
    })
    await ledger.submit(submissionOf([1]))
    await ledger.published(2, 1_000)
    const written: string[] = []
    for (const name of [
      "commit",
      "settle",
      "setVerifiedSize",
      "dropGenerationsBefore",
      "withdraw",
    ] as const) {
      storage[name] = async () => {
        written.push(name)
      }
    }
    trial.signedHead.write = async () => {
      written.push("signed head")
    }
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(written).toEqual([])
    await ledger.close()
  })
})

describe("closing", () => {
  it("finishes what was accepted, signs and publishes it, re-reads it, and refuses the rest", async () => {
    const trial = new Trial()
    const ledger = await trial.open()
    const accepted = Array.from({ length: 500 }, (_, i) => ledger.submit(submissionOf([i], [i % 400])))
    const closed = ledger.close()
    await expect(ledger.submit(submissionOf([1]))).rejects.toMatchObject({ code: "LEDGER_CLOSED" })
    expect(ledger.status()).toMatchObject({ accepting: false, reason: "LEDGER_CLOSED" })
    await closed
    expect((await Promise.all(accepted)).flat().filter(({ duplicate }) => duplicate)).toHaveLength(100)
    expect(ledger.signedHead.treeSize).toBe(401)
    expect(ledger.publishedHead.treeSize).toBe(401)
    await ledger.close()

    const storage = await openMemoryStorage(trial.disk)
    expect([await storage.settledSize(), await storage.verifiedSize()]).toEqual([401, 401])
    await storage.close()
  })

  it("answers who waits for a publication that will not come", async () => {
    const ledger = await new Trial().open()
    const waiting = ledger.published(99, 60_000)
    await ledger.close()
    expect(await waiting).toBeUndefined()
    expect(await ledger.published(99, 60_000)).toBeUndefined()
  })
})

describe("an entry of the largest size", () => {
  it("fits", async () => {
    const ledger = await new Trial().open({ checkRecord: () => {} })
    const entry = new Uint8Array(65_535)
    entry.set(makeEntry(1))
    await ledger.submit({ entries: packed([entry]), records: packed([new Uint8Array(65_535)]), count: 1 })
    expect((await readEntries(ledger.storage))[1]).toHaveLength(65_535)
    await ledger.close()
  })
})

/** A storage whose commits take 20 ms. */
function slowed<T extends { commit(commit: never): Promise<void> }>(storage: T): T {
  const commit = storage.commit.bind(storage)
  storage.commit = async (one: never) => {
    await new Promise((resolve) => setTimeout(resolve, 20))
    await commit(one)
  }
  return storage
}

function packed(parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts.flatMap((part) => [Buffer.from([part.length >> 8, part.length & 0xff]), part]))
}
