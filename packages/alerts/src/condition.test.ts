import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Condition, parseCondition } from "./condition.js"
import { isMatch, whereOf } from "./stand-in-events.js"

/** Whether a condition over a, b, c and _d holds where these of them match. */
function holds(condition: string, matching: string): boolean {
  const names = ["a", "ab", "c", "_d"]
  const selections = names.map((name) => `${name}: { tags: '${name}' }`)
  return isMatch([...selections, `condition: ${JSON.stringify(condition)}`].join("\n"), {
    tags: matching.split(" "),
  })
}

describe("a condition", () => {
  it.each([
    ["a", "a", true],
    ["a", "c", false],
    ["not a", "c", true],
    ["not not a", "a", true],
    ["a and c", "a c", true],
    ["a and c", "a", false],
    ["a or c", "c", true],
    ["a or c", "ab", false],
    // or is weaker than and, and not is stronger than both.
    ["a or ab and c", "a", true],
    ["(a or ab) and c", "a", false],
    ["a and ab or c", "c", true],
    ["a and (ab or c)", "c", false],
    ["not a and c", "c", true],
    ["not (a and c)", "c", true],
    ["not a or c", "a c", true],
    ["a and not c", "a", true],
    ["a and not c", "a c", false],
    ["1 of a*", "ab", true],
    ["1 of a*", "c", false],
    ["all of a*", "a ab", true],
    ["all of a*", "a", false],
    ["1 of *b", "ab", true],
    ["1 of *b", "a", false],
    ["not 1 of a*", "c", true],
    ["1 of a* and c", "ab", false],
    ["c and 1 of a*", "ab c", true],
    ["1 of them", "c", true],
    ["any of them", "c", true],
    ["all of them", "a ab c", true],
    ["all of them", "a ab", false],
    // What begins with an underscore is meant only by what begins with one.
    ["1 of them", "_d", false],
    ["1 of *", "_d", false],
    ["1 of _*", "_d", true],
    ["_d", "_d", true],
    ["A and NOT c".toLowerCase(), "a", true],
    ["a AND NOT c", "a", true],
    ["((a))", "a", true],
    ["a and(c)", "a c", true],
  ])("%s, of %s, is %s", (condition, matching, expected) => {
    expect(holds(condition, matching)).toBe(expected)
  })

  it("that is a list holds if one of them does", () => {
    const yaml = "a: { tags: a }\nc: { tags: c }\ncondition: [a and c, not a and c]"
    expect(isMatch(yaml, { tags: ["c"] })).toBe(true)
    expect(isMatch(yaml, { tags: ["a"] })).toBe(false)
  })

  it("may be over maps, lists of maps, and words", () => {
    const yaml = [
      "map: { user_id: ada, result: success }",
      "maps: [{ user_id: bob }, { result: failure, user_id: ada }]",
      "words: [sudo, root]",
      "both: [{ user_id: eve }, toor]",
      "condition: map or maps or words or both",
    ].join("\n")
    const seen = [
      { user_id: "ada" },
      { user_id: "ada", result: "denied" },
      { user_id: "ada", result: "failure" },
      { user_id: "bob", result: "denied" },
      { user_id: "cleo", raw: "as root" },
      { user_id: "eve" },
      { user_id: "cleo", raw: "as toor" },
    ]
    expect(seen.map((fields) => isMatch(yaml, fields))).toEqual([true, false, true, true, true, true, true])
  })

  it.each([
    ["", "condition: expected a text"],
    ["a and", "the condition ends where a selection is expected"],
    ["and a", 'expected a selection, found "and"'],
    ["a c", 'expected "and", "or" or the end, found "c"'],
    ["(a", 'a ")" is missing'],
    ["a)", 'found ")"'],
    ["()", 'expected a selection, found ")"'],
    ["not", "the condition ends where a selection is expected"],
    ["x", 'there is no selection "x"'],
    ["1 of x*", 'there is no selection like "x*"'],
    ["a*", '"a*" means several selections: write 1 of a*, or all of a*'],
    ["2 of a*", 'expected "1 of" or "all of", found "2 of"'],
    ["1 of", '"1 of" what?'],
    ["1 of (a)", '"1 of" what?'],
    ["a | count() by c > 5", "aggregations of the old syntax are not evaluated"],
    [`${"(".repeat(60)}a${")".repeat(60)}`, "deeper than 50"],
    [`${"not ".repeat(60)}a`, "deeper than 50"],
    [Array(600).fill("a").join(" or "), "more than 1000 words"],
  ])("%j is refused: %s", (condition, message) => {
    expect(() => holds(condition, "a")).toThrow(message)
  })

  it("is refused with its line, and so is the old way of counting", () => {
    expect(() => whereOf("a: { tags: a }\ncondition: a or x")).toThrow(
      "rules.yaml:2:12: condition: there is no",
    )
    expect(() => whereOf("a: { tags: a }\ntimeframe: 5m\ncondition: a")).toThrow(
      "rules.yaml:2:1: timeframe: aggregations of the old syntax are not evaluated: write a correlation rule",
    )
  })
})

