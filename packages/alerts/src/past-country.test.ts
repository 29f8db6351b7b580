import { describe, expect, it } from "vitest"
import { DAY, HOUR, MONDAY, ruleYaml, Watch } from "./stand-in-rules.js"

const RULE = ruleYaml("new_country: { learn_days: 7, learn_events: 20 }")

const ada = (country: string, result = "success") => ({ user_id: "ada", country, result })

/** A user who has been in Germany for a week. */
function settled(): Watch {
  const watch = new Watch(RULE)
  for (let day = 0; day <= 7; day++) watch.see(ada("DE"), MONDAY + day * DAY)
  return watch
}

const LATER = MONDAY + 8 * DAY

describe("a user from a new country", () => {
  it("is news, once", () => {
    const watch = settled()
    watch.see(ada("FR"), LATER)
    watch.see(ada("FR"), LATER + HOUR)
    watch.see(ada("DE"), LATER + HOUR)
    expect(watch.told.filter((each) => each.startsWith("fires"))).toEqual(['fires high {"user_id":"ada"} 8'])
    expect(watch.firings[0]?.details).toEqual({ country: "FR", known: "DE" })
  })

  it("is news again for each country, and is told which ones are known", () => {
    const watch = settled()
    watch.see(ada("FR"), LATER)
    watch.see(ada("PL"), LATER + 1)
    expect(watch.firings.map(({ details }) => details)).toEqual([
      { country: "FR", known: "DE" },
      { country: "PL", known: "DE FR" },
    ])
  })

  it("is none before the past is long enough", () => {
    const watch = new Watch(RULE)
    for (let day = 0; day < 7; day++) watch.see(ada(day % 2 ? "DE" : "AT"), MONDAY + day * DAY)
    watch.see(ada("FR"), MONDAY + 7 * DAY - 1_000)
    expect(watch.firings).toEqual([])
  })

  it("is news after many events, however short the past", () => {
    const watch = new Watch(RULE)
    for (let event = 0; event < 20; event++) watch.see(ada("DE"), MONDAY + event)
    watch.see(ada("FR"), MONDAY + 20)
    expect(watch.firings).toHaveLength(1)
  })

  it("is another one's news", () => {
    const watch = settled()
    watch.see({ user_id: "bob", country: "FR" }, LATER)
    watch.see({ country: "FR" }, LATER)
    watch.see({ user_id: "ada" }, LATER)
    expect(watch.firings).toEqual([])
  })
})

describe("what did not succeed", () => {
  it("is told once with low severity, and makes no country known", () => {
    const watch = settled()
    for (let attempt = 0; attempt < 5; attempt++) watch.see(ada("FR", "denied"), LATER + attempt)
    watch.see(ada("FR"), LATER + 10)
    expect(watch.told).toEqual(['fires low {"user_id":"ada"} 8', 'fires high {"user_id":"ada"} 13'])
  })

  it("is no past", () => {
    const watch = new Watch(RULE)
    for (let day = 0; day < 9; day++) watch.see(ada("DE", "failure"), MONDAY + day * DAY)
    watch.see(ada("FR"), LATER + DAY)
    expect(watch.firings).toEqual([])
  })
})

it("history teaches, and is never told", () => {
  const watch = new Watch(RULE)
  for (let day = 0; day <= 7; day++)
    watch.see(ada(day === 7 ? "PL" : "DE"), MONDAY + day * DAY, MONDAY + 30 * DAY)
  expect(watch.firings).toEqual([])
  watch.see(ada("PL"), MONDAY + 30 * DAY)
  watch.see(ada("FR"), MONDAY + 30 * DAY)
  expect(watch.firings.map(({ details }) => details)).toEqual([{ country: "FR", known: "DE PL" }])
})

it("a user who is forgotten begins anew", () => {
  const watch = settled()
  watch.set.forget("user_id", new Set(["ada"]))
  expect(watch.set.size.rows).toBe(0)
  watch.see(ada("FR"), LATER)
  expect(watch.firings).toEqual([])
})

it("a user of many countries is still a small row", () => {
  const watch = settled()
  for (let first = 65; first < 91; first++) {
    for (let second = 65; second < 91; second++) watch.see(ada(String.fromCharCode(first, second)), LATER)
  }
  watch.set.forget("nothing", new Set())
  watch.tick(LATER + DAY)
  expect(watch.set.size).toMatchObject({ rows: 1 })
  expect(watch.set.size.bytes).toBeLessThan(400)
})
