import { describe, expect, it } from "vitest"
import { compileRules } from "./compile-rules.js"
import { FieldSlots } from "./seen-event.js"

const LATENESS = { toleranceMs: 600_000, historyAfterMs: 86_400_000 }

function compiled(text: string, file = "rules.yaml") {
  return compileRules([{ file, text }], new FieldSlots(), LATENESS)
}

const HEAD = `rules:
  - id: rule
    title: A rule
    why: Because.
    severity: high
`

/** The one refusal of a rule with these lines, which begin in line 6. */
function refusal(...lines: readonly string[]): string {
  const { rules, refused } = compiled(HEAD + lines.map((line) => `    ${line}\n`).join(""))
  expect(rules).toEqual([])
  expect(refused).toHaveLength(1)
  expect(refused[0]?.code).toBe("ALERTS_BAD_RULE")
  return refused[0]?.message ?? ""
}

describe("each kind is read", () => {
  it.each([
    ["single", "where: { result: denied }"],
    ["of keywords", "where: [mimikatz, 'rm -rf']"],
    ["of a condition", "where: { a: { result: denied }, b: { user_id: x }, condition: a and not b }"],
    ["count", "count: { over: 10m, at_least: 20 }"],
    ["distinct", "distinct: { of: http_path, over: 5m, at_least: 100 }"],
    ["rate", "rate: { over: 1m, above: 0.5 }"],
    ["ratio", "ratio: { of: { result: error }, over: 5m, at_least: 50, above: 5%, times_baseline: 5 }"],
    ["ratio without a baseline", "ratio: { of: { result: error }, over: 5m, at_least: 50, above: 0.5% }"],
    ["new_country", "new_country: { learn_days: 7, learn_events: 20 }"],
    ["new_country as it is usual", "new_country: {}"],
    [
      "impossible_travel",
      "impossible_travel: { above_kmh: 900, beyond_km: 500, ignore: [10.0.0.0/8, 2001:db8::/32], hosting: 'host|vps' }",
    ],
    ["first_seen", "first_seen: { of: action, learn_days: 0 }"],
    ["off_hours", "off_hours: { zone: Europe/Berlin, days: 'mon-fri,sun', hours: 07:00-19:00 }"],
    ["off_hours by night", "off_hours: { zone: UTC, days: sat-mon, hours: 22:00-06:00 }"],
    ["silence", "silence: { for: 15m }"],
    ["health", "health: quorum_missing"],
  ])("%s", (_kind, line) => {
    const { rules, refused } = compiled(`${HEAD}    ${line}\n`)
    expect(refused).toEqual([])
    expect(rules[0]?.head).toEqual({
      id: "rule",
      version: expect.stringMatching(/^[0-9a-f]{16}$/),
      title: "A rule",
      why: "Because.",
      severity: "high",
    })
  })
})

