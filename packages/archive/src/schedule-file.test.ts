import { createHash } from "node:crypto"
import { checkSchedule, DEFAULT_SCHEDULE, encodeSchedule, type Schedule } from "@prooflog/event/schedule"
import { describe, expect, it } from "vitest"
import { classOf } from "./class-rules.js"
import { ArchiveError } from "./error.js"
import { PRESET_NAMES } from "./presets.js"
import { checkChange, hotDays, MAX_CLASSES, parseScheduleFile, publicSchedule } from "./schedule-file.js"
import { SCHEDULE_TEMPLATE } from "./schedule-template.js"

const CLASSES = `classes:
  routine: { hot: 6mo, archive: 2y }
  audit: { hot: 7y }
`
const BASE = `${CLASSES}default: routine\n`

function refusalOf(run: () => unknown): ArchiveError {
  try {
    run()
  } catch (error) {
    if (error instanceof ArchiveError) return error
    throw error
  }
  throw new Error("it was not refused")
}

/** Fails unless the text is refused at that place, in words that begin so. */
function expectRefused(text: string, begins: string, code = "ARCHIVE_BAD_SCHEDULE") {
  const error = refusalOf(() => parseScheduleFile(text, "s.yaml"))
  expect(error.message.slice(0, begins.length)).toBe(begins)
  expect(error.code).toBe(code)
  expect(error.message.startsWith(`s.yaml:${error.line}:${error.column}: `)).toBe(true)
}

describe("the template", () => {
  const file = parseScheduleFile(SCHEDULE_TEMPLATE)

  it("promises what the default schedule promises", () => {
    const { classes, default: fallback } = publicSchedule(file)
    expect(classes).toEqual(DEFAULT_SCHEDULE.classes)
    expect(Object.keys(classes)).toEqual(Object.keys(DEFAULT_SCHEDULE.classes))
    expect(fallback).toBe(DEFAULT_SCHEDULE.default)
    expect(hotDays(file, "routine")).toBe(183)
    expect(hotDays(file, "critical")).toBe(2557)
  })

  it("is it, to the byte: a new log promises what the file says", () => {
    expect(publicSchedule(file)).toEqual(DEFAULT_SCHEDULE)
  })

  it("shows rules that can be taken as they are, found in the lines where they stand", () => {
    const shown = SCHEDULE_TEMPLATE.replace("rules: []", "rules:").replaceAll("\n#  - {", "\n  - {")
    const of = classOf(parseScheduleFile(shown))
    const { class: name, rule } = of({
      core: [
        ["action", "key.rotate"],
        ["source", "api"],
      ],
      fields: [],
    })
    expect(name).toBe("critical")
    expect(shown.split("\n")[(rule?.line ?? 0) - 1]).toContain("key.*")
  })

  it("shows its presets as they are called", () => {
    expect(SCHEDULE_TEMPLATE).toContain(`${PRESET_NAMES.join(", ")}. A class`)
    const active = SCHEDULE_TEMPLATE.replace("# preset: [pci]", "preset: [pci]")
    expect(parseScheduleFile(active).presets).toEqual(["pci"])
  })
})

