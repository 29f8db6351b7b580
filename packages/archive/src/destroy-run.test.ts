/** The destruction run among holds, promises and backups, and erasures. */

import { NOTICE_KINDS } from "@prooflog/event/entry"
import type { Promises } from "@prooflog/event/promises"
import type { NoticedTombstone } from "@prooflog/event/tombstone"
import { describe, expect, it } from "vitest"
import { archiveRun } from "./archive-run.js"
import { destroyLeaves, makeLeavesGone } from "./destroy-leaves.js"
import { destroyRun } from "./destroy-run.js"
import { DAY_MS } from "./durations.js"
import { eventLeaf, genesisLeaf, noticeLeaf, type SampleLeaf } from "./sample-leaves.js"
import { parseScheduleFile, publicSchedule } from "./schedule-file.js"
import { decodeRows, encodeRows } from "./stand-in-segment.js"
import { StandInWorld } from "./stand-in-world.js"

const text = (destroyAfter: number) => `
classes:
  short: { hot: 10, archive: 40, destroy_after: ${destroyAfter} }
  never: { hot: 10, archive: 40, destroy: never }
  audit: { hot: 70 }
default: short
`
const SCHEDULE = parseScheduleFile(text(5))
/** Leaf 20 promises more from then on. */
const PROMISES: Promises = [
  [0, publicSchedule(SCHEDULE)],
  [20, publicSchedule(parseScheduleFile(text(25)))],
]
const START = Date.parse("2026-01-20T00:00:00Z")

/** One leaf a day. */
const LEAVES: readonly SampleLeaf[] = Array.from({ length: 60 }, (_, leaf) => {
  const timeMs = START + leaf * DAY_MS
  if (leaf === 0) return genesisLeaf(publicSchedule(SCHEDULE), timeMs)
  if (leaf === 20 || leaf === 30) return noticeLeaf(NOTICE_KINDS.erasedForPerson, timeMs)
  return eventLeaf(leaf, leaf % 5 === 4 ? "never" : "short", timeMs)
})

async function destroy(world: StandInWorld, day: number) {
  const nowMs = START + day * DAY_MS
  return destroyRun(await world.catalog(), world.ports, { promises: PROMISES, nowMs, backupDays: 7 })
}

async function archive(world: StandInWorld, day: number) {
  const nowMs = START + day * DAY_MS
  return archiveRun(await world.catalog(), world.ports, { schedule: SCHEDULE, promises: PROMISES, nowMs })
}

const gone = (world: StandInWorld) =>
  world.whereabouts().flatMap((place, leaf) => (place === "gone" ? [leaf] : []))

describe("destroyRun", () => {
  it("destroys on the day that was promised to each leaf, and says which entry promised it", async () => {
    const world = new StandInWorld(LEAVES)
    await destroy(world, 59)
    expect(gone(world)).toEqual([1, 2, 3])
    expect(world.stored[3]?.bytes).toEqual(Uint8Array.of(0x83, 0, 0, 0))
    await destroy(world, 98)
    expect(gone(world).at(-1)).toBe(23)
    expect(world.stored[23]?.bytes).toEqual(Uint8Array.of(0x83, 0, 0, 20))
    // Leaf 24 and those like it are never destroyed.
    await destroy(world, 4_000)
    expect(world.whereabouts().flatMap((place, leaf) => (place === "hot" ? [leaf] : []))).toEqual(
      LEAVES.flatMap(({ className }, leaf) => (className === "never" ? [leaf] : [])),
    )
  })

  it("destroys nothing when a hold cannot be asked", async () => {
    const world = new StandInWorld(LEAVES)
    world.refuse = (effect) => {
      if (effect === "held") throw new Error("the rows are behind")
    }
    await expect(destroy(world, 90)).rejects.toThrow("the rows are behind")
    expect(gone(world)).toEqual([])
    expect(world.done).not.toContain("withdraw")
    expect(world.done).not.toContain("forget")
  })

  it("holds back what is held, hot or archived, and tries it again each time", async () => {
    const world = new StandInWorld(LEAVES)
    await archive(world, 15)
    for (const leaf of [2, 3, 12]) world.held.add(leaf)
    expect(await destroy(world, 70)).toEqual({ withdrawn: 9, heldBack: 3 })
    expect(world.whereabouts().slice(1, 4)).toEqual(["gone", "archived", "archived"])
    world.held.delete(3)
    expect(await destroy(world, 70)).toEqual({ withdrawn: 1, heldBack: 2 })
    expect(world.whereabouts().slice(1, 4)).toEqual(["gone", "archived", "gone"])
    expect(world.whereabouts()[12]).toBe("hot")
    world.held.clear()
    // A clock that was set back forgets nothing, and destroys nothing.
    expect(await destroy(world, 20)).toEqual({ withdrawn: 0, heldBack: 2 })
    expect(await destroy(world, 70)).toEqual({ withdrawn: 2, heldBack: 0 })
    expect([...world.objects.keys()].filter((key) => key.startsWith("segments/short/"))).toEqual([])
    expect(world.strangers()).toEqual([])
  })

  it("destroys an old segment only after the new one is in force", async () => {
    const world = new StandInWorld(LEAVES)
    await archive(world, 18)
    const [old = ""] = world.trustedKeys()
    world.done.splice(0)
    await destroy(world, 59)
    const steps = world.done.map((name) => name.replace(old, "old").replace(/segments\S+parquet/, "new"))
    expect(steps).toEqual(
      "withdraw,forget,state,tell,state,write,state,put new,put new.json,state,withdraw,state"
        .split(",")
        .concat("destroy old,destroy old.json,state,purge,state,rewrite,state,state,tell,state".split(",")),
    )
  })

  it("makes everything else gone when one segment is damaged, and does not say that all is", async () => {
    const world = new StandInWorld(LEAVES)
    await archive(world, 30)
    const [january = "", february = ""] = world.trustedKeys().filter((key) => key.includes("/short/"))
    const whole = world.objects.get(january) as Uint8Array
    world.objects.set(january, whole.subarray(1))
    world.held.add(5)
    await expect(destroy(world, 68)).rejects.toMatchObject({ key: january })
    expect(world.objects.has(february)).toBe(false)
    expect(
      world.trustedKeys().flatMap((key) => (key === january ? [] : world.rowsOf(key))),
    ).not.toContainEqual(expect.objectContaining({ leafIndex: 12 }))
    expect([...world.unpurged, ...world.unwritten]).toEqual([])
    expect([...world.told.values()].map(({ what }) => what)).not.toContain("gone")
    world.objects.set(january, whole)
    await destroy(world, 68)
    expect(world.whereabouts().slice(4, 7)).toEqual(["archived", "archived", "gone"])
    expect([...world.told.values()].map(({ what }) => what)).toContain("gone")
  })

  it("destroys no segment of which a record is lost", async () => {
    const world = new StandInWorld(LEAVES)
    await archive(world, 18)
    const [key = ""] = world.trustedKeys()
    world.checksDigests = false
    const rows = decodeRows(world.objects.get(key) as Uint8Array)
    world.objects.set(key, encodeRows(rows.filter(({ leafIndex }) => leafIndex !== 6)))
    await expect(destroy(world, 59)).rejects.toMatchObject({
      code: "ARCHIVE_SEGMENT_REFUSED",
      key,
      leafIndex: 6,
    })
    expect(world.trustedKeys()).toContain(key)
  })

  it("says when the last backup of what is gone is over", async () => {
    const world = new StandInWorld(LEAVES)
    const told = () => [...world.told.values()].map(({ what, count }) => `${what} ${count}`)
    await destroy(world, 59)
    expect(told()).toEqual(["withdrawn 3", "gone 3"])
    await destroy(world, 59)
    await destroy(world, 59 + 7 - 1 / DAY_MS)
    expect(told()).not.toContain("expired 3")
    await destroy(world, 59 + 7)
    expect(told()).toContain("expired 3")
  })

  it("refuses a log in which time goes back, before it destroys too early", async () => {
    const leaves = [...LEAVES]
    leaves[2] = { ...(leaves[40] as SampleLeaf) }
    const world = new StandInWorld(leaves)
    await expect(destroy(world, 59)).rejects.toMatchObject({ code: "ARCHIVE_LOG_REFUSED" })
    expect(gone(world)).toEqual([])
  })
})

