import { DEFAULT_SCHEDULE, type Schedule } from "@prooflog/event/schedule"
import { describe, expect, it } from "vitest"
import { describeChange, isSameSchedule } from "./schedule-change.js"

function scheduleWith(changes: Partial<Schedule>): Schedule {
  return { ...DEFAULT_SCHEDULE, ...changes }
}

const { classes } = DEFAULT_SCHEDULE
const OTHER_RULES = new Uint8Array(32)

describe("what differs between two schedules", () => {
  it.each([
    ["nothing", {}, []],
    ["the rules", { rules: OTHER_RULES }, ["rules: others than before"]],
    ["the default", { default: "high" }, ["default: high instead of routine"]],
    [
      "a new class",
      { classes: { ...classes, vip: { keep_days: 3653 } } },
      ["class vip is new: kept 3653 days, never destroyed"],
    ],
    [
      "the times of one",
      { classes: { ...classes, high: { keep_days: 2000, destroy_days: 2030 } } },
      ["class high: kept 2000 days instead of 1827, destroyed on day 2030 instead of on day 1857"],
    ],
    [
      "that one is never destroyed",
      { classes: { ...classes, high: { keep_days: 1827 } } },
      ["class high: never destroyed instead of on day 1857"],
    ],
  ])("is said in a line for each thing: %s", (_, changes, lines) => {
    const next = scheduleWith(changes as Partial<Schedule>)
    expect(describeChange({ schedule: DEFAULT_SCHEDULE }, { schedule: next })).toEqual(lines)
    expect(isSameSchedule(DEFAULT_SCHEDULE, next)).toBe(lines.length === 0)
  })

  it("is also how long records are at hand, where both files say it", () => {
    const known = (days: number) => ({ schedule: DEFAULT_SCHEDULE, hotDays: new Map([["routine", days]]) })
    expect(describeChange(known(183), known(90))).toEqual(["class routine: at hand 90 days instead of 183"])
    expect(describeChange({ schedule: DEFAULT_SCHEDULE }, known(90))).toEqual([])
  })

  it("is not seen in the order of classes", () => {
    const turned = scheduleWith({ classes: Object.fromEntries(Object.entries(classes).reverse()) })
    expect(isSameSchedule(DEFAULT_SCHEDULE, turned)).toBe(true)
  })
})
