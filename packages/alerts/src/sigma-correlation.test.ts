import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { STEPS } from "./sigma-sum.js"
import { compiledSigma, SigmaWatch } from "./stand-in-sigma.js"

const SECOND = 1_000
const MINUTE = 60_000
const DAY = Date.UTC(2026, 2, 1)

/** A rule that finds events with this action. */
const base = (name: string, more = "") =>
  `title: ${name}\nname: ${name}\nlogsource: { product: prooflog }\ndetection: { s: { action: ${name} }, condition: s }\n${more}`

const correlation = (name: string, members: string, more = "") =>
  `title: ${name}\nname: ${name}\ncorrelation: { ${members} }\n${more}`

const documents = (...all: string[]) => all.join("\n---\n")

describe("correlations", () => {
  it.each(["value_sum", "value_avg", "value_percentile"])(
    "%s of numbers beyond all measure are kept, and come back",
    (type) => {
      const condition = `{ field: attributes.n, gt: 5${type === "value_percentile" ? ", percentile: 50" : ""} }`
      const members = `type: ${type}, rules: [sent], timespan: 10m, condition: ${condition}`
      const text = documents(correlation("much", members), base("sent"))
      const watch = new SigmaWatch(text)
      for (const [i, n] of [1.7e308, 1.7e308, -1.7e308].entries()) {
        watch.see({ user_id: "ada", action: "sent", attributes: { n } }, DAY + i)
      }
      const again = new SigmaWatch(text)
      const [rule] = again.rules
      watch.rules[0]?.rows?.takeChanges(
        (key, value) => rule?.rows?.restore(key, value),
        () => {},
      )
      expect(rule?.rows?.size.rows).toBe(watch.rules[0]?.rows?.size.rows)
    },
  )

  it("inside each other: many failures, and then a success", () => {
    const watch = new SigmaWatch(
      documents(
        correlation(
          "guessed",
          "type: temporal_ordered, rules: [many, login], group-by: [user_id], timespan: 10m",
          "level: high",
        ),
        correlation(
          "many",
          "type: event_count, rules: [failed], group-by: [user_id], timespan: 10m, condition: { gte: 3 }",
        ),
        base("failed"),
        base("login"),
      ),
    )
    expect(watch.rules.length).toBe(1)
    const see = (user_id: string, action: string, minute: number) =>
      watch.see({ user_id, action }, DAY + minute * MINUTE)
    // 0…3: ada guesses and gets in. 4…7: bob has too few failures; cleo's success comes before.
    for (const minute of [0, 1, 2]) see("ada", "failed", minute)
    see("ada", "login", 3)
    for (const minute of [4, 5]) see("bob", "failed", minute)
    see("bob", "login", 6)
    see("cleo", "login", 7)
    for (const minute of [7, 8, 9]) see("cleo", "failed", minute)
    expect(watch.told).toEqual(["user_id=ada 2,3"])
    // Still failing, and in within ten minutes of the last of them.
    see("cleo", "failed", 15)
    see("cleo", "login", 24)
    expect(watch.told.slice(1)).toEqual(["user_id=cleo 11,12"])
    expect(watch.firings.every(({ rule }) => rule.id === "guessed" && rule.severity === "high")).toBe(true)
  })

  it("inside each other are over when their own windows are", () => {
    const watch = new SigmaWatch(
      documents(
        correlation("guessed", "type: temporal_ordered, rules: [many, login], timespan: 10m"),
        correlation("many", "type: event_count, rules: [failed], timespan: 10m, condition: { gte: 3 }"),
        base("failed"),
        base("login"),
      ),
    )
    for (const minute of [0, 1, 2]) watch.see({ action: "failed" }, DAY + minute * MINUTE)
    watch.tick(DAY + 20 * MINUTE)
    watch.see({ action: "failed" }, DAY + 21 * MINUTE)
    watch.see({ action: "login" }, DAY + 22 * MINUTE)
    expect(watch.told).toEqual([])
  })

  it("find what belongs together under different names", () => {
    const watch = new SigmaWatch(
      documents(
        correlation(
          "made_and_used",
          "type: temporal, rules: [made, used], aliases: { who: { made: resource_name, used: user_id } }, group-by: [who, region], timespan: 5m",
        ),
        base("made"),
        base("used"),
      ),
    )
    const see = (fields: Record<string, unknown>, minute: number) =>
      watch.see({ region: "eu", ...fields }, DAY + minute * MINUTE)
    see({ action: "used", user_id: "bob" }, 0)
    see({ action: "made", resource_name: "bob" }, 1)
    see({ action: "made", resource_name: "eve", region: "us" }, 2)
    see({ action: "used", user_id: "eve" }, 3)
    see({ action: "made" }, 4)
    expect(watch.told).toEqual(["who=bob region=eu 0,1"])
  })

  it("are told by our names for fields, and group all events where nothing is said", () => {
    const watch = new SigmaWatch(
      documents(
        correlation(
          "scan",
          "type: value_count, rules: [missing], group-by: [c-ip], timespan: 1m, condition: { field: cs-uri-stem, gte: 3 }",
        ),
        correlation("all", "type: event_count, rules: [missing], timespan: 1m, condition: { gt: 3 }"),
        "title: missing\nname: missing\nlogsource: { category: webserver }\ndetection: { s: { sc-status: 404 }, condition: s }",
      ),
    )
    for (const [at, http_path] of ["/a", "/b", "/a", "/c"].entries()) {
      watch.see({ http_status: 404, http_path, ip_address: "192.0.2.1" }, DAY + at)
    }
    expect(watch.told).toEqual(["ip_address=192.0.2.1 1,2,3", "0,1,2,3"])
  })

  it("leave their rules to themselves only where that is asked for", () => {
    const heads = (generate: string) =>
      compiledSigma(
        documents(
          base("a"),
          correlation("c", `type: event_count, rules: [a], timespan: 1m, condition: { gte: 2 }${generate}`),
          base("b"),
        ),
      ).rules.map(({ head }) => head.id)
    expect(heads("")).toEqual(["c", "b"])
    expect(heads(", generate: false")).toEqual(["c", "b"])
    expect(heads(", generate: true")).toEqual(["a", "c", "b"])
  })

  it("ask for rules by id or name, of other documents too, which come before or after", () => {
    const id = "00000000-0000-4000-8000-000000000001"
    const watch = new SigmaWatch(
      documents(
        correlation("c", `type: temporal, rules: [${id}, b], timespan: 1m`),
        base("a", `id: ${id}`),
        base("b"),
      ),
    )
    watch.see({ action: "a" }, DAY)
    watch.see({ action: "b" }, DAY + 1)
    expect(watch.told).toEqual(["0,1"])
  })

  it("resolve when nothing has come for as long as their window, and ten minutes", () => {
    const watch = new SigmaWatch(
      documents(
        correlation("c", "type: temporal, rules: [a, b], group-by: [user_id], timespan: 1m"),
        base("a"),
        base("b"),
      ),
    )
    watch.see({ action: "a" }, DAY)
    watch.see({ action: "b" }, DAY)
    watch.tick(DAY + 590 * SECOND)
    expect(watch.firings.length).toBe(1)
    watch.tick(DAY + 600 * SECOND)
    expect(watch.firings.map(({ kind }) => kind)).toEqual(["fires", "resolves"])
    watch.see({ action: "b" }, DAY + 601 * SECOND)
    watch.see({ action: "a" }, DAY + 602 * SECOND)
    expect(watch.told.length).toBe(2)
  })

  it("forget whom they are told to forget", () => {
    const watch = new SigmaWatch(
      documents(
        correlation(
          "c",
          "type: temporal, rules: [a, b], aliases: { who: { a: user_id, b: user_name } }, group-by: [who], timespan: 1m",
        ),
        base("a"),
        base("b"),
      ),
    )
    watch.see({ action: "a", user_id: "ada" }, DAY)
    watch.see({ action: "a", user_id: "bob" }, DAY)
    for (const rule of watch.rules) rule.rows?.forget("user_id", new Set(["ada"]))
    expect(watch.rules[0]?.rows?.size.rows).toBe(1)
    watch.see({ action: "b", user_name: "ada" }, DAY + 1)
    watch.see({ action: "b", user_name: "bob" }, DAY + 1)
    expect(watch.told).toEqual(["who=bob 1,3"])
  })
})

