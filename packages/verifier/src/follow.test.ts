import { getEventListeners } from "node:events"
import { encodeCbor } from "@prooflog/event/cbor"
import { encodeScheduleEntry } from "@prooflog/event/entry"
import { EventError } from "@prooflog/event/error"
import { DEFAULT_SCHEDULE } from "@prooflog/event/schedule"
import { formatBundle } from "@prooflog/tlog/bundle"
import { signCheckpoint } from "@prooflog/tlog/checkpoint"
import { createSignerKey, formatVerifierKey, verifierKeyOf } from "@prooflog/tlog/key"
import { parsePolicy } from "@prooflog/tlog/policy"
import fc from "fast-check"
import { afterEach, describe, expect, it, vi } from "vitest"
import {
  destroyedLeaf,
  eventLeaf,
  GrowingLog,
  type Leaf,
  laterSchedule,
  leafOf,
  mixedLeaves,
  recordsOf,
} from "../fixtures/growing-log.js"
import { defined, genesis, OTHER_POLICY, POLICY, POLICY_TEXT, START_MS } from "../fixtures/small-log.js"
import {
  type CheckedLeaves,
  type FollowCursor,
  type FollowOptions,
  follow,
  formatFollowCursor,
  parseFollowCursor,
  type RecordRange,
  type RecordSource,
} from "./follow.js"
import type { LogSource } from "./source.js"

type Source = LogSource & RecordSource

const MIXED = mixedLeaves(3000)

const refused = (code: string, where: { leafIndex?: number; path?: string } = {}) =>
  expect.objectContaining({ name: "VerifierError", code, ...where })

/** Pages up to leaf `end`, and a restart's cursor as it is kept: as text. */
async function pagesTo(end: number, source: Source, options: FollowOptions = {}): Promise<CheckedLeaves[]> {
  const pages: CheckedLeaves[] = []
  for await (const page of follow(source, POLICY, { pollMs: 0, ...options })) {
    pages.push(page)
    if (page.firstLeaf + page.count >= end) break
  }
  return pages
}

/** Where a follower is that has read the first `count` leaves. */
async function cursorAt(count: number, leaves: readonly Leaf[]): Promise<FollowCursor> {
  const pages = await pagesTo(count, new GrowingLog(leaves, count))
  return kept(defined(pages.at(-1)).cursor)
}

/** A cursor as it comes back from where it was kept. */
function kept(cursor: FollowCursor): FollowCursor {
  return parseFollowCursor(formatFollowCursor(cursor))
}

/** Holds a page against what was put into the log. */
function expectHonest(page: CheckedLeaves, leaves: readonly Leaf[], treeSize: number): void {
  const { firstLeaf, count, entries, records, tombstones, cursor } = page
  const end = firstLeaf + count
  expect(count).toBeGreaterThan(0)
  expect(count).toBeLessThanOrEqual(4096)
  expect(end === treeSize || end % 256 === 0).toBe(true)
  const put = leaves.slice(firstLeaf, end).map(({ entry }) => entry)
  expect(Buffer.compare(entries, formatBundle(put))).toBe(0)
  const behind = recordsOf(leaves, firstLeaf, end)
  expect(Buffer.compare(records, behind.records)).toBe(0)
  expect(tombstones).toEqual(behind.tombstones)
  expect(cursor).toMatchObject({ nextLeaf: end, lastTimeMs: START_MS + end - 1 })
  expect(kept(cursor)).toEqual(cursor)
}

/** What it hands out before it throws, and what it throws. */
async function outcome(
  source: Source,
  options: FollowOptions = {},
): Promise<{ through: number; error: unknown }> {
  let through = options.from?.nextLeaf ?? 0
  try {
    for await (const { firstLeaf, count } of follow(source, POLICY, { pollMs: 0, ...options })) {
      expect(firstLeaf).toBe(through)
      through += count
    }
  } catch (error) {
    return { through, error }
  }
  throw new Error("it ended without an error")
}

