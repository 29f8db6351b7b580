import { formatBundle } from "@prooflog/tlog/bundle"
import { describe, expect, it } from "vitest"
import type { Ledger } from "./ledger.js"
import { signedHeadInMemory } from "./signed-head.js"
import { entryNumber, makeEntry, readEntries, rootOf, submissionOf, Trial, until } from "./trial.js"

/** A store that counts, and tells when. */
function countingStore() {
  const kept = signedHeadInMemory()
  const times: number[] = []
  return {
    times,
    store: {
      read: () => kept.read(),
      write: async (note: string) => {
        times.push(performance.now())
        await kept.write(note)
      },
    },
  }
}

describe("the two heads", () => {
  it("are signed and published at once when the log was idle", async () => {
    const trial = new Trial()
    const ledger = await trial.open({ signEveryMs: 20, publishEveryMs: 500 })
    await new Promise((resolve) => setTimeout(resolve, 510))
    const before = performance.now()
    await ledger.submit(submissionOf([1]))
    expect((await ledger.published(2, 5_000))?.treeSize).toBe(2)
    expect(performance.now() - before).toBeLessThan(400)
    expect(ledger.publishedHead).toBe(ledger.signedHead)
    await ledger.close()
  })

  it("keep their distances under load, and each size is signed once", async () => {
    const { store, times } = countingStore()
    const notes = new Set<string>()
    const trial = new Trial()
    const ledger = await trial.open({ signedHead: store, signEveryMs: 60, publishEveryMs: 150 })
    const published = new Map<number, number>()
    const end = performance.now() + 700
    times.splice(0)
    while (performance.now() < end) {
      await ledger.submit(submissionOf([1]))
      notes.add(ledger.signedHead.note)
      if (!published.has(ledger.publishedHead.treeSize))
        published.set(ledger.publishedHead.treeSize, performance.now())
      expect(ledger.publishedHead.treeSize).toBeLessThanOrEqual(ledger.signedHead.treeSize)
      expect(ledger.signedHead.treeSize).toBeLessThanOrEqual(ledger.treeSize)
    }
    for (const [i, time] of times.entries())
      if (i > 0) expect(time - (times[i - 1] as number)).toBeGreaterThan(55)
    const shown = [...published.values()]
    for (let i = 2; i < shown.length; i++)
      expect((shown[i] as number) - (shown[i - 1] as number)).toBeGreaterThan(130)
    expect(times.length).toBeGreaterThanOrEqual(4)
    expect(shown.length).toBeGreaterThanOrEqual(2)
    const entries = await readEntries(ledger.storage)
    expect(ledger.signedHead.rootHash).toEqual(rootOf(entries, ledger.signedHead.treeSize))
    await ledger.close()
    expect(notes.size).toBeLessThanOrEqual(times.length + 1)
  })

  it("answers a wait that is too short with nothing", async () => {
    const ledger = await new Trial().open()
    expect(await ledger.published(1, 0)).toBe(ledger.publishedHead)
    expect(await ledger.published(2, 5)).toBeUndefined()
    await ledger.close()
  })
})

describe("beforePublish", () => {
  const INDEX = 1_000_000

  /** Appends one entry that says how many leaves it covers. */
  function indexing(asked: number[]) {
    return async (treeSize: number) => {
      asked.push(treeSize)
      return {
        entries: formatBundle([makeEntry(INDEX + treeSize)]),
        records: formatBundle([new Uint8Array(0)]),
        count: 1,
      }
    }
  }

  const options = (asked: number[]) => ({
    beforePublish: indexing(asked),
    checkRecord: () => {},
    signEveryMs: 0,
    publishEveryMs: 20,
  })

  it("appends the last leaf of each published tree, while events keep arriving", async () => {
    const asked: number[] = []
    const trial = new Trial()
    const ledger = await trial.open(options(asked))
    const heads = new Map<number, Ledger["publishedHead"]>()
    const end = performance.now() + 300
    let n = 0
    while (performance.now() < end) {
      await Promise.all(Array.from({ length: 20 }, () => ledger.submit(submissionOf([n++]))))
      heads.set(ledger.publishedHead.treeSize, ledger.publishedHead)
    }
    heads.delete(1)
    expect(heads.size).toBeGreaterThan(1)
    const entries = await readEntries(ledger.storage)
    for (const head of heads.values()) {
      const last = entryNumber(entries[head.treeSize - 1] as Uint8Array)
      expect(last).toBeGreaterThan(INDEX)
      expect(last - INDEX).toBeLessThan(head.treeSize)
      expect(asked).toContain(last - INDEX)
      expect(head.rootHash).toEqual(rootOf(entries, head.treeSize))
    }
    expect(entries.filter((entry) => entryNumber(entry) < INDEX)).toHaveLength(n)
    await ledger.close()
  })

  it("is not asked again while nothing is new", async () => {
    const asked: number[] = []
    const ledger = await new Trial().open(options(asked))
    await ledger.submit(submissionOf([1]))
    expect((await ledger.published(3, 2_000))?.treeSize).toBe(3)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(asked).toEqual([2])
    expect(ledger.treeSize).toBe(3)
    await ledger.close()
    expect(asked).toEqual([2])
  })

  it("that fails is an alarm and holds nothing back", async () => {
    const trial = new Trial()
    const ledger = await trial.open({
      beforePublish: async () => {
        throw new Error("no index today")
      },
      signEveryMs: 0,
    })
    await ledger.submit(submissionOf([1]))
    expect((await ledger.published(2, 2_000))?.treeSize).toBe(2)
    expect(trial.alarms.map(({ code }) => code)).toEqual(["LEDGER_NOT_PUBLISHING"])
    await ledger.close()
  })

  it("whose entries could not be committed leaves no one waiting", async () => {
    const trial = new Trial()
    const asked: number[] = []
    const ledger = await trial.open({ ...options(asked), monotonic: () => performance.now() })
    trial.disk.nextWriteFails = "not kept"
    await expect(ledger.submit(submissionOf([1]))).rejects.toMatchObject({ code: "LEDGER_POISONED" })
    const waiting = ledger.published(5, 60_000)
    expect(await waiting).toBeUndefined()
    await until(() => trial.alarms.length > 0)
    await ledger.close()
  })
})
