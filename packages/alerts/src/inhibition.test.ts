import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { alert, ruleHead } from "../../../test/alerts/made-alerts.js"
import type { Alert } from "./alert.js"
import { Inhibition, type InhibitRule } from "./inhibition.js"
import { matchedLabels, parseMatcher } from "./matchers.js"

function rule(source: string, target: string, equal: string[] = []): InhibitRule {
  return { source: [parseMatcher(source)], target: [parseMatcher(target)], equal }
}

function inhibits(rules: InhibitRule[], sources: Alert[], target: Alert): boolean {
  const inhibition = new Inhibition(rules)
  for (const source of sources) inhibition.add(source)
  return inhibition.inhibitor(target) !== undefined
}

const silent = alert({ rule: ruleHead("silent"), labels: { service: "a" } })
const slow = (labels: Record<string, string>) => alert({ rule: ruleHead("slow"), labels })

describe("an alert is inhibited", () => {
  const rules = [rule("rule = silent", "rule = slow", ["service"])]

  it.each<readonly [string, Alert[], Alert, boolean]>([
    ["while a source fires with equal labels", [silent], slow({ service: "a" }), true],
    ["not if a label differs", [silent], slow({ service: "b" }), false],
    ["not if only one has the label", [silent], slow({}), false],
    ["if neither has it", [alert({ rule: ruleHead("silent"), labels: {} })], slow({}), true],
    [
      "if it is missing here and empty there",
      [alert({ rule: ruleHead("silent"), labels: { service: "" } })],
      slow({}),
      true,
    ],
    ["not if it is no target", [silent], alert({ rule: ruleHead("other"), labels: { service: "a" } }), false],
    ["not without a source", [], slow({ service: "a" }), false],
  ])("%s", (_, sources, target, expected) => {
    expect(inhibits(rules, sources, target)).toBe(expected)
  })

  it("no more when the last source is over", () => {
    const inhibition = new Inhibition(rules)
    const second = alert({ rule: ruleHead("silent"), labels: { service: "a" } })
    inhibition.add(silent)
    inhibition.add(second)
    inhibition.remove(silent)
    expect(inhibition.inhibitor(slow({ service: "a" }))).toBe(second.id)
    inhibition.remove(second)
    expect(inhibition.inhibitor(slow({ service: "a" }))).toBeUndefined()
  })

  it("not by itself, nor by another that both sides match", () => {
    const both = [rule('service =~ "a|b"', "service = a")]
    const one = slow({ service: "a" })
    const other = slow({ service: "a" })
    expect(inhibits(both, [one], one)).toBe(false)
    expect(inhibits(both, [one, other], one)).toBe(false)
    expect(inhibits(both, [slow({ service: "b" })], one)).toBe(true)
  })
})

it("agrees with asking every pair", () => {
  const anyLabels = fc.dictionary(fc.constantFrom("x", "y"), fc.constantFrom("", "1", "2"))
  const anyAlerts = fc.array(fc.tuple(fc.constantFrom("p", "q"), anyLabels), { maxLength: 6 })
  const anyMatcher = fc.constantFrom("rule = p", "rule = q", "x = 1", 'x =~ "1|2"', "y != 1")
  const anyRules = fc.array(
    fc.tuple(anyMatcher, anyMatcher, fc.subarray(["x", "y"])).map(([s, t, equal]) => rule(s, t, equal)),
    { maxLength: 3 },
  )
  const matches = (matchers: InhibitRule["source"], each: Alert) => {
    const labels = matchedLabels(each)
    return matchers.every(({ name, test }) => test(labels[name] ?? ""))
  }
  fc.assert(
    fc.property(anyRules, anyAlerts, fc.nat(5), (rules, made, gone) => {
      const alerts = made.map(([id, labels]) => alert({ rule: ruleHead(id), labels }))
      const inhibition = new Inhibition(rules)
      for (const each of alerts) inhibition.add(each)
      const firing = alerts.filter((_, i) => i !== gone)
      for (const each of alerts.filter((_, i) => i === gone)) inhibition.remove(each)
      for (const target of alerts) {
        const expected = rules.some(({ source, target: aim, equal }) =>
          firing.some(
            (each) =>
              matches(source, each) &&
              matches(aim, target) &&
              !(matches(source, target) && matches(aim, each)) &&
              equal.every((name) => (each.labels[name] ?? "") === (target.labels[name] ?? "")),
          ),
        )
        expect(inhibition.inhibitor(target) !== undefined).toBe(expected)
      }
    }),
  )
})