/** The same log with other bytes at some paths. */
function altered(log: GrowingLog, path: string, change: (bytes: Uint8Array) => Uint8Array): Source {
  return {
    read: async (asked) => {
      const bytes = await log.read(asked)
      return asked === path && bytes !== undefined ? change(bytes) : bytes
    },
    records: (start, end) => log.records(start, end),
  }
}

function flipped(bytes: Uint8Array, at = 33): Uint8Array {
  const copy = bytes.slice()
  copy[at] = (copy[at] as number) ^ 1
  return copy
}

/** The log with another answer where records are asked for. */
function withRecords(log: GrowingLog, change: (range: RecordRange, start: number) => RecordRange): Source {
  return {
    read: (path) => log.read(path),
    records: async (start, end) => change(await log.records(start, end), start),
  }
}

/** An answer with another record for one leaf, if that leaf is in it. */
function replacing(leafIndex: number, leaf: Partial<Leaf>): (log: GrowingLog) => Source {
  return (log) =>
    withRecords(log, ({ records }, start) => {
      const count = countOf(records)
      const leaves = log.leaves.slice(start, start + count)
      const i = leafIndex - start
      if (i >= 0 && i < count) leaves[i] = { ...defined(leaves[i]), ...leaf }
      const { records: replaced, tombstones } = recordsOf(leaves, 0, count)
      return { records: replaced, tombstones: tombstones.map((n) => n + start) }
    })
}

function countOf(packed: Uint8Array): number {
  let count = 0
  for (let at = 0; at < packed.length; count++)
    at += 2 + (packed[at] as number) * 256 + (packed[at + 1] as number)
  return count
}