describe("a correlation is refused", () => {
  const refusal = (members: string, ...more: string[]) =>
    compiledSigma(documents(correlation("c", members), base("a"), base("b"), ...more)).refused

  it.each([
    ["without a type", "rules: [a], timespan: 1m", "correlation: type is missing"],
    [
      "of an unknown type",
      "type: near, rules: [a], timespan: 1m",
      "correlation.type: expected one of event_count",
    ],
    ["with an unknown member", "type: temporal, rules: [a], timespan: 1m, window: 5", "unknown member"],
    [
      "about a rule that is not there",
      "type: temporal, rules: [a, x], timespan: 1m",
      "3:43: correlation.rules[1]: there is no rule of this id or name",
    ],
    ["about a rule twice", "type: temporal, rules: [a, a], timespan: 1m", "rules[1]: it is given twice"],
    ["about itself", "type: temporal, rules: [a, c], timespan: 1m", "the correlation asks for itself"],
    ["without an end", "type: temporal, rules: [a, b], timespan: 1y", "timespan: expected a duration"],
    ["without a condition", "type: event_count, rules: [a], timespan: 1m", "event_count needs a condition"],
    [
      "with nothing in it",
      "type: event_count, rules: [a], timespan: 1m, condition: {}",
      "expected at least one of gt, gte, lt, lte, eq, neq",
    ],
    [
      "with a limit that is none",
      "type: event_count, rules: [a], timespan: 1m, condition: { gte: many }",
      "condition.gte: expected a number",
    ],
    [
      "with a field that is not asked for",
      "type: event_count, rules: [a], timespan: 1m, condition: { gte: 1, field: user_id }",
      "events are counted",
    ],
    [
      "without a field",
      "type: value_count, rules: [a], timespan: 1m, condition: { gte: 1 }",
      "value_count needs a field",
    ],
    [
      "with a field that is not there",
      "type: value_sum, rules: [a], timespan: 1m, condition: { gte: 1, field: x }",
      'has no field "x"',
    ],
    [
      "with more than can be counted",
      "type: event_count, rules: [a], timespan: 1m, condition: { gte: 10001 }",
      "more than 10000 are not counted",
    ],
    [
      "with no percentile",
      "type: value_percentile, rules: [a], timespan: 1m, condition: { gte: 1, field: duration_ms }",
      "which percentile?",
    ],
    [
      "with a percentile too many",
      "type: value_avg, rules: [a], timespan: 1m, condition: { gte: 1, field: duration_ms, percentile: 5 }",
      "value_avg has no percentile",
    ],
    [
      "about more rules than there are",
      "type: temporal, rules: [a, b], timespan: 1m, condition: { gte: 3 }",
      "there are 2 rules only",
    ],
    [
      "about fewer, in order",
      "type: temporal_ordered, rules: [a, b], timespan: 1m, condition: { gte: 1 }",
      "ordered, all rules have to find something",
    ],
    [
      "about at most some",
      "type: temporal, rules: [a, b], timespan: 1m, condition: { lt: 2 }",
      "expected gt or gte",
    ],
    [
      "by a field that is not there",
      "type: temporal, rules: [a, b], timespan: 1m, group-by: [x]",
      'group-by[0]: this log source has no field "x"',
    ],
    [
      "by a field twice",
      "type: temporal, rules: [a, b], timespan: 1m, group-by: [user_id, user_id]",
      "group-by[1]: it is given twice",
    ],
    [
      "by too many fields",
      "type: temporal, rules: [a, b], timespan: 1m, group-by: [user_id, ip_address, host, service, region, result, category, action, severity]",
      "more than 8 fields",
    ],
    [
      "with an alias of some of its rules",
      "type: temporal, rules: [a, b], timespan: 1m, aliases: { who: { a: user_id } }, group-by: [who]",
      'aliases.who: it names no field of "b"',
    ],
  ])("%s", (_, members, message) => {
    expect(refusal(members)).toEqual([expect.stringContaining(message)])
    expect(refusal(members)[0]).toMatch(/^s\.yml:\d+:\d+: /)
  })

  it("in a circle, and where one goes too deep", () => {
    const ring = documents(
      correlation("x", "type: temporal, rules: [y], timespan: 1m"),
      correlation("y", "type: temporal, rules: [x], timespan: 1m"),
    )
    expect(compiledSigma(ring)).toMatchObject({
      rules: [],
      refused: [expect.stringContaining("asks for itself")],
    })
    const chain = Array.from({ length: 8 }, (_, n) =>
      correlation(`c${n}`, `type: temporal, rules: [${n === 7 ? "a" : `c${n + 1}`}], timespan: 1m`),
    )
    expect(compiledSigma(documents(...chain, base("a"))).refused).toEqual([
      expect.stringContaining("more than 5 correlations inside each other"),
    ])
  })

  it("with the rule that it asks for, and the others are not", () => {
    const broken = base("broken").replace("action", "nobody")
    const { rules, refused } = compiledSigma(
      documents(
        correlation("c", "type: temporal, rules: [a, broken], timespan: 1m"),
        broken,
        base("a"),
        base("b"),
      ),
    )
    expect(refused.map((message) => message.replace(/^.*: /, ""))).toEqual([
      'this log source has no field "nobody" here',
      "there is no rule of this id or name, or it was refused",
    ])
    expect(rules.map(({ head }) => head.id)).toEqual(["b"])
  })

  it("where two rules have one name", () => {
    expect(compiledSigma(documents(base("a", "id: x"), base("a", "id: y"))).refused).toEqual([
      expect.stringContaining('there is another rule of the name "a"'),
    ])
  })
})

