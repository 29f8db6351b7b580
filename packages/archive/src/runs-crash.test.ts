/**
 * The runs, killed before and after each thing they do: nothing is lost, nothing is done twice, and in the end all is as
 * if nobody had been killed.
 */

import { NOTICE_KINDS } from "@prooflog/event/entry"
import type { Promises } from "@prooflog/event/promises"
import type { NoticedTombstone } from "@prooflog/event/tombstone"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { archiveRun } from "./archive-run.js"
import type { Catalog } from "./catalog.js"
import { destroyLeaves } from "./destroy-leaves.js"
import { destroyRun } from "./destroy-run.js"
import { DAY_MS } from "./durations.js"
import { restoreRange } from "./restore-range.js"
import { eventLeaf, genesisLeaf, noticeLeaf, type SampleLeaf } from "./sample-leaves.js"
import { parseScheduleFile, publicSchedule } from "./schedule-file.js"
import { Killed, StandInWorld } from "./stand-in-world.js"
import { verifyRun } from "./verify-run.js"

const SCHEDULE = parseScheduleFile(`
classes:
  short: { hot: 10, archive: 40, destroy_after: 5 }
  long:  { hot: 20, archive: 100, destroy: never }
  audit: { hot: 70, destroy_after: 0 }
default: short
`)
const PROMISES: Promises = [[0, publicSchedule(SCHEDULE)]]
const START = Date.parse("2026-01-20T00:00:00Z")
const CLASSES = ["short", "long", "short", "audit", "short"]
const SALT = new Uint8Array(16).fill(7)

/** A day has two leaves; leaf 50 is a notice. */
function sampleLeaves(count: number): readonly SampleLeaf[] {
  return Array.from({ length: count }, (_, leaf) => {
    const timeMs = START + Math.floor(leaf / 2) * DAY_MS
    if (leaf === 0) return genesisLeaf(publicSchedule(SCHEDULE), timeMs)
    if (leaf === 50) return noticeLeaf(NOTICE_KINDS.erasedForPerson, timeMs)
    return eventLeaf(leaf, CLASSES[leaf % CLASSES.length] as string, timeMs)
  })
}

const LEAVES = sampleLeaves(90)
const ERASED = [3, 6, 7, 21, 22, 40]
const ERASABLE = [3, 6, 7, 21, 22, 30, 31, 33, 40]

type Step = (world: StandInWorld, catalog: Catalog) => Promise<unknown>

const archive =
  (day: number): Step =>
  (world, catalog) =>
    archiveRun(catalog, world.ports, {
      schedule: SCHEDULE,
      promises: PROMISES,
      nowMs: START + day * DAY_MS,
      maxRows: 6,
    })

const destroy =
  (day: number): Step =>
  (world, catalog) =>
    destroyRun(catalog, world.ports, { promises: PROMISES, nowMs: START + day * DAY_MS, backupDays: 9 })

const tombstoneOf = (): NoticedTombstone => ({ state: "destroyed", reason: 1, reference: 50, salt: SALT })

const erase: Step = (world, catalog) => destroyLeaves(catalog, world.ports, ERASED, tombstoneOf)

const restore: Step = (world, catalog) => restoreRange(catalog, world.ports, { from: 30, to: 45 })

const hold =
  (...leaves: readonly number[]): Step =>
  async (world) => {
    world.held.clear()
    for (const leaf of leaves) world.held.add(leaf)
  }

const STORY: readonly Step[] = [
  archive(40),
  hold(7, 12, 17),
  erase,
  destroy(65),
  archive(66),
  restore,
  destroy(72),
  hold(),
  destroy(73),
  destroy(90),
]

/**
 * Tells a story to its end, however often somebody is killed in it.
 *
 * @param onDeath - may answer what is done before the one who was killed tries again
 */
async function live(
  world: StandInWorld,
  story: readonly Step[],
  onDeath?: () => Step | undefined,
): Promise<void> {
  const waiting = [...story]
  for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
    try {
      await step(world, await world.catalog())
    } catch (error) {
      if (!(error instanceof Killed)) throw error
      world.revive()
      const other = onDeath?.()
      waiting.unshift(...(other === undefined ? [step] : [other, step]))
    }
  }
}

/** At any time, whoever is killed: a record that is not destroyed is in storage, or in the segment its tombstone names. */
function expectNothingLost(world: StandInWorld): void {
  const trusted = world.trustedKeys()
  for (const [leaf, place] of world.whereabouts().entries()) {
    if (place.startsWith("moved")) {
      // Its segment is being written anew: the old one is still there, or the new one is.
      const readable = trusted.some((key) => world.rowsOf(key).some(({ leafIndex }) => leafIndex === leaf))
      expect([leaf, readable]).toEqual([leaf, true])
    }
    expect(place).not.toContain("other bytes")
  }
}

