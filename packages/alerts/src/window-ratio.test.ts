import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { DAY, HOUR, MINUTE, MONDAY, ruleYaml, Watch, type WatchOptions } from "./stand-in-rules.js"

const RULE = ruleYaml(
  "group_by: [service?]",
  "ratio: { of: { result: error }, over: 5m, at_least: 50, above: 5%, times_baseline: 5 }",
)

const BUCKET = 5 * MINUTE

class Service extends Watch {
  #bucket = 0

  constructor(options?: WatchOptions) {
    super(RULE, options)
  }

  /** Passes a bucket in which some of so many fail, spread evenly. */
  pass(events: number, errors: number): void {
    const began = MONDAY + this.#bucket++ * BUCKET
    for (let event = 0; event < events; event++) {
      const fails = Math.floor(((event + 1) * errors) / events) > Math.floor((event * errors) / events)
      this.see({ result: fails ? "error" : "success" }, began + Math.floor((event * BUCKET) / events))
    }
  }

  get fired(): number {
    return this.firings.filter(({ kind }) => kind === "fires").length
  }
}

describe("a share of failures", () => {
  it("fires while it lasts when it is surely too large, and names what failed", () => {
    const service = new Service()
    for (let bucket = 0; bucket < 10; bucket++) service.pass(80, 1)
    service.pass(64, 44)
    expect(service.firings).toHaveLength(1)
    const [firing] = service.firings
    // With the fiftieth event: the others of the bucket come later.
    expect(firing?.details).toEqual({ share: "34 of 50", usual: "1.3 %", window: "5m" })
    expect(firing?.leaves).toHaveLength(32)
    expect(firing?.count).toBe(34)
  })

  it.each([
    ["there are too few events", 49, 49],
    ["it may be chance: 5 of 60 can be 3 %", 60, 5],
    ["it is below the limit", 1_000, 40],
  ])("does not fire if %s", (_why, events, errors) => {
    const service = new Service()
    service.pass(events, errors)
    expect(service.firings).toEqual([])
  })

  it("does not fire if it is usual", () => {
    const service = new Service()
    for (let bucket = 0; bucket < 40; bucket++) service.pass(40, 4)
    service.pass(200, 60)
    expect(service.firings).toEqual([])
    service.pass(200, 140)
    expect(service.fired).toBe(1)
  })

  it("does not become usual while it fires", () => {
    const service = new Service()
    for (let bucket = 0; bucket < 20; bucket++) service.pass(80, 0)
    for (let bucket = 0; bucket < 100; bucket++) service.pass(80, 20)
    for (let bucket = 0; bucket < 10; bucket++) service.pass(80, 0)
    service.pass(80, 20)
    expect(service.firings.map(({ kind }) => kind)).toEqual(["fires", "resolves", "fires"])
    expect(service.firings[2]?.details.usual).toBe("0.0 %")
  })

  it("does not become usual because there was such a burst before, days ago", () => {
    const service = new Service()
    service.pass(80, 20)
    for (let bucket = 0; bucket < 300; bucket++) service.pass(80, 0)
    for (let bucket = 0; bucket < 100; bucket++) service.pass(80, 20)
    expect(service.firings.map(({ kind }) => kind)).toEqual(["fires", "resolves", "fires"])
  })

  it("is held against what was usual at its time, though it is told later", () => {
    const service = new Service()
    const tell = (minute: number, events: number, errors: number) => {
      for (let event = 0; event < events; event++) {
        service.see({ result: event < errors ? "error" : "success" }, MONDAY + minute * MINUTE, MONDAY + HOUR)
      }
    }
    tell(1, 40, 10)
    tell(15, 1, 0)
    // The first bucket is closed, and too late to have taught the second.
    tell(6, 60, 30)
    expect(service.firings[0]?.details.usual).toBe("0.0 %")
  })

  it("is usual if it was so for a whole day, with nothing else in between", () => {
    const service = new Service()
    for (let bucket = 0; bucket < 400; bucket++) service.pass(80, 20)
    expect(service.firings.map(({ kind }) => kind)).toEqual(["fires", "resolves"])
  })

  it("is that of each service by itself", () => {
    const service = new Service()
    for (let event = 0; event < 60; event++) {
      service.see({ service: "web", result: "error" }, MONDAY + event)
      service.see({ service: "api" }, MONDAY + event)
    }
    expect(service.groups("service")).toEqual(["web"])
  })

  it("is learned from history, which never fires", () => {
    const service = new Service()
    for (let bucket = 0; bucket < 40; bucket++) {
      for (let event = 0; event < 40; event++) {
        service.see(
          { result: event < 8 ? "error" : "success" },
          MONDAY + bucket * BUCKET + event,
          MONDAY + 7 * DAY,
        )
      }
    }
    for (let event = 0; event < 200; event++) {
      service.see({ result: event % 4 === 0 ? "error" : "success" }, MONDAY + 7 * DAY + event)
    }
    expect(service.firings).toEqual([])
  })
})

