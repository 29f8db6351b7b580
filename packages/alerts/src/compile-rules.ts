/**
 * Rule files, compiled: those in our own form, and Sigma rules as they are.
 *
 *     files ─► documents ─┬─ has `rules` ─► each item ─► one of our kinds ──────────┐
 *                         └─ else Sigma ─► rules and correlations, of all files ────┴─► ids unlike each other ─► rules
 *                                             what is wrong, with file:line:column ─► refused
 *
 * A rule that is wrong takes no other with it: at the start of a log, thirty rules are better than none.
 *
 * Pure.
 */

import { SettingsError } from "@prooflog/settings/error"
import { parseYamlDocuments } from "@prooflog/settings/parse-yaml"
import type { YamlValue } from "@prooflog/settings/yaml-value"
import { AlertsError } from "./error.js"
import type { Rule } from "./rule.js"
import { compileOwnRule } from "./rule-file.js"
import type { FieldSlots } from "./seen-event.js"
import { compileSigmaDocuments } from "./sigma-set.js"
import type { Lateness } from "./window-rule.js"

export interface RuleSource {
  /** As it is called in messages. */
  readonly file: string
  /** Suspect. */
  readonly text: string
  /** Ids of rules of this file that are left out. */
  readonly without?: readonly string[]
}

export interface CompiledRules {
  /** In the order of their files, first our own, then Sigma's. */
  readonly rules: readonly Rule[]
  /** `ALERTS_BAD_RULE`, with line and column. */
  readonly refused: readonly AlertsError[]
}

/** Compiles rules. @param slots - has their fields afterwards */
export function compileRules(
  sources: readonly RuleSource[],
  slots: FieldSlots,
  lateness: Lateness,
): CompiledRules {
  const compilation = new Compilation(slots, lateness)
  for (const source of sources) compilation.add(source)
  // Correlations may ask for rules of other files.
  compilation.addSigma()
  for (const source of sources) compilation.checkLeftOut(source)
  return compilation
}

class Compilation implements CompiledRules {
  readonly rules: Rule[] = []
  readonly refused: AlertsError[] = []
  readonly #slots: FieldSlots
  readonly #lateness: Lateness
  /** Where each id was given. */
  readonly #places = new Map<string, string>()
  readonly #leftOut = new Set<string>()
  /** Sigma documents of all files, since they may ask for each other, and the source of each. */
  readonly #sigma = new Map<YamlValue, RuleSource>()

  constructor(slots: FieldSlots, lateness: Lateness) {
    this.#slots = slots
    this.#lateness = lateness
  }

  add(source: RuleSource): void {
    this.#try(() => {
      for (const document of parseYamlDocuments(source.text, source.file)) {
        this.#try(() => this.#addDocument(document, source))
      }
    })
  }

  addSigma(): void {
    const set = compileSigmaDocuments([...this.#sigma.keys()], this.#slots, this.#lateness)
    for (const { rule, document } of set.compiled) {
      this.#try(() => this.#addRule(rule, document, this.#sigma.get(document) as RuleSource))
    }
    for (const refused of set.refused) this.#refuse(refused)
  }

  checkLeftOut({ file, without = [] }: RuleSource): void {
    for (const id of without) {
      if (this.#leftOut.has(id)) continue
      this.refused.push(new AlertsError("ALERTS_BAD_RULE", `${file}: there is no rule "${id}" to leave out`))
    }
  }

  #addDocument(document: YamlValue, source: RuleSource): void {
    if (document.kind !== "map" || document.member("rules") === undefined) {
      this.#sigma.set(document, source)
      return
    }
    for (const item of document.members({ required: ["rules"] }).rules.list()) {
      this.#try(() => this.#addRule(compileOwnRule(item, this.#slots, this.#lateness), item, source))
    }
  }

  #addRule(rule: Rule, place: YamlValue, { file, without = [] }: RuleSource): void {
    const { id } = rule.head
    if (without.includes(id)) {
      this.#leftOut.add(id)
      return
    }
    const known = this.#places.get(id)
    if (known !== undefined) throw place.refuse(`there is a rule "${id}" already: ${known}`)
    this.#places.set(id, `${file}:${place.at.line}`)
    this.rules.push(rule)
  }

  /** Notes what is refused, and goes on. */
  #try(compile: () => void): void {
    try {
      compile()
    } catch (cause) {
      if (!(cause instanceof SettingsError)) throw cause
      this.#refuse(cause)
    }
  }

  #refuse(cause: SettingsError): void {
    const { line, column, message } = cause
    this.refused.push(new AlertsError("ALERTS_BAD_RULE", message, { cause, line, column }))
  }
}
