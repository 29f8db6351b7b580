import type { NamedValue, NormalEvent } from "@prooflog/event/event"
import { normalizeEvent } from "@prooflog/event/event"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Classified, type ClassRule, classOf, formatRules, RULE_FIELDS } from "./class-rules.js"
import { matchesWildcard } from "./wildcard.js"

const SAID = {
  timestamp: 1697902321123,
  user_id: "U12345",
  resource_accessed: "/secure-data",
  result: "success",
}
const ADDED = { source: "api", source_key_id: "k_01", event_id: "e-1" }

const event = (more: object = {}, source = "api") =>
  normalizeEvent({ ...SAID, ...more } as Parameters<typeof normalizeEvent>[0], { ...ADDED, source })

const rule = (className: string, conditions: ClassRule["conditions"], line = 1): ClassRule => ({
  class: className,
  conditions,
  line,
})

const classify = (rules: readonly ClassRule[], each: NormalEvent) =>
  classOf({ rules, default: "routine" })(each)

/** Rule by rule, condition by condition, as the specification says it. */
function oracle(rules: readonly ClassRule[], fallback: string, { core, fields }: NormalEvent): Classified {
  const values = new Map<string, unknown>([...core, ...fields])
  if (values.get("source") === "prooflog") return { class: "audit" }
  for (const [index, { class: className, conditions, line }] of rules.entries()) {
    const holds = Object.entries(conditions).every(([field, patterns]) => {
      const texts = [values.get(field) ?? []].flat() as string[]
      return texts.some((text) => patterns.some((pattern) => matchesWildcard(pattern, text)))
    })
    if (holds) return { class: className, rule: { line, index } }
  }
  return { class: fallback }
}

