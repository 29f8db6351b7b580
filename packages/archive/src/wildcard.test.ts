import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { coversWildcard, matchesWildcard } from "./wildcard.js"
import { WildcardSet } from "./wildcard-set.js"

/** A pattern as the regular expression that it abbreviates. */
function oracle(pattern: string): RegExp {
  const source = [...pattern].map((character) => {
    if (character === "*") return ".*"
    return character === "?" ? "." : character.replace(/[\\^$.|+()[\]{}/]/, "\\$&")
  })
  return new RegExp(`^${source.join("")}$`, "su")
}

/** Few characters, so that much matches: two of one unit, one beyond ASCII, one of two units, one that is special. */
const CHARACTERS = ["a", "b", "é", "😀", "."]
const textOf = (characters: readonly string[], maxLength: number) =>
  fc.array(fc.constantFrom(...characters), { maxLength }).map((parts) => parts.join(""))
const text = textOf([...CHARACTERS, "\n", "*", "c"], 12)
const pattern = textOf([...CHARACTERS, "*", "*", "?"], 8)

const indicesOf = (patterns: readonly string[], maxStates?: number) =>
  new WildcardSet(patterns, (found) => [...found].sort((a, b) => a - b), maxStates)

describe("matchesWildcard", () => {
  it.each([
    ["iam.*", "iam.CreateUser", true],
    ["iam.*", "iam.", true],
    ["iam.*", "iam", false],
    ["iam.*", "IAM.CreateUser", false],
    ["iam.*", "xiam.x", false],
    ["*", "", true],
    ["?", "", false],
    ["/a/?", "/a/7", true],
    ["/a/?", "/a/77", false],
    ["/a/?", "/a/😀", true],
    ["*/chart/*", "/patients/7/chart/", true],
    ["/a/*", "/a/b/c", true],
    ["a.b", "aab", false],
    ["[ab]", "a", false],
    ["?", "*", true],
    ["ab*ba", "aba", false],
    ["*ab", "aab", true],
    ["abc", "ab", false],
    ["ab", "abc", false],
  ])("%j and %j: %s", (each, candidate, expected) => {
    expect(matchesWildcard(each, candidate)).toBe(expected)
    expect(indicesOf([each]).match(candidate)).toEqual(expected ? [0] : [])
  })

  it("is what the regular expression says", () => {
    fc.assert(
      fc.property(pattern, text, (each, candidate) => {
        expect(matchesWildcard(each, candidate)).toBe(oracle(each).test(candidate))
      }),
      { numRuns: 2000 },
    )
  })
})

describe("WildcardSet", () => {
  it("finds the patterns that match, each by itself, whatever it was asked before", () => {
    fc.assert(
      fc.property(
        fc.array(pattern, { maxLength: 6 }),
        fc.array(text, { minLength: 1, maxLength: 6 }),
        (patterns, texts) => {
          const set = indicesOf(patterns)
          for (const candidate of [...texts, ...texts]) {
            const expected = patterns.flatMap((each, i) => (oracle(each).test(candidate) ? [i] : []))
            expect(set.match(candidate)).toEqual(expected)
          }
        },
      ),
      { numRuns: 1000 },
    )
  })

  it("is right however few states it may remember", () => {
    fc.assert(
      fc.property(
        fc.array(pattern, { maxLength: 6 }),
        fc.array(text, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 6 }),
        (patterns, texts, maxStates) => {
          const set = indicesOf(patterns, maxStates)
          for (const candidate of [...texts, ...texts]) {
            const expected = patterns.flatMap((each, i) => (oracle(each).test(candidate) ? [i] : []))
            expect(set.match(candidate)).toEqual(expected)
          }
        },
      ),
      { numRuns: 1000 },
    )
  })

  it("remembers states, and no more than it may", () => {
    // What must be known of a text is which of its last 15 characters were an a: 32,768 states.
    const hungry = "*a??????????????"
    const texts = Array.from({ length: 2 ** 12 }, (_, i) => `${(i * 8 + 7).toString(2).padStart(15, "0")}`)
    /** States that are made when all texts are asked about for the first time, and again. */
    const madeIn = (each: string): number[] => {
      let made = 0
      const set = new WildcardSet([each], () => made++)
      return [1, 2].map(() => {
        const before = made
        for (const digits of texts) set.match(digits.replaceAll("1", "a").replaceAll("0", "b"))
        return made - before
      })
    }
    const [first, second] = madeIn("*a???")
    expect(first).toBe(16 - 1)
    expect(second).toBe(0)
    const [many, again] = madeIn(hungry)
    expect(many).toBeGreaterThan(4_096)
    expect(again).toBeGreaterThan(4_096)
  })

  it("comes to an end with patterns that make backtracking explode", () => {
    const hostile = `${"*a".repeat(120)}*b`
    const candidate = "a".repeat(2_048)
    expect(matchesWildcard(hostile, candidate)).toBe(false)
    expect(matchesWildcard(hostile, `${candidate}b`)).toBe(true)
    const set = indicesOf([hostile, "*?*?*?*?*?*?*?*?*?*c"])
    expect(set.match(candidate)).toEqual([])
    expect(set.match(`${candidate}b`)).toEqual([0])
  })
})

describe("coversWildcard", () => {
  it.each([
    ["iam.*", "iam.Create*", true],
    ["iam.*", "iam.?", true],
    ["*", "?*?", true],
    ["?", "a", true],
    ["a?", "a?", true],
    // A ? would stand for the star itself, not for what the star stands for.
    ["a?", "a*", false],
    ["iam.Create*", "iam.*", false],
    ["*a*", "*b*", false],
  ])("%j over %j: %s", (wide, narrow, expected) => {
    expect(coversWildcard(wide, narrow)).toBe(expected)
  })

  it("is never wrong where it says yes", () => {
    let yes = 0
    fc.assert(
      fc.property(
        pattern,
        pattern,
        fc.array(text, { minLength: 20, maxLength: 20 }),
        (wide, narrow, texts) => {
          if (!coversWildcard(wide, narrow)) return
          yes++
          for (const candidate of texts) {
            if (oracle(narrow).test(candidate)) expect(oracle(wide).test(candidate)).toBe(true)
          }
        },
      ),
      { numRuns: 5000 },
    )
    expect(yes).toBeGreaterThan(100)
  })
})