describe("parseScheduleFile", () => {
  it("adds up times, rounded each by itself", () => {
    const { classes } = parseScheduleFile(`classes:
  a: { hot: 1mo, archive: 1mo, destroy_after: 1mo }
  b: { hot: 0, archive: 10, destroy_after: 0d }
  c: { hot: "3y", destroy: never }
  audit:
    hot: 7y
default: a
`)
    expect(classes.get("a")).toMatchObject({ hotDays: 31, keepDays: 62, destroyDays: 93 })
    expect(classes.get("b")).toMatchObject({ hotDays: 0, keepDays: 10, destroyDays: 10 })
    expect(classes.get("c")).toEqual({ hotDays: 1096, keepDays: 1096, at: { line: 4, column: 3 } })
    expect(classes.get("audit")).toEqual({
      hotDays: 2557,
      keepDays: 2557,
      destroyDays: 2587,
      at: { line: 5, column: 3 },
    })
  })

  it("reads rules in their order, with their lines; one value is a list of one", () => {
    const { rules } = parseScheduleFile(`${BASE}rules:
  - { class: audit, action: [a, "b*"], tags: x }
  - class: routine
    source: "*"
`)
    expect(rules).toEqual([
      { class: "audit", conditions: { action: ["a", "b*"], tags: ["x"] }, line: 6 },
      { class: "routine", conditions: { source: ["*"] }, line: 7 },
    ])
  })

  it("has no rules where there are none", () => {
    expect(parseScheduleFile(BASE).rules).toEqual([])
    expect(parseScheduleFile(`${BASE}rules: []\n`).rules).toEqual([])
  })

  const rule = (text: string) => `${BASE}rules:\n  - { class: audit, ${text} }\n`
  const times = (text: string) => `classes:\n  audit: { ${text} }\ndefault: audit\n`

  it.each([
    ["YAML that is none", "classes: [a\n", "s.yaml:2:1: "],
    ["nothing at all", "", "s.yaml:1:1: expected a map"],
    ["no map", "- a\n", "s.yaml:1:1: expected a map"],
    ["two documents", `${BASE}---\n${BASE}`, "s.yaml:5:1: "],
    ["a member twice", `${BASE}default: audit\n`, "s.yaml:5:1: "],
    [
      "a hundred thousand members, without comparing each with each",
      Array.from({ length: 100_000 }, (_, i) => `k${i}: 1\n`).join(""),
      "s.yaml:1:1: k0: unknown member",
    ],
    ["a class twice", `classes:\n  audit: { hot: 1 }\n  audit: { hot: 2 }\n`, "s.yaml:3:3: "],
    [
      "an unknown member",
      `${BASE}defaults: audit\n`,
      "s.yaml:5:1: defaults: unknown member: expected one of preset,",
    ],
    ["an anchor", `${CLASSES}default: &a routine\npreset: *a\n`, "s.yaml:4:13: default: anchors"],
    [
      "a star without quotes",
      rule("action: *.read"),
      "s.yaml:6:29: rules[0].action: aliases are not read here; a text",
    ],
    ["a tag", `${CLASSES}default: !!str routine\n`, "s.yaml:4:16: default: tags"],
    ["an unknown tag", `${CLASSES}default: !x routine\n`, "s.yaml:4:10: "],
    ["more than a million characters", "#".repeat(1_000_001), "s.yaml:1:1: the file is longer"],
    ["a hundred thousand lists in each other", "[".repeat(100_000), "s.yaml:1:65: more than 64"],

    ["no classes", "default: routine\n", "s.yaml:1:1: classes is missing"],
    ["classes without any", "classes: {}\ndefault: a\n", "s.yaml:1:10: classes: audit is missing"],
    [
      "no class for the log's own events",
      "classes:\n  routine: { hot: 1 }\n",
      "s.yaml:2:3: classes: audit is missing",
    ],
    [
      "a class name that is none",
      `classes:\n  "Case 7": { hot: 1 }\n`,
      "s.yaml:2:3: classes.Case 7: a class is named",
    ],
    [
      "a forbidden class name",
      `classes:\n  __proto__: { hot: 1 }\n`,
      "s.yaml:2:3: classes.__proto__: a class is named",
    ],
    ["a class name that is a number", `classes:\n  7: { hot: 1 }\n`, "s.yaml:2:3: classes: expected a name"],
    ["a class without a value", `classes:\n  audit:\n`, "s.yaml:2:3: classes.audit: it has no value"],
    [
      "too many classes",
      `classes:\n  audit: { hot: 1 }\n${Array.from({ length: MAX_CLASSES }, (_, i) => `  c${i}: { hot: 1 }\n`).join("")}`,
      `s.yaml:2:3: classes: more than ${MAX_CLASSES} classes`,
    ],

    ["no default", CLASSES, "s.yaml:1:1: default is missing: the class of an event that no rule takes"],
    ["an empty default", `${CLASSES}default:\n`, "s.yaml:4:1: default: it has no value"],
    [
      "a default that is no class",
      `${CLASSES}default: urgent\n`,
      's.yaml:4:10: default: "urgent" is none of the classes',
    ],

    ["no hot time", times("archive: 1y"), "s.yaml:2:10: classes.audit: hot is missing"],
    ["a time that is none", times("hot: 7 years"), "s.yaml:2:17: classes.audit.hot: expected days as 30"],
    ["a time below zero", times("hot: -1"), "s.yaml:2:17: classes.audit.hot: expected days as 30"],
    ["a fraction of a day", times("hot: 1.5"), "s.yaml:2:17: classes.audit.hot: expected days as 30"],
    ["a number in disguise", times("hot: 1e3"), "s.yaml:2:17: classes.audit.hot: expected days as 30"],
    ["a time for ever", times("hot: 1001y"), "s.yaml:2:17: classes.audit.hot: expected days as 30"],
    ["a list of times", times("hot: [1]"), "s.yaml:2:17: classes.audit.hot: expected days as 30"],
    ["an empty time", times("hot: 1, archive: "), "s.yaml:2:20: classes.audit.archive: it has no value"],
    ["an unknown time", times("hot: 1, keep: 2"), "s.yaml:2:20: classes.audit.keep: unknown member"],
    [
      "never destroyed, and destroyed",
      times("hot: 1, destroy: never, destroy_after: 30d"),
      "s.yaml:2:51: classes.audit.destroy_after: never destroyed, and destroyed after",
    ],
    [
      "destroyed at a time",
      times("hot: 1, destroy: 30d"),
      's.yaml:2:29: classes.audit.destroy: expected "never"',
    ],

    [
      "an unknown preset",
      `preset: [pci, gdpr]\n${BASE}`,
      "s.yaml:1:15: preset[1]: expected one of pci, hipaa, soc2",
    ],
    ["no preset of none", `preset: []\n${BASE}`, "s.yaml:1:9: preset: an empty list"],
    [
      "a preset of an object",
      `preset: constructor\n${BASE}`,
      "s.yaml:1:9: preset: expected one of pci, hipaa, soc2",
    ],

    ["rules left empty", `${BASE}rules:\n`, "s.yaml:5:1: rules: it has no value"],
    ["rules that are no list", `${BASE}rules: { class: audit }\n`, "s.yaml:5:8: rules: expected a list"],
    ["a rule that is nothing", `${BASE}rules:\n  -\n`, "s.yaml:6:"],
    [
      "a rule without a class",
      `${BASE}rules:\n  - { action: a }\n`,
      "s.yaml:6:5: rules[0]: class is missing",
    ],
    [
      "a rule with an unknown class",
      `${BASE}rules:\n  - { action: a, class: urgent }\n`,
      's.yaml:6:25: rules[0].class: "urgent" is none of the classes',
    ],
    [
      "a rule with a condition on no field",
      rule("ip_address: x"),
      "s.yaml:6:21: rules[0].ip_address: unknown member",
    ],
    [
      "a rule without conditions",
      `${BASE}rules:\n  - { class: audit }\n`,
      "s.yaml:6:5: rules[0]: it has no condition",
    ],
    ["a condition of none", rule("action: []"), "s.yaml:6:29: rules[0].action: an empty list"],
    ["an empty condition", rule("action: "), "s.yaml:6:21: rules[0].action: it has no value"],
    ["an empty pattern", rule('action: ""'), "s.yaml:6:29: rules[0].action: expected a text"],
    [
      "a pattern that is a number",
      rule("user_id: [0012]"),
      "s.yaml:6:31: rules[0].user_id[0]: expected a text: put it in quotes",
    ],
    [
      "a pattern that is null",
      rule("user_id: [~]"),
      "s.yaml:6:31: rules[0].user_id[0]: expected a text: put it in quotes",
    ],
    ["half a character", rule('user_id: "\\ud83d"'), "s.yaml:6:30: rules[0].user_id: expected a text"],
    [
      "a pattern too long",
      rule(`user_id: ${"a".repeat(257)}`),
      "s.yaml:6:30: rules[0].user_id: a pattern of more than 256",
    ],
    [
      "a result that no event has",
      rule("result: deny"),
      "s.yaml:6:29: rules[0].result: no event has this; it is one of success,",
    ],
    [
      "a result that no event can match",
      rule('result: "deny*"'),
      "s.yaml:6:29: rules[0].result: no event has this",
    ],
    [
      "a category that no event has",
      rule("category: database"),
      "s.yaml:6:31: rules[0].category: no event has this",
    ],
    [
      "a rule for the log's own events",
      rule("source: prooflog"),
      "s.yaml:6:29: rules[0].source: events of source prooflog",
    ],
  ])("refuses %s", (_, text, begins) => {
    expectRefused(text, begins)
  })

  it.each([
    ["the same conditions", "action: a", "action: a"],
    ["one of several", "action: [b, a]", "action: a"],
    ["more conditions", "action: a", "action: a, service: s"],
    ["a narrower pattern", 'action: "iam.*"', 'action: ["iam.Create*", iam.DeleteUser]'],
    ["a tag among others", "tags: [x, y]", "tags: y"],
    ["anything, after a rule for all users", 'user_id: "*"', "service: s"],
  ])("refuses a rule after one that takes all its events: %s", (_, first, second) => {
    const text = `${BASE}rules:\n  - { class: routine, ${first} }\n  - { class: audit, ${second} }\n`
    expectRefused(text, "s.yaml:7:5: rules[1]: it never takes an event: the rule in line 6 takes them first")
  })

  it.each([
    ["fewer conditions", "action: a, service: s", "action: a"],
    ["a wider pattern", "action: iam.CreateUser", 'action: "iam.*"'],
    ["another field", "action: a", "resource_type: a"],
    ["one more value", "action: a", "action: [a, b]"],
    ["any service, which not all events have", 'service: "*"', "action: a"],
  ])("takes a rule after one that takes only some of its events: %s", (_, first, second) => {
    const text = `${BASE}rules:\n  - { class: routine, ${first} }\n  - { class: audit, ${second} }\n`
    expect(parseScheduleFile(text).rules).toHaveLength(2)
  })

  it("bounds rules and patterns", () => {
    const rules = (count: number, patterns: number) =>
      `${BASE}rules:\n${Array.from({ length: count }, (_, i) => {
        const list = Array.from({ length: patterns }, (_, j) => `u${i}-${j}`)
        return `  - { class: audit, user_id: [${list.join(", ")}] }\n`
      }).join("")}`
    expect(parseScheduleFile(rules(1_000, 1)).rules).toHaveLength(1_000)
    expectRefused(rules(1_001, 1), "s.yaml:6:3: rules: more than 1000 rules")
    expectRefused(rules(2, 2_501), "s.yaml:7:5: rules[1]: more than 5000 patterns in all rules")
  })
})

