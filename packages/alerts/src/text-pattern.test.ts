import fc from "fast-check"
import { afterEach, describe, expect, it, vi } from "vitest"
import { fold } from "./fold.js"
import {
  ANY,
  foldedPattern,
  literalOf,
  ONE,
  parseTextPattern,
  placed,
  type TextPattern,
  testOf,
} from "./text-pattern.js"

afterEach(() => void vi.restoreAllMocks())

describe("a text with wildcards", () => {
  // Sigma rules specification 2.1.0, "Escape Character", one line for each of its sentences.
  it.each([
    [String.raw`a\b`, [String.raw`a\b`]],
    [String.raw`a\\b`, [String.raw`a\b`]],
    [String.raw`a\*b`, ["a*b"]],
    [String.raw`a\?b`, ["a?b"]],
    [String.raw`a\\*b`, ["a\\", ANY, "b"]],
    [String.raw`a\\?b`, ["a\\", ONE, "b"]],
    [String.raw`a\\\*b`, [String.raw`a\*b`]],
    [String.raw`a\\\b`, [String.raw`a\\b`]],
    [String.raw`a\\\\b`, [String.raw`a\\b`]],
    [String.raw`a\\\\*`, [String.raw`a\\`, ANY]],
    ["\\", ["\\"]],
    ["", []],
    ["*", [ANY]],
    ["***", [ANY]],
    ["*?*", [ANY, ONE, ANY]],
    ["prog?.exe", ["prog", ONE, ".exe"]],
    ["antivirus_V*.exe", ["antivirus_V", ANY, ".exe"]],
  ])("%j is %o", (text, parts) => {
    expect(parseTextPattern(text)).toEqual(parts)
  })

  // Ibid., "String Wildcard".
  it.each([
    ["prog?.exe", "progA.exe", true],
    ["prog?.exe", "prog.exe", false],
    ["prog?.exe", "progAB.exe", false],
    ["antivirus_V*.exe", "antivirus_V.exe", true],
    ["antivirus_V*.exe", "antivirus_V21.2.1.exe", true],
    ["a*a", "a", false],
    ["a*a", "aa", true],
    ["ab*ba", "aba", false],
    ["a*b*bc", "abc", false],
    ["a*b*bc", "abbc", true],
    ["a*b*c", "a-b-c", true],
    ["a*b*c", "a-c-b", false],
    ["*b*", "abc", true],
    ["a?c", "a\nc", true],
    ["a*c", "a\nc", true],
    ["?", "😀", true],
    ["??", "😀", false],
    ["a.c", "abc", false],
    ["a?[c", "ab[c", true],
  ])("%j in %j: %s", (pattern, text, expected) => {
    expect(testOf(parseTextPattern(pattern))(text)).toBe(expected)
  })
})

/** A pattern step by step, in the one way that is plainly right: whatever a star may stand for is tried. */
function naive(pattern: TextPattern, text: string): boolean {
  const [part, ...rest] = pattern
  if (part === undefined) return text === ""
  if (typeof part === "string") return text.startsWith(part) && naive(rest, text.slice(part.length))
  const characters = [...text]
  if (part === ONE) return characters.length > 0 && naive(rest, characters.slice(1).join(""))
  return Array.from({ length: characters.length + 1 }, (_, count) => characters.slice(count).join("")).some(
    (after) => naive(rest, after),
  )
}

/** Few characters, so that much matches: some that fold, one of two units, what expressions hold special. */
const CHARACTERS = ["a", "a", "A", "b", "b", "Σ", "σ", "ς", "İ", "😀", ".", "\n", "[", "\\"]
const text = fc.array(fc.constantFrom(...CHARACTERS), { maxLength: 10 }).map((parts) => parts.join(""))
const pattern = fc
  .array(fc.oneof(fc.constantFrom(...CHARACTERS), fc.constantFrom("*", "?", "\\*", "\\\\")), { maxLength: 7 })
  .map((parts) => parts.join(""))

