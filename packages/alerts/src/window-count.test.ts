import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { DAY, HOUR, MINUTE, MONDAY, ruleYaml, Watch } from "./stand-in-rules.js"

const RULE = ruleYaml("group_by: [user_id]", "count: { over: 10m, at_least: 3 }")

const ada = { user_id: "ada" }

function watched(...minutes: readonly number[]): Watch {
  const watch = new Watch(RULE)
  for (const minute of minutes) watch.see(ada, MONDAY + minute * MINUTE)
  return watch
}

describe("so many events within a time", () => {
  it("fire, and name the events", () => {
    const { firings } = watched(0, 5, 9)
    expect(firings).toHaveLength(1)
    expect(firings[0]).toMatchObject({
      kind: "fires",
      rule: { id: "rule" },
      severity: "high",
      labels: { user_id: "ada" },
      details: { events: "3", window: "10m" },
      leaves: [0, 1, 2],
      count: 3,
      timestampMs: MONDAY + 9 * MINUTE,
    })
  })

  it.each([
    ["fewer", [0, 5]],
    ["exactly as long as the window apart", [0, 5, 10]],
    ["spread", [0, 6, 12, 18, 24]],
  ])("do not fire if they are %s", (_why, minutes) => {
    expect(watched(...minutes).firings).toEqual([])
  })

  it("fire in a window that begins anywhere", () => {
    expect(watched(0, 8, 18, 19, 20).firings.map(({ leaves }) => leaves)).toEqual([[2, 3, 4]])
  })

  it("are those of one group, and of events that the rule looks at", () => {
    const watch = new Watch(
      ruleYaml("where: { result: denied }", "group_by: [user_id]", "count: { over: 10m, at_least: 2 }"),
    )
    watch.see({ ...ada, result: "denied" }, MONDAY)
    watch.see(ada, MONDAY + 1)
    watch.see({ user_id: "bob", result: "denied" }, MONDAY + 2)
    watch.see({ result: "denied" }, MONDAY + 3)
    expect(watch.firings).toEqual([])
    watch.see({ ...ada, result: "denied" }, MONDAY + 4)
    expect(watch.told).toEqual(['fires high {"user_id":"ada"} 0,4'])
  })

  it("fire once for as long as they go on, and resolve after a quiet window, with all of them", () => {
    const watch = watched(0, 1, 2, 3, 4, 5)
    watch.tick(MONDAY + 15 * MINUTE - 1)
    expect(watch.firings).toHaveLength(1)
    watch.tick(MONDAY + 15 * MINUTE)
    expect(watch.told).toEqual([
      'fires high {"user_id":"ada"} 0,1,2',
      'resolves high {"user_id":"ada"} 0,1,2,3,4,5',
    ])
    expect(watch.firings[1]).toMatchObject({ count: 6, receivedMs: MONDAY + 15 * MINUTE })
  })

  it("are quiet when too few come, not when none does", () => {
    const watch = watched(0, 1, 2, 8)
    for (let minute = 12; minute < 40; minute += 6) watch.see(ada, MONDAY + minute * MINUTE)
    expect(watch.told.map((each) => each.split(" ")[0])).toEqual(["fires", "resolves"])
  })

  it("fire again after they have resolved, for as many again", () => {
    const watch = new Watch(
      ruleYaml("group_by: [user_id]", "count: { over: 1h, at_least: 3 }", "resolve_after: 1m"),
    )
    for (const minute of [0, 1, 2, 5, 6]) watch.see(ada, MONDAY + minute * MINUTE)
    expect(watch.firings.map(({ kind }) => kind)).toEqual(["fires", "resolves"])
    watch.see(ada, MONDAY + 7 * MINUTE)
    expect(watch.told[2]).toBe('fires high {"user_id":"ada"} 3,4,5')
  })
})

