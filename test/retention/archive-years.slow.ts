/** Thirteen years of a served log, month by month, and the whole logs of two real servers in them. */

import { afterAll, beforeAll, expect, it } from "vitest"
import { LongLife, monthMs, realLines, YEARS } from "./archive-years.js"
import { DAY_MS } from "./log-at.js"

const HOUR_MS = 3_600_000

/** How many days lie between two times at which something is logged. */
const PACE_DAYS = 3

let life: LongLife
beforeAll(async () => {
  life = await LongLife.begin()
})
afterAll(() => life.log.end())

it(`has every record where the schedule says, after each of ${YEARS * 12} months`, async () => {
  let lines = [
    ...(await realLines("elastic-examples/apache_logs.log", HOUR_MS)),
    ...(await realLines("http-blog-2016/access.log.gz", HOUR_MS)),
  ]
  for (let month = 1; month <= YEARS * 12; month++) {
    const endMs = monthMs(month)
    const times: number[] = []
    for (let timeMs = monthMs(month - 1) + 1; timeMs < endMs; timeMs += PACE_DAYS * DAY_MS) times.push(timeMs)
    await life.liveUntil(endMs, times, lines)
    lines = lines.filter(({ timeMs }) => timeMs >= endMs)
    const isYear = month % 12 === 0
    await life.monthEnds(endMs, isYear)
    if (!isYear) continue
    const { verdict, found } = await life.audited(3_000)
    expect([month, verdict]).toEqual([month, 0])
    expect(found).toEqual(life.verdictsOf(found.map(([leaf]) => leaf)))
    console.log(
      `year ${month / 12}: ${life.log.leaves.length} leaves, ${life.archived} archived, ${life.destroyed} destroyed`,
    )
  }
  expect(lines).toEqual([])
  expect(life.destroyed).toBeGreaterThan(5_000)
})

it("is found to have destroyed records that it promised to keep", async () => {
  const kept = [...life.leavesOf("high", "hot"), ...life.leavesOf("routine", "segments/")]
  // So many that as many leaves as may be drawn find some, but for once in a million times.
  const destroyed = kept.filter((_, i) => i % 3 === 0)
  await life.destroyByHand(destroyed)
  const { verdict, accused } = await life.audited(10_000)
  expect(verdict).toBe(1)
  expect(accused.length).toBeGreaterThan(0)
  expect(destroyed).toEqual(expect.arrayContaining([...accused]))
})