describe("following a log", () => {
  it("hands out every leaf once, in order, with its record or its tombstone", async () => {
    const pages = await pagesTo(3000, new GrowingLog(MIXED))
    let next = 0
    for (const page of pages) {
      expect(page.firstLeaf).toBe(next)
      expectHonest(page, MIXED, 3000)
      next += page.count
    }
    expect(next).toBe(3000)
    expect(pages.flatMap(({ tombstones }) => tombstones).length).toBeGreaterThan(200)
  })

  it("does so across heads that grow and restarts from any cursor", async () => {
    const log = new GrowingLog(MIXED)
    const step = fc.record({
      /** Leaves that the log grows by before its head is read again. */
      grow: fc.oneof(fc.constant(0), fc.constant(1), fc.constant(256), fc.nat(700)),
      /** Pages after which the follower dies. */
      pages: fc.integer({ min: 1, max: 4 }),
      /** How many of the cursors kept so far are lost with it. */
      lost: fc.nat(3),
    })
    await fc.assert(
      fc.asyncProperty(fc.nat(600), fc.array(step, { minLength: 1, maxLength: 8 }), async (first, steps) => {
        log.treeSize = 1 + first
        const cursors: FollowCursor[] = []
        for (const { grow, pages, lost } of [
          ...steps,
          { grow: 300, pages: Number.POSITIVE_INFINITY, lost: 0 },
        ]) {
          cursors.splice(Math.max(0, cursors.length - lost))
          const from = cursors.at(-1)
          if (from?.nextLeaf === MIXED.length) break
          let next = from?.nextLeaf ?? 0
          let left = pages
          log.treeSize = Math.min(MIXED.length, log.treeSize + grow)
          // It grows while it is followed, too: always between what is asked and the next look.
          const growing: Source = {
            read: (path) => {
              if (path !== "checkpoint") return log.read(path)
              const head = log.read(path)
              log.treeSize = Math.min(MIXED.length, log.treeSize + 1 + grow)
              return head
            },
            records: (start, end) => log.records(start, end),
          }
          for await (const page of follow(growing, POLICY, {
            pollMs: 0,
            ...(from && { from: kept(from) }),
          })) {
            expect(page.firstLeaf).toBe(next)
            expectHonest(page, MIXED, sizeOf(page.cursor))
            next += page.count
            cursors.push(page.cursor)
            if (--left === 0 || next === MIXED.length) break
          }
        }
        expect(cursors.at(-1)?.nextLeaf).toBe(MIXED.length)
      }),
      { numRuns: 20 },
    )
  })

  it("reads nothing before its cursor", async () => {
    const log = new GrowingLog(MIXED)
    const [page] = await pagesTo(2900, log, { from: await cursorAt(2890, MIXED) })
    expect(page?.firstLeaf).toBe(2890)
    expect(Math.min(...log.ranges.map(([start]) => start))).toBe(2890)
    const indices = log.paths.filter((path) => path.startsWith("tile/entries/"))
    expect(indices).toEqual(["tile/entries/011.p/184"])
  })

  it("hands out whole bundles after the first page, as many as fit", async () => {
    const leaves = mixedLeaves(12_000)
    const pages = await pagesTo(12_000, new GrowingLog(leaves), { from: await cursorAt(300, leaves) })
    const ends = pages.map(({ firstLeaf, count }) => firstLeaf + count)
    expect(ends[0]).toBe(512)
    expect(ends.slice(0, -1).filter((end) => end % 256 !== 0)).toEqual([])
    expect(Math.max(...pages.map(({ count }) => count))).toBe(4096)
  })

  describe("where leaves turn out to be large", () => {
    const LARGE = "x".repeat(60_000)
    const large = (n: number) => leafOf(encodeCbor([9, START_MS + n, LARGE]))
    const bundlesOf = ({ paths }: GrowingLog) => paths.filter((path) => path.startsWith("tile/entries/"))

    it("ends a page with the bundle that makes it too large, and goes on with the next", async () => {
      const leaves = [...mixedLeaves(1_024), ...Array.from({ length: 1_024 }, (_, i) => large(1_024 + i))]
      const log = new GrowingLog(leaves)
      const ends: number[] = []
      for await (const page of follow(log, POLICY)) {
        expectHonest(page, leaves, 2_048)
        const end = page.firstLeaf + page.count
        ends.push(end)
        // After the page of the first, which was not expected to be large, nothing is read before it is asked for.
        if (end >= 1_280) expect(bundlesOf(log)).toHaveLength(end / 256)
        if (end === 2_048) break
      }
      expect(ends.at(-5)).toBeLessThanOrEqual(1_024)
      expect(ends.slice(-4)).toEqual([1_280, 1_536, 1_792, 2_048])
    })

    it("keeps two of them ahead at most, and reads the third again", async () => {
      const leaves = [leafOf(genesis()), ...Array.from({ length: 1_023 }, (_, i) => large(1 + i))]
      const log = new GrowingLog(leaves)
      let release = () => {}
      let isSlow = true
      const slow = new Promise<void>((resolve) => {
        release = resolve
      })
      // The first comes last: then the others wait already.
      const source: Source = {
        read: async (path) => {
          const bytes = await log.read(path)
          if (path === "tile/entries/000" && isSlow) await slow
          return bytes
        },
        records: (start, end) => log.records(start, end),
      }
      const pages = follow(source, POLICY)
      const first = pages.next()
      while (bundlesOf(log).length < 3) await new Promise((resolve) => setImmediate(resolve))
      await new Promise((resolve) => setImmediate(resolve))
      isSlow = false
      release()
      expectHonest(defined((await first).value ?? undefined), leaves, 1_024)
      expect(bundlesOf(log).slice(0, 4)).toEqual(
        ["000", "001", "002", "000"].map((name) => `tile/entries/${name}`),
      )
      for (let i = 1; i < 4; i++)
        expectHonest(defined((await pages.next()).value ?? undefined), leaves, 1_024)
      await pages.return()
    })
  })

  it("reads a few pages ahead, and no more", async () => {
    const log = new GrowingLog(MIXED)
    const pages = follow(log, POLICY)
    await pages.next()
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(log.ranges).toHaveLength(3)
    await pages.return()
  })

  it("tells of every head, once, before its leaves", async () => {
    const log = new GrowingLog(MIXED, 1)
    const told: (number | string)[] = []
    const onHead = (treeSize: number) => {
      told.push(treeSize)
    }
    for await (const { firstLeaf, count } of follow(log, POLICY, { pollMs: 0, onHead })) {
      told.push(`through ${firstLeaf + count}`)
      if (log.treeSize === 3) break
      log.treeSize++
    }
    expect(told).toEqual([1, "through 1", 2, "through 2", 3, "through 3"])
  })

  it("waits for the first leaf of an empty log", async () => {
    const log = new GrowingLog(MIXED, 0)
    const onHead = () => {
      log.treeSize = 2
    }
    expect(await pagesTo(2, log, { onHead })).toMatchObject([{ firstLeaf: 0, count: 2 }])
  })

  it("believes nothing but the policy", async () => {
    const pages = follow(new GrowingLog(MIXED), OTHER_POLICY)
    await expect(pages.next()).rejects.toThrow(refused("VERIFIER_CHECKPOINT_REFUSED"))
    const from = await cursorAt(300, MIXED)
    await expect(follow(new GrowingLog(MIXED), OTHER_POLICY, { from }).next()).rejects.toThrow(
      refused("VERIFIER_CHECKPOINT_REFUSED"),
    )
  })

  it("takes a schedule and its classes over a restart", async () => {
    const leaves = [
      leafOf(genesis()),
      eventLeaf(1),
      leafOf(encodeScheduleEntry(laterSchedule(2), START_MS + 2)),
      eventLeaf(3, "since-2"),
    ]
    const from = await cursorAt(3, leaves)
    expect(from.schedule).toEqual(laterSchedule(2))
    expect(await pagesTo(4, new GrowingLog(leaves), { from })).toMatchObject([{ firstLeaf: 3, count: 1 }])
    // With the schedule of before the change, the class is unknown; without it, there is no such cursor.
    const forgetful = { ...from, schedule: DEFAULT_SCHEDULE }
    const { error } = await outcome(new GrowingLog(leaves), { from: forgetful })
    expect(error).toEqual(refused("VERIFIER_UNKNOWN_CLASS", { leafIndex: 3 }))
  })
})