describe("any condition", () => {
  const tree: fc.Memo<Condition> = fc.memo((depth) =>
    depth <= 1
      ? fc.constantFrom(...["a", "b", "c"]).map((name) => ({ kind: "name" as const, name }))
      : fc.oneof(
          fc.constantFrom(...["a", "b", "c"]).map((name) => ({ kind: "name" as const, name })),
          tree(depth - 1).map((part) => ({ kind: "not" as const, part })),
          fc
            .tuple(
              fc.constantFrom("and" as const, "or" as const),
              fc.array(tree(depth - 1), { minLength: 2, maxLength: 3 }),
            )
            .map(([kind, parts]) => ({ kind, parts })),
        ),
  )

  /** Written with every bracket, or with those only that precedence asks for. */
  function written(condition: Condition, full: boolean, within = ""): string {
    const STRENGTH = ["", "or", "and", "not"]
    const bracketed = (text: string, kind: string) =>
      full || STRENGTH.indexOf(kind) < STRENGTH.indexOf(within) || kind === within ? `(${text})` : text
    switch (condition.kind) {
      case "name":
        return condition.name
      case "not":
        return bracketed(`not ${written(condition.part, full, "not")}`, "not")
      case "and":
      case "or":
        return bracketed(
          condition.parts.map((part) => written(part, full, condition.kind)).join(` ${condition.kind} `),
          condition.kind,
        )
      default:
        throw new Error("not in these trees")
    }
  }

  function evaluate(condition: Condition, matching: ReadonlySet<string>): boolean {
    switch (condition.kind) {
      case "name":
        return matching.has(condition.name)
      case "not":
        return !evaluate(condition.part, matching)
      case "and":
        return condition.parts.every((part) => evaluate(part, matching))
      case "or":
        return condition.parts.some((part) => evaluate(part, matching))
      default:
        throw new Error("not in these trees")
    }
  }

  it("is read as it is written, with all brackets or with few", () => {
    fc.assert(
      fc.property(tree(5), fc.subarray(["a", "b", "c"]), (condition, matching) => {
        const expected = evaluate(condition, new Set(matching))
        for (const full of [true, false]) {
          const read = parseCondition(written(condition, full))
          expect(evaluate(read, new Set(matching))).toBe(expected)
        }
      }),
    )
  })

  it("of any words is read or refused, and nothing else", () => {
    const word = fc.constantFrom(
      "a",
      "b*",
      "and",
      "or",
      "not",
      "(",
      ")",
      "1",
      "all",
      "of",
      "them",
      "|",
      "é",
      "  ",
    )
    fc.assert(
      fc.property(fc.array(word, { maxLength: 12 }), (words) => {
        try {
          parseCondition(words.join(" "))
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError)
        }
      }),
    )
  })
})
