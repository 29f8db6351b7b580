/** The archive run where the world refuses, and where what was put is not what comes back. */

import type { Promises } from "@prooflog/event/promises"
import { describe, expect, it } from "vitest"
import { archiveRun } from "./archive-run.js"
import { EMPTY_STATE, formatState } from "./archive-state.js"
import { destroyRun } from "./destroy-run.js"
import { DAY_MS } from "./durations.js"
import { keyOf, MANIFEST_SUFFIX, type Manifest } from "./manifest.js"
import { OWNER_KEY } from "./owner.js"
import type { SegmentRow } from "./ports.js"
import { restoreRange } from "./restore-range.js"
import { eventLeaf, genesisLeaf, type SampleLeaf } from "./sample-leaves.js"
import { parseScheduleFile, publicSchedule } from "./schedule-file.js"
import { decodeRows, encodeRows } from "./stand-in-segment.js"
import { StandInWorld } from "./stand-in-world.js"
import { verifyRun } from "./verify-run.js"

const SCHEDULE = parseScheduleFile(`
classes:
  short: { hot: 10, archive: 40, destroy_after: 5 }
  audit: { hot: 70 }
default: short
`)
const PROMISES: Promises = [[0, publicSchedule(SCHEDULE)]]
const START = Date.parse("2026-01-20T00:00:00Z")

/** One leaf a day; each fifth is of the other class. */
const LEAVES: readonly SampleLeaf[] = Array.from({ length: 60 }, (_, leaf) => {
  const timeMs = START + leaf * DAY_MS
  if (leaf === 0) return genesisLeaf(publicSchedule(SCHEDULE), timeMs)
  return eventLeaf(leaf, leaf % 5 === 4 ? "audit" : "short", timeMs)
})

/** Day 30: cold are leaves 1 to 20, of which 12 begins a month. Segments 1 … 11 and 12 … 20. */
async function archive(
  world: StandInWorld,
  day = 30,
  options: { maxRows?: number; signal?: AbortSignal } = {},
) {
  const nowMs = START + day * DAY_MS
  return archiveRun(await world.catalog(), world.ports, {
    schedule: SCHEDULE,
    promises: PROMISES,
    nowMs,
    ...options,
  })
}