interface Told {
  readonly action: string
  readonly user_id: string
  readonly ms: number
  readonly value: number
}

/** Few actions, users and moments, so that much meets; seldom out of order by more than is tolerated. */
const told = fc.array(
  fc.record({
    action: fc.constantFrom("a", "b", "c", "d"),
    user_id: fc.constantFrom("ada", "bob"),
    late: fc.constantFrom(0, 0, 0, 30, 200, 500),
    step: fc.constantFrom(0, 1, 20, 60, 61, 100),
    value: fc.integer({ min: -5, max: 60 }),
  }),
  { maxLength: 30 },
)

const inTime = told.map((each) => {
  let clock = 0
  return each.map(({ step, late, ...rest }): Told & { receivedMs: number } => {
    clock += step
    return { ...rest, ms: DAY + (clock - late) * SECOND, receivedMs: DAY + clock * SECOND }
  })
})

/** The first event of each user at which something held, by an oracle that is asked about all that came before. */
function firstOf(events: readonly Told[], holds: (before: readonly Told[], now: Told) => boolean): string[] {
  const open = new Set<string>()
  return events.flatMap((now, leaf) => {
    const before = events.slice(0, leaf + 1).filter(({ user_id }) => user_id === now.user_id)
    if (open.has(now.user_id) || !holds(before, now)) return []
    open.add(now.user_id)
    return [`${now.user_id} ${leaf}`]
  })
}