describe("whatever comes, and in whatever order within the tolerance,", () => {
  const minute = fc.record({
    minute: fc.integer({ min: 0, max: 180 }),
    errors: fc.integer({ min: 0, max: 12 }),
  })
  const scenario = fc.record({
    minutes: fc.array(minute, { maxLength: 30 }),
    delays: fc.array(fc.integer({ min: 0, max: 10 }), { minLength: 2_000, maxLength: 2_000 }),
  })
  const rule = ruleYaml(
    "group_by: []",
    "ratio: { of: { result: error }, over: 5m, at_least: 10, above: 5%, times_baseline: 3 }",
    "resolve_after: 10s",
  )

  /** Its row once all buckets are closed, without what depends on the order: which leaves are named. */
  function learned(order: readonly { readonly minute: number; readonly fails: boolean }[]) {
    const watch = new Watch(rule)
    for (const { minute, fails } of order) {
      watch.see({ result: fails ? "error" : "success" }, MONDAY + minute * MINUTE, MONDAY + 4 * HOUR)
    }
    watch.see({}, MONDAY + 6 * HOUR)
    watch.keep()
    const [, row] = [...watch.kept].find(([place]) => place.includes(',"w"')) ?? []
    return { fired: watch.firings.length > 0, row: JSON.parse(row as string).slice(1) }
  }

  /** Keeps everything. */
  function surelyFires(order: readonly { readonly minute: number; readonly fails: boolean }[]): boolean {
    const buckets = new Map<number, { events: number; errors: number }>()
    for (const { minute, fails } of order) {
      const number = Math.floor(minute / 5)
      const bucket = buckets.get(number) ?? { events: 0, errors: 0 }
      buckets.set(number, { events: bucket.events + 1, errors: bucket.errors + (fails ? 1 : 0) })
    }
    const closed: { readonly number: number; readonly baseline: number }[] = []
    let taught = 0
    for (const [number, { events, errors }] of [...buckets].sort(([one], [other]) => one - other)) {
      const before = closed.filter((each) => each.number + 1 <= number - 2).at(-1)?.baseline ?? 0
      const share = errors / events
      const z = 2.5758
      const center = share + (z * z) / (2 * events)
      const spread = z * Math.sqrt((share * (1 - share)) / events + (z * z) / (4 * events * events))
      const isTooMuch =
        events >= 10 && (center - spread) / (1 + (z * z) / events) > Math.max(0.05, 3 * before)
      if (isTooMuch) return true
      taught++
      const last = closed.at(-1)?.baseline ?? 0
      closed.push({ number, baseline: last + Math.max(0.02, 1 / taught) * (share - last) })
    }
    return false
  }

  it("the same is learned, and what surely is too much fires", () => {
    fc.assert(
      fc.property(scenario, ({ minutes, delays }) => {
        const inOrder = minutes
          .toSorted((one, other) => one.minute - other.minute)
          .flatMap(({ minute, errors }) =>
            Array.from({ length: 12 }, (_, event) => ({ minute, fails: event < errors })),
          )
        const shuffled = inOrder
          .map((each, at) => ({ ...each, arrives: each.minute + (delays[at] as number) }))
          .sort((one, other) => one.arrives - other.arrives)
        const [one, other] = [learned(inOrder), learned(shuffled)]
        expect(other.row).toEqual(one.row)
        if (surelyFires(inOrder)) {
          expect(one.fired).toBe(true)
          expect(other.fired).toBe(true)
        }
      }),
      { numRuns: 60 },
    )
  })
})