describe("archiveRun", () => {
  it("cuts segments by month and at a number of rows, and names them by class, month and leaves", async () => {
    const world = new StandInWorld(LEAVES)
    expect(await archive(world, 30, { maxRows: 5 })).toEqual({ segments: 4, records: 16 })
    const keys = world.trustedKeys().map((key) => key.replace(/-[0-9a-f]{16}\.parquet$/, ""))
    expect(keys).toEqual([
      "segments/short/2026-01/1-6",
      "segments/short/2026-01/7-11",
      "segments/short/2026-02/12-17",
      "segments/short/2026-02/18-20",
    ])
    expect(world.done.filter((name) => name === "purge")).toHaveLength(1)
    const catalog = await world.catalog()
    for (const [leaf, { className }] of LEAVES.entries()) {
      const segment = catalog.segmentOf("short", leaf)
      if (leaf > 20 || leaf === 0) expect([leaf, segment]).toEqual([leaf, undefined])
      else if (className === "short") expect(segment?.manifest.first_leaf).toBeLessThanOrEqual(leaf)
    }
    expect(catalog.segmentOf("audit", 4)).toBeUndefined()
  })

  it("does nothing when there is nothing to do", async () => {
    const world = new StandInWorld(LEAVES)
    await archive(world)
    const before = world.effects
    expect(await archive(world)).toEqual({ segments: 0, records: 0 })
    expect(world.effects).toBe(before)
  })

  it("leaves to destruction what is due already", async () => {
    const world = new StandInWorld(LEAVES)
    await archive(world, 59)
    expect(world.whereabouts().slice(0, 7)).toEqual([
      "no event",
      "hot",
      "hot",
      "hot",
      "hot",
      "archived",
      "archived",
    ])
  })

  it("knows a class from one whose name begins likewise", async () => {
    const world = new StandInWorld(LEAVES.with(5, eventLeaf(5, "shorter", LEAVES[5]?.timeMs as number)))
    expect(await archive(world)).toMatchObject({ records: 15 })
    expect(world.whereabouts()[5]).toBe("hot")
  })

  it("refuses a log that shows fewer entries than it is asked for", async () => {
    const world = new StandInWorld(LEAVES)
    const { ports } = world
    const short = async (start: number, end: number) =>
      ports.log.entries(start, end > start + 1 ? end - 1 : end)
    const running = archiveRun(
      await world.catalog(),
      { ...ports, log: { ...ports.log, entries: short } },
      { schedule: SCHEDULE, promises: PROMISES, nowMs: START + 30 * DAY_MS },
    )
    await expect(running).rejects.toMatchObject({ code: "ARCHIVE_LOG_REFUSED" })
    expect(world.trustedKeys()).toEqual([])
  })

  it("does not leave behind in a segment what was destroyed while it was away", async () => {
    const world = new StandInWorld(LEAVES)
    world.refuse = (effect) => {
      if (effect === "withdraw") throw new Error("no room")
    }
    await expect(archive(world)).rejects.toThrow("no room")
    world.refuse = undefined
    world.stored[3] = { kind: "tombstone", leafIndex: 3, bytes: Uint8Array.of(0x83, 0, 0, 0) }
    await archive(world)
    expect(world.whereabouts()[3]).toMatch(/^gone \+ segments/)
    await destroyRun(await world.catalog(), world.ports, { promises: PROMISES, nowMs: START, backupDays: 1 })
    expect(world.whereabouts()[3]).toBe("gone")
  })

  it("refuses a log in which time goes back", async () => {
    const world = new StandInWorld(LEAVES.with(5, LEAVES[7] as SampleLeaf))
    await expect(archive(world)).rejects.toMatchObject({ code: "ARCHIVE_LOG_REFUSED", leafIndex: 6 })
    expect(world.trustedKeys()).toEqual([])
  })

  it("tells how far it is, and ends between two steps when it is to", async () => {
    const world = new StandInWorld(LEAVES)
    const stop = new AbortController()
    world.refuse = (effect) => effect.startsWith("put") && stop.abort(new Error("enough"))
    await expect(archive(world, 30, { signal: stop.signal })).rejects.toThrow("enough")
    expect(world.done).not.toContain("withdraw")
    world.refuse = undefined
    const steps: string[] = []
    await archiveRun(await world.catalog(), world.ports, {
      schedule: SCHEDULE,
      promises: PROMISES,
      nowMs: START + 30 * DAY_MS,
      onProgress: ({ step, done, of }) => steps.push(`${step} ${done}/${of ?? "?"}`),
    })
    expect(steps).toEqual([
      "write 9/?",
      "check 9/9",
      "withdraw 9/9",
      "write 7/?",
      "check 7/7",
      "withdraw 7/7",
      "purge 0/?",
    ])
  })

  const recordOf = (leaf: number) => LEAVES[leaf]?.record as Uint8Array
  const rowsOf = (change: (rows: SegmentRow[]) => unknown) => (bytes: Uint8Array) => {
    const rows = decodeRows(bytes).map(({ leafIndex, record }) => ({ leafIndex, record: record.slice() }))
    change(rows)
    return encodeRows(rows)
  }

  it.each<[string, number, (bytes: Uint8Array) => Uint8Array]>([
    ["a bit flipped in a record", 5, rowsOf((rows) => rows[3]?.record.fill(0xff, 40, 41))],
    ["a row missing in the middle", 5, rowsOf((rows) => rows.splice(3, 1))],
    ["its first row missing", 1, rowsOf((rows) => rows.shift())],
    ["its last row missing", 11, rowsOf((rows) => rows.pop())],
    ["a row twice", 3, rowsOf((rows) => rows.splice(3, 0, rows[2] as SegmentRow))],
    [
      "two rows the wrong way round",
      3,
      rowsOf((rows) => rows.splice(2, 2, rows[3] as SegmentRow, rows[2] as SegmentRow)),
    ],
    ["a row of another class", 4, rowsOf((rows) => rows.splice(3, 0, { leafIndex: 4, record: recordOf(4) }))],
    ["a row behind its last", 12, rowsOf((rows) => rows.push({ leafIndex: 12, record: recordOf(12) }))],
    [
      "another record of the log",
      2,
      rowsOf((rows) => rows.splice(1, 1, { leafIndex: 2, record: recordOf(3) })),
    ],
    ["bytes that are no segment", 1, () => new Uint8Array(50).fill(9)],
  ])("stops when what it reads back has %s, and names segment and leaf", async (_, leafIndex, spoil) => {
    const world = new StandInWorld(LEAVES)
    world.checksDigests = false
    world.spoil = (key, bytes) =>
      key.endsWith(MANIFEST_SUFFIX) || key.includes("2026-02") ? bytes : spoil(bytes)
    const error = await archive(world).catch((each: unknown) => each)
    expect(error).toMatchObject({
      name: "ArchiveError",
      leafIndex,
      key: expect.stringMatching(/^segments\/short\/2026-01\/1-11-/),
    })
    expect(world.done).not.toContain("withdraw")
    expect(world.whereabouts().every((place) => place === "hot" || place === "no event")).toBe(true)
    // Whatever was wrong with the store is mended: the next run destroys what is wrong, and does it again.
    world.spoil = undefined
    await archive(world)
    expect(world.whereabouts().filter((place) => place === "archived")).toHaveLength(16)
    expect(world.strangers()).toEqual([])
  })

  it("stops when the store holds other bytes than were put, or another manifest", async () => {
    for (const suffix of [".parquet", `.parquet${MANIFEST_SUFFIX}`]) {
      const world = new StandInWorld(LEAVES)
      world.spoil = (key, bytes) =>
        key.endsWith(suffix) ? bytes.map((byte, i) => (i === 30 ? byte ^ 1 : byte)) : bytes
      await expect(archive(world)).rejects.toThrow(/segments\/short\/2026-01\/1-11-\w+\.parquet: leaf 1: /)
      expect(world.done).not.toContain("withdraw")
    }
  })

  it.each(["put", "state", "write", "withdraw", "purge", "tell"])(
    "passes on the refusal of a %s, and destroys nothing",
    async (what) => {
      const world = new StandInWorld(LEAVES)
      world.refuse = (effect) => {
        if (world.objects.has(OWNER_KEY) && effect.startsWith(what)) throw new Error("no room")
      }
      await expect(archive(world)).rejects.toThrow("no room")
      for (const place of world.whereabouts())
        expect(place).toMatch(/^(?:no event|hot|archived|hot \+ segments\S*)$/)
      world.refuse = undefined
      await archive(world)
      expect(world.whereabouts().filter((place) => place === "archived")).toHaveLength(16)
    },
  )
})

