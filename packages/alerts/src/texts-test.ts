/**
 * Texts and numbers of one line, made into one test: one comparison, one set, and as few searches as there must be.
 *
 *     action: [s3.GetObject, s3.Put*, 5]  ─►  { "s3.getobject", "5" }  or  begins with "s3.put"
 *
 * What is compared without regard to case is folded here, once, as the events' values are.
 *
 * Spec: Sigma rules specification 2.1.0, "General"; Sigma modifiers 2.1.0, "String Modifiers".
 * Pure.
 */

import type { YamlValue } from "@prooflog/settings/yaml-value"
import { base64Offsets, base64Text } from "./base64-texts.js"
import type { EventTest } from "./event-test.js"
import { literalsTest, MAX_UNITS } from "./literal-set.js"
import type { FieldAsked, Placement } from "./modifiers.js"
import { KEYWORDS, type Subject, testOfTexts } from "./subject.js"
import {
  containedOf,
  foldedPattern,
  literalOf,
  parseTextPattern,
  placed,
  type TextPattern,
  type TextTest,
  testOf,
} from "./text-pattern.js"

/** Most characters of a value, in UTF-16 units. */
const MAX_VALUE = 4_096

const COSTS = { exact: 1, search: 3 }

/**
 * Returns the test that one of the values is in a field, placed as the line says.
 *
 * @throws SettingsError at the first value that is neither text nor number nor truth, or too long, or cannot be encoded
 */
export function textsTest(
  subject: Subject,
  asked: FieldAsked,
  placement: Placement,
  values: readonly YamlValue[],
): EventTest {
  // A word is one that stands somewhere.
  const place = subject === KEYWORDS && placement === "exact" ? "contains" : placement
  const exact = new Set<string>()
  const contained = new Set<string>()
  const searches: TextTest[] = []
  for (const value of values) {
    for (const pattern of patternsOf(value, asked)) {
      const said = placed(asked.cased ? pattern : foldedPattern(pattern), place)
      const literal = literalOf(said)
      const inside = containedOf(said)
      if (literal !== undefined) exact.add(literal)
      else if (inside !== undefined) contained.add(inside)
      else searches.push(testAt(value, said))
    }
  }
  searches.unshift(...containedTests([...contained]))
  const test = joined(exact, searches)
  const cost = (COSTS.exact + COSTS.search * searches.length) * subject.weight
  const texts = asked.cased ? subject.texts : subject.folded
  return testOfTexts(texts, asked.windash ? (text) => test(withOneDash(text)) : test, cost)
}

/** Returns what one value is to be looked for as: a number as it is written and as it is meant. */
function patternsOf(value: YamlValue, { encoding, windash }: FieldAsked): readonly TextPattern[] {
  const { kind } = value
  const written = value.written()
  if (written.length > MAX_VALUE) throw value.refuse(`expected at most ${MAX_VALUE} characters`)
  if (kind === "number") return [...new Set([written, String(Number(written))])].map((text) => [text])
  const scalar = value.scalar()
  if (typeof scalar !== "string") return [[String(scalar)]]
  const pattern = parseTextPattern(scalar)
  if (encoding !== undefined) return encoded(value, pattern, encoding)
  if (!windash) return [pattern]
  return [pattern.map((part) => (typeof part === "string" ? withOneDash(part) : part))]
}

function encoded(
  value: YamlValue,
  pattern: TextPattern,
  encoding: "base64" | "base64offset",
): readonly TextPattern[] {
  const literal = literalOf(pattern)
  if (literal === undefined) throw value.refuse("a wildcard has no Base64")
  const texts = encoding === "base64" ? [base64Text(literal)] : base64Offsets(literal)
  if (texts.includes("")) throw value.refuse(`too short to be told from others in ${encoding}`)
  return texts.map((text) => [text])
}

/** Of a few, one search after the other is faster; of many, one pass for all. */
function containedTests(literals: readonly string[]): readonly TextTest[] {
  const units = literals.reduce((sum, { length }) => sum + length, 0)
  if (literals.length >= MANY && units <= MAX_UNITS) return [literalsTest(literals)]
  return literals.map((literal) => (text) => text.includes(literal))
}

const MANY = 6

function testAt(value: YamlValue, pattern: TextPattern): TextTest {
  try {
    return testOf(pattern)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw value.refuse(`no text with wildcards that is evaluated here: ${error.message}`, error)
  }
}

function joined(exact: ReadonlySet<string>, searches: readonly TextTest[]): TextTest {
  const [text] = exact
  const [search] = searches
  if (search === undefined) return exact.size === 1 ? (found) => found === text : (found) => exact.has(found)
  if (exact.size === 0 && searches.length === 1) return search
  return (found) => exact.has(found) || searches.some((each) => each(found))
}

/** `-`, `/`, `–`, `—` and `―` begin options; with windash they are one. */
function withOneDash(text: string): string {
  return text.replace(/[/–—―]/g, "-")
}
