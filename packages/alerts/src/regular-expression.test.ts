import fc from "fast-check"
import { afterEach, describe, expect, it, vi } from "vitest"
import { MAX_PATTERN, MAX_PROGRAM, MAX_STEPS, quoteRegular, regularTest } from "./regular-expression.js"

afterEach(() => void vi.restoreAllMocks())

/** Characters that were looked at: each look of the engine goes through one of these. */
function countLooks(run: () => unknown): number {
  let looks = 0
  for (const name of ["charCodeAt", "codePointAt"] as const) {
    const original = String.prototype[name] as (at: number) => number
    vi.spyOn(String.prototype, name).mockImplementation(function (this: string, at: number) {
      looks++
      return original.call(this, at)
    } as never)
  }
  run()
  vi.restoreAllMocks()
  return looks
}

describe("a hostile expression over a hostile text", () => {
  it.each([
    ["nested repetition", "^(a+)+$", `${"a".repeat(65_535)}!`],
    ["overlapping alternatives", "^(a|aa)+$", `${"a".repeat(65_535)}!`],
    ["repeated nothing", "^(a*)*b$", "a".repeat(65_536)],
    ["two runs that take each other's characters", "x+x+y", "x".repeat(65_536)],
    ["many runs", "^(?:.*,){20}P", "1,".repeat(32_768)],
    ["an address", "^([a-zA-Z0-9])(([-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}$", `${"a".repeat(65_535)}!`],
    ["states without end", "[ab]*a[ab]{40}c", "abbaabababba".repeat(5_000)],
  ])("%s: as many looks as there are characters, within the bound", (_, pattern, text) => {
    const test = regularTest(pattern)
    test(text)
    const half = countLooks(() => test(text.slice(0, text.length / 2)))
    const whole = countLooks(() => test(text))
    // Twice as long, twice the looks: no step is taken back.
    expect(whole).toBeLessThanOrEqual(3 * half + 1_000)
    expect(whole).toBeLessThanOrEqual(MAX_STEPS)
    expect(test(text)).toBe(false)
  })

  it("finds what a backtracking engine finds", () => {
    const piece = fc.constantFrom(
      "a",
      "b",
      "ab",
      ".",
      "(a|b)",
      "[ab]",
      "[^a]",
      "(?:ab)",
      "^",
      "$",
      "\\w",
      "a|b",
    )
    const times = fc.constantFrom("", "", "*", "+", "?", "{2}", "{0,2}")
    const expression = fc
      .array(fc.tuple(piece, times), { maxLength: 5 })
      .map((parts) => parts.map(([one, count]) => (/^[\^$|]$|^a\|b$/.test(one) ? one : one + count)).join(""))
    const text = fc
      .array(fc.constantFrom("a", "b", "c", "\n"), { maxLength: 8 })
      .map((parts) => parts.join(""))
    fc.assert(
      fc.property(expression, text, fc.subarray(["i", "m", "s"]), (pattern, found, flags) => {
        const expected = new RegExp(pattern, flags.join("")).test(found)
        expect(regularTest(pattern, flags.join(""))(found)).toBe(expected)
      }),
      { numRuns: 1_000 },
    )
  })
})

describe("the bound", () => {
  it("is steps: of a large expression, the beginning of a long text is looked at", () => {
    const small = regularTest("[ab]c")
    const large = regularTest("[ab]{900}c")
    const text = `${"a".repeat(60_000)}c`
    expect(small(text)).toBe(true)
    expect(large(text)).toBe(false)
    expect(large(text.slice(-4_000))).toBe(true)
  })

  it("has room for every field of the schema with an expression of usual size", () => {
    expect(regularTest("a{50}$")("a".repeat(65_535))).toBe(true)
  })

  it("refuses what is larger than that, whatever makes it so", () => {
    const refused = (pattern: string, message: string | RegExp) =>
      expect(() => regularTest(pattern)).toThrow(message)
    refused("a".repeat(MAX_PATTERN + 1), `longer than ${MAX_PATTERN} characters`)
    refused("[ab]{600}[cd]{600}", "too large")
    refused("(?:[ab]{1000}){2}", "invalid repeat count")
    refused("(((([ab]{10}){10}){10}){10})", "invalid repeat count")
    refused("(".repeat(1_500) + ")".repeat(500), /^missing closing \): .{1,190}…$/)
    expect(() => regularTest("a".repeat(MAX_PROGRAM - 50))).not.toThrow()
  })

  it.each(["a(", "[a", "a{2,1}", "(?=a)", "(?<=a)", "(?!a)", "(a)\\1", "*", "\\p{Nobody}", "a**"])(
    "refuses %s",
    (pattern) => {
      expect(() => regularTest(pattern)).toThrow(RangeError)
    },
  )
})

it("quotes any text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 20 }), (text) => {
      expect(regularTest(`^${quoteRegular(text)}$`, "s")(text)).toBe(true)
    }),
  )
})
