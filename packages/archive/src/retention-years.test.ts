/**
 * Thirteen years under the schedule that a new log gets, with a clock that is given. After each month every record is
 * where one look at its class and its age says it is.
 */

import type { Promises } from "@prooflog/event/promises"
import { expect, it } from "vitest"
import { archiveRun } from "./archive-run.js"
import { destroyRun } from "./destroy-run.js"
import { eventLeaf, genesisLeaf, type SampleLeaf, scheduleLeaf } from "./sample-leaves.js"
import { parseScheduleFile, publicSchedule } from "./schedule-file.js"
import { SCHEDULE_TEMPLATE } from "./schedule-template.js"
import { StandInWorld } from "./stand-in-world.js"
import { verifyRun } from "./verify-run.js"

const DAY = 86_400_000
const START = Date.parse("2026-01-01T00:00:00Z")
const YEARS = 13
const SCHEDULE = parseScheduleFile(SCHEDULE_TEMPLATE)
/** The leaf from which on routine records are destroyed a month later than before. */
const CHANGE = 1_000
const CHANGED = parseScheduleFile(
  SCHEDULE_TEMPLATE.replace("archive: 2y }", "archive: 2y, destroy_after: 60d }"),
)
const PROMISES: Promises = [
  [0, publicSchedule(SCHEDULE)],
  [CHANGE, publicSchedule(CHANGED)],
]

/** Days hot, days until destroyed, as a reader of the file's comments would write them down. */
const DAYS: Readonly<Record<string, readonly [hot: number, destroyed: number]>> = {
  critical: [2587, 2587],
  high: [1857, 1857],
  routine: [183, 944],
  "routine since the change": [183, 974],
  audit: [2587, 2587],
}

function stateAt(leaf: number, className: string, ageMs: number): string {
  const key = className === "routine" && leaf > CHANGE ? "routine since the change" : className
  const [hot, destroyed] = DAYS[key] as readonly [number, number]
  const days = Math.floor(ageMs / DAY)
  if (days < hot) return "hot"
  return days < destroyed ? "archived" : "gone"
}

/** One event every 28 hours and a bit, never at the same time of day; six of ten are routine. */
function thirteenYears(): readonly SampleLeaf[] {
  const classes = [
    "routine",
    "high",
    "routine",
    "critical",
    "routine",
    "audit",
    "routine",
    "routine",
    "high",
    "routine",
  ]
  const leaves: SampleLeaf[] = [genesisLeaf(publicSchedule(SCHEDULE), START)]
  for (let timeMs = START + 1; timeMs < START + YEARS * 365.25 * DAY; timeMs += 28.37 * 3_600_000) {
    const className = classes[(leaves.length * 7) % 10] as string
    const isChange = leaves.length === CHANGE
    leaves.push(
      isChange
        ? scheduleLeaf(publicSchedule(CHANGED), Math.floor(timeMs))
        : eventLeaf(leaves.length, className, Math.floor(timeMs)),
    )
  }
  return leaves
}

it("archives and destroys what the schedule says, no day early and no month late", async () => {
  const leaves = thirteenYears()
  expect(leaves.length).toBeGreaterThan(4_000)
  const world = new StandInWorld(leaves, 1)
  let [archived, gone] = [0, 0]
  for (let month = 1; month <= YEARS * 12; month++) {
    const nowMs = Date.UTC(2026, month, 1, 3, 30)
    while (world.treeSize < leaves.length && (leaves[world.treeSize] as SampleLeaf).timeMs <= nowMs)
      world.treeSize++
    const catalog = await world.catalog()
    const promises = PROMISES.filter(([leaf]) => leaf < world.treeSize)
    const done = await archiveRun(catalog, world.ports, {
      schedule: SCHEDULE,
      promises,
      nowMs,
      maxRows: 30,
    })
    const destroyed = await destroyRun(catalog, world.ports, { promises, nowMs, backupDays: 30 })
    archived += done.records
    gone += destroyed.withdrawn
    const places = world.whereabouts()
    const wrong = leaves.flatMap(({ className, timeMs }, leaf) => {
      const isKnown = leaf < world.treeSize
      const expected =
        className === undefined ? "no event" : isKnown ? stateAt(leaf, className, nowMs - timeMs) : "hot"
      const hasRow = className !== undefined && expected !== "gone"
      return places[leaf] === expected && world.rows.has(leaf) === hasRow
        ? []
        : [[leaf, expected, places[leaf]]]
    })
    expect([month, wrong]).toEqual([month, []])
    expect([month, world.strangers(), ...world.unpurged, ...world.unwritten]).toEqual([month, []])
  }
  expect(archived).toBeGreaterThan(2_000)
  expect(gone).toBeGreaterThan(2_000)
  const told = [...world.told.values()]
  const sum = (what: string) =>
    told.filter((each) => each.what === what).reduce((all, { count }) => all + count, 0)
  expect([sum("archived"), sum("withdrawn"), sum("gone")]).toEqual([archived, gone, gone])
  // What went in the last month may still be in backups.
  expect(sum("expired")).toBe(gone - (told.filter(({ what }) => what === "gone").at(-1)?.count ?? 0))
  const { faults, rows } = await verifyRun(await world.catalog(), world.ports)
  expect(faults).toEqual([])
  expect(rows).toBe(world.whereabouts().filter((place) => place === "archived").length)
})
