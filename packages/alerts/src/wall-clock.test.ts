import { describe, expect, it } from "vitest"
import { WallClock, wallText } from "./wall-clock.js"
import { readDays, readHours } from "./working-hours.js"

const shown = (zone: string, time: string) => wallText(new WallClock(zone).minuteOfWeek(Date.parse(time)))

describe("clocks on the wall show", () => {
  it.each([
    ["UTC", "1970-01-01T00:00:00Z", "thu 00:00"],
    ["UTC", "2026-03-02T23:59:59.999Z", "mon 23:59"],
    ["America/Los_Angeles", "2026-03-02T00:00:00Z", "sun 16:00"],
    ["Pacific/Kiritimati", "2026-03-01T11:00:00Z", "mon 01:00"],
    ["Asia/Kathmandu", "2026-03-02T00:00:00Z", "mon 05:45"],
    ["Europe/Berlin", "2026-03-29T00:59:59Z", "sun 01:59"],
    ["Europe/Berlin", "2026-03-29T01:00:00Z", "sun 03:00"],
    ["Europe/Berlin", "2026-10-25T00:59:00Z", "sun 02:59"],
    ["Europe/Berlin", "2026-10-25T01:00:00Z", "sun 02:00"],
    ["America/New_York", "2016-03-13T06:59:00Z", "sun 01:59"],
    ["America/New_York", "2016-03-13T07:00:00Z", "sun 03:00"],
    ["Australia/Lord_Howe", "2026-04-04T15:00:00Z", "sun 01:30"],
  ])("in %s at %s: %s", (zone, time, text) => {
    expect(shown(zone, time)).toBe(text)
  })

  it("the same for every minute of a year as whoever is asked each time", () => {
    const clock = new WallClock("Europe/Berlin")
    const format = new Intl.DateTimeFormat("en-GB", {
      timeZone: "Europe/Berlin",
      weekday: "short",
      timeStyle: undefined,
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
    })
    for (let ms = Date.UTC(2026, 0, 1); ms < Date.UTC(2027, 0, 1); ms += 97 * 60_000) {
      expect(wallText(clock.minuteOfWeek(ms))).toBe(format.format(ms).toLowerCase().replace(",", ""))
    }
  })

  it("nothing in a zone that is none", () => {
    expect(() => new WallClock("Europe/Atlantis")).toThrow(RangeError)
  })
})

describe("days and hours are read", () => {
  it.each([
    ["mon-fri", [true, true, true, true, true, false, false]],
    ["sat-mon", [true, false, false, false, false, true, true]],
    ["wed", [false, false, true, false, false, false, false]],
    ["mon, sat-sun", [true, false, false, false, false, true, true]],
    ["mon-sun", [true, true, true, true, true, true, true]],
    ["", undefined],
    ["monday", undefined],
    ["mon-", undefined],
    ["mon-tue-wed", undefined],
    ["mon,,tue", undefined],
  ])("%s", (text, days) => {
    expect(readDays(text)).toEqual(days)
  })

  it.each([
    ["07:00-19:00", { fromMinute: 420, toMinute: 1140 }],
    ["22:00-06:00", { fromMinute: 1320, toMinute: 360 }],
    ["00:00-24:00", { fromMinute: 0, toMinute: 1440 }],
    ["24:00-06:00", undefined],
    ["07:60-19:00", undefined],
    ["7:00-19:00", undefined],
    ["07:00-07:00", undefined],
    ["07:00", undefined],
    ["07:00-24:01", undefined],
  ])("%s", (text, hours) => {
    expect(readHours(text)).toEqual(hours)
  })
})
