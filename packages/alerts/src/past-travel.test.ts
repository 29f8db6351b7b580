import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { distanceKm, middleOf } from "./countries.js"
import { DAY, type Fields, HOUR, MINUTE, MONDAY, ruleYaml, Watch } from "./stand-in-rules.js"

const RULE = ruleYaml("impossible_travel: { above_kmh: 900, beyond_km: 500, ignore: [192.0.2.0/24] }")

const inside = (country: string, more: Fields = {}) => ({ user_id: "ada", country, ...more })

const BERLIN = { country: "DE", latitude: 52.52, longitude: 13.4 }
const MUNICH = { country: "DE", latitude: 48.14, longitude: 11.58 }
const PARIS = { country: "FR", latitude: 48.85, longitude: 2.35 }

type Visit = readonly [fields: Fields, happenedMs: number]

function watched(...visits: readonly Visit[]): Watch {
  const watch = new Watch(RULE)
  for (const [fields, ms] of visits) watch.see({ user_id: "ada", ...fields }, MONDAY + ms)
  return watch
}

describe("two places", () => {
  it("too far apart for the time are impossible, and both events are named", () => {
    const watch = watched([inside("PT"), 0], [inside("US"), 18_000])
    expect(watch.told).toEqual(['fires high {"user_id":"ada"} 0,1'])
    expect(watch.firings[0]?.details).toEqual({
      travel: "impossible",
      from: "PT",
      to: "US",
      distance: "7342 km",
      time: "18s",
      speed: "1468417 km/h",
    })
  })

  it("that one can get between within a day are possible, with low severity", () => {
    const watch = watched([inside("PT"), 0], [inside("US"), 12 * HOUR])
    expect(watch.told).toEqual(['fires low {"user_id":"ada"} 0,1'])
    expect(watch.firings[0]?.details).toMatchObject({ travel: "possible", time: "12h" })
  })

  it.each<[string, Visit, Visit]>([
    ["far apart with more than a day between", [inside("PT"), 0], [inside("US"), DAY + 1_000]],
    ["in the same country", [inside("US"), 0], [inside("US"), 1]],
    ["in countries that touch, of which no more is known", [inside("DE"), 0], [inside("FR"), 1]],
    ["in countries that touch, of one of which no more is known", [BERLIN, 0], [inside("FR"), 1]],
    [
      "nearer than databases can tell",
      [{ ...BERLIN, country: "PL" }, 0],
      [inside("CZ", { latitude: 50, longitude: 14 }), 1],
    ],
    ["of which one is unknown", [inside("PT"), 0], [{}, 1]],
    ["of which one has no position", [inside("PT"), 0], [inside("ZZ"), 1]],
  ])("%s are no news", (_why, first, second) => {
    expect(watched(first, second).firings).toEqual([])
  })

  it("whose coordinates are known may be in one country, or in countries that touch", () => {
    expect(watched([BERLIN, 0], [MUNICH, MINUTE]).told).toEqual(['fires high {"user_id":"ada"} 0,1'])
    expect(watched([BERLIN, 0], [PARIS, MINUTE]).told).toEqual(['fires high {"user_id":"ada"} 0,1'])
    // Slowly, it is an ordinary trip.
    expect(watched([BERLIN, 0], [MUNICH, 6 * HOUR]).firings).toEqual([])
  })

  it("are held against each other, not against those before them", () => {
    const watch = watched(
      [inside("PT"), 0],
      [inside("US"), 1_000],
      [inside("US"), 2_000],
      [inside("PT"), 3_000],
    )
    expect(watch.told.map((each) => each.slice(-3))).toEqual(["0,1", "2,3"])
  })
})

describe("less sure is", () => {
  it("a journey between two networks of hosting providers", () => {
    const rented = { as_organization: "Hetzner Online GmbH" }
    expect(watched([inside("DE", rented), 0], [inside("US", rented), 1]).told).toEqual([
      'fires low {"user_id":"ada"} 0,1',
    ])
    expect(watched([inside("DE", rented), 0], [inside("US"), 1]).told).toEqual([
      'fires high {"user_id":"ada"} 0,1',
    ])
  })

  it("what did not succeed, and it moves nobody", () => {
    const failed = { result: "failure" }
    const watch = watched(
      [inside("DE"), 0],
      [inside("US", failed), 1],
      [inside("US", failed), 2],
      [inside("DE"), 3_000],
    )
    expect(watch.told).toEqual(['fires low {"user_id":"ada"} 0,1'])
    expect(watched([inside("DE", failed), 0], [inside("US"), 1]).firings).toEqual([])
    expect(watched([inside("DE"), 0], [inside("US", failed), 12 * HOUR]).firings).toEqual([])
  })
})

