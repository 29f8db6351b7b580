import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { AlertsError } from "./error.js"
import { DAY, type Fields, HOUR, MINUTE, MONDAY, ruleYaml, Watch } from "./stand-in-rules.js"

/** Rules of all kinds, that fire easily. */
const ALL_KINDS = `
- { id: single, title: t, why: w., severity: low, where: { result: denied }, group_by: [user_id] }
- { id: count, title: t, why: w., severity: low, group_by: [user_id], count: { over: 10m, at_least: 3 }, resolve_after: 1m }
- { id: distinct, title: t, why: w., severity: low, group_by: [source], distinct: { of: user_id, over: 10m, at_least: 3 } }
- { id: rate, title: t, why: w., severity: low, rate: { over: 20s, above: 0.1 } }
- { id: ratio, title: t, why: w., severity: low, group_by: [source, user_id?], ratio: { of: { result: denied }, over: 5m, at_least: 3, above: 1%, times_baseline: 1 } }
- { id: country, title: t, why: w., severity: low, new_country: { learn_days: 1, learn_events: 3 } }
- { id: travel, title: t, why: w., severity: high, impossible_travel: {} }
- { id: first, title: t, why: w., severity: low, first_seen: { of: country, learn_days: 0 } }
- { id: hours, title: t, why: w., severity: low, off_hours: { zone: Europe/Berlin, days: tue, hours: 07:00-08:00 } }
- { id: silence, title: t, why: w., severity: low, group_by: [source], silence: { for: 10m } }
- { id: disk, title: t, why: w., severity: low, health: disk }
`

type Step =
  | { readonly does: "see"; readonly fields: Fields; readonly lateMs: number; readonly passMs: number }
  | { readonly does: "tick"; readonly passMs: number }
  | { readonly does: "health"; readonly problem: string | undefined; readonly passMs: number }
  | { readonly does: "forget"; readonly passMs: number }

const passMs = fc.oneof(fc.nat(1_000), fc.nat(2 * MINUTE), fc.nat(30 * MINUTE))

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      does: fc.constant("see" as const),
      passMs,
      lateMs: fc.constantFrom(0, 0, 0, 5 * MINUTE, 20 * MINUTE, 2 * DAY),
      fields: fc.record({
        user_id: fc.constantFrom("ada", "bob", "eve"),
        source: fc.constantFrom("api", "k8s"),
        result: fc.constantFrom("success", "success", "denied"),
        country: fc.constantFrom("PT", "US", "DE"),
      }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ does: fc.constant("tick" as const), passMs }) },
  {
    weight: 1,
    arbitrary: fc.record({
      does: fc.constant("health" as const),
      problem: fc.constantFrom("full", undefined),
      passMs,
    }),
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constant("forget" as const), passMs: fc.constant(0) }) },
)

function run(steps: readonly Step[], restartsAfter: (step: number) => boolean): Watch {
  const watch = new Watch(ALL_KINDS)
  let nowMs = MONDAY
  for (const [at, step] of steps.entries()) {
    nowMs += step.passMs
    if (step.does === "see") watch.see(step.fields, nowMs - step.lateMs, nowMs)
    else if (step.does === "tick") watch.tick(nowMs)
    else if (step.does === "health") watch.health("disk", step.problem, nowMs)
    else watch.set.forget("user_id", new Set(["eve"]))
    if (restartsAfter(at)) watch.restart()
  }
  watch.keep()
  return watch
}

describe("rules of all kinds", () => {
  it("fire the same, and keep the same, if they die and come back after any event", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 80 }), fc.nat(15), (steps, every) => {
        const lasting = run(steps, () => false)
        const dying = run(steps, (at) => at % (every + 1) === 0)
        expect(dying.firings).toEqual(lasting.firings)
        expect(new Map([...dying.kept].sort())).toEqual(new Map([...lasting.kept].sort()))
      }),
      { numRuns: 40 },
    )
  })

  it("fire the same if they die after each event of a day on which every one of them has something to say", () => {
    const sees = (user_id: string, country: string, result: string, passMs: number): Step => {
      return { does: "see", fields: { user_id, country, result, source: "api" }, lateMs: 0, passMs }
    }
    const steps: readonly Step[] = [
      ...["ada", "bob", "eve", "ada", "ada"].map((user) => sees(user, "PT", "success", 3_000)),
      { does: "health", problem: "full", passMs: 1_000 },
      ...["US", "US", "US"].map((country) => sees("ada", country, "denied", 4_000)),
      ...["US", "DE"].map((country) => sees("ada", country, "success", MINUTE)),
      { does: "health", problem: undefined, passMs: MINUTE },
      { does: "tick", passMs: 12 * MINUTE },
      sees("bob", "PT", "success", HOUR),
      { does: "tick", passMs: 2 * HOUR },
    ]
    const lasting = run(steps, () => false)
    const dying = run(steps, () => true)
    expect(dying.firings).toEqual(lasting.firings)
    const said = new Set(lasting.firings.map(({ rule, kind }) => `${rule.id} ${kind}`))
    const ids = [...ALL_KINDS.matchAll(/id: (\w+)/g)].map(([, id]) => id)
    expect([...said].sort()).toEqual(ids.flatMap((id) => [`${id} fires`, `${id} resolves`]).sort())
  })

  it("fire the same whether ticks come by themselves or with events", () => {
    const see = fc.array(step, { maxLength: 40 }).map((steps) => steps.filter(({ does }) => does === "see"))
    fc.assert(
      fc.property(see, (steps) => {
        const ticked = steps.flatMap((step): Step[] => {
          const parts = Math.floor(step.passMs / 7_001)
          const ticks = Array.from({ length: parts }, (): Step => ({ does: "tick", passMs: 7_001 }))
          return [...ticks, { ...step, passMs: step.passMs - 7_001 * parts }]
        })
        expect(run(ticked, () => false).firings).toEqual(run(steps, () => false).firings)
      }),
      { numRuns: 30 },
    )
  })
})

