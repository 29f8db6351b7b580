/**
 * What rules would have done, by rule: how many alerts, from what, first and last.
 *
 * Pure.
 */

import type { Firing, RuleHead } from "@prooflog/alerts/firing"
import { columnsOf, plainTable } from "../plain-table.js"
import { count } from "../terminal.js"
import { leavesText } from "./alert-table.js"

/** Of one rule. */
export interface RuleTally {
  readonly rule: RuleHead
  /** Alerts that it would have opened: firings about one thing, until that was over, are one. */
  alerts: number
  firings: number
  /** By the events' own time: ms since 1970. */
  firstMs: number
  lastMs: number
  /** Of the first alerts, the newest event of each. */
  readonly examples: number[]
}

const MAX_EXAMPLES = 5

export class FiringTally {
  readonly #rules = new Map<string, RuleTally>()
  /** What fires now, by rule and labels. */
  readonly #open = new Set<string>()

  /** Of rules that fired, those with the most alerts first. */
  get rules(): readonly RuleTally[] {
    return [...this.#rules.values()].sort((a, b) => b.alerts - a.alerts)
  }

  add({ kind, rule, labels, leaves, timestampMs }: Firing): void {
    const about = JSON.stringify([rule.id, Object.entries(labels).sort()])
    if (kind === "resolves") {
      this.#open.delete(about)
      return
    }
    const tally = this.#rules.get(rule.id) ?? newTally(rule, timestampMs)
    this.#rules.set(rule.id, tally)
    tally.firings++
    tally.firstMs = Math.min(tally.firstMs, timestampMs)
    tally.lastMs = Math.max(tally.lastMs, timestampMs)
    if (this.#open.has(about)) return
    this.#open.add(about)
    tally.alerts++
    const example = leaves.at(-1)
    if (example !== undefined && tally.examples.length < MAX_EXAMPLES) tally.examples.push(example)
  }
}

function newTally(rule: RuleHead, ms: number): RuleTally {
  return { rule, alerts: 0, firings: 0, firstMs: ms, lastMs: ms, examples: [] }
}

/**
 * Returns the lines of a table, its head first.
 *
 * @param isOfLog - whether events are leaves of a log, which can be looked up
 */
export function tallyTable(rules: readonly RuleTally[], isOfLog: boolean): readonly string[] {
  const columns = columnsOf("rule", "severity", ">alerts", ">firings", "first", "last")
  return plainTable(
    isOfLog ? [...columns, ...columnsOf("example leaves")] : columns,
    rules.map(({ rule, alerts, firings, firstMs, lastMs, examples }) => [
      rule.id,
      rule.severity,
      count(alerts),
      count(firings),
      instant(firstMs),
      instant(lastMs),
      ...(isOfLog ? [leavesText(examples.toSorted((a, b) => a - b))] : []),
    ]),
  )
}

/** The same for programs, of a log. */
export function tallyJson(rules: readonly RuleTally[]): readonly object[] {
  return rules.map(({ rule, alerts, firings, firstMs, lastMs, examples }) => ({
    rule: rule.id,
    version: rule.version,
    severity: rule.severity,
    alerts,
    firings,
    first: instant(firstMs),
    last: instant(lastMs),
    example_leaves: examples,
  }))
}

/** To the second. */
function instant(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+/, "")
}
