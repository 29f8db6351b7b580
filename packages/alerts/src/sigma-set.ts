/**
 * Sigma documents, compiled together: rules, and correlations that ask for them by id or name.
 *
 *     documents ─► rules, correlations ─► who asks for whom? ─► each that nobody asks for is a rule of its own
 *                                                            └► one that is asked for is too, where `generate: true` asks
 *
 * A document that is wrong takes no other with it but those that ask for it.
 *
 * Spec: Sigma correlation rules specification 2.1.0, "Related rules", "Generate".
 * Pure.
 */

import { SettingsError } from "@prooflog/settings/error"
import type { YamlValue } from "@prooflog/settings/yaml-value"
import type { Correlation } from "./correlation.js"
import type { FieldNames } from "./pattern.js"
import type { Rule } from "./rule.js"
import type { FieldSlots } from "./seen-event.js"
import {
  type CorrelatedRule,
  type CorrelationMembers,
  compileCorrelation,
  correlationMembers,
} from "./sigma-correlation.js"
import {
  compileSigmaRule,
  readSigmaHead,
  type SigmaHead,
  type SigmaRule,
  singleSigmaRule,
} from "./sigma-rule.js"
import type { Lateness } from "./window-rule.js"

/** A rule, and the document that it is of. */
export interface CompiledDocument {
  readonly rule: Rule
  readonly document: YamlValue
}

export interface SigmaSet {
  /** In the order of their documents. */
  readonly compiled: readonly CompiledDocument[]
  /** In the order in which they were found. */
  readonly refused: readonly SettingsError[]
}

/** Compiles documents, of one file or many. @param slots - has their fields afterwards */
export function compileSigmaDocuments(
  documents: readonly YamlValue[],
  slots: FieldSlots,
  lateness: Lateness,
): SigmaSet {
  const linking = new Linking(slots, lateness)
  for (const document of documents) linking.read(document)
  return { compiled: linking.compile(), refused: linking.refused }
}

interface ReadRule {
  readonly kind: "rule"
  readonly document: YamlValue
  readonly rule: SigmaRule
}

interface ReadCorrelation {
  readonly kind: "correlation"
  readonly document: YamlValue
  readonly rule: SigmaHead
  readonly members: CorrelationMembers
}

type Read = ReadRule | ReadCorrelation

/** Most correlations inside each other. */
const MAX_DEPTH = 5

class Linking {
  readonly refused: SettingsError[] = []
  readonly #slots: FieldSlots
  readonly #lateness: Lateness
  readonly #read: Read[] = []
  readonly #byReference = new Map<string, Read>()
  /** What correlations ask for; and what they want to have by itself as well. */
  readonly #asked = new Set<Read>()
  readonly #generated = new Set<Read>()
  /** Correlations that were compiled, by themselves or inside others. */
  readonly #reached = new Set<Read>()

  constructor(slots: FieldSlots, lateness: Lateness) {
    this.#slots = slots
    this.#lateness = lateness
  }

  read(document: YamlValue): void {
    this.#try(() => {
      const read = readDocument(document, this.#slots)
      const { head, name } = read.rule
      if (name !== undefined && this.#byReference.has(name)) {
        throw document.refuse(`there is another rule of the name "${name}"`)
      }
      // Of two of one id, whoever puts rules together refuses the second, as he does others.
      for (const reference of [head.id, name ?? head.id]) {
        if (!this.#byReference.has(reference)) this.#byReference.set(reference, read)
      }
      this.#read.push(read)
    })
  }

  compile(): readonly CompiledDocument[] {
    for (const read of this.#read) if (read.kind === "correlation") this.#noteAsked(read.members)
    const compiled: CompiledDocument[] = []
    for (const read of this.#read) {
      if (this.#asked.has(read) && !this.#generated.has(read)) continue
      this.#try(() => compiled.push({ document: read.document, rule: this.#compile(read) }))
    }
    // Those that ask for each other only are nobody's.
    for (const read of this.#read) {
      if (read.kind === "correlation" && !this.#reached.has(read))
        this.#try(() => this.#correlation(read, []))
    }
    return compiled
  }

  #compile(read: Read): Rule {
    if (read.kind === "rule") return singleSigmaRule(read.rule, this.#slots)
    return this.#correlation(read, [])
  }

  #correlation(read: ReadCorrelation, around: readonly Read[]): Correlation {
    const { rule, members } = read
    this.#reached.add(read)
    if (around.includes(read)) throw members.rules.refuse("the correlation asks for itself")
    if (around.length >= MAX_DEPTH) {
      throw members.rules.refuse(`more than ${MAX_DEPTH} correlations inside each other`)
    }
    const rules = referencesOf(members).map((reference) => this.#correlated(reference, [...around, read]))
    const making = { slots: this.#slots, lateness: this.#lateness, isInner: around.length > 0 }
    return compileCorrelation(rule, members, rules, making)
  }

  #correlated(reference: YamlValue, around: readonly Read[]): CorrelatedRule {
    const read = this.#find(reference)
    const { head, name } = read.rule
    if (read.kind === "rule") {
      return { head, name, names: read.rule.names, finds: read.rule.test.matches, correlation: undefined }
    }
    const correlation = this.#correlation(read, around)
    const names = this.#namesOf(read)
    return { head, name, names, finds: (event) => correlation.finds(event), correlation }
  }

  /** What a correlation finds are events of its rules: their fields are those of the first. */
  #namesOf(read: Read): FieldNames {
    if (read.kind === "rule") return read.rule.names
    return this.#namesOf(this.#find(referencesOf(read.members)[0] as YamlValue))
  }

  /** What is asked for and not there is refused with the correlation. */
  #noteAsked({ rules, generate }: CorrelationMembers): void {
    for (const reference of rules.oneOrMore()) {
      const read = this.#byReference.get(reference.written())
      if (read === undefined) continue
      this.#asked.add(read)
      if (generate?.kind === "boolean" && generate.boolean()) this.#generated.add(read)
    }
  }

  #find(reference: YamlValue): Read {
    const read = this.#byReference.get(reference.text())
    if (read === undefined) throw reference.refuse("there is no rule of this id or name, or it was refused")
    return read
  }

  /** Notes what is refused, and goes on. */
  #try(compile: () => void): void {
    try {
      compile()
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error
      this.refused.push(error)
    }
  }
}

function readDocument(document: YamlValue, slots: FieldSlots): Read {
  if (document.kind !== "map" || document.member("correlation") === undefined) {
    return { kind: "rule", document, rule: compileSigmaRule(document, slots) }
  }
  const members = correlationMembers(document)
  // What it says is read here, so that it is refused once, however many ask for it.
  members.generate?.boolean()
  return { kind: "correlation", document, rule: readSigmaHead(document), members }
}

function referencesOf({ rules }: CorrelationMembers): readonly YamlValue[] {
  const references = rules.oneOrMore()
  const texts = references.map((reference) => reference.text())
  const twice = references.find((_, place) => texts.indexOf(texts[place] as string) < place)
  if (twice !== undefined) throw twice.refuse("it is given twice")
  return references
}
