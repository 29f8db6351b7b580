/** Thirteen years of a served log, looked at where something changes. The long one looks at every month. */

import { afterAll, beforeAll, expect, it } from "vitest"
import { LongLife, monthMs, realLines, YEARS } from "./archive-years.js"
import { DAY_MS } from "./log-at.js"

/** The first routine record is archived after 6 months, gone after 31; high gone after 61; critical and audit after 85. */
const MONTHS = [6, 7, 31, 32, 61, 62, 85, 86, 149, YEARS * 12]

let life: LongLife
beforeAll(async () => {
  life = await LongLife.begin()
})
afterAll(() => life.log.end())

it("has every record where the schedule says, from the first month to the last", async () => {
  // A day of May 2015.
  let lines = await realLines("elastic-examples/apache_logs.log", DAY_MS, 25)
  for (const month of MONTHS) {
    const endMs = monthMs(month)
    await life.liveUntil(endMs, [endMs - 27 * DAY_MS, endMs - 1], lines)
    lines = lines.filter(({ timeMs }) => timeMs >= endMs)
    await life.monthEnds(endMs, true)
  }
  expect(lines).toEqual([])
  expect(life.archived).toBeGreaterThan(20)
  expect(life.destroyed).toBeGreaterThan(20)
})

it("is found in order by an auditor from outside, who finds each record that somebody destroyed too early", async () => {
  const { verdict, found } = await life.audited(10_000)
  expect(verdict).toBe(0)
  expect(found.length).toBeGreaterThan(500)
  expect(found).toEqual(life.verdictsOf(found.map(([leaf]) => leaf)))
  const hot = life.leavesOf("critical", "hot").at(-1) as number
  const archived = life.leavesOf("routine", "segments/").at(-1) as number
  await life.destroyByHand([hot, archived])
  const after = await life.audited(10_000)
  expect(after.verdict).toBe(1)
  expect(after.accused).toEqual([hot, archived].sort((a, b) => a - b))
})
