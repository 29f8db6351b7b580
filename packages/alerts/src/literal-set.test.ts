import fc from "fast-check"
import { afterEach, describe, expect, it, vi } from "vitest"
import { literalsTest, MAX_UNITS } from "./literal-set.js"

afterEach(() => void vi.restoreAllMocks())

describe("a set of literals", () => {
  it.each([
    [["he", "she", "hers"], "ushers", true],
    [["he", "she", "hers"], "us", false],
    [["abcd", "bc"], "xabcx", true],
    [["abcd", "bcx"], "abcx", true],
    [["aab"], "aaab", true],
    [["é", "😀"], "x😀", true],
    [["é"], "e", false],
    [["a"], "", false],
    [[], "a", false],
  ])("%j in %j: %s", (literals, text, expected) => {
    expect(literalsTest(literals)(text)).toBe(expected)
  })

  it("is found where any of them is", () => {
    const piece = (maxLength: number) =>
      fc
        .array(fc.constantFrom("a", "b", "ab", "é", "😀"), { minLength: 1, maxLength })
        .map((parts) => parts.join(""))
    fc.assert(
      fc.property(fc.array(piece(5), { maxLength: 6 }), piece(12), (literals, text) => {
        expect(literalsTest(literals)(text)).toBe(literals.some((literal) => text.includes(literal)))
      }),
      { numRuns: 3_000 },
    )
  })

  it("looks at each character once, however the two were made for each other", () => {
    const test = literalsTest(Array.from({ length: 90 }, (_, n) => `${"a".repeat(n + 10)}b`))
    const text = "a".repeat(60_000)
    const looks = vi.spyOn(String.prototype, "charCodeAt")
    expect(test(text)).toBe(false)
    expect(looks).toHaveBeenCalledTimes(60_000)
  })

  it("may be as large as it is said to be", () => {
    const literals = Array.from({ length: MAX_UNITS / 10 }, (_, n) => `word-${String(n).padStart(5, "0")}`)
    expect(literalsTest(literals)(`… ${literals.at(-1)} …`)).toBe(true)
    expect(literalsTest(literals)("… word-0100 …")).toBe(false)
  })
})
