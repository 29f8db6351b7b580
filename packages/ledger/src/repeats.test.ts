import { describe, expect, it } from "vitest"
import { openMemoryStorage } from "./memory.js"
import { entryNumber, leavesOf, readEntries, START_MS, submissionOf, Trial } from "./trial.js"

const DAY_MS = 86_400_000

describe("a repeated id", () => {
  it("in storage takes no second leaf, and has the first one's time", async () => {
    const trial = new Trial()
    const ledger = await trial.open()
    await ledger.submit(submissionOf([1, 2, 3], [1, 2, 3]))
    trial.pass(1_000)
    expect(await ledger.submit(submissionOf([9, 2, 8], [9, 2, undefined]))).toEqual([
      { leafIndex: 4, timeMs: START_MS + 1_000, duplicate: false },
      { leafIndex: 2, timeMs: START_MS, duplicate: true },
      { leafIndex: 5, timeMs: START_MS + 1_000, duplicate: false },
    ])
    expect(await ledger.submit(submissionOf([3, 1], [3, 1]))).toEqual([
      { leafIndex: 3, timeMs: START_MS, duplicate: true },
      { leafIndex: 1, timeMs: START_MS, duplicate: true },
    ])
    const entries = await readEntries(ledger.storage)
    expect(entries.slice(1).map(entryNumber)).toEqual([1, 2, 3, 9, 8])
    await ledger.close()
  })

  it("within one submission is placed where the first one stands", async () => {
    const ledger = await new Trial().open()
    const placements = await ledger.submit(submissionOf([5, 6, 7, 8], [1, 1, undefined, 1]))
    expect(placements.map(({ leafIndex, duplicate }) => [leafIndex, duplicate])).toEqual([
      [1, false],
      [1, true],
      [2, false],
      [1, true],
    ])
    await ledger.close()
  })

  it("in flight is placed where the first one stands", async () => {
    const ledger = await new Trial().open()
    const all = await Promise.all(
      Array.from({ length: 50 }, (_, i) => ledger.submit(submissionOf([i, i + 100], [i % 5, undefined]))),
    )
    const firsts = all.slice(0, 5).map(([placement]) => placement?.leafIndex)
    for (const [i, placements] of all.entries()) {
      expect(placements[0]).toMatchObject({ leafIndex: firsts[i % 5], duplicate: i >= 5 })
      expect(placements[1]?.duplicate).toBe(false)
    }
    expect(ledger.treeSize).toBe(1 + 5 + 50)
    await ledger.close()
  })

  it("is free again after its commit was refused, and its followers are refused with it", async () => {
    const trial = new Trial()
    const ledger = await trial.open({ monotonic: () => 0 })
    trial.nowMs += DAY_MS
    const both = [ledger.submit(submissionOf([1], [1])), ledger.submit(submissionOf([2, 3], [1, 2]))]
    for (const one of both) await expect(one).rejects.toMatchObject({ code: "LEDGER_CLOCK_JUMPED" })
    ledger.acceptClock()
    expect(await ledger.submit(submissionOf([4, 5], [1, 2]))).toMatchObject([
      { leafIndex: 1, duplicate: false },
      { leafIndex: 2, duplicate: false },
    ])
    expect(ledger.status().queueBytes).toBe(0)
    await ledger.close()
  })

  it("is known after a crash", async () => {
    const trial = new Trial()
    const ledger = await trial.open()
    await ledger.submit(submissionOf([1], [1]))
    trial.disk.pullPlug()
    const reopened = await trial.open()
    expect(await reopened.submit(submissionOf([1], [1]))).toMatchObject([{ leafIndex: 1, duplicate: true }])
    await reopened.close()
  })

  it("asks storage once for all that arrives in one turn", async () => {
    const trial = new Trial()
    const storage = await openMemoryStorage(trial.disk)
    const ledger = await trial.open({ storage })
    let asked = 0
    const leavesOf = storage.leavesOf.bind(storage)
    storage.leavesOf = (ids, generations) => {
      asked++
      return leavesOf(ids, generations)
    }
    await Promise.all(Array.from({ length: 100 }, (_, i) => ledger.submit(submissionOf([i], [i]))))
    expect(asked).toBe(1)
    await ledger.submit(submissionOf([1, 2]))
    await ledger.submit(submissionOf([1, 2], [undefined, undefined]))
    expect(asked).toBe(1)
    await ledger.close()
  })

  it("that storage cannot look up is refused, and free again", async () => {
    const trial = new Trial()
    const storage = await openMemoryStorage(trial.disk)
    const ledger = await trial.open({ storage })
    const { leavesOf } = storage
    storage.leavesOf = async () => {
      throw new Error("input/output error")
    }
    await expect(ledger.submit(submissionOf([1], [1]))).rejects.toMatchObject({
      code: "LEDGER_STORAGE_FAILED",
    })
    storage.leavesOf = leavesOf
    expect(await ledger.submit(submissionOf([1], [1]))).toMatchObject([{ leafIndex: 1, duplicate: false }])
    await ledger.close()
  })
})

