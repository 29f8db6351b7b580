import fc from "fast-check"
import { expect, it } from "vitest"
import { alert, anyText, ruleHead } from "../../../test/alerts/made-alerts.js"
import { labelOf, matchAll, matchedLabels, matcher, parseMatcher } from "./matchers.js"

it.each([
  ["rule = scan", "scan", true],
  ["rule=scan", "scanner", false],
  ["rule != scan", "scan", false],
  ["rule != scan", "", true],
  ['rule =~ "scan|brute.*"', "brute-force", true],
  ["an expression is the whole value", "", false, 'rule =~ "scan"', "a scan"],
  ["an alternative does not escape the whole", "", false, 'rule =~ "a|b"', "ab"],
  ["a value of lines is whole", "", true, 'rule =~ "a.*b"', "a\n\nb"],
  ['rule !~ "scan|brute.*"', "brute-force", false],
  ['rule = ""', "", true],
  ['rule = "a \\"b\\" \\\\c"', 'a "b" \\c', true],
  ['"rule" = "x=y"', "x=y", true],
])("%s", (name, value, expected, text = name, given = value) => {
  expect(parseMatcher(text).test(given)).toBe(expected)
})

it.each([
  ["nothing", ""],
  ["no operator", "rule scan"],
  ["no value", "rule ="],
  ["no name", "= scan"],
  ["two values", "rule = a b"],
  ["a quote that is not closed", 'rule = "a'],
  ["a quote that is not escaped", 'rule = "a"b"'],
  ["an escape of its own", 'rule = "\\n"'],
  ["a list of matchers", '{rule="a", severity="b"}'],
  ["an expression that is none", 'rule =~ "a("'],
  ["an expression that is none but within parentheses", 'rule =~ "a)|(b"'],
  ["an expression that looks around", 'rule =~ "(?=a)"'],
  ["an expression that is too large", 'rule =~ "((a{100}){100}){100}"'],
  ["a text without end", `rule = ${"a".repeat(3_000)}`],
])("refuses %s", (_, text) => {
  expect(() => parseMatcher(text)).toThrowError(expect.objectContaining({ code: "ALERTS_BAD_MATCHER" }))
})

it("reads what it writes", () => {
  const names = anyText.filter((text) => text.length < 400)
  fc.assert(
    fc.property(names, fc.constantFrom("=" as const, "!=" as const), names, (name, operator, value) => {
      const { text } = matcher(name, operator, value)
      expect(parseMatcher(text)).toMatchObject({ name, operator, value, text })
    }),
  )
})

it("matches an alert by its labels, its rule and its severity, which no label can feign", () => {
  const labels = matchedLabels(
    alert({
      rule: ruleHead("scan", "low"),
      severity: "high",
      labels: { rule: "other", severity: "info", a: "1" },
    }),
  )
  const match = (...texts: string[]) => matchAll(texts.map(parseMatcher), labels)
  expect(match("rule = scan", "severity = high", "a = 1")).toBe(true)
  expect(match("rule = other")).toBe(false)
  expect(match("severity = info")).toBe(false)
  expect(match("a = 1", "a = 2")).toBe(false)
  expect(match()).toBe(true)
})

it("takes a label that is not there for the empty text, also by the names that all objects have", () => {
  for (const name of ["absent", "constructor", "__proto__", "toString"]) {
    expect(labelOf({}, name)).toBe("")
    expect(matchAll([parseMatcher(`${name} = ""`)], {})).toBe(true)
  }
  expect(labelOf(Object.fromEntries([["__proto__", "x"]]), "__proto__")).toBe("x")
})
