/**
 * Rules that give events their class: the first that takes an event decides, and the default takes the rest.
 *
 *     class: high   result: [denied, failure]   resource_accessed: ["/admin/*"]
 *                   any of these          and   any of these
 *
 * Events of the log about itself are `audit`, whatever rules say.
 *
 * This runs for every event, so rules are compiled once, into one bit each. A value is looked up among the literals
 * of its field and held against all its wildcards at once; what comes back is the set of rules that it leaves
 * possible. The sets of all fields are cut with each other, and the lowest bit that remains is the first rule:
 *
 *     action "iam.CreateUser"     ─► 1 1 0 1 …
 *     result "denied"             ─► 0 1 1 1 …      cut: 0 1 0 1 …, the second rule
 *
 * Spec: docs/spec, "Rules".
 * Pure: no I/O, no clock.
 */

import type { CborValue } from "@prooflog/event/cbor"
import type { NamedValue, NormalEvent } from "@prooflog/event/event"
import { isLiteral } from "./wildcard.js"
import { WildcardSet } from "./wildcard-set.js"

/** What a rule can ask about. */
export const RULE_FIELDS = [
  "user_id",
  "action",
  "resource_accessed",
  "resource_type",
  "result",
  "service",
  "environment",
  "source",
  "category",
  "tags",
] as const

export type RuleField = (typeof RULE_FIELDS)[number]

/** By field, one pattern or more, of which one must match; of `tags`, any tag. At least one field. */
export type Conditions = Readonly<Partial<Record<RuleField, readonly string[]>>>

export interface ClassRule {
  readonly class: string
  /** All must hold. A field that the event does not have matches nothing. */
  readonly conditions: Conditions
  /** Where it stands in its file, from 1. */
  readonly line: number
}

/** The class of an event, and the rule that gave it; without one, the default or the log itself did. */
export interface Classified {
  readonly class: string
  readonly rule?: {
    /** Of its file, from 1. */
    readonly line: number
    /** Among the rules, from 0. */
    readonly index: number
  }
}

/** The class of events of the log about itself. */
export const AUDIT_CLASS = "audit"

/** The `source` of such events. No producer has it. */
export const OWN_SOURCE = "prooflog"

/**
 * Compiles rules.
 *
 * @returns a function of an event that `normalizeEvent` made. It makes no objects: the same class and rule are the
 * same object each time
 */
export function classOf(file: {
  readonly rules: readonly ClassRule[]
  readonly default: string
}): (event: NormalEvent) => Classified {
  const { rules } = file
  const audit: Classified = { class: AUDIT_CLASS }
  const fallback: Classified = { class: file.default }
  const verdicts = rules.map(
    (rule, index): Classified => ({
      class: rule.class,
      rule: { line: rule.line, index },
    }),
  )
  const fields = RULE_FIELDS.filter((field) => rules.some(({ conditions }) => field in conditions))
  const tests = fields.map((field) => compileField(field, rules))
  const core = new Places(fields)
  const others = new Places(fields)
  const values: (CborValue | undefined)[] = []
  const all = emptySet(rules.length)
  for (let index = 0; index < rules.length; index++) add(all, index)
  const possible = emptySet(rules.length)

  return (event) => {
    if (sourceOf(event) === OWN_SOURCE) return audit
    for (let i = 0; i < tests.length; i++) values[i] = undefined
    core.take(event.core, values)
    others.take(event.fields, values)
    possible.set(all)
    for (let i = 0; i < tests.length; i++) {
      if (!(tests[i] as FieldTest)(values[i], possible)) return fallback
    }
    return verdicts[lowest(possible)] ?? fallback
  }
}

/** Where in an event the fields stand that rules ask about: mostly where they stood in the event before. */
class Places {
  readonly #fields: readonly string[]
  readonly #names: string[] = []
  /** By place in the event, the index in `#fields`, or −1. */
  readonly #indices: number[] = []

  constructor(fields: readonly string[]) {
    this.#fields = fields
  }