describe("submissions that follow each other's ids", () => {
  it("in a long chain fail together: all are answered, and nothing is left in the queue", async () => {
    const trial = new Trial()
    const storage = await openMemoryStorage(trial.disk)
    const ledger = await trial.open({ storage })
    storage.leavesOf = async () => {
      throw new Error("input/output error")
    }
    const chain = Array.from({ length: 10_000 }, (_, i) => ledger.submit(submissionOf([1, 2], [i, i + 1])))
    const answers = await Promise.allSettled(chain)
    expect(answers.filter(({ status }) => status === "fulfilled")).toEqual([])
    expect(ledger.status().queueBytes).toBe(0)
    await ledger.close()
  })

  it("and fail after a part was committed free the ids of the rest", async () => {
    const trial = new Trial()
    const storage = await openMemoryStorage(trial.disk)
    const ledger = await trial.open({ storage, monotonic: () => 0 })
    const commit = storage.commit.bind(storage)
    storage.commit = async (one) => {
      await commit(one)
      trial.nowMs += DAY_MS
    }
    const many = Array.from({ length: 3_000 }, (_, i) => i)
    const large = ledger.submit(submissionOf(many, many))
    const followers = [0, 2_999].map((id) => ledger.submit(submissionOf([9_000 + id], [id])))
    await expect(large).rejects.toMatchObject({ code: "LEDGER_CLOCK_JUMPED" })
    expect(await followers[0]).toMatchObject([{ leafIndex: 1, duplicate: true }])
    await expect(followers[1]).rejects.toMatchObject({ code: "LEDGER_CLOCK_JUMPED" })
    ledger.acceptClock()
    expect(await ledger.submit(submissionOf([0, 2_999], [0, 2_999]))).toMatchObject([
      { leafIndex: 1, duplicate: true },
      { leafIndex: 2_049, duplicate: false },
    ])
    expect(ledger.status().queueBytes).toBe(0)
    ledger.acceptClock()
    await ledger.close()
  })
})

describe("generations of ids", () => {
  it("recognise a repeat for at least 30 days, and forget it within 60", async () => {
    const trial = new Trial()
    const storage = await openMemoryStorage(trial.disk)
    const ledger = await trial.open({ storage, monotonic: () => trial.monotonicMs })
    const first = trial.nowMs
    await ledger.submit(submissionOf([1], [1]))
    // Something else keeps the log's time going.
    for (let day = 1; day <= 30; day++) {
      trial.pass(DAY_MS)
      await ledger.submit(submissionOf([100 + day], [100 + day]))
      expect(await ledger.submit(submissionOf([1], [1]))).toMatchObject([
        { leafIndex: 1, timeMs: first, duplicate: true },
      ])
    }
    for (let day = 31; day <= 60; day++) {
      trial.pass(DAY_MS)
      await ledger.submit(submissionOf([100 + day], [100 + day]))
    }
    expect(await ledger.submit(submissionOf([1], [1]))).toMatchObject([{ duplicate: false }])
    const generation = Math.floor(trial.nowMs / (30 * DAY_MS))
    for (const step of trial.disk.journal.splice(0)) step.apply(trial.disk.tables)
    const kept = [...trial.disk.tables.ids.values()].map((row) => row.generation)
    expect(Math.min(...kept)).toBe(generation - 1)
    await ledger.close()
  })

  it("of an idle log are asked as of its last entry", async () => {
    const trial = new Trial()
    const ledger = await trial.open({ monotonic: () => trial.monotonicMs })
    await ledger.submit(submissionOf([1], [1]))
    trial.pass(300 * DAY_MS)
    expect(leavesOf(await ledger.submit(submissionOf([1], [1])))).toEqual([1])
    await ledger.close()
  })
})