function firedBy(
  text: string,
  events: readonly (Told & { receivedMs: number })[],
  restarts = false,
): string[] {
  let watch = new SigmaWatch(text)
  const fired: string[] = []
  const kept = new Map<string, string>()
  for (const [leaf, { ms, receivedMs, value, ...fields }] of events.entries()) {
    watch.see({ ...fields, response_bytes: Math.max(0, value), duration_ms: Math.abs(value) }, ms, receivedMs)
    for (const { kind, labels } of watch.firings.splice(0))
      if (kind === "fires") fired.push(`${labels.user_id} ${leaf}`)
    if (!restarts) continue
    const [before] = watch.rules
    before?.rows?.takeChanges(
      (key, row) => kept.set(key, row),
      (key) => kept.delete(key),
    )
    watch = new SigmaWatch(text, leaf + 1)
    for (const [key, row] of kept) watch.rules[0]?.rows?.restore(key, row)
  }
  return fired
}

const SPAN = 100 * SECOND

/** Whether the events lie in one window, and now is among them. */
const together = (events: readonly Told[]) => {
  const times = events.map(({ ms }) => ms)
  return Math.max(...times) - Math.min(...times) < SPAN
}

/** All ways to take one event of each action, in this order. */
function* picks(before: readonly Told[], actions: readonly string[]): Generator<readonly Told[]> {
  const [action, ...rest] = actions
  if (action === undefined) yield []
  for (const each of before.filter((event) => event.action === action)) {
    for (const others of picks(before, rest)) yield [each, ...others]
  }
}