describe("presets", () => {
  const file = (preset: string, times: string) =>
    `preset: ${preset}\nclasses:\n  a: { ${times} }\n  audit: { hot: 7y }\ndefault: a\n`

  it.each([
    ["pci", "hot: 3mo, archive: 9mo", 92, 366],
    ["pci", "hot: 1y", 366, 366],
    ["hipaa", "hot: 0, archive: 6y", 0, 2192],
    ["[soc2, pci]", "hot: 92, archive: 365", 92, 457],
  ])("%s leaves { %s } as it is", (preset, times, hot, keep) => {
    const each = parseScheduleFile(file(preset, times)).classes.get("a")
    expect(each).toMatchObject({ hotDays: hot, keepDays: keep, destroyDays: keep + 30 })
    expect(each).not.toHaveProperty("raisedBy")
  })

  it.each([
    ["pci", "hot: 3mo", 92, 366, "pci"],
    ["hipaa", "hot: 5y", 1827, 2192, "hipaa"],
    ["[hipaa, pci]", "hot: 3mo", 92, 2192, "hipaa"],
    ["[pci, hipaa]", "hot: 3mo", 92, 2192, "hipaa"],
    ["soc2", "hot: 0", 0, 457, "soc2"],
  ])("%s lengthens { %s }, whose archive time is left open", (preset, times, hot, keep, raisedBy) => {
    const each = parseScheduleFile(file(preset, times)).classes.get("a")
    expect(each).toMatchObject({ hotDays: hot, keepDays: keep, destroyDays: keep + 30, raisedBy })
  })

  it.each([
    ["pci", "hot: 91, archive: 5y", "s.yaml:3:13: classes.a.hot: at hand 91 days, and pci asks 92 (PCI DSS"],
    [
      "pci",
      "hot: 92, archive: 273",
      "s.yaml:3:26: classes.a.archive: kept 365 days, and pci asks 366 (PCI DSS",
    ],
    [
      "hipaa",
      "hot: 5y, archive: 0",
      "s.yaml:3:26: classes.a.archive: kept 1827 days, and hipaa asks 2192 (45 CFR",
    ],
    [
      "[pci, soc2]",
      "hot: 1y, archive: 90",
      "s.yaml:3:26: classes.a.archive: kept 456 days, and soc2 asks 457 (AICPA",
    ],
  ])("%s refuses { %s }", (preset, times, begins) => {
    expectRefused(file(preset, times), begins, "ARCHIVE_BELOW_PRESET")
  })

  it("hold for every class, also for the log's own events", () => {
    const text = `preset: hipaa\nclasses:\n  a: { hot: 7y }\n  audit: { hot: 1y, archive: 1y }\ndefault: a\n`
    expectRefused(
      text,
      "s.yaml:4:30: classes.audit.archive: kept 732 days, and hipaa",
      "ARCHIVE_BELOW_PRESET",
    )
  })
})

