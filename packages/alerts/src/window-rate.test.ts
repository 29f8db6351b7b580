import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { MINUTE, MONDAY, ruleYaml, Watch } from "./stand-in-rules.js"

const SECOND = 1_000

/** More than 60 events within a minute. */
const RULE = ruleYaml("rate: { over: 1m, above: 1 }")

function watched(events: number, everyMs: number): Watch {
  const watch = new Watch(RULE)
  for (let event = 0; event < events; event++) watch.see({}, MONDAY + event * everyMs)
  return watch
}

describe("more events per second than so many", () => {
  it("fire, and name the last of them", () => {
    const watch = watched(61, 500)
    expect(watch.firings).toHaveLength(1)
    expect(watch.firings[0]).toMatchObject({
      labels: {},
      count: 61,
      details: { events: "61", window: "1m" },
      timestampMs: MONDAY + 30 * SECOND,
    })
    expect(watch.firings[0]?.leaves).toEqual(Array.from({ length: 32 }, (_, at) => 29 + at))
  })

  it("do not fire if there are just as many", () => {
    expect(watched(60, 500).firings).toEqual([])
    expect(watched(1_000, SECOND).firings).toEqual([])
  })

  it("fire though the last of them comes as late as it may", () => {
    const watch = new Watch(RULE)
    for (let event = 0; event < 60; event++) watch.see({}, MONDAY + event)
    watch.see({}, MONDAY + 10 * MINUTE + 57 * SECOND)
    expect(watch.firings).toEqual([])
    watch.see({}, MONDAY + 57 * SECOND, MONDAY + 10 * MINUTE + 57 * SECOND)
    expect(watch.firings).toHaveLength(1)
  })

  it("resolve when the rate has been lower for a window", () => {
    const watch = watched(80, 500)
    for (let second = 41; second < 200; second++) watch.see({}, MONDAY + second * SECOND)
    expect(watch.firings.map(({ kind }) => kind)).toEqual(["fires", "resolves"])
  })

  it("are counted in few numbers, however many they are", () => {
    expect(watched(10_000, 100).set.size.bytes).toBeLessThan(4_000)
  })
})

describe("whatever comes, and in whatever order within the tolerance,", () => {
  const scenario = fc.record({
    // As many as nearly fill a window everywhere.
    seconds: fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 50, maxLength: 120 }),
    delays: fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 120, maxLength: 120 }),
  })

  /** Keeps everything, and looks at each twenty slots of a second in a row. */
  function isTooFast(seconds: readonly number[]): boolean {
    for (let first = -19; first <= 300; first++) {
      if (seconds.filter((second) => second >= first && second < first + 20).length > 10) return true
    }
    return false
  }

  it("it fires if any window has too many", () => {
    fc.assert(
      fc.property(scenario, ({ seconds, delays }) => {
        const inOrder = seconds.toSorted((one, other) => one - other)
        const shuffled = inOrder
          .map((second, at) => ({ second, arrives: second + (delays[at] as number) }))
          .sort((one, other) => one.arrives - other.arrives)
          .map(({ second }) => second)
        for (const order of [inOrder, shuffled]) {
          const rule = ruleYaml("rate: { over: 20s, above: 0.5 }", "resolve_after: 1d")
          const watch = new Watch(rule, { toleranceMs: MINUTE })
          for (const second of order) watch.see({}, MONDAY + second * SECOND, MONDAY + 10 * MINUTE)
          expect(watch.firings.length).toBe(isTooFast(seconds) ? 1 : 0)
        }
      }),
      { numRuns: 150 },
    )
  })
})
