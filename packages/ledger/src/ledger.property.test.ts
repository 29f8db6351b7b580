/** Random lives of a ledger against a model: an array of entries. */

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Ledger, Placement } from "./ledger.js"
import { openMemoryStorage } from "./memory.js"
import { entryNumber, entryTime, makeRecord, readEntries, rootOf, submissionOf, Trial } from "./trial.js"

/** What happens in one step; entries of a burst are submitted in one turn. */
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("burst" as const),
      submissions: fc.array(
        fc.array(fc.option(fc.integer({ min: 0, max: 30 }), { nil: undefined, freq: 2 }), {
          minLength: 1,
          maxLength: 12,
        }),
        { minLength: 1, maxLength: 6 },
      ),
      waits: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("large" as const),
      count: fc.integer({ min: 200, max: 5_000 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      ms: fc.integer({ min: -5_000, max: 50_000 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("end" as const),
      how: fc.constantFrom("close", "crash", "kept", "not kept"),
    }),
  },
)

/** What was acknowledged: number and id of the entry at each placement. */
interface Acknowledged {
  readonly n: number
  readonly id: number | undefined
  readonly placement: Placement
}

class Life {
  readonly trial = new Trial()
  readonly acknowledged: Acknowledged[] = []
  readonly notes = new Map<number, Uint8Array>()
  ledger!: Ledger
  #next = 0
  #pending: Promise<unknown>[] = []

  async open(): Promise<void> {
    this.ledger = await this.trial.open({ signEveryMs: 0, publishEveryMs: 0 })
  }

  submit(ids: readonly (number | undefined)[] | number): void {
    const list = typeof ids === "number" ? new Array<undefined>(ids).fill(undefined) : ids
    const numbers = list.map(() => this.#next++)
    const given = typeof ids === "number" || list.every((id) => id === undefined) ? undefined : list
    const answer = this.ledger.submit(submissionOf(numbers, given)).then(
      (placements) => {
        for (const [i, n] of numbers.entries()) {
          this.acknowledged.push({ n, id: given?.[i], placement: placements[i] as Placement })
        }
      },
      () => {},
    )
    this.#pending.push(answer)
  }

  async settle(): Promise<void> {
    await Promise.all(this.#pending.splice(0))
    for (const { treeSize, rootHash } of [this.ledger.signedHead, this.ledger.publishedHead]) {
      this.notes.set(treeSize, rootHash)
    }
  }

  async end(how: "close" | "crash" | "kept" | "not kept"): Promise<void> {
    if (how === "close") await this.ledger.close()
    else if (how === "crash") {
      // Whatever is in flight dies with the process.
      this.trial.disk.pullPlug()
      this.#pending.splice(0)
    } else {
      this.trial.disk.nextWriteFails = how
      this.submit(1)
      await Promise.all(this.#pending.splice(0))
      await this.ledger.close()
      this.trial.disk.nextWriteFails = undefined
    }
    await this.open()
  }

  /** Every acknowledged entry stands where it was said to, once, and all heads are of one history. */
  async requireSound(): Promise<void> {
    await this.settle()
    const entries = await readEntries(this.ledger.storage)
    const firstOf = new Map<number, number>()
    const byLeaf = new Set<number>()
    for (const { n, id, placement } of this.acknowledged) {
      const { leafIndex, timeMs, duplicate } = placement
      const entry = entries[leafIndex] as Uint8Array
      expect(entryTime(entry, 0)).toBe(timeMs)
      if (!duplicate) {
        expect(entryNumber(entry)).toBe(n)
        expect(byLeaf.has(leafIndex)).toBe(false)
        byLeaf.add(leafIndex)
        const [record] = await this.ledger.storage.records(leafIndex, leafIndex + 1)
        expect(Buffer.from(record?.bytes as Uint8Array).equals(makeRecord(n))).toBe(true)
      }
      if (id === undefined) expect(duplicate).toBe(false)
      else expect(firstOf.get(id) ?? leafIndex).toBe(leafIndex)
      if (id !== undefined) firstOf.set(id, leafIndex)
    }
    const times = entries.map((entry) => entryTime(entry, 0))
    for (let i = 1; i < times.length; i++) expect(times[i]).toBeGreaterThanOrEqual(times[i - 1] as number)
    expect(new Set(entries.map(entryNumber)).size).toBe(entries.length)
    for (const [treeSize, rootHash] of this.notes) expect(rootHash).toEqual(rootOf(entries, treeSize))
  }
}

describe("any life of a ledger", () => {
  it("keeps what it acknowledged, places it once, and signs one history", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const life = new Life()
        await life.open()
        for (const one of steps) {
          if (one.kind === "pass") life.trial.nowMs += one.ms
          else if (one.kind === "end") await life.end(one.how)
          else if (one.kind === "large") life.submit(one.count)
          else {
            for (const ids of one.submissions) life.submit(ids)
            if (one.waits) await life.settle()
          }
        }
        await life.end("close")
        await life.requireSound()
        await life.ledger.close()
        await (await openMemoryStorage(life.trial.disk)).close()
      }),
      { numRuns: 40 },
    )
  })
})