describe("publicSchedule", () => {
  it("is a schedule that goes into an entry, with the hash of the rules", () => {
    const schedule = publicSchedule(
      parseScheduleFile(`${BASE}rules:\n  - { class: audit, tags: [x], action: "k*" }\n`),
    )
    expect(checkSchedule(schedule)).toEqual(schedule)
    const bytes = '{"action":["k*"],"class":"audit","tags":["x"]}\n'
    expect(Buffer.from(schedule.rules).toString("hex")).toBe(createHash("sha256").update(bytes).digest("hex"))
  })

  it("has the hash of nothing without rules", () => {
    expect(publicSchedule(parseScheduleFile(BASE)).rules).toEqual(DEFAULT_SCHEDULE.rules)
  })

  it("fits into an entry, even if the file is as large as can be", () => {
    const name = (i: number) => `c${String(i).padStart(31, "0")}`
    const classes = Array.from(
      { length: MAX_CLASSES - 1 },
      (_, i) => `  ${name(i)}: { hot: 1000y, archive: 1000y }\n`,
    )
    const file = parseScheduleFile(`classes:\n  audit: { hot: 1000y }\n${classes.join("")}default: audit\n`)
    // An entry has 65,535 bytes, and genesis more members than this one.
    expect(encodeSchedule(publicSchedule(file)).length).toBeLessThan(60_000)
  })
})