describe("objects that no catalog knows", () => {
  const stranger = "segments/short/2026-01/1-11-0011223344556677.parquet"

  it("are destroyed, with manifests, and what has another name is left alone", async () => {
    const world = new StandInWorld(LEAVES)
    const others = [
      "segments/readme",
      "segments/short/2026-01/x.parquet",
      "other/short/2026-01/1-1-0011223344556677.parquet",
    ]
    for (const key of [stranger, `${stranger}.json`, ...others]) world.objects.set(key, new Uint8Array(4))
    await archive(world)
    expect(world.strangers()).toEqual(others)
  })

  it("are never destroyed while a tombstone names them, even if the state file is lost, or old", async () => {
    const world = new StandInWorld(LEAVES)
    await archive(world)
    const [key] = world.trustedKeys()
    const before = [...world.objects.keys()]
    const { log, state } = await world.catalog()
    const destroy = async () =>
      destroyRun(await world.catalog(), world.ports, {
        promises: PROMISES,
        nowMs: START + 90 * DAY_MS,
        backupDays: 1,
      })
    for (const run of [() => archive(world, 59), destroy]) {
      world.stateBytes = formatState(log, { ...EMPTY_STATE, owner: state.owner as string })
      await expect(run()).rejects.toMatchObject({ code: "ARCHIVE_CATALOG_BEHIND", key, leafIndex: 1 })
      world.stateBytes = undefined
      await expect(run()).rejects.toMatchObject({ code: "ARCHIVE_FOREIGN_STORE" })
    }
    expect([...world.objects.keys()]).toEqual(before)
  })
})