/** Leaves of the head that a cursor stands under. */
function sizeOf({ checkpoint }: FollowCursor): number {
  return Number(checkpoint.split("\n")[1])
}

describe("a follower stops at a head that", () => {
  const fork = [...MIXED.slice(0, 299), eventLeaf(1_000_299, "routine", START_MS + 299), ...MIXED.slice(300)]

  it("went back, while it looks on", async () => {
    const log = new GrowingLog(MIXED, 600)
    const back = { ...altered(log, "", (bytes) => bytes) }
    const onHead = () => {
      log.treeSize = 600
    }
    const pages = follow(back, POLICY, { pollMs: 0, onHead })
    while ((await pages.next()).value?.cursor.nextLeaf !== 600);
    log.treeSize = 599
    await expect(pages.next()).rejects.toThrow(
      expect.objectContaining({
        code: "VERIFIER_WENT_BACK",
        heads: { known: log.head(600), shown: log.head(599) },
      }),
    )
  })

  it("is behind its cursor's, though it has not read so far itself", async () => {
    const [page] = await pagesTo(1, new GrowingLog(MIXED, 600))
    const { cursor } = defined(page)
    expect(cursor.nextLeaf).toBe(256)
    const { through, error } = await outcome(new GrowingLog(MIXED, 599), { from: kept(cursor) })
    expect([through, error]).toEqual([256, refused("VERIFIER_WENT_BACK")])
  })

  it.each([
    ["of the same size", 300],
    ["that is larger", 600],
  ])("forked from its cursor's: one %s", async (_, size) => {
    const from = await cursorAt(300, MIXED)
    const { through, error } = await outcome(new GrowingLog(fork, size), { from })
    expect([through, error]).toEqual([300, refused("VERIFIER_FORKED")])
  })

  it("forked from the one before, while it looks on", async () => {
    const log = new GrowingLog(MIXED, 300)
    const other = new GrowingLog(fork, 600)
    let source: GrowingLog = log
    const switching: Source = {
      read: (path) => source.read(path),
      records: (start, end) => source.records(start, end),
    }
    const pages = follow(switching, POLICY, { pollMs: 0 })
    while ((await pages.next()).value?.cursor.nextLeaf !== 300);
    source = other
    await expect(pages.next()).rejects.toThrow(refused("VERIFIER_FORKED"))
  })

  it("is another log's, though the policy believes both", async () => {
    const origin = "log.example/other"
    const signer = createSignerKey(origin, new Uint8Array(32).fill(5), 0x01)
    const policy = parsePolicy(
      POLICY_TEXT.replace("quorum", `log ${formatVerifierKey(verifierKeyOf(signer))}\nquorum`),
    )
    const note = signCheckpoint(
      { origin, treeSize: 600, rootHash: new Uint8Array(32), extensions: [] },
      signer,
    )
    const source = altered(new GrowingLog(MIXED, 600), "checkpoint", () => new TextEncoder().encode(note))
    const pages = follow(source, policy, { from: await cursorAt(300, MIXED) })
    await expect(pages.next()).rejects.toThrow(refused("VERIFIER_OTHER_LOG"))
  })

  it("nobody can read", async () => {
    const source = { ...altered(new GrowingLog(MIXED), "", (bytes) => bytes), read: async () => undefined }
    await expect(follow(source, POLICY).next()).rejects.toThrow(
      refused("VERIFIER_MISSING", { path: "checkpoint" }),
    )
  })
})

