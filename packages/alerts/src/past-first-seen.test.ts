import { describe, expect, it } from "vitest"
import { DAY, HOUR, MONDAY, ruleYaml, Watch } from "./stand-in-rules.js"

const RULE = ruleYaml("where: { category: admin }", "first_seen: { of: action, learn_days: 7 }")

const does = (user_id: string, action: string) => ({ user_id, action, category: "admin" })

/** A log in which ada has made users for a week. */
function settled(): Watch {
  const watch = new Watch(RULE)
  for (let day = 0; day < 7; day++) watch.see(does("ada", "user.create"), MONDAY + day * DAY)
  return watch
}

const LATER = MONDAY + 7 * DAY

describe("after a time of learning", () => {
  it("what a user never did is news, once", () => {
    const watch = settled()
    watch.see(does("ada", "user.create"), LATER)
    watch.see(does("ada", "hold.release"), LATER)
    watch.see(does("ada", "hold.release"), LATER + HOUR)
    expect(watch.told.filter((each) => each.startsWith("fires"))).toEqual(['fires high {"user_id":"ada"} 8'])
    expect(watch.firings[0]?.details).toEqual({ action: "hold.release" })
  })

  it("whoever never did anything is news too", () => {
    const watch = settled()
    watch.see(does("bob", "user.create"), LATER)
    expect(watch.groups("user_id")).toEqual(["bob"])
  })
})

it("nothing is news before", () => {
  const watch = settled()
  watch.see(does("ada", "hold.release"), LATER - 1)
  watch.see({ user_id: "ada", category: "admin" }, LATER)
  expect(watch.firings).toEqual([])
})

it("history teaches, is never told, and is long enough at once", () => {
  const watch = new Watch(RULE)
  watch.see(does("ada", "user.create"), MONDAY, LATER)
  watch.see(does("ada", "key.rotate"), MONDAY + DAY, LATER)
  expect(watch.firings).toEqual([])
  watch.see(does("ada", "key.rotate"), LATER)
  watch.see(does("ada", "hold.release"), LATER)
  expect(watch.told).toEqual(['fires high {"user_id":"ada"} 3'])
})

it("values and users that are forgotten are news again", () => {
  const watch = settled()
  watch.set.forget("action", new Set(["user.create"]))
  watch.see(does("ada", "user.create"), LATER)
  expect(watch.firings).toHaveLength(1)
  watch.set.forget("user_id", new Set(["ada"]))
  watch.see(does("ada", "user.create"), LATER)
  expect(watch.firings).toHaveLength(2)
})