describe("checkChange", () => {
  const previous: Schedule = {
    classes: {
      routine: { keep_days: 100, destroy_days: 130 },
      forever: { keep_days: 10 },
      audit: { keep_days: 100, destroy_days: 100 },
    },
    default: "routine",
    rules: new Uint8Array(32),
  }
  const next = (routine: string, forever = "{ hot: 10, destroy: never }") =>
    parseScheduleFile(
      `classes:\n  routine: { ${routine} }\n  forever:\n    ${forever}\n  audit: { hot: 100, destroy_after: 0 }\n  more: { hot: 1 }\ndefault: more\n`,
      "s.yaml",
    )

  it.each([
    ["the same", "hot: 100"],
    ["the same, otherwise divided", "hot: 1, archive: 99"],
    ["more", "hot: 101"],
    ["never destroyed any more", "hot: 100, destroy: never"],
  ])("takes %s", (_, routine) => {
    expect(() => checkChange(previous, next(routine))).not.toThrow()
  })

  it.each([
    [
      "kept for fewer days",
      next("hot: 99, destroy_after: 60"),
      "s.yaml:2:3: classes.routine: the log has promised more: kept 100 days, destroyed on day 130;",
    ],
    [
      "destroyed earlier",
      next("hot: 100, destroy_after: 29"),
      "s.yaml:2:3: classes.routine: the log has promised more: kept 100 days, destroyed on day 130;",
    ],
    [
      "destroyed at all",
      next("hot: 100", "{ hot: 1000y }"),
      "s.yaml:3:3: classes.forever: the log has promised more: kept 10 days, never destroyed;",
    ],
    [
      "gone",
      parseScheduleFile("default: audit\nclasses:\n  audit: { hot: 1y }\n", "s.yaml"),
      "s.yaml:3:3: classes: routine is gone, which the log has promised: kept 100 days, destroyed on day 130;",
    ],
  ])("refuses a class that is %s, with its line", (_, file, begins) => {
    const error = refusalOf(() => checkChange(previous, file))
    expect(error.message.slice(0, begins.length)).toBe(begins)
    expect(error.code).toBe("ARCHIVE_SHORTENS_PROMISE")
    expect(error.message.startsWith(`s.yaml:${error.line}:${error.column}: `)).toBe(true)
  })
})

describe("hotDays", () => {
  it("is known of the classes of the file, and of no others", () => {
    const file = parseScheduleFile(BASE)
    expect(hotDays(file, "routine")).toBe(183)
    expect(() => hotDays(file, "high")).toThrow(RangeError)
  })
})
