import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { DAY, HOUR, MINUTE, MONDAY, ruleYaml, Watch } from "./stand-in-rules.js"

const RULE = ruleYaml("group_by: [ip_address]", "distinct: { of: http_path, over: 5m, at_least: 3 }")

const from = (http_path: string) => ({ ip_address: "203.0.113.7", http_path })

function watched(...visits: readonly (readonly [minute: number, path: string])[]): Watch {
  const watch = new Watch(RULE)
  for (const [minute, path] of visits) watch.see(from(path), MONDAY + minute * MINUTE)
  return watch
}

describe("so many different values within a time", () => {
  it("fire, and name the newest event of each", () => {
    const watch = watched([0, "/a"], [1, "/a"], [2, "/b"], [3, "/a"], [4, "/c"])
    expect(watch.told).toEqual(['fires high {"ip_address":"203.0.113.7"} 2,3,4'])
    expect(watch.firings[0]).toMatchObject({
      count: 3,
      details: { different: "http_path: 3 or more", window: "5m" },
    })
  })

  it.each<[string, readonly (readonly [number, string])[]]>([
    ["the same again and again", [0, 1, 2, 3, 4].map((minute) => [minute, "/a"] as const)],
    [
      "spread",
      [
        [0, "/a"],
        [3, "/b"],
        [6, "/c"],
        [9, "/d"],
      ],
    ],
    [
      "exactly as long as the window apart",
      [
        [0, "/a"],
        [1, "/b"],
        [5, "/c"],
      ],
    ],
  ])("do not fire if they are %s", (_why, visits) => {
    expect(watched(...visits).firings).toEqual([])
  })

  it("are those of events that have the field", () => {
    const watch = watched([0, "/a"], [1, "/b"])
    watch.see({ ip_address: "203.0.113.7" }, MONDAY + 2 * MINUTE)
    expect(watch.firings).toEqual([])
  })

  it("go on while new ones come, and resolve after a quiet window", () => {
    const watch = watched([0, "/a"], [1, "/b"], [2, "/c"], [3, "/d"], [4, "/d"])
    watch.tick(MONDAY + 10 * MINUTE)
    expect(watch.told[1]).toBe('resolves high {"ip_address":"203.0.113.7"} 0,1,2,3,4')
  })

  it("take a row of few events, whatever is repeated in between", () => {
    const watch = new Watch(RULE)
    for (let second = 0; second < 1_000; second++)
      watch.see(from(second % 2 ? "/a" : "/b"), MONDAY + second * 1_000)
    expect(watch.firings).toEqual([])
    expect(watch.set.size.bytes).toBeLessThan(3_500)
  })
})

it("a value that is forgotten is not counted any more", () => {
  const watch = watched([0, "/a"], [1, "/b"])
  watch.set.forget("http_path", new Set(["/a"]))
  watch.see(from("/c"), MONDAY + 2 * MINUTE)
  expect(watch.firings).toEqual([])
  watch.see(from("/a"), MONDAY + 3 * MINUTE)
  expect(watch.firings).toHaveLength(1)
})

describe("whatever comes, and in whatever order within the tolerance,", () => {
  const OVER = 5 * MINUTE
  const visit = fc.record({
    user: fc.constantFrom("a", "b"),
    minute: fc.integer({ min: 0, max: 40 }),
    path: fc.constantFrom("/1", "/2", "/3", "/4"),
  })
  const scenario = fc.record({
    visits: fc.array(visit, { maxLength: 60 }),
    atLeast: fc.integer({ min: 2, max: 4 }),
    delays: fc.array(fc.integer({ min: 0, max: 10 }), { minLength: 60, maxLength: 60 }),
  })
  type Visit = { readonly user: string; readonly minute: number; readonly path: string }

  /** Keeps everything, and looks at each window that begins with an event. */
  function fullGroups(visits: readonly Visit[], atLeast: number): readonly string[] {
    return ["a", "b"].filter((user) => {
      const theirs = visits.filter((each) => each.user === user)
      return theirs.some(({ minute: start }) => {
        const inWindow = theirs.filter(
          ({ minute }) => minute >= start && minute * MINUTE < start * MINUTE + OVER,
        )
        return new Set(inWindow.map(({ path }) => path)).size >= atLeast
      })
    })
  }

  it("the groups that fire are those with a full window", () => {
    fc.assert(
      fc.property(scenario, ({ visits, atLeast, delays }) => {
        const inOrder = visits.toSorted((one, other) => one.minute - other.minute)
        const shuffled = inOrder
          .map((each, at) => ({ ...each, arrives: each.minute + (delays[at] as number) }))
          .sort((one, other) => one.arrives - other.arrives)
        for (const order of [inOrder, shuffled]) {
          const watch = new Watch(
            ruleYaml(
              "group_by: [user_id]",
              `distinct: { of: http_path, over: 5m, at_least: ${atLeast} }`,
              "resolve_after: 1d",
            ),
          )
          for (const { user, minute, path } of order) {
            watch.see({ user_id: user, http_path: path }, MONDAY + minute * MINUTE, MONDAY + HOUR)
          }
          expect(watch.groups("user_id").toSorted()).toEqual(fullGroups(visits, atLeast))
        }
      }),
      { numRuns: 150 },
    )
  })
})

it("history is not counted", () => {
  const watch = new Watch(RULE)
  for (const path of ["/a", "/b", "/c"]) watch.see(from(path), MONDAY, MONDAY + 2 * DAY)
  expect(watch.firings).toEqual([])
  expect(watch.set.counts.history).toBe(3)
})