describe("destroyLeaves", () => {
  const SALT = new Uint8Array(16).fill(3)
  const tombstone = (reference = 30): NoticedTombstone => ({
    state: "destroyed",
    reason: 1,
    reference,
    salt: SALT,
  })
  const erase = async (world: StandInWorld, leaves: readonly number[], reference?: number) =>
    destroyLeaves(await world.catalog(), world.ports, leaves, () => tombstone(reference))

  it("destroys what is hot and what is archived, but not what is held", async () => {
    const world = new StandInWorld(LEAVES)
    await archive(world, 25)
    world.held.add(6)
    expect(await erase(world, [2, 6, 7, 50])).toEqual({ done: [2, 7, 50], held: [6] })
    expect(gone(world)).toEqual([2, 7, 50])
    expect(world.whereabouts()[6]).toBe("archived")
    for (const key of world.trustedKeys()) {
      expect(world.rowsOf(key).map(({ leafIndex }) => leafIndex)).not.toContain(2)
    }
    expect([world.strangers(), ...world.unpurged, ...world.unwritten]).toEqual([[]])
    // Asked again, it is done again without harm; the schedule passes them over.
    expect(await erase(world, [2, 6, 7, 50])).toEqual({ done: [2, 7, 50], held: [6] })
    await destroy(world, 4_000)
    expect(world.stored[2]?.bytes.length).toBeGreaterThan(4)
  })

  it("destroys nothing that no notice in the tree has announced", async () => {
    const world = new StandInWorld(LEAVES)
    for (const reference of [29, 60, 1_000]) {
      await expect(erase(world, [2], reference)).rejects.toMatchObject({ code: "ARCHIVE_NOT_ANNOUNCED" })
    }
    world.treeSize = 30
    await expect(erase(world, [2])).rejects.toMatchObject({ code: "ARCHIVE_NOT_ANNOUNCED" })
    expect(world.effects).toBe(0)
  })

  it.each([[[3, 2]], [[2, 2]], [[60]], [[-1]], [[0]], [[20]]])(
    "refuses %j, which are no leaves of events in order",
    async (leaves) => {
      await expect(erase(new StandInWorld(LEAVES), leaves)).rejects.toThrow(RangeError)
    },
  )

  it("makes gone from segments what somebody else withdrew", async () => {
    const world = new StandInWorld(LEAVES)
    await archive(world, 25)
    const [before] = world.trustedKeys()
    world.stored[3] = { kind: "tombstone", leafIndex: 3, bytes: Uint8Array.of(0x83, 0, 0, 0) }
    await makeLeavesGone(await world.catalog(), world.ports, [3])
    expect(world.whereabouts()[3]).toBe("gone")
    expect(world.objects.has(before as string)).toBe(false)
  })
})
