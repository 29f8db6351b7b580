import { DEFAULT_SCHEDULE } from "@prooflog/event/schedule"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { MAX_DAYS, parseDays } from "./durations.js"

describe("parseDays", () => {
  it.each([
    ["0", 0],
    ["30", 30],
    ["30d", 30],
    ["1mo", 31],
    ["3mo", 92],
    ["6mo", 183],
    ["12mo", 366],
    ["1y", 366],
    ["2y", 731],
    ["4y", 1461],
    ["1000y", MAX_DAYS],
  ])("%s is %i days", (text, days) => {
    expect(parseDays(text)).toBe(days)
  })

  it.each([
    ["nothing", ""],
    ["a fraction", "1.5y"],
    ["a sign", "-1"],
    ["a space", "7 y"],
    ["two units", "1y6mo"],
    ["an unknown unit", "2w"],
    ["minutes, or months?", "6m"],
    ["capitals", "7Y"],
    ["an exponent", "1e3"],
    ["hexadecimal", "0x10"],
    ["a line more", "30\n"],
    ["one day too many", String(MAX_DAYS + 1)],
    ["a thousand years and one", "1001y"],
    ["other digits", "٣"],
  ])("refuses %s", (_, text) => {
    expect(parseDays(text)).toBeUndefined()
  })

  it("never rounds down, and by less than a day", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1000 }), (n) => {
        // 1461 days in 4 years, 487 in 16 months: whole numbers, so that nothing is rounded here.
        const years = parseDays(`${n}y`) as number
        expect(4 * years - 1461 * n).toBeGreaterThanOrEqual(0)
        expect(4 * years - 1461 * n).toBeLessThan(4)
        const months = parseDays(`${n}mo`) as number
        expect(16 * months - 487 * n).toBeGreaterThanOrEqual(0)
        expect(16 * months - 487 * n).toBeLessThan(16)
      }),
    )
  })

  it("makes the days of the default schedule", () => {
    const { critical, high, routine } = DEFAULT_SCHEDULE.classes
    expect(parseDays("7y")).toBe(critical?.keep_days)
    expect(parseDays("5y")).toBe(high?.keep_days)
    expect((parseDays("6mo") ?? 0) + (parseDays("2y") ?? 0)).toBe(routine?.keep_days)
  })
})