describe("classOf", () => {
  it("lets the first rule that takes an event decide, and says which it was", () => {
    const rules = [
      rule("critical", { action: ["iam.*", "key.*"] }, 12),
      rule("high", { result: ["denied", "failure"] }, 13),
    ]
    const of = classOf({ rules, default: "routine" })
    expect(of(event({ action: "iam.CreateUser", result: "denied" }))).toEqual({
      class: "critical",
      rule: { line: 12, index: 0 },
    })
    expect(of(event({ result: "denied" }))).toEqual({ class: "high", rule: { line: 13, index: 1 } })
    expect(of(event())).toEqual({ class: "routine" })
  })

  it("asks that all conditions of a rule hold", () => {
    const rules = [rule("high", { result: ["denied", "failure"], resource_accessed: ["/admin/*"] })]
    expect(classify(rules, event({ result: "denied", resource_accessed: "/admin/x" })).class).toBe("high")
    expect(classify(rules, event({ result: "denied" })).class).toBe("routine")
    expect(classify(rules, event({ resource_accessed: "/admin/x" })).class).toBe("routine")
  })

  it("matches nothing against a field that is not there, not even a star", () => {
    expect(classify([rule("high", { service: ["*"] })], event()).class).toBe("routine")
    expect(classify([rule("high", { service: ["*"] })], event({ service: "" })).class).toBe("high")
    expect(classify([rule("high", { tags: ["*"] })], event({ tags: [] })).class).toBe("routine")
  })

  it("takes an action that the server added, as it is what was logged", () => {
    expect(classify([rule("high", { action: ["access"] })], event()).class).toBe("high")
  })

  it("holds any tag against any pattern", () => {
    const rules = [rule("high", { tags: ["pii", "pci-*"] })]
    expect(classify(rules, event({ tags: ["blue", "pci-2"] })).class).toBe("high")
    expect(classify(rules, event({ tags: ["blue", "PII"] })).class).toBe("routine")
  })

  it("leaves events of the log about itself to audit, whatever rules say", () => {
    const rules = [rule("high", { user_id: ["*"] }), rule("high", { source: ["*"] })]
    expect(classify(rules, event({}, "prooflog"))).toEqual({ class: "audit" })
    expect(classify(rules, event({}, "prooflog2")).class).toBe("high")
  })

  it("works for events of other shapes one after another", () => {
    const of = classOf({ rules: [rule("high", { service: ["billing"], tags: ["x"] })], default: "routine" })
    const shapes = [
      { service: "billing", tags: ["x"] },
      {},
      { tags: ["x"] },
      { service: "billing", host: "h" },
    ]
    const classes = [...shapes, ...shapes].map((each) => of(event(each)).class)
    expect(classes).toEqual([
      "high",
      "routine",
      "routine",
      "routine",
      "high",
      "routine",
      "routine",
      "routine",
    ])
  })

  it("makes nothing new for each event", () => {
    const of = classOf({ rules: [rule("high", { result: ["denied"] })], default: "routine" })
    expect(of(event({ result: "denied" }))).toBe(of(event({ result: "denied", service: "x" })))
    expect(of(event())).toBe(of(event()))
  })

  it("says of any rules and events what rule by rule would say", () => {
    const word = fc.constantFrom("a", "b", "ab", "ba", "aab", "c", "")
    const patterns = fc.array(fc.constantFrom("a", "b", "a*", "*b", "?b", "*", "??", "c"), {
      minLength: 1,
      maxLength: 3,
    })
    const field = fc.constantFrom(...RULE_FIELDS)
    const rules = fc.array(
      fc.tuple(
        fc.constantFrom("x", "y", "z"),
        fc.dictionary(field, patterns, { minKeys: 1, maxKeys: 3, noNullPrototype: true }),
      ),
      // More than fit in one word of bits, and in two.
      { maxLength: 70, size: "max" },
    )
    const others = fc.dictionary(fc.constantFrom(...RULE_FIELDS.filter((name) => name !== "tags")), word, {
      maxKeys: 9,
    })
    const events = fc.array(
      fc
        .tuple(others, fc.option(fc.array(word, { maxLength: 3 })), fc.boolean())
        .map(([values, tags, own]): NormalEvent => {
          const pairs: NamedValue[] = Object.entries(values)
          if (tags !== null) pairs.push(["tags", tags])
          const core = pairs.filter(([name]) => name.length % 2 === 0 && name !== "source")
          return {
            core: [...core, ["source", own ? "prooflog" : (values.source ?? "api")]],
            fields: pairs.filter(([name]) => name.length % 2 === 1),
          }
        }),
      { minLength: 1, maxLength: 20 },
    )
    const classes = new Set<string>()
    let last = 0
    fc.assert(
      fc.property(rules, events, (made, all) => {
        const compiled = made.map(([name, conditions], i) => rule(name, conditions, i + 1))
        const of = classOf({ rules: compiled, default: "rest" })
        for (const each of all) {
          const said = of(each)
          expect(said).toEqual(oracle(compiled, "rest", each))
          classes.add(said.class)
          last = Math.max(last, said.rule?.index ?? 0)
        }
      }),
      { numRuns: 300 },
    )
    expect([...classes].sort()).toEqual(["audit", "rest", "x", "y", "z"])
    expect(last).toBeGreaterThan(0)
  })

  it.each([31, 32, 33, 63, 64, 65, 200])("tells %i rules apart", (count) => {
    const rules = Array.from({ length: count }, (_, i) =>
      rule(`c${i}`, { user_id: [`u${i}`], action: ["access"] }, i),
    )
    const of = classOf({ rules, default: "rest" })
    const found = rules.map((_, i) => of(event({ user_id: `u${i}` })).class)
    expect(found).toEqual(rules.map(({ class: name }) => name))
    expect(of(event({ user_id: `u${count}` })).class).toBe("rest")
  })
})

describe("formatRules", () => {
  it("is nothing for no rules", () => {
    expect(formatRules([])).toBe("")
  })

  it("is a line for each rule, its members in the order of RFC 8785, its patterns as they stand", () => {
    const rules = [
      rule("high", { user_id: ["b", "a"], action: ['say "é"\n', "\u{1f600}"] }),
      rule("critical", { tags: ["x"] }),
    ]
    expect(formatRules(rules)).toBe(
      '{"action":["say \\"é\\"\\n","😀"],"class":"high","user_id":["b","a"]}\n{"class":"critical","tags":["x"]}\n',
    )
  })

  it("does not tell where rules stand in a file", () => {
    expect(formatRules([rule("a", { tags: ["x"] }, 1)])).toBe(formatRules([rule("a", { tags: ["x"] }, 9)]))
  })
})
