/**
 * Texts with wildcards, as Sigma writes them, made into tests.
 *
 *     progA.exe       is it                          one comparison, or a member of a set
 *     prog*           begins so
 *     *\cmd.exe       ends so
 *     a*b*c           a, then b, then c: each where it first stands after the one before
 *     prog?.exe       by a regular expression, in linear time
 *     \*  \?  \\*     a star; a question mark; a backslash and whatever else
 *
 * No test ever steps back, so that a text of any length costs its length.
 *
 * Spec: Sigma rules specification 2.1.0, "String Wildcard" and "Escape Character".
 * Pure.
 */

import { fold } from "./fold.js"
import type { Placement } from "./modifiers.js"
import { quoteRegular, regularTest } from "./regular-expression.js"

/** Tells whether a text is what is looked for. */
export type TextTest = (text: string) => boolean

/** Any number of characters. */
export const ANY = Symbol("*")

/** One character. */
export const ONE = Symbol("?")

type Part = string | typeof ANY | typeof ONE

/** Literal texts and wildcards, in their order; no two literals and no two {@link ANY} beside each other. */
export type TextPattern = readonly Part[]

/**
 * Returns what a text with wildcards says.
 *
 * A backslash escapes a wildcard or a backslash; before anything else it is one.
 *
 * @example
 * ```ts
 * parseTextPattern("C:\\*.exe") // ["C:*.exe"]
 * parseTextPattern("C:\\\\*.exe") // ["C:\\", ANY, ".exe"]
 * ```
 */
export function parseTextPattern(text: string): TextPattern {
  const parts: Part[] = []
  let literal = ""
  const wildcard = (part: typeof ANY | typeof ONE) => {
    if (literal !== "") parts.push(literal)
    literal = ""
    if (part === ONE || parts.at(-1) !== ANY) parts.push(part)
  }
  for (let at = 0; at < text.length; at++) {
    const character = text[at] as string
    if (character === "*") wildcard(ANY)
    else if (character === "?") wildcard(ONE)
    else if (character === "\\" && /[\\*?]/.test(text[at + 1] ?? "")) literal += text[++at]
    else literal += character
  }
  if (literal !== "") parts.push(literal)
  return parts
}

const WHATEVER: TextPattern = [ANY]

/** Returns a pattern as it stands in a text: `contains` puts {@link ANY} around it. */
export function placed(pattern: TextPattern, placement: Placement): TextPattern {
  const before = placement === "contains" || placement === "endswith"
  const after = placement === "contains" || placement === "startswith"
  const parts = [...(before ? WHATEVER : []), ...pattern, ...(after ? WHATEVER : [])]
  return parts.filter((part, at) => part !== ANY || parts[at - 1] !== ANY)
}

/** Returns a pattern for folded texts. */
export function foldedPattern(pattern: TextPattern): TextPattern {
  return pattern.map((part) => (typeof part === "string" ? fold(part) : part))
}

/** Returns the text that a pattern without wildcards is; `undefined` if it has any. */
export function literalOf(pattern: TextPattern): string | undefined {
  if (pattern.length === 0) return ""
  const [only] = pattern
  return pattern.length === 1 && typeof only === "string" ? only : undefined
}

/** Returns the text that a pattern looks for anywhere; `undefined` if it asks for something else. */
export function containedOf(pattern: TextPattern): string | undefined {
  const [first, text, last] = pattern
  const isContained = pattern.length === 3 && first === ANY && last === ANY
  return isContained && typeof text === "string" ? text : undefined
}

/** Returns the test of a pattern. @throws RangeError if it has more single wildcards than are taken */
export function testOf(pattern: TextPattern): TextTest {
  const literal = literalOf(pattern)
  if (literal !== undefined) return (text) => text === literal
  if (pattern.includes(ONE)) return regularTest(`^${pattern.map(regularPart).join("")}$`, "s")
  const first = typeof pattern[0] === "string" ? pattern[0] : ""
  const last = typeof pattern.at(-1) === "string" ? (pattern.at(-1) as string) : ""
  const middle = pattern.slice(first === "" ? 0 : 1, last === "" ? undefined : -1)
  return segmentsTest(
    first,
    middle.filter((part) => typeof part === "string"),
    last,
  )
}

function regularPart(part: Part): string {
  if (typeof part === "string") return quoteRegular(part)
  return part === ANY ? ".*" : "."
}

/** Tests of each form by itself: calls with a loop of none or one cost more than the search. */
function segmentsTest(first: string, middle: readonly string[], last: string): TextTest {
  const [only] = middle
  if (only === undefined) {
    if (last === "") return (text) => text.startsWith(first)
    if (first === "") return (text) => text.endsWith(last)
    const least = first.length + last.length
    return (text) => text.length >= least && text.startsWith(first) && text.endsWith(last)
  }
  return (text) => {
    if (!text.startsWith(first) || !text.endsWith(last)) return false
    let at = first.length
    for (const segment of middle) {
      const found = text.indexOf(segment, at)
      if (found < 0) return false
      at = found + segment.length
    }
    return at + last.length <= text.length
  }
}
