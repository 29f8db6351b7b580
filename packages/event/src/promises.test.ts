import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { dueMs, type Promises, promiseOf } from "./promises.js"
import type { Schedule } from "./schedule.js"

const schedule = (classes: Schedule["classes"]): Schedule => ({
  classes,
  default: "routine",
  rules: new Uint8Array(32),
})

const PROMISES: Promises = [
  [0, schedule({ routine: { keep_days: 10, destroy_days: 12 } })],
  [42, schedule({ routine: { keep_days: 20, destroy_days: 20 }, later: { keep_days: 5 } })],
  [43, schedule({ routine: { keep_days: 30 }, later: { keep_days: 5 } })],
]

describe("promiseOf", () => {
  it.each([
    [1, { keepDays: 10, destroyDays: 12, by: 0 }],
    [41, { keepDays: 10, destroyDays: 12, by: 0 }],
    // The leaf of a schedule entry is governed by the schedule before.
    [42, { keepDays: 10, destroyDays: 12, by: 0 }],
    [43, { keepDays: 20, destroyDays: 20, by: 42 }],
    [44, { keepDays: 30, by: 43 }],
    [1e15, { keepDays: 30, by: 43 }],
  ])("leaf %i: the last schedule before it", (leaf, promised) => {
    expect(promiseOf(PROMISES, leaf, "routine")).toEqual(promised)
  })

  it("knows no promise before the first schedule, nor for a class that came later or never", () => {
    expect(promiseOf(PROMISES, 0, "routine")).toBeUndefined()
    expect(promiseOf([], 7, "routine")).toBeUndefined()
    expect(promiseOf(PROMISES, 42, "later")).toBeUndefined()
    expect(promiseOf(PROMISES, 43, "later")).toEqual({ keepDays: 5, by: 42 })
    expect(promiseOf(PROMISES, 50, "constructor")).toBeUndefined()
  })

  it("agrees with a walk along the log", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 30 }), { maxLength: 6 }), (at) => {
        const schedules: Promises = [0, ...at.sort((a, b) => a - b)].map((leaf, i) => [
          leaf,
          schedule({ routine: { keep_days: i, destroy_days: 100 + i } }),
        ])
        let keepDays = -1
        for (let leaf = 0; leaf < 32; leaf++) {
          expect(promiseOf(schedules, leaf, "routine")?.keepDays ?? -1).toBe(keepDays)
          keepDays = schedules.find(([index]) => index === leaf)?.[1].classes.routine?.keep_days ?? keepDays
        }
      }),
    )
  })
})

describe("dueMs", () => {
  it("is that many days of 24 hours after the entry, or never", () => {
    expect(dueMs({ keepDays: 1, destroyDays: 2, by: 0 }, 1_000)).toBe(1_000 + 2 * 86_400_000)
    expect(dueMs({ keepDays: 1, by: 0 }, 1_000)).toBe(Number.POSITIVE_INFINITY)
    expect(dueMs({ keepDays: 0, destroyDays: 2 ** 53 - 1, by: 0 }, 0)).toBeGreaterThan(2 ** 53)
  })
})