describe("what is done with the log itself", () => {
  const own: Fields = { source: "prooflog", action: "log.schedule", user_id: "admin" }

  it("is seen by rules that ask for it, and by no other", () => {
    const asks = new Watch(ruleYaml("own: true", "where: { action: log.schedule }"))
    const others = new Watch(ruleYaml("where: { action: log.schedule }"))
    for (const watch of [asks, others]) watch.see(own, MONDAY)
    expect(asks.firings).toHaveLength(1)
    expect(others.firings).toHaveLength(0)
  })

  it("is seen by nobody if an alert has caused it", () => {
    const watch = new Watch(ruleYaml("own: true"))
    watch.see({ ...own, "attributes.hop": 1 }, MONDAY)
    expect(watch.firings).toEqual([])
  })

  it("is what this log says it is: a producer cannot hide an event by calling it the work of an alert", () => {
    const watch = new Watch(ruleYaml("where: { result: denied }"))
    watch.see({ user_id: "eve", result: "denied", "attributes.hop": 1 }, MONDAY)
    expect(watch.firings).toHaveLength(1)
  })
})

describe("history", () => {
  it("is what was received more than so long after it happened", () => {
    const watch = new Watch(ruleYaml("where: { result: denied }"), { historyAfterMs: HOUR })
    watch.see({ user_id: "ada", result: "denied" }, MONDAY, MONDAY + HOUR + 1)
    expect(watch.firings).toEqual([])
    expect(watch.set.counts).toEqual({ events: 1, history: 1, late: 0 })
    watch.see({ user_id: "ada", result: "denied" }, MONDAY + 1, MONDAY + HOUR + 1)
    expect(watch.firings).toHaveLength(1)
  })
})

describe("kept rows", () => {
  const watch = () => new Watch(ruleYaml("group_by: [user_id]", "count: { over: 10m, at_least: 3 }"))

  it("of a rule that is no more are of no use", () => {
    expect(watch().set.restore("other.0123456789abcdef", "wada", "[0]")).toBe(false)
  })

  it.each([
    ["a row", "[0]"],
    ["a time", "no time"],
  ])("that are none are refused: %s", (what, value) => {
    const { set, kept, keep, see } = bound(watch())
    see({ user_id: "ada" }, MONDAY)
    keep()
    const place = [...kept.keys()].find((each) => each.includes(what === "a row" ? "ada" : "clock"))
    const [state, key] = JSON.parse(place as string) as [string, string]
    const restore = () => watch().set.restore(state, key, value)
    expect(restore).toThrow(AlertsError)
    expect(restore).toThrow(expect.objectContaining({ code: "ALERTS_BAD_STATE" }))
    expect(set.size.rows).toBe(1)
  })

  it("outlive a new threshold, and no new meaning", () => {
    const stateOf = (...lines: readonly string[]) => {
      const { keep, kept, see } = bound(new Watch(ruleYaml("group_by: [user_id]", ...lines)))
      see({ user_id: "ada" }, MONDAY)
      keep()
      return [...kept.keys()].find((place) => place.includes("ada"))
    }
    const before = stateOf("count: { over: 10m, at_least: 3 }")
    expect(stateOf("count: { over: 10m, at_least: 5 }", "resolve_after: 1h")).toBe(before)
    expect(stateOf("count: { over: 11m, at_least: 3 }")).not.toBe(before)
    expect(stateOf("where: { user_id: ada }", "count: { over: 10m, at_least: 3 }")).not.toBe(before)
  })
})

function bound(watch: Watch) {
  return {
    set: watch.set,
    kept: watch.kept,
    keep: () => watch.keep(),
    see: (fields: Fields, ms: number) => watch.see(fields, ms),
  }
}