describe("a follower stops at what was not signed", () => {
  const log = () => new GrowingLog(MIXED, 1000)

  it.each([
    ["tile/0/001", "VERIFIER_TILE_REFUSED", 256],
    ["tile/0/003.p/232", "VERIFIER_ROOT_REFUSED", 0],
    ["tile/1/000.p/3", "VERIFIER_ROOT_REFUSED", 0],
  ])("an altered %s", async (path, code, through) => {
    const found = await outcome(altered(log(), path, flipped))
    expect(found).toEqual({ through, error: refused(code, { path: expect.stringContaining(path) }) })
  })

  it("another entry under the right tile, and names its leaf", async () => {
    const other = formatBundle(
      MIXED.map(({ entry }, n) => (n === 300 ? eventLeaf(9999).entry : entry)).slice(256, 512),
    )
    const found = await outcome(altered(log(), "tile/entries/001", () => other))
    const where = { leafIndex: 300, path: "tile/entries/001" }
    expect(found).toEqual({ through: 256, error: refused("VERIFIER_BUNDLE_REFUSED", where) })
  })

  it.each([
    ["too few entries", (bytes: Uint8Array) => bytes.subarray(0, 2 + (bytes[1] as number))],
    ["too many entries", (bytes: Uint8Array) => Uint8Array.of(...bytes, 0, 1, 7)],
    ["an entry cut short", (bytes: Uint8Array) => bytes.subarray(0, -1)],
  ])("a bundle with %s", async (_, change) => {
    const { error } = await outcome(altered(log(), "tile/entries/003.p/232", change))
    expect(error).toEqual(refused("VERIFIER_BUNDLE_REFUSED", { path: "tile/entries/003.p/232" }))
  })

  it("an altered entry after its cursor in a bundle, not one before it", async () => {
    const from = await cursorAt(300, MIXED)
    const other = (leaf: number) =>
      formatBundle(
        MIXED.slice(256, 512).map(({ entry }, i) => (i + 256 === leaf ? eventLeaf(9999).entry : entry)),
      )
    const before = altered(log(), "tile/entries/001", () => other(299))
    expect((await pagesTo(1000, before, { from }))[0]?.firstLeaf).toBe(300)
    const after = altered(log(), "tile/entries/001", () => other(300))
    const { error } = await outcome(after, { from })
    expect(error).toEqual(refused("VERIFIER_BUNDLE_REFUSED", { leafIndex: 300 }))
  })

  it("nothing where something was promised", async () => {
    const source = log()
    const read = (path: string) =>
      path === "tile/entries/001" ? Promise.resolve(undefined) : source.read(path)
    const found = await outcome({ read, records: (start, end) => source.records(start, end) })
    expect(found).toEqual({ through: 256, error: refused("VERIFIER_MISSING", { path: "tile/entries/001" }) })
  })
})

