import { MIN_TIME_MS } from "@prooflog/event/entry"
import { DEFAULT_SCHEDULE } from "@prooflog/event/schedule"
import type { LeafPage } from "@prooflog/query/store"
import { type FollowCursor, formatFollowCursor } from "@prooflog/verifier/follow"
import { describe, expect, it } from "vitest"
import { AlertsFeed } from "./alerts-feed.js"

/** A page of the leaves `[from, to)`. */
function page(from: number, to: number): LeafPage {
  const none = new Uint8Array(0)
  return { firstLeaf: from, count: to - from, entries: none, records: none, cursor: cursorAt(to) }
}

function cursorAt(nextLeaf: number): string {
  const schedule = DEFAULT_SCHEDULE
  return formatFollowCursor({ nextLeaf, checkpoint: "a head", lastTimeMs: MIN_TIME_MS, schedule })
}

interface Alone {
  readonly from: number
  readonly append: (page: LeafPage) => Promise<void>
  readonly signal: AbortSignal
  readonly fail: (error: unknown) => void
}

/** A feed, a child that keeps the leaves it sees, and every feeding alone that was begun. */
function fed(cursor?: string, taken: () => Promise<void> = async () => {}) {
  const seen: number[] = []
  const alone: Alone[] = []
  const failures: unknown[] = []
  const feed = new AlertsFeed({
    alone: (from: FollowCursor | undefined, append, signal) =>
      new Promise((_, reject) => alone.push({ from: from?.nextLeaf ?? 0, append, signal, fail: reject })),
    onFailure: (error) => failures.push(error),
  })
  const append = async ({ firstLeaf, count }: LeafPage) => {
    const next = (seen.at(-1) ?? -1) + 1
    expect(firstLeaf).toBeLessThanOrEqual(Math.max(next, seen.length === 0 ? firstLeaf : next))
    for (let leaf = Math.max(firstLeaf, next); leaf < firstLeaf + count; leaf++) seen.push(leaf)
    await taken()
  }
  feed.begin(cursor, append)
  const latest = () => alone.at(-1) as Alone
  return { feed, seen, alone, latest, failures, append }
}

describe("pages for the alerts child", () => {
  it("come alone from where it is, until others' pages are where it is", async () => {
    const { feed, seen, alone, latest } = fed(cursorAt(10))
    expect(alone.map(({ from }) => from)).toEqual([10])
    feed.offer(page(40, 50))
    expect(alone).toHaveLength(1)
    await latest().append(page(10, 45))
    feed.offer(page(40, 50))
    expect(latest().signal.aborted).toBe(true)
    // What it still had in hand is not given twice.
    await latest().append(page(45, 50))
    feed.offer(page(50, 60))
    expect(seen).toEqual(Array.from({ length: 50 }, (_, i) => i + 10))
    expect(alone).toHaveLength(1)
  })

  it("ride along once both are level, though its own came first", async () => {
    const { feed, latest } = fed()
    await latest().append(page(0, 30))
    feed.offer(page(10, 20))
    expect(latest().signal.aborted).toBe(false)
    feed.offer(page(20, 30))
    expect(latest().signal.aborted).toBe(true)
    expect(feed.next).toBe(30)
  })

  it("pass over nothing while others' pages are made anew from the first leaf", () => {
    const { feed, alone, seen } = fed()
    feed.offer(page(0, 30))
    feed.offersEnd()
    expect(alone.map(({ from }) => from)).toEqual([0, 30])
    feed.offer(page(0, 20))
    expect(alone.at(-1)?.signal.aborted).toBe(false)
    expect(seen).toHaveLength(30)
  })

  it("are read again where records were destroyed since, and what was in hand is not given", async () => {
    const { feed, seen, alone, latest } = fed(cursorAt(10))
    await latest().append(page(10, 20))
    const before = latest()
    feed.readAgain()
    expect(before.signal.aborted).toBe(true)
    await before.append(page(20, 30))
    expect(alone.map(({ from }) => from)).toEqual([10, 20])
    await latest().append(page(20, 30))
    expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => i + 10))
    // Those who ride along have nothing in hand.
    feed.offer(page(30, 40))
    feed.readAgain()
    expect(alone).toHaveLength(2)
  })

  it("do not hold up others if it is slow: it is fed alone from where it stopped", () => {
    const { feed, alone } = fed(undefined, () => new Promise(() => {}))
    for (let leaf = 0; leaf < 12; leaf++) feed.offer(page(leaf, leaf + 1))
    expect(feed.next).toBe(8)
    expect(alone.map(({ from }) => from)).toEqual([0, 8])
    expect(alone.at(-1)?.signal.aborted).toBe(false)
  })

  it("end when it does not take one, and begin anew where the next child is", async () => {
    const { feed, failures, alone, append } = fed(undefined, async () => {
      throw new Error("gone")
    })
    feed.offer(page(0, 5))
    await new Promise(setImmediate)
    expect(failures).toHaveLength(1)
    feed.offer(page(5, 9))
    expect(feed.next).toBe(5)
    feed.begin(cursorAt(2), append)
    expect(alone.at(-1)?.from).toBe(2)
  })

  it("stop when the log cannot be followed, and say so once", async () => {
    const { feed, alone, latest, failures } = fed()
    latest().fail(new Error("a lie"))
    await new Promise(setImmediate)
    expect(failures).toHaveLength(1)
    feed.offersEnd()
    expect(alone).toHaveLength(1)
    // Pages that somebody else could check are good for it, too.
    feed.offer(page(0, 5))
    expect(feed.next).toBe(5)
    feed.offersEnd()
    latest().fail(new Error("a moment"))
    await new Promise(setImmediate)
    feed.goOn()
    expect(alone.map(({ from }) => from)).toEqual([0, 5, 5])
  })
})