describe("a rule is refused with its place if", () => {
  it.each([
    ["a member is unknown", ["wher: {}"], "6:5: rules[0].wher: unknown member"],
    [
      "it is of two kinds",
      ["count: { over: 10m, at_least: 20 }", "silence: { for: 15m }"],
      "7:14: rules[0].silence: the rule is one of count already",
    ],
    ["a kind lacks a member", ["count: { over: 10m }"], "6:12: rules[0].count: at_least is missing"],
    [
      "a kind has an unknown one",
      ["count: { over: 10m, at_least: 20, most: 1 }"],
      "6:39: rules[0].count.most: unknown member",
    ],
    ["a kind has no value", ["silence:"], "6:5: rules[0].silence: it has no value"],
    [
      "a window is too short",
      ["count: { over: 10ms, at_least: 20 }"],
      "6:20: rules[0].count.over: expected at least 1000 ms",
    ],
    ["a duration is none", ["silence: { for: 15 }"], "6:21: rules[0].silence.for: expected a duration"],
    [
      "one event is to be many",
      ["count: { over: 10m, at_least: 1 }"],
      "6:35: rules[0].count.at_least: expected a whole number from 2",
    ],
    [
      "a field is none",
      ["distinct: { of: path, over: 5m, at_least: 100 }"],
      '6:21: rules[0].distinct.of: there is no field "path"',
    ],
    [
      "a field of where is none",
      ["where: { user: x }"],
      '6:14: rules[0].where.user: there is no field "user"',
    ],
    [
      "it groups by no field",
      ["group_by: [address]"],
      '6:16: rules[0].group_by[0]: there is no field "address"',
    ],
    [
      "it groups by a field twice",
      ["group_by: [user_id, user_id?]"],
      "6:25: rules[0].group_by[1]: it is given twice",
    ],
    [
      "it groups by too many",
      ["group_by: [user_id, action, result, source, host]"],
      "6:49: rules[0].group_by[4]: more than 4 fields",
    ],
    [
      "a rate is none",
      ["rate: { over: 1m, above: 0 }"],
      "6:30: rules[0].rate.above: expected a number above 0",
    ],
    [
      "a share is none",
      ["ratio: { of: { result: error }, over: 5m, at_least: 50, above: 5 }"],
      "6:68: rules[0].ratio.above: expected a share such as 5% or 0.5%",
    ],
    [
      "a network is none",
      ["impossible_travel: { ignore: [10.0.0.0/33] }"],
      "6:35: rules[0].impossible_travel.ignore[0]: expected a network",
    ],
    [
      "an expression is none",
      ["impossible_travel: { hosting: '(' }"],
      "6:35: rules[0].impossible_travel.hosting: ",
    ],
    [
      "a zone is none",
      ["off_hours: { zone: Europe/Atlantis, days: mon, hours: 07:00-19:00 }"],
      "6:24: rules[0].off_hours.zone: there is no such time zone",
    ],
    [
      "days are none",
      ["off_hours: { zone: UTC, days: mon-foo, hours: 07:00-19:00 }"],
      "6:35: rules[0].off_hours.days: expected days",
    ],
    [
      "hours are none",
      ["off_hours: { zone: UTC, days: mon, hours: 07:00-25:00 }"],
      "6:47: rules[0].off_hours.hours: expected hours",
    ],
    [
      "there are no hours",
      ["off_hours: { zone: UTC, days: mon, hours: 07:00-07:00 }"],
      "6:47: rules[0].off_hours.hours: expected hours",
    ],
    [
      "nobody watches over that",
      ["health: weather"],
      "6:13: rules[0].health: expected one of checkpoint_late",
    ],
    [
      "it looks at events and at health",
      ["where: { result: denied }", "health: disk"],
      "6:12: rules[0].where: a rule about health looks at no events",
    ],
    [
      "a condition has no such selection",
      ["where: { a: { result: x }, condition: a and b }"],
      "6:43: rules[0].where.condition: ",
    ],
  ])("%s", (_why, lines, message) => {
    expect(refusal(...lines)).toContain(`rules.yaml:${message}`)
  })

  it.each([
    [
      "its id is no id",
      HEAD.replace("id: rule", "id: Rule 1"),
      "2:9: rules[0].id: expected 1 to 64 of a-z, 0-9 and -",
    ],
    ["it does not say why", HEAD.replace("    why: Because.\n", ""), "2:5: rules[0]: why is missing"],
    [
      "its severity is none",
      HEAD.replace("high", "urgent"),
      "5:15: rules[0].severity: expected one of info, low",
    ],
    ["it is none", "rules: [7]\n", "1:9: rules[0]: expected a map"],
    ["there is more than rules", `${HEAD}extra: 1\n`, "6:1: extra: unknown member"],
  ])("%s", (_why, text, message) => {
    const { rules, refused } = compiled(text)
    expect(rules).toEqual([])
    expect(refused.map((each) => each.message)).toEqual([expect.stringContaining(`rules.yaml:${message}`)])
  })
})

it("the version of a rule is that of what it says, not of how it is written", () => {
  const versionOf = (text: string) => compiled(text).rules[0]?.head.version
  const version = versionOf(HEAD)
  expect(versionOf(`# A comment\n${HEAD.replace("title: A rule", 'title: "A rule"')}`)).toBe(version)
  expect(versionOf(HEAD.replace("Because", "Perhaps"))).not.toBe(version)
})
