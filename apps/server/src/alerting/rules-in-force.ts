/**
 * The rules in force, and those that take their place when the files change.
 *
 *     files ─► compiled ─► nothing refused? ─► what the old ones had learned is put back ─► in force
 *                              └─ no ─► the old ones stay, and the reasons are told
 *
 * At the start there are no old ones: then what is right is in force, and what is wrong is told. What the rules that are
 * wrong had learned is kept until they are right.
 */

import { join } from "node:path"

import type { AlertSettings } from "@prooflog/alerts/alert-settings"
import { compileRules, type RuleSource } from "@prooflog/alerts/compile-rules"
import { AlertsError } from "@prooflog/alerts/error"
import { EventReader } from "@prooflog/alerts/event-reader"
import type { Rule } from "@prooflog/alerts/rule"
import { RuleSet } from "@prooflog/alerts/rule-set"
import { FieldSlots } from "@prooflog/alerts/seen-event"
import { SHIPPED_RULES } from "@prooflog/alerts/shipped"
import type { Enricher } from "@prooflog/enrich/enrich"
import type { ShownRule } from "../followers/alerts-calls.js"
import { type AlertsStore, StoreChanges } from "./alerts-store.js"
import { type RulePlaces, readAlertSettings, readRuleFiles, stampOf } from "./rule-sources.js"

export interface RulesOptions {
  readonly store: AlertsStore
  readonly places: RulePlaces
  readonly enrich: Enricher["enrich"]
  /** What is used before anything was read from files. */
  readonly without: AlertSettings
}

/** What a look at the files has found: nothing new, other rules in force, or reasons why they are not. */
export interface RulesLook {
  readonly found: "same" | "changed" | "refused"
  /** Rows that nobody needs any more, to go. */
  readonly changes: StoreChanges
  /** Ids of rules that are no more, or tell events apart in another way: what they fire about goes on in no rule. */
  readonly ended: ReadonlySet<string>
}

interface InForce {
  readonly settings: AlertSettings
  readonly rules: readonly Rule[]
  /** Names of what they ask events for. */
  readonly fields: readonly string[]
  readonly set: RuleSet
  readonly reader: EventReader
}

/** Between the state of a rule and the key of its row; no state has it. */
const SEPARATOR = "\u0000"

export class RulesInForce {
  readonly #options: RulesOptions
  #inForce: InForce
  #stamp = ""
  /** Folder of rules, as the settings that were read last have it, in force or not. */
  #folder: string
  #refused: readonly string[] = []

  private constructor(options: RulesOptions) {
    this.#options = options
    this.#inForce = this.#compiled(options.without, []).inForce
    this.#folder = options.without.rules
  }

  /** Reads the files, and puts back what rules had learned. */
  static async open(
    options: RulesOptions,
  ): Promise<{ readonly rules: RulesInForce; readonly look: RulesLook }> {
    const rules = new RulesInForce(options)
    return { rules, look: await rules.#look(true) }
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

  /** Looks at the files. Nothing may be shown to the rules meanwhile, and what they have learned must have been kept. */
  look(): Promise<RulesLook> {
    return this.#look(false)
  }

  /** Forgets what rules know by these names, in force or not. @returns rows to go */
  async forget(persons: readonly string[]): Promise<StoreChanges> {
    const changes = new StoreChanges()
    if (persons.length === 0) return changes
    const names = new Set(persons)
    const { set, fields } = this.#inForce
    for (const field of fields) set.forget(field, names)
    // What is kept for a rule that was refused cannot be searched without it.
    for await (const [key] of this.#options.store.rows("rule")) {
      if (!set.has(stateOf(key))) changes.remove("rule", key)
    }
    return changes
  }

  takeChanges(changes: StoreChanges): void {
    this.set.takeChanges(
      (stateId, key, value) => changes.keep("rule", stateId + SEPARATOR + key, value),
      (stateId, key) => changes.remove("rule", stateId + SEPARATOR + key),
    )
  }

  async #look(isFirst: boolean): Promise<RulesLook> {
    // What cannot be looked at is as it was while the reason is the same.
    const stamp = await stampOf(this.#options.places, this.#folder).catch(reasonOf)
    if (stamp === this.#stamp) return lookOf("same")
    const compiled = await this.#read()
    if (compiled === "elsewhere") return this.#look(isFirst)
    this.#stamp = stamp
    this.#refused = compiled.refused
    const isWhole = compiled.refused.length === 0
    if (compiled.inForce === undefined || !(isWhole || isFirst)) {
      if (isFirst) await this.#restore(this.#inForce)
      return lookOf("refused")
    }
    const strangers = await this.#restore(compiled.inForce)
    this.#inForce = compiled.inForce
    // Some may be those of a rule that was refused.
    return lookOf("changed", isWhole ? strangers : [])
  }

  /** @returns `elsewhere` if the settings name another folder of rules than before */
  async #read(): Promise<Compiled | "elsewhere"> {
    const { places } = this.#options
    try {
      const settings = await readAlertSettings(places)
      if (settings.rules !== this.#folder) {
        this.#folder = settings.rules
        return "elsewhere"
      }
      return this.#compiled(settings, await readRuleFiles(join(places.base, settings.rules), places.base))
    } catch (error) {
      return { refused: [reasonOf(error)] }
    }
  }

  #compiled(settings: AlertSettings, files: readonly RuleSource[]): Required<Compiled> {
    const slots = new FieldSlots()
    const { on, without } = settings.shipped
    const sources = on ? [{ file: "shipped", text: SHIPPED_RULES, without }, ...files] : files
    const { rules, refused } = compileRules(sources, slots, settings)
    const set = new RuleSet(rules, slots, settings)
    const reader = new EventReader(slots, this.#options.enrich)
    const inForce = { settings, rules, fields: slots.names(), set, reader }
    return { inForce, refused: refused.map(({ message }) => message) }
  }

  /** Puts rows back. @returns keys of those that belong to no rule */
  async #restore({ set }: InForce): Promise<readonly string[]> {
    const strangers: string[] = []
    for await (const [key, value] of this.#options.store.rows("rule")) {
      const state = stateOf(key)
      if (!set.restore(state, key.slice(state.length + 1), value)) strangers.push(key)
    }
    return strangers
  }
}

interface Compiled {
  readonly inForce?: InForce
  readonly refused: readonly string[]
}

/** @param strangers - keys of rows that belong to no rule */
function lookOf(found: RulesLook["found"], strangers: readonly string[] = []): RulesLook {
  const changes = new StoreChanges()
  for (const key of strangers) changes.remove("rule", key)
  return { found, changes, ended: new Set(strangers.map((key) => ruleOf(stateOf(key)))) }
}

function stateOf(key: string): string {
  return key.slice(0, key.indexOf(SEPARATOR))
}

/** `sigma:1a2b`, `brute.0123456789abcdef`, `disk.health.disk` → id of the rule whose state it is */
function ruleOf(state: string): string {
  return state.startsWith("sigma:") ? state.slice(6) : state.replace(/\.(?:[0-9a-f]{16}|health\.\w+)$/, "")
}

/** Returns why something cannot be read, or is not taken. @throws what is a bug */
function reasonOf(error: unknown): string {
  if (error instanceof AlertsError || (error as NodeJS.ErrnoException).code !== undefined)
    return (error as Error).message
  throw error
}