/** When all is done: each record is in one place. */
function expectInOrder(world: StandInWorld): void {
  const restored = (place: string) => place.startsWith("hot + segments/")
  const places = new Set(world.whereabouts().map((place) => (restored(place) ? "restored" : place)))
  for (const place of places) expect(["no event", "hot", "archived", "gone", "restored"]).toContain(place)
  expect(world.strangers()).toEqual([])
  expect([...world.unpurged, ...world.unwritten, ...world.drafts]).toEqual([])
}

describe("a story of archive, erasure, destruction and restore", () => {
  it("tells, undisturbed, what it is meant to", async () => {
    const world = new StandInWorld(LEAVES)
    const seen: string[] = []
    for (const step of STORY) {
      await live(world, [step])
      const places = world.whereabouts()
      const count = (what: string) => places.filter((place) => place.split(" ")[0] === what).length
      seen.push(`${count("hot")} hot, ${count("archived")} archived, ${count("gone")} gone`)
      expectInOrder(world)
    }
    expect(seen).toEqual([
      "44 hot, 44 archived, 0 gone",
      "44 hot, 44 archived, 0 gone",
      "43 hot, 40 archived, 5 gone",
      "43 hot, 31 archived, 14 gone",
      "17 hot, 57 archived, 14 gone",
      "28 hot, 46 archived, 14 gone",
      "24 hot, 42 archived, 22 gone",
      "24 hot, 42 archived, 22 gone",
      "23 hot, 39 archived, 26 gone",
      "13 hot, 24 archived, 51 gone",
    ])
    expect(world.snapshot()).toMatchObject({ counts: {} })
    const { faults } = await verifyRun(await world.catalog(), world.ports)
    expect(faults).toEqual([])
  })

  it("ends as it would have, killed before or after anything it does", async () => {
    const undisturbed = new StandInWorld(LEAVES)
    let kills = 0
    for (const [step, next] of STORY.entries()) {
      const before = undisturbed.copy()
      const effects = undisturbed.effects
      await live(undisturbed, [next])
      const expected = undisturbed.snapshot()
      for (let effect = 1; effect <= undisturbed.effects - effects; effect++) {
        for (const after of [false, true]) {
          const world = before.copy()
          world.killAt(effect, after)
          let deaths = 0
          await live(world, [next], () => {
            deaths++
            expectNothingLost(world)
            return undefined
          })
          expect(deaths).toBe(1)
          kills++
          expect({ step, effect, after, ...world.snapshot() }).toEqual({ step, effect, after, ...expected })
        }
      }
    }
    expect(kills).toBeGreaterThan(300)
  })
})

describe("any story, killed again and again", () => {
  const run = fc.oneof(
    fc.integer({ min: 5, max: 130 }).map(archive),
    fc.integer({ min: 5, max: 130 }).map(destroy),
    fc.subarray(ERASABLE).map(
      (leaves): Step =>
        (world, catalog) =>
          destroyLeaves(catalog, world.ports, leaves, tombstoneOf),
    ),
    fc.tuple(fc.nat(90), fc.nat(40)).map(
      ([from, length]): Step =>
        (world, catalog) =>
          restoreRange(catalog, world.ports, { from, to: from + length }),
    ),
  )
  const step = fc.oneof(
    run,
    fc.subarray(LEAVES.map((_, leaf) => leaf)).map((leaves) => hold(...leaves)),
  )

  it("loses nothing, and destroys nothing that is held or not due", async () => {
    const kills = fc.array(fc.tuple(fc.nat(40), fc.boolean(), fc.option(run, { nil: undefined })), {
      maxLength: 8,
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 7 }), kills, async (story, deaths) => {
        const world = new StandInWorld(LEAVES)
        world.salted = true
        const waiting = [...deaths]
        const next = () => {
          const [distance, after, other] = waiting.pop() ?? [Number.POSITIVE_INFINITY, false, undefined]
          world.killAt(world.effects + 1 + distance, after)
          return other
        }
        next()
        for (const each of story) {
          const before = world.whereabouts()
          await live(world, [each], () => {
            expectNothingLost(world)
            return next()
          })
          for (const [leaf, place] of world.whereabouts().entries()) {
            if (place === "gone" && before[leaf] !== "gone")
              expect([leaf, world.held.has(leaf)]).toEqual([leaf, false])
          }
        }
        world.killAt(0, false)
        const end = destroy(130)
        await live(world, [hold(), end])
        expectInOrder(world)
        const places = world.whereabouts()
        for (const [leaf, { className, timeMs }] of LEAVES.entries()) {
          if (className === undefined) continue
          const isDue =
            className !== "long" && timeMs <= START + (130 - (className === "short" ? 55 : 70)) * DAY_MS
          if (isDue) expect([leaf, places[leaf]]).toEqual([leaf, "gone"])
          else if (places[leaf] === "gone") expect(ERASABLE).toContain(leaf)
        }
        expect((await verifyRun(await world.catalog(), world.ports)).faults).toEqual([])
      }),
      { numRuns: 60 },
    )
  })
})
