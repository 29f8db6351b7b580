import { describe, expect, test } from "vitest"
import { EventError } from "./error.js"
import {
  checkNextSchedule,
  checkSchedule,
  DEFAULT_SCHEDULE,
  decodeSchedule,
  encodeSchedule,
  isClassName,
  type Schedule,
} from "./schedule.js"

const codeOf = (run: () => unknown) => {
  try {
    run()
  } catch (error) {
    if (error instanceof EventError) return error.code
    throw error
  }
  return "accepted"
}

const CLASSES = DEFAULT_SCHEDULE.classes

describe("a schedule", () => {
  test("reads back", () => {
    expect(decodeSchedule(encodeSchedule(DEFAULT_SCHEDULE))).toEqual(DEFAULT_SCHEDULE)
    const forever: Schedule = { classes: { a: { keep_days: 1 } }, default: "a", rules: new Uint8Array(32) }
    expect(decodeSchedule(encodeSchedule(forever))).toEqual(forever)
  })

  test("by default destroys each class 30 days after it was kept", () => {
    expect(Object.keys(CLASSES)).toEqual(["critical", "high", "routine", "audit"])
    for (const { keep_days, destroy_days } of Object.values(CLASSES))
      expect(destroy_days).toBe(keep_days + 30)
  })

  test.each<[string, unknown]>([
    ["nothing", undefined],
    ["an array", []],
    ["a member more", { ...DEFAULT_SCHEDULE, note: 1 }],
    ["no rules", { classes: CLASSES, default: "routine" }],
    ["rules of 31 bytes", { ...DEFAULT_SCHEDULE, rules: new Uint8Array(31) }],
    ["no class", { ...DEFAULT_SCHEDULE, classes: {} }],
    ["classes that are an array", { ...DEFAULT_SCHEDULE, classes: [] }],
    ["a default that is none", { ...DEFAULT_SCHEDULE, default: "other" }],
    ["a default that is inherited", { ...DEFAULT_SCHEDULE, default: "toString" }],
    ["a class with a space", { ...DEFAULT_SCHEDULE, classes: { ...CLASSES, "case 7": { keep_days: 1 } } }],
    [
      "a class of 33 characters",
      { ...DEFAULT_SCHEDULE, classes: { ...CLASSES, ["x".repeat(33)]: { keep_days: 1 } } },
    ],
    [
      "a class named constructor",
      { ...DEFAULT_SCHEDULE, classes: { ...CLASSES, constructor: { keep_days: 1 } } },
    ],
    ["no days", { ...DEFAULT_SCHEDULE, classes: { routine: {} } }],
    ["negative days", { ...DEFAULT_SCHEDULE, classes: { routine: { keep_days: -1 } } }],
    ["half a day", { ...DEFAULT_SCHEDULE, classes: { routine: { keep_days: 0.5 } } }],
    ["null days", { ...DEFAULT_SCHEDULE, classes: { routine: { keep_days: 1, destroy_days: null } } }],
    [
      "a class with a member more",
      { ...DEFAULT_SCHEDULE, classes: { routine: { keep_days: 1, hot_days: 1 } } },
    ],
    [
      "less life than was promised",
      { ...DEFAULT_SCHEDULE, classes: { routine: { keep_days: 2, destroy_days: 1 } } },
    ],
  ])("with %s is refused", (_, value) => {
    expect(codeOf(() => checkSchedule(value))).toBe("EVENT_BAD_SCHEDULE")
    expect(codeOf(() => encodeSchedule(value as Schedule))).toBe("EVENT_BAD_SCHEDULE")
  })

  const { audit: _, ...withoutAudit } = CLASSES
  const FOREVER: Schedule = {
    ...DEFAULT_SCHEDULE,
    classes: { ...CLASSES, routine: { keep_days: 914 } },
  }

  test.each<[string, Schedule, Schedule["classes"], string]>([
    ["the same promises", DEFAULT_SCHEDULE, CLASSES, "accepted"],
    [
      "a class destroyed on its last day",
      DEFAULT_SCHEDULE,
      { ...CLASSES, legal: { keep_days: 7, destroy_days: 7 } },
      "accepted",
    ],
    ["a class more", DEFAULT_SCHEDULE, { ...CLASSES, legal: { keep_days: 0 } }, "accepted"],
    [
      "longer promises",
      DEFAULT_SCHEDULE,
      { ...CLASSES, routine: { keep_days: 915, destroy_days: 945 } },
      "accepted",
    ],
    ["a class never destroyed", DEFAULT_SCHEDULE, { ...CLASSES, routine: { keep_days: 914 } }, "accepted"],
    ["a class still never destroyed", FOREVER, FOREVER.classes, "accepted"],
    ["a class less", DEFAULT_SCHEDULE, withoutAudit, "EVENT_BAD_SCHEDULE"],
    [
      "a day less to keep",
      DEFAULT_SCHEDULE,
      { ...CLASSES, routine: { keep_days: 913, destroy_days: 944 } },
      "EVENT_BAD_SCHEDULE",
    ],
    [
      "a day less to destroy",
      DEFAULT_SCHEDULE,
      { ...CLASSES, routine: { keep_days: 914, destroy_days: 943 } },
      "EVENT_BAD_SCHEDULE",
    ],
    [
      "less to keep, though never destroyed",
      DEFAULT_SCHEDULE,
      { ...CLASSES, routine: { keep_days: 1 } },
      "EVENT_BAD_SCHEDULE",
    ],
    [
      "a day of destruction where there was none",
      FOREVER,
      { ...CLASSES, routine: { keep_days: 914, destroy_days: 1_000_000 } },
      "EVENT_BAD_SCHEDULE",
    ],
    ["what is no schedule", DEFAULT_SCHEDULE, {}, "EVENT_BAD_SCHEDULE"],
  ])("may be followed by one with %s, or not", (_what, previous, classes, code) => {
    expect(codeOf(() => checkNextSchedule(previous, { ...DEFAULT_SCHEDULE, classes }))).toBe(code)
  })

  test("may be followed by one that changes what nobody was promised", () => {
    const next = { ...DEFAULT_SCHEDULE, default: "high", rules: new Uint8Array(32) }
    expect(codeOf(() => checkNextSchedule(DEFAULT_SCHEDULE, next))).toBe("accepted")
  })

  test("names classes in small letters, digits, - and _", () => {
    expect(["routine", "a-b_9", "x".repeat(32)].every(isClassName)).toBe(true)
    expect(["", "A", "a.b", "x".repeat(33), "__proto__", "constructor", "a\n"].some(isClassName)).toBe(false)
  })
})
