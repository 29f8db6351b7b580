import { type Promises, promiseOf } from "@prooflog/event/promises"
import type { Retention, Schedule } from "@prooflog/event/schedule"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { planOf, type State, stateOf } from "./plan.js"

const DAY = 86_400_000
const START = Date.parse("2026-03-01T12:00:00Z")

const schedule = (classes: Record<string, Retention>): Schedule => ({
  classes,
  default: Object.keys(classes)[0] as string,
  rules: new Uint8Array(32),
})

const ROUTINE = { keep_days: 914, destroy_days: 944 }
const PROMISES: Promises = [
  [0, schedule({ routine: ROUTINE })],
  [100, schedule({ routine: { keep_days: 1000, destroy_days: 1000 }, forever: { keep_days: 3650 } })],
]

describe("stateOf", () => {
  const promised = { keepDays: 914, destroyDays: 944, by: 0 }
  const at = (nowMs: number) => stateOf(START, { hotDays: 183 }, promised, nowMs)

  it.each([
    ["when it was received", START, "hot"],
    ["before, if the clock went back", START - DAY, "hot"],
    ["the last millisecond of its hot days", START + 183 * DAY - 1, "hot"],
    ["the first millisecond behind them", START + 183 * DAY, "archived"],
    ["when it need no longer be kept", START + 914 * DAY, "archived"],
    ["the last millisecond before its destroy day", START + 944 * DAY - 1, "archived"],
    ["the first millisecond of its destroy day", START + 944 * DAY, "due"],
  ] as const)("%s: %s is %s", (_, nowMs, state) => {
    expect(at(nowMs)).toBe(state)
  })

  it("never ends what is never destroyed, or was promised nothing", () => {
    const end = Number.MAX_SAFE_INTEGER
    expect(stateOf(START, { hotDays: 1 }, { keepDays: 1, by: 0 }, end)).toBe("archived")
    expect(stateOf(START, { hotDays: 1 }, undefined, end)).toBe("archived")
  })

  it("destroys what is due, however long records are hot today", () => {
    expect(stateOf(START, { hotDays: 5000 }, promised, START + 944 * DAY)).toBe("due")
  })

  it("bears days that no clock will see", () => {
    const far = { keepDays: 0, destroyDays: Number.MAX_SAFE_INTEGER, by: 0 }
    expect(stateOf(2 ** 32, { hotDays: Number.MAX_SAFE_INTEGER }, far, Number.MAX_SAFE_INTEGER)).toBe("hot")
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 0.5])("refuses a clock that shows %s", (nowMs) => {
    expect(() => at(nowMs)).toThrow(RangeError)
  })
})

describe("planOf", () => {
  const question = { promises: PROMISES, className: "routine", hotDays: 183, treeSize: 500, nowMs: START }

  it("has a range for each promise, with its cut-offs", () => {
    const coldBeforeMs = START - 183 * DAY + 1
    expect(planOf(question)).toEqual([
      { from: 1, to: 101, by: 0, coldBeforeMs, dueBeforeMs: START - 944 * DAY + 1 },
      { from: 101, to: 500, by: 100, coldBeforeMs, dueBeforeMs: START - 1000 * DAY + 1 },
    ])
  })

  it("leaves out schedules that know no such class, and those behind the tree", () => {
    expect(planOf({ ...question, className: "forever" }).map(({ from, to }) => [from, to])).toEqual([
      [101, 500],
    ])
    expect(planOf({ ...question, className: "none" })).toEqual([])
    expect(planOf({ ...question, treeSize: 101 }).map(({ from, to }) => [from, to])).toEqual([[1, 101]])
    expect(planOf({ ...question, treeSize: 1 })).toEqual([])
    expect(planOf({ ...question, treeSize: 0 })).toEqual([])
    expect(planOf({ ...question, promises: [] })).toEqual([])
  })

  it("has no cut-off for what is never destroyed", () => {
    const [range] = planOf({ ...question, className: "forever" })
    expect(range).not.toHaveProperty("dueBeforeMs")
  })

  it.each([Number.NaN, 0.5])("refuses a clock that shows %s, also where nothing is promised", (nowMs) => {
    expect(() => planOf({ ...question, promises: [], nowMs })).toThrow(RangeError)
  })
})