describe("a record that is destroyed while its segment is written", () => {
  it("is not moved, those around it are, and the segment is to be written anew", async () => {
    const world = new StandInWorld(LEAVES)
    const destroyed = { kind: "tombstone", leafIndex: 5, bytes: Uint8Array.of(0x83, 0, 0, 0) } as const
    world.refuse = (effect) => {
      if (effect === "withdraw") world.stored[5] = destroyed
    }
    expect(await archive(world)).toEqual({ segments: 2, records: 16 })
    expect(world.stored[5]).toEqual(destroyed)
    const [first = ""] = world.trustedKeys()
    const others = [1, 2, 3, 6, 7, 8, 10, 11, 12]
    expect(others.map((leaf) => world.whereabouts()[leaf])).toEqual(others.map(() => "archived"))
    expect(world.whereabouts()[5]).toBe(`gone + ${first}`)
    const { state } = await world.catalog()
    expect(state.segments.map(({ stale }) => stale)).toEqual([true, false])
  })
})

describe("restoreRange", () => {
  it("makes a range hot, destroys a segment that is empty then, and leaves the other", async () => {
    const world = new StandInWorld(LEAVES)
    await archive(world)
    const restore = async (from: number, to: number) =>
      restoreRange(await world.catalog(), world.ports, { from, to })
    expect(await restore(3, 15)).toEqual({ records: 9, segments: 0 })
    expect(world.whereabouts()[5]).toMatch(/^hot \+ segments/)
    expect(await restore(1, 6)).toEqual({ records: 2, segments: 1 })
    expect(world.whereabouts().slice(1, 12)).toEqual(Array.from({ length: 11 }, () => "hot"))
    expect(world.trustedKeys()).toHaveLength(1)
    expect(world.strangers()).toEqual([])
    // The archive run does not look at them again.
    expect(await archive(world)).toEqual({ segments: 0, records: 0 })
  })

  it("leaves other classes alone", async () => {
    const world = new StandInWorld(LEAVES)
    await archive(world)
    const restore = async (className: string) =>
      restoreRange(await world.catalog(), world.ports, { from: 3, to: 15, className })
    expect(await restore("audit")).toEqual({ records: 0, segments: 0 })
    expect(await restore("short")).toEqual({ records: 9, segments: 0 })
  })

  it("puts back no more at once than may be", async () => {
    const more = Array.from({ length: 80 }, (_, i) =>
      eventLeaf(1 + i, "short", START + 50 * DAY_MS, "x".repeat(60_000)),
    )
    const world = new StandInWorld([LEAVES[0] as SampleLeaf, ...more])
    await archive(world, 80)
    expect(await restoreRange(await world.catalog(), world.ports, { from: 0, to: 90 })).toMatchObject({
      segments: 1,
    })
    expect(world.done.filter((name) => name === "restore")).toHaveLength(2)
  })

  it("puts nothing back that the log does not have", async () => {
    const world = new StandInWorld(LEAVES)
    await archive(world)
    world.checksDigests = false
    const [key = ""] = world.trustedKeys()
    const rows = decodeRows(world.objects.get(key) as Uint8Array).map((row) => ({ ...row }))
    ;(rows[2] as { record: Uint8Array }).record = LEAVES[8]?.record as Uint8Array
    world.objects.set(key, encodeRows(rows))
    const restoring = restoreRange(await world.catalog(), world.ports, { from: 0, to: 60 })
    await expect(restoring).rejects.toMatchObject({ code: "ARCHIVE_SEGMENT_REFUSED", leafIndex: 3 })
    expect(world.done).not.toContain("restore")
  })
})

