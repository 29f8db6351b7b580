import { describe, expect, it } from "vitest"
import { ruleYaml, Watch } from "./stand-in-rules.js"

function told(zone: string, days: string, hours: string, ...times: readonly string[]): readonly string[] {
  const watch = new Watch(ruleYaml(`off_hours: { zone: ${zone}, days: "${days}", hours: "${hours}" }`))
  return times.filter((time, at) => {
    const before = watch.firings.length
    watch.see({ user_id: `u${at}` }, Date.parse(time))
    return watch.firings.length > before
  })
}

describe("outside of working hours is", () => {
  it.each([
    ["2026-03-02T05:59:59Z", true, "Monday 06:59 in Berlin"],
    ["2026-03-02T06:00:00Z", false, "Monday 07:00"],
    ["2026-03-02T17:59:59Z", false, "Monday 18:59"],
    ["2026-03-02T18:00:00Z", true, "Monday 19:00"],
    ["2026-02-28T10:00:00Z", true, "Saturday"],
    ["2026-03-30T05:00:00Z", false, "Monday 07:00 in summer"],
    ["2026-03-30T17:00:00Z", true, "Monday 19:00 in summer"],
    ["1969-12-31T23:00:00Z", true, "Thursday 00:00, before 1970 in UTC"],
  ])("%s: %s, %s", (time, isOff) => {
    expect(told("Europe/Berlin", "mon-fri", "07:00-19:00", time)).toEqual(isOff ? [time] : [])
  })

  it("what is between shifts that pass midnight, the day of which is that on which they begin", () => {
    const times = [
      "2026-03-06T22:00:00Z", // Friday
      "2026-03-07T05:59:00Z", // Saturday, Friday's shift
      "2026-03-07T06:00:00Z",
      "2026-03-07T22:00:00Z",
      "2026-03-09T05:00:00Z", // Monday, but nobody began on Sunday
    ]
    expect(told("UTC", "mon-fri", "22:00-06:00", ...times)).toEqual(times.slice(2))
  })
})

it("is told once for each who works on, with the time there", () => {
  const watch = new Watch(ruleYaml("off_hours: { zone: Asia/Kathmandu, days: mon-fri, hours: 09:00-17:00 }"))
  const evening = Date.parse("2026-03-02T12:30:00Z")
  for (let event = 0; event < 5; event++) watch.see({ user_id: "ada" }, evening + event)
  expect(watch.told).toEqual(['fires high {"user_id":"ada"} 0'])
  expect(watch.firings[0]?.details).toEqual({ time: "mon 18:15", zone: "Asia/Kathmandu" })
  watch.tick(evening + 3_700_000)
  expect(watch.told[1]).toBe('resolves high {"user_id":"ada"} 0,1,2,3,4')
})
