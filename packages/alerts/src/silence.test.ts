import { describe, expect, it } from "vitest"
import { DAY, MINUTE, MONDAY, ruleYaml, Watch } from "./stand-in-rules.js"

const RULE = ruleYaml("group_by: [source]", "silence: { for: 15m }")

describe("a source", () => {
  it("that falls silent is missed, until it is heard again", () => {
    const watch = new Watch(RULE)
    watch.see({ source: "api" }, MONDAY)
    watch.see({ source: "k8s" }, MONDAY + 5 * MINUTE)
    watch.tick(MONDAY + 15 * MINUTE - 1)
    expect(watch.firings).toEqual([])
    watch.tick(MONDAY + 15 * MINUTE)
    expect(watch.firings).toMatchObject([
      {
        kind: "fires",
        labels: { source: "api" },
        details: { silence: "15m", last_heard: "2026-03-02T00:00:00.000Z" },
        leaves: [],
        receivedMs: MONDAY + 15 * MINUTE,
      },
    ])
    watch.see({ source: "api" }, MONDAY + 16 * MINUTE)
    expect(watch.told[1]).toBe('resolves high {"source":"api"} ')
    watch.tick(MONDAY + 31 * MINUTE)
    expect(watch.groups("source")).toEqual(["api", "k8s", "api"])
  })

  it("is missed at the same time, whether ticks come or not", () => {
    const ticked = new Watch(RULE)
    const jumped = new Watch(RULE)
    for (const watch of [ticked, jumped]) watch.see({ source: "api" }, MONDAY + 3)
    for (let ms = MONDAY; ms < MONDAY + 40 * MINUTE; ms += 10_000) ticked.tick(ms)
    for (const watch of [ticked, jumped]) watch.see({ source: "k8s" }, MONDAY + 50 * MINUTE)
    expect(jumped.firings).toEqual(ticked.firings)
    expect(jumped.firings[0]?.receivedMs).toBe(MONDAY + 15 * MINUTE + 10_000)
  })

  it("that sends old events is not silent; what is imported is no sign of life", () => {
    const watch = new Watch(RULE)
    watch.see({ source: "api" }, MONDAY)
    watch.see({ source: "k8s" }, MONDAY)
    watch.see({ source: "api" }, MONDAY - 20 * 60 * MINUTE, MONDAY + 10 * MINUTE)
    watch.see({ source: "k8s" }, MONDAY - 2 * DAY, MONDAY + 10 * MINUTE)
    watch.tick(MONDAY + 20 * MINUTE)
    expect(watch.groups("source")).toEqual(["k8s"])
  })

  it("that stays silent is given up", () => {
    const watch = new Watch(RULE)
    watch.see({ source: "api" }, MONDAY)
    watch.tick(MONDAY + 2 * DAY)
    expect(watch.firings.map(({ kind }) => kind)).toEqual(["fires", "resolves"])
    expect(watch.set.size.rows).toBe(0)
  })
})