describe("a follower stops at what was signed and should not have been", () => {
  it.each<[string, string, number, Leaf[]]>([
    ["a first leaf that is no genesis", "VERIFIER_GENESIS_REFUSED", 0, [eventLeaf(0), eventLeaf(1)]],
    [
      "another log's genesis",
      "VERIFIER_GENESIS_REFUSED",
      0,
      [leafOf(genesis({ origin: "log.example/other" }))],
    ],
    ["a second genesis", "VERIFIER_GENESIS_REFUSED", 1, [leafOf(genesis()), leafOf(genesis())]],
    ["a class of no schedule", "VERIFIER_UNKNOWN_CLASS", 1, [leafOf(genesis()), eventLeaf(1, "other")]],
    ["no entry", "VERIFIER_ENTRY_REFUSED", 1, [leafOf(genesis()), leafOf(Uint8Array.of(1, 2, 3))]],
    [
      "a time that went back",
      "VERIFIER_TIME_WENT_BACK",
      2,
      [leafOf(genesis()), eventLeaf(1), eventLeaf(2, "routine", START_MS)],
    ],
    [
      "a schedule that drops a class",
      "VERIFIER_SCHEDULE_REFUSED",
      2,
      [
        leafOf(genesis()),
        leafOf(encodeScheduleEntry(laterSchedule(1), START_MS + 1)),
        leafOf(encodeScheduleEntry(DEFAULT_SCHEDULE, START_MS + 2)),
      ],
    ],
  ])("%s", async (_, code, leafIndex, leaves) => {
    const { through, error } = await outcome(new GrowingLog(leaves))
    expect([through, error]).toEqual([0, refused(code, { leafIndex })])
    if (leafIndex === 0) return
    // The same over a restart just before it: the cursor carries what the rules need.
    const from = await cursorAt(leafIndex, leaves)
    const again = await outcome(new GrowingLog(leaves), { from })
    expect(again).toEqual({ through: leafIndex, error: refused(code, { leafIndex }) })
  })
})

