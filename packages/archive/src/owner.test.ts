/** One place of segments, and several who take it for theirs. */

import type { Promises } from "@prooflog/event/promises"
import { describe, expect, it } from "vitest"
import { archiveRun } from "./archive-run.js"
import { destroyLeaves } from "./destroy-leaves.js"
import { destroyRun } from "./destroy-run.js"
import { DAY_MS } from "./durations.js"
import { OWNER_KEY } from "./owner.js"
import { restoreRange } from "./restore-range.js"
import { eventLeaf, genesisLeaf, type SampleLeaf } from "./sample-leaves.js"
import { parseScheduleFile, publicSchedule } from "./schedule-file.js"
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

const LEAVES: readonly SampleLeaf[] = Array.from({ length: 30 }, (_, leaf) => {
  const timeMs = START + leaf * DAY_MS
  return leaf === 0 ? genesisLeaf(publicSchedule(SCHEDULE), timeMs) : eventLeaf(leaf, "short", timeMs)
})

const archive = async (world: StandInWorld, day = 30) =>
  archiveRun(await world.catalog(), world.ports, {
    schedule: SCHEDULE,
    promises: PROMISES,
    nowMs: START + day * DAY_MS,
  })

/** Everything that is run, each at that day. */
const RUNS: Readonly<Record<string, (world: StandInWorld) => Promise<unknown>>> = {
  archive: (world) => archive(world),
  destroy: async (world) =>
    destroyRun(await world.catalog(), world.ports, {
      promises: PROMISES,
      nowMs: START + 60 * DAY_MS,
      backupDays: 0,
    }),
  restore: async (world) => restoreRange(await world.catalog(), world.ports, { from: 1, to: 9 }),
  erase: async (world) =>
    destroyLeaves(await world.catalog(), world.ports, [], () => {
      throw new Error("no leaf is asked for")
    }),
  verify: async (world) => verifyRun(await world.catalog(), world.ports),
}

const FOREIGN = expect.objectContaining({ code: "ARCHIVE_FOREIGN_STORE", key: OWNER_KEY })

/** A world of the same log, in another folder, that keeps its segments at the same place. */
function besides(world: StandInWorld, id = "1".repeat(32)): StandInWorld {
  const other = new StandInWorld(LEAVES)
  other.id = id
  for (const [key, bytes] of world.objects) other.objects.set(key, bytes)
  return other
}

/** All that a run can change. */
const standing = (world: StandInWorld) => ({
  objects: [...world.objects.keys()],
  stored: [...world.stored],
  state: world.stateBytes,
  rows: [...world.rows],
})

describe("the place of segments", () => {
  it("is owned from the first run on, by one object that is never put again", async () => {
    const world = new StandInWorld(LEAVES)
    await archive(world)
    expect(new TextDecoder().decode(world.objects.get(OWNER_KEY))).toBe(
      `{"format":"prooflog-archive-owner/1","origin":"${(await world.catalog()).log.origin}","log_id":"${(await world.catalog()).log.logId}","owner":"${world.id}"}\n`,
    )
    world.id = "2".repeat(32)
    for (const run of Object.values(RUNS)) await run(world)
    expect(world.done.filter((name) => name === `put ${OWNER_KEY}`)).toHaveLength(1)
  })

  it.each(Object.keys(RUNS))("of another folder is left alone by %s", async (name) => {
    const world = new StandInWorld(LEAVES)
    await archive(world)
    const kept = new Map(world.objects)
    const other = besides(world)
    // What it knows of its own segments is from another place.
    other.stateBytes = new TextEncoder().encode(
      new TextDecoder().decode(world.stateBytes).replace(world.id, other.id),
    )
    const before = standing(other)
    await expect(RUNS[name]?.(other)).rejects.toThrow(FOREIGN)
    expect(standing(other)).toEqual(before)
    expect(other.objects).toEqual(kept)
  })

  it("is not taken by a folder that knows of no segment: it would destroy them as left over", async () => {
    const world = new StandInWorld(LEAVES)
    await archive(world)
    const other = besides(world)
    await expect(archive(other)).rejects.toThrow(FOREIGN)
    // Nor when it tries again, with the id that it has drawn by now.
    await expect(archive(other)).rejects.toThrow(FOREIGN)
    expect(other.objects).toEqual(world.objects)
    expect(other.whereabouts()).not.toContain("archived")
  })

  it("is another one if it is empty: a disk that is not mounted is not written to", async () => {
    const world = new StandInWorld(LEAVES)
    await archive(world)
    world.treeSize = LEAVES.length
    const kept = new Map(world.objects)
    world.objects.clear()
    for (const run of Object.values(RUNS)) await expect(run(world)).rejects.toThrow(FOREIGN)
    expect([...world.objects.keys()]).toEqual([])
    for (const [key, bytes] of kept) world.objects.set(key, bytes)
    await RUNS.destroy?.(world)
  })

  it("is owned at the next run, killed while it was made so", async () => {
    for (const [effect, after] of [1, 2].flatMap((each) => [[each, false] as const, [each, true] as const])) {
      const world = new StandInWorld(LEAVES)
      world.killAt(effect, after)
      await expect(archive(world)).rejects.toThrow()
      world.revive()
      expect(await archive(world)).toMatchObject({ records: 20 })
      expect((await verifyRun(await world.catalog(), world.ports)).faults).toEqual([])
    }
  })

  it("goes to one of two who put at the same time, also where the store lets both", async () => {
    const world = new StandInWorld(LEAVES)
    const winner = new StandInWorld(LEAVES)
    winner.id = "2".repeat(32)
    await archive(winner)
    world.spoil = (key, bytes) => (key === OWNER_KEY ? (winner.objects.get(OWNER_KEY) as Uint8Array) : bytes)
    await expect(archive(world)).rejects.toThrow(FOREIGN)
    expect(world.done).not.toContain("withdraw")
  })
})
