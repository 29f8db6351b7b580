/**
 * The rules in force, and those that take their place when the files change.
 *
 *     files ─► compiled ─► nothing refused? ─► what the old ones had learned is put back ─► in force
 *                              └─ no ─► the old ones stay, and the reasons are told
 *
 * At the start there are no old ones: then what is right is in force, and what is wrong is told.
 */

import type { AlertSettings } from "@prooflog/alerts/alert-settings"
import { compileRules } from "@prooflog/alerts/compile-rules"
import { AlertsError } from "@prooflog/alerts/error"
import { EventReader } from "@prooflog/alerts/event-reader"
import type { Rule } from "@prooflog/alerts/rule"
import { RuleSet } from "@prooflog/alerts/rule-set"
import { FieldSlots } from "@prooflog/alerts/seen-event"
import { SHIPPED_RULES } from "@prooflog/alerts/shipped"
import type { Enricher } from "@prooflog/enrich/enrich"
import type { ShownRule } from "../followers/alerts-calls.js"
import type { AlertsStore, StoreChanges } from "./alerts-store.js"
import { type RulePlaces, type RuleSources, readRuleSources, stampOf } from "./rule-sources.js"

export interface RulesOptions {
  readonly store: AlertsStore
  readonly places: RulePlaces
  readonly enrich: Enricher["enrich"]
  /** What is used before anything was read from files. */
  readonly without: AlertSettings
}

/** What a look at the files has found: nothing new, other rules in force, or reasons why they are not. */
export type RulesLook = "same" | "changed" | "refused"

interface InForce {
  readonly settings: AlertSettings
  readonly rules: readonly Rule[]
  readonly set: RuleSet
  readonly reader: EventReader
}

/** Between the state of a rule and the key of its row; no state has it. */
const SEPARATOR = "\u0000"

export class RulesInForce {
  readonly #options: RulesOptions
  #inForce: InForce
  #stamp = ""
  #refused: readonly string[] = []

  private constructor(options: RulesOptions) {
    this.#options = options
    this.#inForce = this.#compiled({ settings: options.without, files: [] }).inForce
  }

  /** Reads the files, and puts back what rules had learned. */
  static async open(options: RulesOptions, changes: StoreChanges): Promise<RulesInForce> {
    const rules = new RulesInForce(options)
    await rules.#look(changes, true)
    return rules
  }

  get settings(): AlertSettings {
    return this.#inForce.settings
  }

  get set(): RuleSet {
    return this.#inForce.set
  }

  get reader(): EventReader {
    return this.#inForce.reader
  }

  /** Why what the files say now is not in force, or not all of it. */
  get refused(): readonly string[] {
    return this.#refused
  }

  shown(): readonly ShownRule[] {
    return this.#inForce.rules.map(({ head, rows, late = 0 }) => {
      const { id, version, title, why, severity } = head
      return { id, version, title, why, severity, late, ...(rows?.size ?? { rows: 0, bytes: 0 }) }
    })
  }

  /**
   * Looks at the files. Nothing may be shown to the rules meanwhile, and what they have learned must have been kept.
   *
   * @param changes - gets the rows that nobody needs any more
   */
  look(changes: StoreChanges): Promise<RulesLook> {
    return this.#look(changes, false)
  }

  takeChanges(changes: StoreChanges): void {
    this.set.takeChanges(
      (stateId, key, value) => changes.keep("rule", stateId + SEPARATOR + key, value),
      (stateId, key) => changes.remove("rule", stateId + SEPARATOR + key),
    )
  }

  async #look(changes: StoreChanges, isFirst: boolean): Promise<RulesLook> {
    const stamp = await stampOf(this.#options.places, this.settings.rules)
    if (stamp === this.#stamp) return "same"
    this.#stamp = stamp
    const compiled = await this.#read()
    this.#refused = compiled.refused
    if (compiled.inForce === undefined || (compiled.refused.length > 0 && !isFirst)) {
      if (isFirst) await this.#restore(this.#inForce, changes)
      return "refused"
    }
    await this.#restore(compiled.inForce, changes)
    this.#inForce = compiled.inForce
    return "changed"
  }

  async #read(): Promise<{ readonly inForce?: InForce; readonly refused: readonly string[] }> {
    try {
      return this.#compiled(await readRuleSources(this.#options.places))
    } catch (error) {
      if (!(error instanceof AlertsError) && (error as NodeJS.ErrnoException).code === undefined) throw error
      return { refused: [(error as Error).message] }
    }
  }

  #compiled({ settings, files }: RuleSources): {
    readonly inForce: InForce
    readonly refused: readonly string[]
  } {
    const slots = new FieldSlots()
    const { on, without } = settings.shipped
    const sources = on ? [{ file: "shipped", text: SHIPPED_RULES, without }, ...files] : files
    const { rules, refused } = compileRules(sources, slots, settings)
    const set = new RuleSet(rules, slots, settings)
    const reader = new EventReader(slots, this.#options.enrich)
    return { inForce: { settings, rules, set, reader }, refused: refused.map(({ message }) => message) }
  }

  /** Puts rows back; those that belong to no rule any more go. */
  async #restore({ set }: InForce, changes: StoreChanges): Promise<void> {
    for await (const [key, value] of this.#options.store.rows("rule")) {
      const at = key.indexOf(SEPARATOR)
      if (!set.restore(key.slice(0, at), key.slice(at + 1), value)) changes.remove("rule", key)
    }
  }
}