  /** Puts the values of fields into `values`. */
  take(pairs: readonly NamedValue[], values: (CborValue | undefined)[]): void {
    for (let place = 0; place < pairs.length; place++) {
      const pair = pairs[place] as NamedValue
      if (this.#names[place] !== pair[0]) {
        this.#names[place] = pair[0]
        this.#indices[place] = this.#fields.indexOf(pair[0])
      }
      const index = this.#indices[place] as number
      if (index >= 0) values[index] = pair[1]
    }
  }
}

function sourceOf({ core }: NormalEvent): CborValue | undefined {
  for (let i = 0; i < core.length; i++) {
    const pair = core[i] as NamedValue
    if (pair[0] === "source") return pair[1]
  }
  return undefined
}

/**
 * The bytes of rules that a schedule in the log gives the hash of, as text. "" if there are none.
 *
 * Spec: docs/spec, "Rules": a line for each rule, RFC 8785 and a line feed.
 */
export function formatRules(rules: readonly ClassRule[]): string {
  return rules.map((rule) => `${formatRule(rule)}\n`).join("")
}

function formatRule(rule: ClassRule): string {
  const members: [string, unknown][] = [["class", rule.class], ...Object.entries(rule.conditions)]
  // RFC 8785 orders by UTF-16 units, as < does; the rest of it JSON.stringify does of itself.
  members.sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify(Object.fromEntries(members))
}

// ---- one field

/** Takes from `possible` the rules that a value of the field rules out. Returns whether any are left. */
type FieldTest = (value: CborValue | undefined, possible: RuleSet) => boolean

function compileField(field: RuleField, rules: readonly ClassRule[]): FieldTest {
  /** Rules that do not ask about this field: they stay possible, whatever it holds. */
  const indifferent = emptySet(rules.length)
  const literals = new Map<string, RuleSet>()
  const wildcards = new Map<string, RuleSet>()
  rules.forEach(({ conditions }, index) => {
    if (conditions[field] === undefined) add(indifferent, index)
    for (const pattern of conditions[field] ?? []) {
      // Long lists of users are literals: each would cost the automaton a state for each of its characters.
      const sets = isLiteral(pattern) ? literals : wildcards
      const set = sets.get(pattern) ?? emptySet(rules.length)
      sets.set(pattern, set)
      add(set, index)
    }
  })
  const sets = [...wildcards.values()]
  const automaton = new WildcardSet([...wildcards.keys()], (matched) => {
    const held = indifferent.slice()
    for (const index of matched) unite(held, sets[index] as RuleSet)
    return held
  })
  const held = emptySet(rules.length)

  function hold(text: string): void {
    unite(held, automaton.match(text))
    const literal = literals.get(text)
    if (literal !== undefined) unite(held, literal)
  }

  return (value, possible) => {
    held.set(indifferent)
    if (typeof value === "string") hold(value)
    else if (Array.isArray(value)) for (const each of value) if (typeof each === "string") hold(each)
    return intersect(possible, held)
  }
}

// ---- sets of rules, one bit each

type RuleSet = Int32Array

function emptySet(size: number): RuleSet {
  return new Int32Array((size + 31) >>> 5)
}

function add(set: RuleSet, index: number): void {
  set[index >>> 5] = (set[index >>> 5] as number) | (1 << (index & 31))
}

function unite(set: RuleSet, other: RuleSet): void {
  for (let i = 0; i < set.length; i++) set[i] = (set[i] as number) | (other[i] as number)
}

/** Keeps in `set` what is in both. Returns whether that is any. */
function intersect(set: RuleSet, other: RuleSet): boolean {
  let any = 0
  for (let i = 0; i < set.length; i++) any |= set[i] = (set[i] as number) & (other[i] as number)
  return any !== 0
}

/** Returns the lowest member, or −1 if there is none. */
function lowest(set: RuleSet): number {
  for (let i = 0; i < set.length; i++) {
    const word = set[i] as number
    if (word !== 0) return 32 * i + 31 - Math.clz32(word & -word)
  }
  return -1
}