describe("any events", () => {
  const rules = [base("a"), base("b"), base("c")]
  const members = "rules: [a, b, c], group-by: [user_id], timespan: 100s"

  it.each([false, true])(
    "are found together in any order, as a search of all of them does (restarts: %s)",
    (restarts) => {
      const text = documents(correlation("t", `type: temporal, ${members}`), ...rules)
      fc.assert(
        fc.property(inTime, (events) => {
          const expected = firstOf(events, (before, now) =>
            [...picks(before, ["a", "b", "c"])].some((pick) => pick.includes(now) && together(pick)),
          )
          expect(firedBy(text, events, restarts)).toEqual(expected)
        }),
        { numRuns: restarts ? 40 : 300 },
      )
    },
  )

  it.each([false, true])(
    "are found in the order of the rules, as a search of all of them does (restarts: %s)",
    (restarts) => {
      const text = documents(correlation("t", `type: temporal_ordered, ${members}`), ...rules)
      fc.assert(
        fc.property(inTime, (events) => {
          const leaves = new Map<Told, number>(events.map((event, leaf) => [event, leaf] as const))
          const isAfter = (one: Told, other: Told) =>
            other.ms > one.ms ||
            (other.ms === one.ms && (leaves.get(other) as number) > (leaves.get(one) as number))
          const expected = firstOf(events, (before, now) =>
            [...picks(before, ["a", "b", "c"])].some(
              (pick) =>
                pick.includes(now) &&
                together(pick) &&
                isAfter(pick[0] as Told, pick[1] as Told) &&
                isAfter(pick[1] as Told, pick[2] as Told),
            ),
          )
          expect(firedBy(text, events, restarts)).toEqual(expected)
        }),
        { numRuns: restarts ? 40 : 300 },
      )
    },
  )

  it("are found where two of three rules are enough", () => {
    const text = documents(correlation("t", `type: temporal, ${members}, condition: { gte: 2 }`), ...rules)
    fc.assert(
      fc.property(inTime, (events) => {
        const expected = firstOf(events, (before, now) =>
          ["ab", "ac", "bc"].some((two) =>
            [...picks(before, [...two])].some((pick) => pick.includes(now) && together(pick)),
          ),
        )
        expect(firedBy(text, events)).toEqual(expected)
      }),
      { numRuns: 200 },
    )
  })

  it("are counted where they share a window", () => {
    const text = documents(correlation("t", `type: event_count, ${members}, condition: { gt: 2 }`), ...rules)
    fc.assert(
      fc.property(inTime, (events) => {
        const expected = firstOf(events, (before, now) => {
          const meant = before.filter(({ action }) => action !== "d")
          if (now.action === "d") return false
          return meant.some(({ ms: from }) => {
            const inside = meant.filter(({ ms }) => ms >= from && ms < from + SPAN)
            return inside.includes(now) && inside.length >= 3
          })
        })
        expect(firedBy(text, events)).toEqual(expected)
      }),
      { numRuns: 200 },
    )
  })

  it.each([false, true])(
    "are summed up where they share a window, to a hundredth of it (restarts: %s)",
    (restarts) => {
      const text = documents(
        correlation("t", `type: value_sum, ${members}, condition: { field: response_bytes, gte: 100 }`),
        ...rules,
      )
      const stepOf = ({ ms }: Told) => Math.floor(ms / (SPAN / STEPS))
      fc.assert(
        fc.property(inTime, (events) => {
          const expected = firstOf(events, (before, now) => {
            if (now.action === "d") return false
            const meant = before.filter(({ action }) => action !== "d")
            return meant.some((from) => {
              const inside = meant.filter(
                (each) => stepOf(each) >= stepOf(from) && stepOf(each) < stepOf(from) + STEPS,
              )
              return (
                inside.includes(now) && inside.reduce((sum, { value }) => sum + Math.max(0, value), 0) >= 100
              )
            })
          })
          expect(firedBy(text, events, restarts)).toEqual(expected)
        }),
        { numRuns: restarts ? 40 : 200 },
      )
    },
  )
})

