import { parseScheduleFile, publicSchedule } from "@prooflog/archive/schedule-file"
import { SCHEDULE_TEMPLATE } from "@prooflog/archive/schedule-template"
import type { Promises } from "@prooflog/event/promises"
import { describe, expect, it } from "vitest"
import { isAnythingOld, type LookedAt } from "./archive-look.js"

const DAY_MS = 86_400_000
const BEGIN_MS = Date.parse("2026-03-01T12:00:00Z")

const file = parseScheduleFile(SCHEDULE_TEMPLATE)
const schedule = publicSchedule(file)
/** The default: routine records are hot for 183 days, and due after 944. */
const promises: Promises = [[0, schedule]]

/** A log that got a leaf each day. */
function look(days: number, more: Partial<LookedAt> = {}) {
  const timeOf = async (leaf: number) => BEGIN_MS + (leaf - 1) * DAY_MS
  const nowMs = BEGIN_MS + days * DAY_MS
  return isAnythingOld({ classes: file.classes, promises, treeSize: 1_000, timeOf, nowMs, ...more })
}

describe("a look at whether anything is old", () => {
  it("says no as long as the first leaf of the log is hot in every class that is archived", async () => {
    expect([await look(182), await look(183)]).toEqual([false, true])
  })

  it("says yes when something is due, though nothing is archived", async () => {
    const classes = undefined
    expect([await look(943, { classes }), await look(944, { classes })]).toEqual([false, true])
  })

  it("has nothing to say of a log without leaves", async () => {
    expect(await look(5_000, { treeSize: 1 })).toBe(false)
  })

  it("looks at the first leaf of each promise: what one destroys never, the next one may", async () => {
    const never = { ...schedule, classes: { routine: { keep_days: 914 }, audit: { keep_days: 2_557 } } }
    const later = {
      classes: undefined,
      promises: [
        [0, never],
        [100, schedule],
      ] as Promises,
    }
    // Leaf 101 came on day 100.
    expect([await look(1_043, later), await look(1_044, later)]).toEqual([false, true])
  })
})
