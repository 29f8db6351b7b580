import { describe, expect, it } from "vitest"
import { compileRules, type RuleSource } from "./compile-rules.js"
import { FieldSlots } from "./seen-event.js"
import { SHIPPED_FILE, SHIPPED_RULES } from "./shipped.js"

const LATENESS = { toleranceMs: 600_000, historyAfterMs: 86_400_000 }

function compiled(...sources: readonly RuleSource[]) {
  const { rules, refused } = compileRules(sources, new FieldSlots(), LATENESS)
  return { ids: rules.map(({ head }) => head.id), refused: refused.map(({ message }) => message) }
}

const rule = (id: string, more = "") => `  - { id: ${id}, title: t, why: w., severity: low${more} }\n`

const SIGMA = `title: Denied
id: 00000000-0000-4000-8000-000000000001
logsource: { product: aws, service: cloudtrail }
detection: { selection: { eventName: DeleteTrail }, condition: selection }
`

describe("rules of several files", () => {
  it("are compiled in the order of the files, ours and Sigma's", () => {
    const ours = { file: "a.yaml", text: `rules:\n${rule("one")}${rule("two")}` }
    const theirs = { file: "b.yml", text: `${SIGMA}---\n${SIGMA.replace("0001", "0002")}` }
    expect(compiled(ours, theirs)).toEqual({
      ids: ["one", "two", "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"],
      refused: [],
    })
  })

  it("are compiled though others are wrong, and each that is wrong is named", () => {
    const { ids, refused } = compiled(
      { file: "a.yaml", text: `rules:\n${rule("one")}${rule("two", ", cuont: {}")}${rule("three")}` },
      { file: "b.yaml", text: "rules: [\n" },
      { file: "c.yml", text: `${SIGMA}---\ntitle: Nothing\n---\n${SIGMA.replace("0001", "0002")}` },
      { file: "d.yaml", text: "" },
      { file: "e.yaml", text: "just a text" },
    )
    expect(ids).toEqual([
      "one",
      "three",
      "00000000-0000-4000-8000-000000000001",
      "00000000-0000-4000-8000-000000000002",
    ])
    expect(refused.map((message) => message.split(":").slice(0, 3).join(":"))).toEqual([
      "a.yaml:3:50",
      expect.stringMatching(/^b\.yaml:\d+:\d+$/),
      "c.yml:6:1",
      "e.yaml:1:1",
    ])
  })

  it("may be correlations of rules in other files", () => {
    const correlation = `title: Many
correlation:
  type: event_count
  rules: [00000000-0000-4000-8000-000000000001]
  timespan: 1h
  condition: { gte: 3 }
`
    expect(compiled({ file: "a.yml", text: correlation }, { file: "b.yml", text: SIGMA })).toEqual({
      ids: ["many"],
      refused: [],
    })
    expect(compiled({ file: "a.yml", text: correlation })).toEqual({
      ids: [],
      refused: [expect.stringMatching(/^a\.yml:4:11: /)],
    })
  })

  it("have ids unlike each other", () => {
    const { ids, refused } = compiled(
      { file: "a.yaml", text: `rules:\n${rule("one")}` },
      { file: "b.yaml", text: `rules:\n${rule("two")}${rule("one")}` },
      { file: "c.yml", text: SIGMA },
      { file: "d.yml", text: SIGMA },
    )
    expect(ids).toEqual(["one", "two", "00000000-0000-4000-8000-000000000001"])
    expect(refused).toEqual([
      'b.yaml:3:5: rules[1]: there is a rule "one" already: a.yaml:2',
      'd.yml:1:1: there is a rule "00000000-0000-4000-8000-000000000001" already: c.yml:1',
    ])
  })

  it("can be left out, and written anew", () => {
    const shipped = {
      file: "a.yaml",
      text: `rules:\n${rule("one")}${rule("two")}`,
      without: ["one", "three"],
    }
    expect(compiled(shipped, { file: "b.yaml", text: `rules:\n${rule("one")}` })).toEqual({
      ids: ["two", "one"],
      refused: ['a.yaml: there is no rule "three" to leave out'],
    })
  })
})

describe("the rules that come with the log", () => {
  const { rules, refused } = compileRules(
    [{ file: SHIPPED_FILE, text: SHIPPED_RULES }],
    new FieldSlots(),
    LATENESS,
  )

  it("are compiled", () => {
    expect(refused).toEqual([])
    expect(rules.length).toBeGreaterThanOrEqual(20)
  })

  it("say in one sentence what they are for", () => {
    for (const { head } of rules) {
      expect(head.why).toMatch(/^[A-Z][^.]+\.$/)
      expect(head.title).toMatch(/^[A-Z][^.]+$/)
    }
  })
})