describe("a follower stops at records", () => {
  const EVENT = 301
  const DESTROYED = 302
  const NOTICE = 303
  const leaves = [
    leafOf(genesis()),
    ...Array.from({ length: 299 }, (_, i) => eventLeaf(i + 1)),
    eventLeaf(300),
    eventLeaf(EVENT),
    destroyedLeaf(DESTROYED),
    leafOf(encodeScheduleEntry(DEFAULT_SCHEDULE, START_MS + NOTICE)),
    eventLeaf(304),
  ]
  const empty = new Uint8Array(0)
  const { record } = defined(leaves[EVENT])

  it.each<[string, string, number, (log: GrowingLog) => Source]>([
    ["that are missing", "VERIFIER_MISSING_RECORD", EVENT, replacing(EVENT, { record: empty })],
    [
      "destroyed without a tombstone",
      "VERIFIER_MISSING_RECORD",
      DESTROYED,
      replacing(DESTROYED, { isDestroyed: false }),
    ],
    ["of another event", "VERIFIER_RECORD_REFUSED", EVENT, replacing(EVENT, { record: eventLeaf(9).record })],
    [
      "with a byte changed",
      "VERIFIER_RECORD_REFUSED",
      EVENT,
      replacing(EVENT, { record: flipped(record, 10) }),
    ],
    ["cut short", "VERIFIER_RECORD_REFUSED", EVENT, replacing(EVENT, { record: record.subarray(0, -1) })],
    ["of no form", "VERIFIER_RECORD_REFUSED", EVENT, replacing(EVENT, { record: Uint8Array.of(0) })],
    ["beside a tombstone", "VERIFIER_RECORD_REFUSED", EVENT, replacing(EVENT, { isDestroyed: true })],
    ["where there is no event", "VERIFIER_RECORD_REFUSED", NOTICE, replacing(NOTICE, { record })],
    [
      "with a tombstone where there is no event",
      "VERIFIER_RECORD_REFUSED",
      NOTICE,
      replacing(NOTICE, { isDestroyed: true }),
    ],
    ["that end too soon", "VERIFIER_MISSING_RECORD", 304, (log) => withRecords(log, cutTo(304))],
    ["that are too many", "VERIFIER_RECORD_REFUSED", 304, (log) => withRecords(log, withTail(0, 0))],
    ["that end inside of one", "VERIFIER_RECORD_REFUSED", 256, (log) => withRecords(log, withTail(0, 9, 1))],
  ])("%s", async (_, code, leafIndex, broken) => {
    const found = await outcome(broken(new GrowingLog(leaves)))
    expect(found).toEqual({ through: 256, error: refused(code, { leafIndex }) })
    expect((found.error as Error).message).not.toContain("U301")
  })

  it.each([
    ["twice", [DESTROYED, DESTROYED]],
    ["out of order", [304, DESTROYED]],
    ["of leaves that were not asked for", [DESTROYED, 305]],
    ["of leaves before", [255, DESTROYED]],
    ["of no leaf", [Number.NaN]],
    ["of half a leaf", [DESTROYED, 302.5]],
  ])("with tombstones %s", async (_, tombstones) => {
    const source = withRecords(new GrowingLog(leaves), (range, start) =>
      start < 256 ? range : { ...range, tombstones },
    )
    expect(await outcome(source)).toEqual({ through: 256, error: refused("VERIFIER_RECORD_REFUSED") })
  })

  it("that its source cannot answer, in the source's own words", async () => {
    const log = new GrowingLog(leaves)
    const failure = new EventError("EVENT_TOO_LARGE", "the source's own")
    const records = (start: number, end: number) =>
      start < 256 ? log.records(start, end) : Promise.reject(failure)
    const found = await outcome({ read: (path) => log.read(path), records })
    expect(found).toEqual({ through: 256, error: failure })
  })

  /** Records up to a leaf. */
  function cutTo(leafIndex: number) {
    return (range: RecordRange, start: number): RecordRange => {
      if (start < 256) return range
      return { ...range, records: recordsOf(leaves, start, leafIndex).records }
    }
  }

  /** Records with bytes after them. */
  function withTail(...tail: number[]) {
    return (range: RecordRange, start: number): RecordRange =>
      start < 256 ? range : { ...range, records: Uint8Array.of(...range.records, ...tail) }
  }
})

