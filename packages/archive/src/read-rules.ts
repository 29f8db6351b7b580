/**
 * The rules of a schedule file, read and held against each other.
 *
 * A rule that can never take an event is refused: it says that events have a class which they do not get. That is
 * one with a word which its field never holds, one for events of the log about itself, and one whose events are
 * all taken by an earlier rule.
 *
 * Pure: no I/O, no clock.
 */

import { REQUIRED_CORE_NAMES, REQUIRED_FIELD_NAMES } from "@prooflog/event/core-names"
import { FIELD_WORDS } from "@prooflog/event/fields"
import type { YamlValue } from "@prooflog/settings/yaml-value"
import { type ClassRule, type Conditions, OWN_SOURCE, RULE_FIELDS, type RuleField } from "./class-rules.js"
import { coversWildcard, matchesWildcard } from "./wildcard.js"

/** Most rules in a file. */
export const MAX_RULES = 1_000

/** Most patterns in all rules of a file. */
export const MAX_PATTERNS = 5_000

/** Most UTF-16 units in a pattern. */
export const MAX_PATTERN_LENGTH = 256

/** Fields that every event has. */
const ALWAYS: readonly string[] = [...REQUIRED_CORE_NAMES, ...REQUIRED_FIELD_NAMES]

/**
 * Reads a list of rules.
 *
 * @param isClass - whether the file has a class of that name
 * @throws SettingsError with the place of the first fault
 */
export function readRules(place: YamlValue, isClass: (name: string) => boolean): readonly ClassRule[] {
  const places = place.list()
  if (places.length > MAX_RULES) throw place.refuse(`more than ${MAX_RULES} rules`)
  const rules: ClassRule[] = []
  let patterns = 0
  for (const each of places) {
    const rule = readRule(each, isClass)
    patterns += Object.values(rule.conditions).flat().length
    if (patterns > MAX_PATTERNS) throw each.refuse(`more than ${MAX_PATTERNS} patterns in all rules`)
    const before = rules.find((earlier) => takesAllOf(earlier.conditions, rule.conditions))
    if (before !== undefined) {
      throw each.refuse(`it never takes an event: the rule in line ${before.line} takes them first`)
    }
    rules.push(rule)
  }
  return rules
}

function readRule(place: YamlValue, isClass: (name: string) => boolean): ClassRule {
  const members = place.members({ required: ["class"], optional: RULE_FIELDS })
  const className = members.class.text()
  if (!isClass(className)) throw members.class.refuse(`${JSON.stringify(className)} is none of the classes`)
  const conditions: Partial<Record<RuleField, readonly string[]>> = {}
  for (const field of RULE_FIELDS) {
    const patterns = members[field]?.oneOrMore()
    if (patterns !== undefined) conditions[field] = patterns.map((each) => readPattern(field, each))
  }
  if (Object.keys(conditions).length === 0) {
    throw place.refuse("it has no condition; the class of all other events is what default says")
  }
  return { class: className, conditions, line: place.at.line }
}

function readPattern(field: RuleField, place: YamlValue): string {
  const pattern = place.text()
  if (pattern.length > MAX_PATTERN_LENGTH) {
    throw place.refuse(`a pattern of more than ${MAX_PATTERN_LENGTH} characters`)
  }
  if (field === "source" && pattern === OWN_SOURCE) {
    throw place.refuse(`events of source ${OWN_SOURCE} are of class audit; no rule takes them`)
  }
  const words = wordsOf(field)
  if (words !== undefined && !words.some((word) => matchesWildcard(pattern, word))) {
    throw place.refuse(`no event has this; it is one of ${words.join(", ")}`)
  }
  return pattern
}

/** The words that a field is one of, where it is one of few. */
function wordsOf(field: RuleField): readonly string[] | undefined {
  return field === "result" || field === "category" ? FIELD_WORDS[field] : undefined
}

/** Whether one rule surely takes all events of a later one. `false` says nothing. */
function takesAllOf(earlier: Conditions, later: Conditions): boolean {
  return RULE_FIELDS.every((field) => {
    const wide = earlier[field]
    if (wide === undefined) return true
    if (ALWAYS.includes(field) && wide.some((pattern) => /^\*+$/.test(pattern))) return true
    return later[field]?.every((narrow) => wide.some((each) => coversWildcard(each, narrow))) ?? false
  })
}
