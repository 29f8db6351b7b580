/**
 * A set of rules that is told of events in few words, and can die and come back. For tests only, not part of the package.
 */

import { compileRules } from "./compile-rules.js"
import type { Firing } from "./firing.js"
import type { HealthName } from "./health.js"
import { RuleSet } from "./rule-set.js"
import { FieldSlots, type FieldValue } from "./seen-event.js"
import { SeenValues } from "./seen-values.js"

export const MINUTE = 60_000
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

/** A Monday, at midnight in UTC: ms since 1970. */
export const MONDAY = Date.UTC(2026, 2, 2)

/** What an event says, besides its times. `result` is a success, and the source is a producer's, unless given. */
export type Fields = Readonly<Record<string, FieldValue>>

export interface WatchOptions {
  readonly toleranceMs?: number
  readonly historyAfterMs?: number
}

export class Watch {
  readonly firings: Firing[] = []
  /** What is kept on disk: by state and key. */
  readonly kept = new Map<string, string>()
  readonly #yaml: string
  readonly #options: Required<WatchOptions>
  #names: readonly string[] = []
  #leaf = 0
  set: RuleSet

  /** @param yaml - one rule, as it stands in a list; a name such as `x:` and its indentation are not needed */
  constructor(yaml: string, options: WatchOptions = {}) {
    this.#yaml = yaml
    this.#options = { toleranceMs: 10 * MINUTE, historyAfterMs: DAY, ...options }
    this.set = this.#begin()
  }

  /** Tells of an event. @param receivedMs - when it happened, unless given */
  see(fields: Fields, happenedMs: number, receivedMs = happenedMs): void {
    const said = { result: "success", source: "api", ...fields }
    this.set.take(new StandInEvent(this.#names, said, this.#leaf++, happenedMs, receivedMs), this.#fire)
  }

  tick(nowMs: number): void {
    this.set.tick(nowMs, this.#fire)
  }

  health(name: HealthName, problem: string | undefined, nowMs: number): void {
    this.set.health(name, problem, nowMs, this.#fire)
  }

  /** Writes what has changed. */
  keep(): void {
    this.set.takeChanges(
      (state, key, value) => this.kept.set(JSON.stringify([state, key]), value),
      (state, key) => this.kept.delete(JSON.stringify([state, key])),
    )
  }

  /** Dies, and comes back with what was written. */
  restart(): void {
    this.keep()
    this.set = this.#begin()
    for (const [place, value] of [...this.kept].sort()) {
      const [state, key] = JSON.parse(place) as [string, string]
      if (!this.set.restore(state, key, value)) throw new Error(`nobody knows the row ${place}`)
    }
  }

  /** What fired, in short: `fires low {"user_id":"ada"} 1,2`. */
  get told(): readonly string[] {
    return this.firings.map(
      ({ kind, severity, labels, leaves }) => `${kind} ${severity} ${JSON.stringify(labels)} ${leaves}`,
    )
  }

  /** Who fired, as often as they did. */
  groups(label: string): readonly (string | undefined)[] {
    return this.firings.filter(({ kind }) => kind === "fires").map(({ labels }) => labels[label])
  }

  readonly #fire = (firing: Firing) => {
    this.firings.push(firing)
  }

  #begin(): RuleSet {
    const slots = new FieldSlots()
    const lines = this.#yaml.trim().split("\n")
    const text = `rules:\n${lines.map((line) => `  ${line}`).join("\n")}\n`
    const { rules, refused } = compileRules([{ file: "rules.yaml", text }], slots, this.#options)
    if (refused[0] !== undefined) throw refused[0]
    const set = new RuleSet(rules, slots, this.#options)
    this.#names = slots.names()
    return set
  }
}

/** Returns one rule in YAML: what it must have, and these lines. */
export function ruleYaml(...lines: readonly string[]): string {
  return [
    "- id: rule",
    "  title: A rule",
    "  why: Because.",
    "  severity: high",
    ...lines.map((line) => `  ${line}`),
  ].join("\n")
}

class StandInEvent extends SeenValues {
  readonly leafIndex: number
  readonly timestampMs: number
  readonly receivedMs: number
  readonly #names: readonly string[]
  readonly #fields: Fields

  constructor(
    names: readonly string[],
    fields: Fields,
    leaf: number,
    happenedMs: number,
    receivedMs: number,
  ) {
    super(names.length)
    this.#names = names
    this.#fields = fields
    this.leafIndex = leaf
    this.timestampMs = happenedMs
    this.receivedMs = receivedMs
  }

  protected override readValue(slot: number): FieldValue | undefined {
    return this.#fields[this.#names[slot] as string]
  }

  protected override readTexts(): readonly string[] {
    return Object.values(this.#fields).map(String)
  }
}