describe("any pattern", () => {
  it("matches what the naive matcher matches", () => {
    fc.assert(
      fc.property(pattern, text, (written, found) => {
        const parts = parseTextPattern(written)
        expect(testOf(parts)(found)).toBe(naive(parts, found))
      }),
      { numRuns: 2_000 },
    )
  })

  it("matches in its place what the naive matcher matches there", () => {
    fc.assert(
      fc.property(
        pattern,
        text,
        fc.constantFrom("startswith" as const, "endswith" as const, "contains" as const),
        (written, found, place) => {
          const parts = parseTextPattern(written)
          const before = place === "startswith" ? [] : [ANY]
          const after = place === "endswith" ? [] : [ANY]
          const expected = naive([...before, ...parts, ...after] as TextPattern, found)
          expect(testOf(placed(parts, place))(found)).toBe(expected)
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it("without regard to case matches each character in either case", () => {
    fc.assert(
      fc.property(pattern, text, (written, found) => {
        const parts = parseTextPattern(written)
        const lower = (whole: string) => Array.from(whole, lowerOf).join("")
        const lowered = parts.map((part) => (typeof part === "string" ? lower(part) : part))
        expect(testOf(foldedPattern(parts))(fold(found))).toBe(naive(lowered, lower(found)))
      }),
      { numRuns: 1_000 },
    )
  })

  it("that escapes a text is that text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 20 }), (found) => {
        const escaped = found.replace(/[\\*?]/g, "\\$&")
        expect(literalOf(parseTextPattern(escaped))).toBe(found)
      }),
    )
  })
})

/** One sigma for all three; a character whose lower case is two stays. */
function lowerOf(character: string): string {
  if (character === "ς" || character === "Σ") return "σ"
  return character === "İ" ? character : character.toLowerCase()
}

describe("a fold", () => {
  it("is that of each character by itself", () => {
    fc.assert(
      fc.property(text, text, (before, after) => {
        expect(fold(before + after)).toBe(fold(before) + fold(after))
        expect(fold(before)).toBe(Array.from(before, lowerOf).join(""))
      }),
    )
  })

  it("keeps the number of characters, whatever they are", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (whole) => {
        expect([...fold(whole)].length).toBe([...whole].length)
        expect(fold(fold(whole))).toBe(fold(whole))
      }),
    )
  })
})

describe("a hostile pattern over a hostile text", () => {
  const LONG = 65_536

  /** Each look into a text, by whatever engine, goes through one of these. */
  function countSteps(run: () => unknown): number {
    let steps = 0
    for (const name of [
      "charCodeAt",
      "codePointAt",
      "indexOf",
      "startsWith",
      "endsWith",
      "includes",
    ] as const) {
      const original = String.prototype[name] as (...given: unknown[]) => unknown
      vi.spyOn(String.prototype, name).mockImplementation(function (this: string, ...given: unknown[]) {
        steps++
        return original.apply(this, given)
      } as never)
    }
    run()
    vi.restoreAllMocks()
    return steps
  }

  it.each([
    ["many stars, and an end that is not there", `${"*a".repeat(50)}*b*`, "a"],
    ["single wildcards between stars", `${"*a?".repeat(50)}*b`, "a"],
    ["stars that each find their place at once", "*a*a*a*a*a*a*a*a*a*a", "a"],
  ])("%s: steps grow as the text does", (_, written, unit) => {
    const test = testOf(parseTextPattern(written))
    const stepsFor = (length: number) => countSteps(() => test(unit.repeat(length)))
    // The first time some engines fill their tables.
    stepsFor(LONG)
    const [half, whole] = [stepsFor(LONG / 2), stepsFor(LONG)]
    expect(whole).toBeLessThanOrEqual(2 * half + 100)
    expect(whole).toBeLessThanOrEqual(2 * LONG + 1_000)
  })
})
