/**
 * Inhibition: alerts that nobody needs to be told of while another one fires.
 *
 *     source: [rule = source-silent]      while an alert fires that these match,
 *     target: [severity = low]            alerts that these match are not told,
 *     equal:  [service]                   if both have the same value of each of these labels, or neither has it
 *
 * An alert that both sides match is not inhibited by alerts that both sides match, itself among them.
 *
 * Spec: prometheus.io/docs/alerting/latest/configuration, "Inhibition-related settings". Pure.
 */

import type { Alert } from "./alert.js"
import { labelOf, type Matcher, matchAll, matchedLabels } from "./matchers.js"

export interface InhibitRule {
  readonly source: readonly Matcher[]
  readonly target: readonly Matcher[]
  readonly equal: readonly string[]
}

/** Ids of firing alerts that a rule's source matches, by the values of its equal labels. */
interface Sources {
  /** Those that its target matches, too. */
  readonly both: Map<string, Set<string>>
  readonly sourceOnly: Map<string, Set<string>>
}

/** Knows the firing alerts, and says which of them inhibit another one. */
export class Inhibition {
  readonly #rules: readonly (InhibitRule & { readonly sources: Sources })[]

  constructor(rules: readonly InhibitRule[]) {
    this.#rules = rules.map((rule) => ({ ...rule, sources: { both: new Map(), sourceOnly: new Map() } }))
  }

  /** Adds a firing alert, or one that it has already. */
  add(alert: Alert): void {
    this.#each(alert, (sources, key) => {
      const ids = sources.get(key)
      if (ids === undefined) sources.set(key, new Set([alert.id]))
      else ids.add(alert.id)
    })
  }

  /** @param alert - as it was when it was added */
  remove(alert: Alert): void {
    this.#each(alert, (sources, key) => {
      const ids = sources.get(key)
      ids?.delete(alert.id)
      if (ids?.size === 0) sources.delete(key)
    })
  }

  /** Returns the id of a firing alert that inhibits this one. */
  inhibitor(alert: Alert): string | undefined {
    const labels = matchedLabels(alert)
    for (const { source, target, equal, sources } of this.#rules) {
      if (!matchAll(target, labels)) continue
      const key = keyOf(equal, labels)
      const [first] = sources.sourceOnly.get(key) ?? []
      if (first !== undefined) return first
      if (matchAll(source, labels)) continue
      const [both] = sources.both.get(key) ?? []
      if (both !== undefined) return both
    }
    return undefined
  }

  #each(alert: Alert, act: (sources: Map<string, Set<string>>, key: string) => void): void {
    const labels = matchedLabels(alert)
    for (const { source, target, equal, sources } of this.#rules) {
      if (!matchAll(source, labels)) continue
      act(matchAll(target, labels) ? sources.both : sources.sourceOnly, keyOf(equal, labels))
    }
  }
}

function keyOf(equal: readonly string[], labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(equal.map((name) => labelOf(labels, name)))
}