describe("a window that has to be over", () => {
  /** Values of one user, a minute apart from each other but where another time is given; and what was fired at which tick. */
  function closed(
    condition: string,
    type: string,
    values: readonly (number | string)[],
    spanMinutes = 10,
  ): string[] {
    const watch = new SigmaWatch(
      documents(
        correlation(
          "t",
          `type: ${type}, rules: [a], group-by: [user_id], timespan: ${spanMinutes}m, condition: { ${condition} }`,
        ),
        base("a"),
      ),
    )
    values.forEach((value, minute) => {
      if (typeof value === "number")
        watch.see({ action: "a", duration_ms: value, reason: `r${value}` }, DAY + minute * MINUTE)
    })
    // Its end, and what may be late.
    watch.tick(DAY + (spanMinutes + 10) * MINUTE - 10 * SECOND)
    const early = watch.firings.length
    watch.tick(DAY + (spanMinutes + 10) * MINUTE)
    return [
      ...(early > 0 ? ["early"] : []),
      ...watch.firings.flatMap(({ kind, details }) =>
        kind === "fires" ? [Object.values(details)[0] as string] : [],
      ),
    ]
  }

  it.each([
    ["lt: 3", "event_count", [1, 1], ["2 (< 3)"]],
    ["lt: 3", "event_count", [1, 1, 1], []],
    ["lte: 3", "event_count", [1, 1, 1], ["3 (<= 3)"]],
    ["eq: 2", "event_count", [1, 1], ["2 (= 2)"]],
    ["neq: 2", "event_count", [1, 1], []],
    ["gt: 1, lte: 3", "event_count", [1, 1, 1], ["3 (> 1 and <= 3)"]],
    ["gt: 1, lte: 3", "event_count", [1, 1, 1, 1], []],
    ["field: reason, lt: 3", "value_count", [1, 1, 2], ["2 (< 3)"]],
    ["field: reason, lt: 3", "value_count", [1, 2, 3], []],
    ["field: duration_ms, lt: 10", "value_sum", [4, 5], ["9 (< 10)"]],
    ["field: duration_ms, lt: 10", "value_sum", [4, 6], []],
    ["field: duration_ms, gt: 4", "value_avg", [4, 5], ["4.5 (> 4)"]],
    ["field: duration_ms, gt: 4.5", "value_avg", [4, 5], []],
    ["field: duration_ms, gte: 3", "value_median", [1, 3, 9], ["3 (>= 3)"]],
    ["field: duration_ms, gt: 3", "value_median", [1, 3, 9], []],
    ["field: duration_ms, gte: 9, percentile: 99", "value_percentile", [1, 3, 9, 2], ["9 (>= 9)"]],
    ["field: duration_ms, lt: 2, percentile: 25", "value_percentile", [1, 3, 9, 2], ["1 (< 2)"]],
    ["field: duration_ms, lt: 2, percentile: 26", "value_percentile", [1, 3, 9, 2], []],
  ])("%s of %s: %o tells %o", (condition, type, values, expected) => {
    expect(closed(condition, type, values)).toEqual(expected)
  })

  it("ends with the first event after it, which begins the next", () => {
    const watch = new SigmaWatch(
      documents(
        correlation(
          "t",
          "type: event_count, rules: [a], group-by: [user_id], timespan: 10m, condition: { eq: 2 }",
        ),
        base("a"),
      ),
    )
    const see = (minute: number) => watch.see({ action: "a" }, DAY + minute * MINUTE)
    see(0)
    see(9)
    expect(watch.told).toEqual([])
    see(10)
    expect(watch.told).toEqual(["user_id=ada 0,1"])
    see(11)
    // What it fired about is over, and the next window is not.
    watch.tick(DAY + 29 * MINUTE)
    see(30)
    expect(watch.told).toEqual(["user_id=ada 0,1", "user_id=ada 2,3"])
  })

  it("is the same after it was kept and put back", () => {
    const text = documents(
      correlation(
        "t",
        "type: value_median, rules: [a], group-by: [user_id], timespan: 10m, condition: { field: duration_ms, gt: 4 }",
      ),
      base("a"),
    )
    let watch = new SigmaWatch(text)
    for (const [minute, duration_ms] of [9, 1, 5, 7].entries()) {
      watch.see({ action: "a", duration_ms }, DAY + minute * MINUTE)
      const kept: [string, string][] = []
      watch.rules[0]?.rows?.takeChanges(
        (key, row) => kept.push([key, row]),
        () => {},
      )
      watch = new SigmaWatch(text, minute + 1)
      for (const [key, row] of kept) watch.rules[0]?.rows?.restore(key, row)
    }
    watch.tick(DAY + 20 * MINUTE)
    expect(watch.told).toEqual(["user_id=ada 0,1,2,3"])
    expect(watch.firings[0]?.details).toEqual({ "percentile 50 of duration_ms": "5 (> 4)", window: "10m" })
  })

  it.each(["", "{}", "[1]", '[1,2,3,4,5,[],[],["x"]]', "[1,-2,3,4,5,[],[],[]]"])(
    "refuses to be put back as %j",
    (row) => {
      const watch = new SigmaWatch(
        documents(
          correlation(
            "t",
            "type: value_avg, rules: [a], timespan: 10m, condition: { field: duration_ms, gt: 4 }",
          ),
          base("a"),
        ),
      )
      expect(() => watch.rules[0]?.rows?.restore("aw", row)).toThrow(RangeError)
      expect(() => watch.rules[0]?.rows?.restore("z", row)).toThrow(RangeError)
    },
  )
})
