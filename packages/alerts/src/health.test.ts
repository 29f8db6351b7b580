import { expect, it } from "vitest"
import { DAY, MONDAY, ruleYaml, Watch } from "./stand-in-rules.js"

it("a problem fires once, and is over when that is reported", () => {
  const watch = new Watch(ruleYaml("health: disk"))
  watch.health("disk", undefined, MONDAY)
  watch.health("checkpoint_late", "the last head is 12 m old", MONDAY)
  expect(watch.firings).toEqual([])
  watch.health("disk", "3 % free", MONDAY + 1)
  watch.health("disk", "2 % free", MONDAY + 2)
  watch.restart()
  watch.health("disk", "2 % free", MONDAY + 3)
  watch.tick(MONDAY + 30 * DAY)
  watch.health("disk", undefined, MONDAY + 31 * DAY)
  watch.health("disk", undefined, MONDAY + 32 * DAY)
  expect(watch.firings).toMatchObject([
    { kind: "fires", labels: {}, details: { problem: "3 % free" }, leaves: [], receivedMs: MONDAY + 1 },
    { kind: "resolves", receivedMs: MONDAY + 31 * DAY },
  ])
})
