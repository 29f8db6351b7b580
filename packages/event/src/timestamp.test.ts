import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { formatTimestamp, MAX_EPOCH_MS, MIN_EPOCH_MS, parseTimestamp } from "./timestamp.js"

describe("a timestamp", () => {
  test.each([
    ["2023-10-21T15:32:00Z", "2023-10-21T15:32:00.000000Z"],
    ["2023-10-21t15:32:00z", "2023-10-21T15:32:00.000000Z"],
    ["2023-10-21T15:32:00.1Z", "2023-10-21T15:32:00.100000Z"],
    ["2023-10-21T15:32:00.123456Z", "2023-10-21T15:32:00.123456Z"],
    ["2023-10-21T15:32:00.1234569Z", "2023-10-21T15:32:00.123456Z"],
    ["2023-10-21T15:32:00.000000999999999Z", "2023-10-21T15:32:00.000000Z"],
    ["2023-10-21T17:32:00+02:00", "2023-10-21T15:32:00.000000Z"],
    ["2023-10-21T10:02:00.5-05:30", "2023-10-21T15:32:00.500000Z"],
    ["2023-10-21T15:32:00-00:00", "2023-10-21T15:32:00.000000Z"],
    ["2024-01-01T00:30:00+01:00", "2023-12-31T23:30:00.000000Z"],
    ["2024-02-29T23:59:59.999999Z", "2024-02-29T23:59:59.999999Z"],
    ["2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000000Z"],
    ["1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"],
    ["1970-01-01T01:00:00+01:00", "1970-01-01T00:00:00.000000Z"],
    ["2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000Z"],
    ["2016-12-31T23:59:60.25Z", "2017-01-01T00:00:00.250000Z"],
    ["2017-01-01T08:59:60+09:00", "2017-01-01T00:00:00.000000Z"],
    ["2016-12-31T18:59:60-05:00", "2017-01-01T00:00:00.000000Z"],
    ["1970-01-01T23:59:00+23:59", "1970-01-01T00:00:00.000000Z"],
    ["1970-01-01T00:00:00-23:59", "1970-01-01T23:59:00.000000Z"],
  ])("%s is %s", (text, kept) => {
    expect(formatTimestamp(parseTimestamp(text) as number)).toBe(kept)
  })

  test.each([
    "",
    "2023-10-21",
    "2023-10-21T15:32:00",
    "2023-10-21T15:32Z",
    "2023-10-21 15:32:00Z",
    "2023-10-21T15:32:00 Z",
    "2023-10-21T15:32:00Z ",
    " 2023-10-21T15:32:00Z",
    "2023-10-21T15:32:00.Z",
    "2023-10-21T15:32:00,5Z",
    "2023-10-21T15:32:00+02",
    "2023-10-21T15:32:00+0200",
    "2023-10-21T15:32:00+24:00",
    "2023-10-21T15:32:00+02:60",
    "2023-10-21T15:32:00UTC",
    "2023-10-21T24:00:00Z",
    "2023-10-21T15:60:00Z",
    "2023-10-21T15:32:61Z",
    "2023-10-21T15:32:60Z",
    "2016-12-31T23:59:60+01:00",
    "2023-00-21T15:32:00Z",
    "2023-13-21T15:32:00Z",
    "2023-10-00T15:32:00Z",
    "2023-10-32T15:32:00Z",
    "2023-02-29T15:32:00Z",
    "1900-02-29T15:32:00Z",
    "2100-02-29T15:32:00Z",
    "1969-12-31T23:59:59Z",
    "1970-01-01T00:59:59+01:00",
    "1970-01-01T23:58:59+23:59",
    "0000-01-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "2023-10-21\u012015:32:00Z",
    "2023-10-21T15:32:00\u221202:00",
    "+02023-10-21T15:32:00Z",
    "2023-1\u0661-21T15:32:00Z",
    "20a3-10-21T15:32:00Z",
    "1697902320123",
    `2023-10-21T15:32:00.${"0".repeat(60)}Z`,
  ])("%j is none", (text) => {
    expect(parseTimestamp(text)).toBeUndefined()
  })

  test.each([1, 2, 3, 4, 5, 6, 7, 9, 12, 20])("keeps six of %i digits of a second", (digits) => {
    const fraction = "12345678901234567890".slice(0, digits)
    const micros = Number(fraction.slice(0, 6).padEnd(6, "0"))
    expect(parseTimestamp(`2023-10-21T15:32:00.${fraction}Z`)).toBe(1697902320000000 + micros)
  })

  test("as a number is milliseconds", () => {
    expect(parseTimestamp(1697902320123)).toBe(1697902320123000)
    expect(parseTimestamp(MIN_EPOCH_MS)).toBe(MIN_EPOCH_MS * 1000)
    expect(Number.isSafeInteger(parseTimestamp(MAX_EPOCH_MS))).toBe(true)
    for (const bad of [
      MIN_EPOCH_MS - 1,
      MAX_EPOCH_MS + 1,
      1697902320,
      1697902320123456,
      1697902320123.5,
      -1,
      0,
      Number.NaN,
      Number.POSITIVE_INFINITY,
    ]) {
      expect(parseTimestamp(bad)).toBeUndefined()
    }
  })

  test("agrees with Date on every millisecond, in every zone", () => {
    const date = fc.date({ min: new Date("1970-01-02"), max: new Date("9999-12-30"), noInvalidDate: true })
    fc.assert(
      fc.property(date, fc.integer({ min: -1439, max: 1439 }), (when, offset) => {
        const local = new Date(when.getTime() + offset * 60_000).toISOString().slice(0, -1)
        const [hours, minutes] = [Math.floor(Math.abs(offset) / 60), Math.abs(offset) % 60]
        const two = (n: number) => String(n).padStart(2, "0")
        const text = `${local}${offset < 0 ? "-" : "+"}${two(hours)}:${two(minutes)}`
        expect(parseTimestamp(text)).toBe(when.getTime() * 1000)
      }),
      { numRuns: 2000 },
    )
  })

  test("reads back as it was printed", () => {
    fc.assert(
      fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), (micros) => {
        expect(parseTimestamp(formatTimestamp(micros))).toBe(micros)
      }),
    )
    expect(() => formatTimestamp(-1)).toThrow(RangeError)
    expect(() => formatTimestamp(0.5)).toThrow(RangeError)
  })
})
