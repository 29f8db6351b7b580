import { describe, expect, it } from "vitest"
import { DAY_MS } from "./durations.js"
import { isInPart, ROUND_DAYS } from "./verify-part.js"

const NOON_MS = DAY_MS / 2
const SEGMENTS = Array.from({ length: 300 }, (_, i) => ({
  sha256: (i * 7_919).toString(16).padStart(8, "0").padEnd(64, "f"),
}))

const partOf = (sinceMs: number | undefined, nowMs: number) =>
  SEGMENTS.filter((segment) => isInPart(segment, sinceMs, nowMs))

describe("the part of a day", () => {
  it("takes every segment once in 30 days, about as many each day", () => {
    const seen = new Map<object, number>()
    for (let day = 20_000; day < 20_000 + ROUND_DAYS; day++) {
      const part = partOf((day - 1) * DAY_MS + NOON_MS, day * DAY_MS + NOON_MS)
      expect(part.length).toBeLessThan(SEGMENTS.length / 10)
      for (const segment of part) seen.set(segment, (seen.get(segment) ?? 0) + 1)
    }
    expect([...seen.values()]).toEqual(SEGMENTS.map(() => 1))
  })

  it("has those of all the days that were left out", () => {
    const [monday, friday] = [20_000 * DAY_MS, 20_004 * DAY_MS]
    const each = [1, 2, 3, 4].flatMap((n) => partOf(monday + (n - 1) * DAY_MS, monday + n * DAY_MS))
    expect(new Set(partOf(monday, friday))).toEqual(new Set(each))
    expect(each.length).toBeGreaterThan(0)
  })

  it("is everything after 30 days, or if nobody knows when it was", () => {
    expect(partOf(20_000 * DAY_MS, 20_030 * DAY_MS)).toEqual(SEGMENTS)
    expect(partOf(0, 20_000 * DAY_MS)).toEqual(SEGMENTS)
    expect(partOf(undefined, 5)).toEqual(SEGMENTS)
  })

  it("is nothing on the same day, or with a clock that was set back", () => {
    expect(partOf(20_000 * DAY_MS, 20_000 * DAY_MS + NOON_MS)).toEqual([])
    expect(partOf(20_000 * DAY_MS, 19_990 * DAY_MS)).toEqual([])
  })
})