describe("a whole log", () => {
  interface Leaf {
    readonly timeMs: bigint
    /** Of an event; of a schedule, absent. */
    readonly className?: string
    readonly schedule?: Schedule
  }

  const retention = fc
    .tuple(fc.integer({ min: 0, max: 40 }), fc.option(fc.integer({ min: 0, max: 20 })))
    .map(
      ([keep, more]): Retention =>
        more === null ? { keep_days: keep } : { keep_days: keep, destroy_days: keep + more },
    )
  const someSchedule = fc
    .record({ a: retention, b: retention }, { requiredKeys: ["a"] })
    .map((classes) => schedule(classes as Record<string, Retention>))
  // Steps that often end exactly on a day, and often are none.
  const step = fc.oneof(
    fc.constantFrom(0, 1, DAY - 1, DAY, DAY + 1, 5 * DAY),
    fc.integer({ min: 0, max: 3 * DAY }),
  )
  const kind = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom("a", "b") },
    { weight: 1, arbitrary: someSchedule },
  )
  const leaves = fc
    .tuple(someSchedule, fc.array(fc.tuple(step, kind), { maxLength: 60, size: "max" }))
    .map(([genesis, rest]): Leaf[] => {
      let timeMs = BigInt(START)
      const made: Leaf[] = [{ timeMs, schedule: genesis }]
      for (const [ms, what] of rest) {
        timeMs += BigInt(ms)
        made.push(typeof what === "string" ? { timeMs, className: what } : { timeMs, schedule: what })
      }
      return made
    })

  /** Each leaf by itself, from the first word of the rules: walk back to the last schedule, add days to the time. */
  function oracle(log: readonly Leaf[], leaf: number, hotDays: number, nowMs: number): State {
    const { timeMs, className } = log[leaf] as Leaf
    let governing = leaf - 1
    while (log[governing]?.schedule === undefined) governing--
    const promised = log[governing]?.schedule?.classes[className as string]
    const day = BigInt(DAY)
    const destroyDays = promised?.destroy_days
    if (destroyDays !== undefined && BigInt(nowMs) >= timeMs + BigInt(destroyDays) * day) return "due"
    return BigInt(nowMs) >= timeMs + BigInt(hotDays) * day ? "archived" : "hot"
  }

  const question = fc.record({
    log: leaves,
    hotDays: fc.integer({ min: 0, max: 50 }),
    /** Exactly so many days after some leaf, and a millisecond off. */
    day: fc.integer({ min: 0, max: 70 }),
    of: fc.nat({ max: 60 }),
    off: fc.constantFrom(-1, 0, 1),
  })

  function ask({ log, day, of, off }: { log: Leaf[]; day: number; of: number; off: number }) {
    const promises = log.flatMap(({ schedule: each }, leaf): [number, Schedule][] =>
      each ? [[leaf, each]] : [],
    )
    return { promises, nowMs: Number(log[of % log.length]?.timeMs) + day * DAY + off }
  }

  it("is planned leaf by leaf as the rules say", () => {
    const seen: Record<State, number> = { hot: 0, archived: 0, due: 0 }
    fc.assert(
      fc.property(question, (asked) => {
        const { log, hotDays } = asked
        const { promises, nowMs } = ask(asked)
        const plans = new Map(
          ["a", "b"].map((className) => [
            className,
            planOf({ promises, className, hotDays, treeSize: log.length, nowMs }),
          ]),
        )
        log.forEach(({ className, timeMs }, leaf) => {
          if (className === undefined) return
          const expected = oracle(log, leaf, hotDays, nowMs)
          seen[expected]++
          const promised = promiseOf(promises, leaf, className)
          expect(stateOf(Number(timeMs), { hotDays }, promised, nowMs)).toBe(expected)
          const ranges = plans.get(className)?.filter(({ from, to }) => from <= leaf && leaf < to) ?? []
          // What was promised something is in exactly one range, all else in none.
          expect(ranges.map(({ by }) => by)).toEqual(promised === undefined ? [] : [promised.by])
          for (const { coldBeforeMs, dueBeforeMs } of ranges) {
            const isDue = dueBeforeMs !== undefined && Number(timeMs) < dueBeforeMs
            const rest = Number(timeMs) < coldBeforeMs ? "archived" : "hot"
            expect(isDue ? "due" : rest).toBe(expected)
          }
        })
      }),
      { numRuns: 500 },
    )
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(100)
  })

  it("is due, and cold, from its first leaf on within each range, and never comes back", () => {
    fc.assert(
      fc.property(question, fc.integer({ min: 0, max: 20 * DAY }), (asked, later) => {
        const { log, hotDays } = asked
        const { promises, nowMs } = ask(asked)
        const order: readonly State[] = ["due", "archived", "hot"]
        for (const className of ["a", "b"]) {
          for (const { from, to } of planOf({ promises, className, hotDays, treeSize: log.length, nowMs })) {
            const states = log.slice(from, to).flatMap((leaf, i) => {
              if (leaf.className !== className) return []
              const promised = promiseOf(promises, from + i, className)
              const [now, then] = [nowMs, nowMs + later].map((ms) =>
                order.indexOf(stateOf(Number(leaf.timeMs), { hotDays }, promised, ms)),
              )
              expect(then).toBeLessThanOrEqual(now as number)
              return [now as number]
            })
            expect(states).toEqual([...states].sort((a, b) => a - b))
          }
        }
      }),
      { numRuns: 200 },
    )
  })
})