describe("a follower that is told to end", () => {
  it("returns before it has read anything", async () => {
    const log = new GrowingLog(MIXED)
    const pages = follow(log, POLICY, { signal: AbortSignal.abort() })
    expect(await pages.next()).toEqual({ done: true, value: undefined })
    expect(log.paths).toEqual([])
  })

  it("hands out no page that was read before", async () => {
    vi.spyOn(performance, "now").mockReturnValue(0)
    const abort = new AbortController()
    const pages = follow(new GrowingLog(MIXED), POLICY, { signal: abort.signal })
    expect((await pages.next()).done).toBe(false)
    await new Promise((resolve) => setTimeout(resolve, 5))
    abort.abort()
    expect(await pages.next()).toEqual({ done: true, value: undefined })
    vi.restoreAllMocks()
  })

  it("returns while it waits for the next head", async () => {
    const abort = new AbortController()
    const pages = follow(new GrowingLog(MIXED, 200), POLICY, { signal: abort.signal, pollMs: 2 ** 30 })
    await pages.next()
    const end = pages.next()
    await new Promise((resolve) => setTimeout(resolve, 5))
    abort.abort()
    expect(await end).toEqual({ done: true, value: undefined })
    expect(getEventListeners(abort.signal, "abort")).toEqual([])
  })

  it.each(["checkpoint", "tile/0/000", "tile/entries/001", "tile/1/000.p/11", "records"])(
    "returns though %s is never answered",
    async (silent) => {
      const abort = new AbortController()
      const log = new GrowingLog(MIXED)
      const never = () => {
        setTimeout(() => abort.abort(), 5)
        return new Promise<never>(() => {})
      }
      const source: Source = {
        read: (path) => (path === silent ? never() : log.read(path)),
        records: (start, end) => (silent === "records" ? never() : log.records(start, end)),
      }
      for await (const _ of follow(source, POLICY, { signal: abort.signal }));
      expect(abort.signal.aborted).toBe(true)
    },
  )

  it("returns in the middle of what it checks", async () => {
    const abort = new AbortController()
    const now = vi.spyOn(performance, "now")
    let ms = 0
    // Every look at the clock finds that a turn is due; the first turn is taken in the middle of a page.
    now.mockImplementation(() => {
      ms += 10
      if (ms === 100) setImmediate(() => abort.abort())
      return ms
    })
    const pages = follow(new GrowingLog(MIXED), POLICY, { signal: abort.signal })
    expect(await pages.next()).toEqual({ done: true, value: undefined })
    now.mockRestore()
  })

  it("listens once for many reads, and leaves no listener behind", async () => {
    const abort = new AbortController()
    const log = new GrowingLog(MIXED)
    let most = 0
    const read = (path: string) => {
      most = Math.max(most, getEventListeners(abort.signal, "abort").length)
      return log.read(path)
    }
    await pagesTo(3000, { read, records: (start, end) => log.records(start, end) }, { signal: abort.signal })
    expect(most).toBeLessThanOrEqual(2)
    await new Promise((resolve) => setTimeout(resolve, 1))
    expect(getEventListeners(abort.signal, "abort")).toEqual([])
  })

  it("throws what else went wrong in that moment", async () => {
    const abort = new AbortController()
    const failure = new Error("another")
    const onHead = () => {
      abort.abort()
      throw failure
    }
    await expect(follow(new GrowingLog(MIXED), POLICY, { signal: abort.signal, onHead }).next()).rejects.toBe(
      failure,
    )
  })
})

describe("a follower and the clock", () => {
  afterEach(() => {
    vi.useRealTimers()
    vi.restoreAllMocks()
  })

  it("looks at the head every 200 ms unless told otherwise, and not in between", async () => {
    for (const [options, everyMs] of [
      [{}, 200],
      [{ pollMs: 1000 }, 1000],
    ] as const) {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] })
      const log = new GrowingLog(MIXED, 200)
      const looks = () => log.paths.filter((path) => path === "checkpoint").length
      const pages = follow(log, POLICY, options)
      await pages.next()
      const next = pages.next()
      for (let n = 1; n <= 5; n++) {
        await vi.advanceTimersByTimeAsync(everyMs - 1)
        expect(looks()).toBe(n)
        await vi.advanceTimersByTimeAsync(1)
        expect(looks()).toBe(n + 1)
      }
      log.treeSize = 201
      await vi.advanceTimersByTimeAsync(everyMs)
      expect((await next).value).toMatchObject({ firstLeaf: 200, count: 1 })
      await pages.return()
    }
  })

  it("looks again at once when it was away for longer", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] })
    const log = new GrowingLog(MIXED, 200)
    const pages = follow(log, POLICY)
    await pages.next()
    await vi.advanceTimersByTimeAsync(10_000)
    log.treeSize = 201
    const next = pages.next()
    await vi.advanceTimersByTimeAsync(1)
    expect((await next).value).toMatchObject({ firstLeaf: 200 })
    await pages.return()
  })

  it("gives the event loop a turn about every 5 ms of work", async () => {
    let ms = 0
    vi.spyOn(performance, "now").mockImplementation(() => ms++)
    let turns = 0
    const count = () => {
      turns++
      counting = setImmediate(count)
    }
    let counting = setImmediate(count)
    const looksBefore = ms
    await pagesTo(3000, new GrowingLog(MIXED))
    clearImmediate(counting)
    // A look at the clock for every 16 leaves, each a millisecond after the last.
    expect(ms - looksBefore).toBeGreaterThan(3000 / 16)
    expect(turns).toBeGreaterThan(3000 / 16 / 8)
  })
})