describe("an event that comes late", () => {
  it("is counted with those of its time", () => {
    const watch = new Watch(RULE)
    for (const minute of [0, 1, 12]) watch.see(ada, MONDAY + minute * MINUTE, MONDAY + 12 * MINUTE)
    expect(watch.firings).toEqual([])
    watch.see(ada, MONDAY + 2 * MINUTE, MONDAY + 12 * MINUTE)
    expect(watch.told).toEqual(['fires high {"user_id":"ada"} 0,1,3'])
  })

  it("is left out, and counted as late, past the tolerance", () => {
    const watch = new Watch(RULE)
    for (const minute of [0, 1, 13]) watch.see(ada, MONDAY + minute * MINUTE, MONDAY + 13 * MINUTE)
    watch.see(ada, MONDAY + 2 * MINUTE, MONDAY + 13 * MINUTE)
    expect(watch.firings).toEqual([])
    expect(watch.set.counts).toEqual({ events: 4, history: 0, late: 1 })
  })

  it("is not late because of others: a source may always deliver an hour after the rest", () => {
    const watch = new Watch(RULE)
    for (let minute = 0; minute < 3; minute++) {
      watch.see({ user_id: "eve" }, MONDAY + HOUR + minute * MINUTE)
      watch.see(ada, MONDAY + minute * MINUTE, MONDAY + HOUR + minute * MINUTE)
    }
    expect(watch.groups("user_id")).toEqual(["eve", "ada"])
    expect(watch.set.counts.late).toBe(0)
  })

  it("does not make others late by a clock that is ahead", () => {
    const watch = new Watch(RULE)
    watch.see(ada, MONDAY + HOUR, MONDAY)
    for (let minute = 1; minute < 3; minute++) watch.see(ada, MONDAY + minute * MINUTE)
    expect(watch.told).toEqual(['fires high {"user_id":"ada"} 0,1,2'])
  })
})

it("rows of groups that nothing can come for any more go when new groups come", () => {
  const watch = new Watch(RULE)
  for (let user = 0; user < 100; user++) watch.see({ user_id: `u${user}` }, MONDAY + user)
  for (let user = 0; user < 60; user++) watch.see({ user_id: `v${user}` }, MONDAY + DAY + 11 * MINUTE + user)
  expect(watch.set.size.rows).toBe(60)
})

describe("whatever comes, and in whatever order within the tolerance,", () => {
  const OVER = 10 * MINUTE
  const event = fc.record({ user: fc.constantFrom("a", "b"), minute: fc.integer({ min: 0, max: 90 }) })
  const scenario = fc.record({
    events: fc.array(event, { maxLength: 60 }),
    atLeast: fc.integer({ min: 2, max: 5 }),
    delays: fc.array(fc.integer({ min: 0, max: 10 }), { minLength: 60, maxLength: 60 }),
  })

  /** Keeps everything, and looks at each window that begins with an event. */
  function fullGroups(
    events: readonly { user: string; minute: number }[],
    atLeast: number,
  ): readonly string[] {
    return ["a", "b"].filter((user) => {
      const times = events.filter((each) => each.user === user).map(({ minute }) => minute * MINUTE)
      return times.some((start) => times.filter((ms) => ms >= start && ms < start + OVER).length >= atLeast)
    })
  }

  it("the groups that fire are those with a full window", () => {
    fc.assert(
      fc.property(scenario, ({ events, atLeast, delays }) => {
        const inOrder = events.toSorted((one, other) => one.minute - other.minute)
        const shuffled = inOrder
          .map((each, at) => ({ ...each, arrives: each.minute + (delays[at] as number) }))
          .sort((one, other) => one.arrives - other.arrives)
        for (const order of [inOrder, shuffled]) {
          const watch = new Watch(
            ruleYaml(
              "group_by: [user_id]",
              `count: { over: 10m, at_least: ${atLeast} }`,
              "resolve_after: 1d",
            ),
          )
          for (const { user, minute } of order) {
            watch.see({ user_id: user }, MONDAY + minute * MINUTE, MONDAY + 2 * HOUR)
          }
          expect(watch.groups("user_id").toSorted()).toEqual(fullGroups(events, atLeast))
          expect(watch.set.counts.late).toBe(0)
        }
      }),
    )
  })
})
