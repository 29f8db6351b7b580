/**
 * A correlation about different rules: it fires when so many of them find something in one group within a time.
 *
 *     temporal           b ── a ─────── c            whichever comes first
 *     temporal_ordered   a ── b ── b ── c            in the order of the rules
 *                        └── timespan ──┘
 *
 * Windows and order are those of `window-count.ts`: half open, in event time, whatever the order in which events come. Of
 * one rule the newest {@link MAX_KEPT} events of a group are kept: if more come within a timespan, an older one is
 * not remembered.
 *
 * Spec: Sigma correlation rules specification 2.1.0, "Temporal Proximity", "Ordered Temporal Proximity".
 * Pure.
 */

import { durationText } from "./duration-text.js"
import type { Occasion } from "./episodes.js"
import type { RuleBasis } from "./grouped-rule.js"
import { type KeptFields, notKept } from "./kept-fields.js"
import type { Fire } from "./rule.js"
import type { SeenEvent } from "./seen-event.js"
import type { Hits } from "./sigma-hits.js"
import { type Lateness, WindowRow, WindowRule } from "./window-rule.js"

/** Events of one rule that are remembered of a group. */
export const MAX_KEPT = 64

export interface TemporalWindow extends Lateness {
  /** Length of the window: ms > 0. */
  readonly overMs: number
  /** How many rules there are. */
  readonly rules: number
  /** How many of them have to find something: all, if they are ordered. */
  readonly atLeast: number
  readonly isOrdered: boolean
}

/** An event that a rule found. */
interface Found {
  readonly ms: number
  readonly leaf: number
  readonly source: number
}

class Sequence extends WindowRow {
  /** Ascending by time, and at one time by leaf. */
  found: Found[] = []
}

const FORM = {
  fields: ({ newestMs, found }: Sequence) => [
    newestMs,
    found.map(({ ms }) => ms),
    found.map(({ leaf }) => leaf),
    found.map(({ source }) => source),
  ],
  read(fields: KeptFields): Sequence {
    const row = new Sequence(fields.whole())
    const [times, leaves, sources] = [fields.wholes(), fields.wholes(), fields.wholes()]
    if (times.length !== leaves.length || times.length !== sources.length) throw notKept()
    row.found = times.map((ms, at) => ({ ms, leaf: leaves[at] as number, source: sources[at] as number }))
    return row
  },
  bytes: ({ found }: Sequence) => 200 + 64 * found.length,
}

export class Temporal extends WindowRule<Sequence> {
  readonly #window: TemporalWindow
  readonly #hits: Hits
  /** The rule that found the event in hand. */
  #source = 0

  constructor(basis: RuleBasis, window: TemporalWindow, hits: Hits) {
    super(basis, FORM, window, window.overMs)
    this.#window = window
    this.#hits = hits
  }

  /** @param event - was looked at by the hits */
  override take(event: SeenEvent, fire: Fire): void {
    for (const { source, key } of this.#hits.found) {
      this.#source = source
      this.look(key, event, fire)
    }
  }

  /** Whether it fires about the event that was taken last. */
  isFiring(): boolean {
    return this.#hits.found.some(({ key }) => this.episodes.isOpen(key))
  }

  protected newRow(newestMs: number): Sequence {
    return new Sequence(newestMs)
  }

  protected put(row: Sequence, ms: number, event: SeenEvent): Occasion | undefined {
    const { overMs, toleranceMs, atLeast, rules, isOrdered } = this.#window
    const hit = { ms, leaf: event.leafIndex, source: this.#source }
    row.found = row.found.filter((found) => found.ms > row.newestMs - toleranceMs - overMs)
    row.found.splice(row.found.findLastIndex((found) => isBefore(found, hit)) + 1, 0, hit)
    dropOldest(row.found, this.#source)
    const full = isOrdered
      ? chainWith(row.found, hit, rules, overMs)
      : windowWith(row.found, hit, atLeast, overMs)
    if (full === undefined) return undefined
    const leaves = [...new Set(full.map(({ leaf }) => leaf))].sort((a, b) => a - b)
    const details = { rules: `${full.length} of ${rules}`, window: durationText(overMs) }
    return { severity: this.head.severity, details, leaves, count: leaves.length }
  }
}

function isBefore(one: Found, other: Found): boolean {
  return one.ms < other.ms || (one.ms === other.ms && one.leaf < other.leaf)
}

function dropOldest(found: Found[], source: number): void {
  const kept = found.filter((each) => each.source === source).length
  if (kept > MAX_KEPT)
    found.splice(
      found.findIndex((each) => each.source === source),
      1,
    )
}

/** Returns, of the tightest window that has the hit, the newest event of each rule; `undefined` if these are too few. */
function windowWith(
  found: readonly Found[],
  hit: Found,
  atLeast: number,
  overMs: number,
): readonly Found[] | undefined {
  for (let first = found.indexOf(hit); first >= 0; first--) {
    const from = (found[first] as Found).ms
    if (hit.ms - from >= overMs) return undefined
    const newest = new Map<number, Found>()
    for (const each of found.slice(first)) if (each.ms - from < overMs) newest.set(each.source, each)
    if (newest.size >= atLeast) return [...newest.values()]
  }
  return undefined
}

/** Returns the tightest chain of one event of each rule, in their order, of which the hit is one. */
function chainWith(
  found: readonly Found[],
  hit: Found,
  rules: number,
  overMs: number,
): readonly Found[] | undefined {
  const chain = [hit]
  for (let source = hit.source - 1; source >= 0; source--) {
    const before = found.findLast((each) => each.source === source && isBefore(each, chain[0] as Found))
    if (before === undefined) return undefined
    chain.unshift(before)
  }
  for (let source = hit.source + 1; source < rules; source++) {
    const after = found.find((each) => each.source === source && isBefore(chain.at(-1) as Found, each))
    if (after === undefined) return undefined
    chain.push(after)
  }
  const [first, last] = [chain[0] as Found, chain.at(-1) as Found]
  return last.ms - first.ms < overMs ? chain : undefined
}