it("addresses to be ignored are no places", () => {
  const exit = { ip_address: "192.0.2.9" }
  expect(watched([inside("DE"), 0], [inside("US", exit), 1], [inside("DE"), 2]).firings).toEqual([])
})

it("history moves people, and is never told", () => {
  const watch = new Watch(RULE)
  watch.see(inside("PT"), MONDAY, MONDAY + 2 * DAY)
  watch.see(inside("US"), MONDAY + 1_000, MONDAY + 2 * DAY)
  expect(watch.firings).toEqual([])
  watch.see(inside("PT"), MONDAY + 20 * HOUR, MONDAY + DAY)
  expect(watch.firings[0]?.details).toMatchObject({ travel: "possible", from: "US", to: "PT" })
})

describe("an event that comes late", () => {
  it("is held against what was before it, and what was after it", () => {
    const at = (country: string, s: number): Visit => [inside(country), s * 1_000]
    const before = watched(at("PT", 0), at("PT", 300), at("US", 290))
    expect(before.told).toEqual(['fires high {"user_id":"ada"} 0,2'])
    const after = watched(at("PT", 300), at("US", 290))
    expect(after.told).toEqual(['fires high {"user_id":"ada"} 0,1'])
    expect(after.firings[0]?.details).toMatchObject({ from: "US", to: "PT", time: "10s" })
  })

  it("is held against what was before it, though others came since", () => {
    const watch = watched([inside("PT"), 0], [inside("CA"), 300_000], [inside("US"), 290_000])
    expect(watch.told).toEqual(['fires high {"user_id":"ada"} 0,1', 'fires high {"user_id":"ada"} 0,2'])
  })

  it("moves nobody back", () => {
    const watch = watched(
      [inside("PT"), 0],
      [inside("PT"), 5 * MINUTE],
      [inside("US"), MINUTE],
      [inside("PT"), 6 * MINUTE],
    )
    expect(watch.told).toEqual(['fires high {"user_id":"ada"} 0,2'])
  })

  it("is nothing if it is later than the tolerance", () => {
    expect(watched([inside("PT"), HOUR], [inside("US"), HOUR - 11 * MINUTE]).firings).toEqual([])
  })
})

describe("whatever comes, and in whatever order within the tolerance,", () => {
  const visit = fc.record({
    country: fc.constantFrom("PT", "US", "JP", "ES"),
    minute: fc.integer({ min: 0, max: 3_000 }),
  })
  const scenario = fc.record({
    visits: fc.uniqueArray(visit, { maxLength: 12, selector: ({ minute }) => minute }),
    delays: fc.array(fc.integer({ min: 0, max: 10 }), { minLength: 12, maxLength: 12 }),
  })
  type Trip = { readonly country: string; readonly minute: number }

  /** Keeps everything, and looks at each event and the one before it. */
  function impossible(visits: readonly Trip[]): boolean {
    return visits.some(({ country, minute }, at) => {
      const before = visits[at - 1]
      if (before === undefined) return false
      const pair = [before.country, country].sort().join("")
      if (before.country === country || pair === "ESPT") return false
      const km = distanceKm(middleOf(before.country) ?? NOWHERE, middleOf(country) ?? NOWHERE)
      return km / ((minute - before.minute) / 60) > 900
    })
  }
  const NOWHERE = { latitude: 0, longitude: 0 }

  it("a journey that cannot be is told rather than one that can, on either side of what comes late", () => {
    const late = watched([inside("PT"), 0], [inside("PT"), 12 * HOUR], [inside("JP"), 12 * HOUR - MINUTE])
    expect(late.firings.map(({ details }) => details.travel)).toEqual(["impossible"])
  })

  it("whoever was where nobody can be is found", () => {
    fc.assert(
      fc.property(scenario, ({ visits, delays }) => {
        const inOrder = visits.toSorted((one, other) => one.minute - other.minute)
        const shuffled = inOrder
          .map((each, at) => ({ ...each, arrives: each.minute + (delays[at] as number) }))
          .sort((one, other) => one.arrives - other.arrives)
        for (const order of [inOrder, shuffled]) {
          const watch = watched(
            ...order.map(({ country, minute }): Visit => [inside(country), minute * MINUTE]),
          )
          const isFound = watch.firings.some(({ details }) => details.travel === "impossible")
          expect(isFound).toBe(impossible(inOrder))
        }
      }),
      { numRuns: 150 },
    )
  })
})