describe("verifyRun", () => {
  it("finds every segment that is not what it should be, and goes on", async () => {
    const world = new StandInWorld(LEAVES)
    await archive(world, 59, { maxRows: 9 })
    const keys = world.trustedKeys()
    const verify = async () => verifyRun(await world.catalog(), world.ports)
    expect(await verify()).toMatchObject({ segments: keys.length, faults: [] })
    const [first = "", second = "", third = ""] = keys
    world.objects.delete(first)
    world.objects.set(second, new Uint8Array(9))
    world.objects.set(third + MANIFEST_SUFFIX, new Uint8Array(9))
    const { faults } = await verify()
    expect(faults.map(({ key, error }) => [key, error.code])).toEqual([
      [first, "ARCHIVE_SEGMENT_UNREADABLE"],
      [second, "ARCHIVE_SEGMENT_UNREADABLE"],
      [third, "ARCHIVE_SEGMENT_REFUSED"],
    ])
  })

  it("looks at no more than it is told to", async () => {
    const world = new StandInWorld(LEAVES)
    await archive(world)
    const [first = "", second = ""] = world.trustedKeys()
    world.objects.delete(first)
    world.objects.delete(second)
    const isWanted = (manifest: Manifest) => keyOf(manifest) === second
    const { segments, faults } = await verifyRun(await world.catalog(), world.ports, { isWanted })
    expect([segments, faults.map(({ key }) => key)]).toEqual([1, [second]])
  })

  it("finds a row missing whose record is in storage, too", async () => {
    const world = new StandInWorld(LEAVES)
    await archive(world)
    await restoreRange(await world.catalog(), world.ports, { from: 5, to: 6 })
    world.checksDigests = false
    const [key = ""] = world.trustedKeys()
    const rows = decodeRows(world.objects.get(key) as Uint8Array)
    world.objects.set(key, encodeRows(rows.filter(({ leafIndex }) => leafIndex !== 5)))
    const { faults } = await verifyRun(await world.catalog(), world.ports)
    expect(faults.map(({ error }) => error.message)).toEqual([
      `${key}: leaf 11: 8 rows, and its manifest says 9`,
    ])
  })

  it("finds a record that was moved and has no row", async () => {
    const world = new StandInWorld(LEAVES)
    await archive(world)
    world.checksDigests = false
    const [key = ""] = world.trustedKeys()
    const rows = decodeRows(world.objects.get(key) as Uint8Array)
    world.objects.set(key, encodeRows(rows.filter(({ leafIndex }) => leafIndex !== 6)))
    const { faults } = await verifyRun(await world.catalog(), world.ports)
    expect(faults.map(({ error }) => error.message)).toEqual([
      `${key}: leaf 6: its record was moved, and has no row`,
    ])
  })

  it("finds a record that storage looks for elsewhere, or that was destroyed and has its row", async () => {
    const world = new StandInWorld(LEAVES)
    await archive(world)
    const bytes = world.stored[12]?.bytes as Uint8Array
    world.stored[2] = { kind: "tombstone", leafIndex: 2, bytes }
    world.stored[15] = { kind: "tombstone", leafIndex: 15, bytes: Uint8Array.of(0x83, 0, 0, 0) }
    const { faults } = await verifyRun(await world.catalog(), world.ports)
    expect(faults.map(({ error }) => error.message.slice(error.key?.length))).toEqual([
      ": leaf 2: storage looks for its record elsewhere",
      ": leaf 15: its record was destroyed, and has a row",
    ])
  })
})
