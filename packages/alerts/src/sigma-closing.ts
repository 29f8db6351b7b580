/**
 * A correlation that is only right when its window is over: what may become more again, or less.
 *
 *     event_count lt 5, timespan 1h      a ── b ── c ────────── 1h
 *                                        └ the window begins    └ it is over: 3 < 5, fires
 *
 * A window begins with the first event of a group, and the next one with the first event after it. It is over when an
 * event of the group comes that is later, or when the log's own time has passed its end and the tolerance. A group without
 * any event has no window: nobody knows of it.
 *
 * Numbers and hashes of values are kept, at most {@link MAX_VALUES} of a window: what comes after these is not looked at.
 *
 * Spec: Sigma correlation rules specification 2.1.0, "Condition", "Value Average", "Value Percentile".
 * Pure.
 */

import { durationText } from "./duration-text.js"
import type { Occasion } from "./episodes.js"
import { MAX_LEAVES } from "./firing.js"
import { happenedMs, type RuleBasis } from "./grouped-rule.js"
import type { KeptFields } from "./kept-fields.js"
import type { Fire } from "./rule.js"
import type { SeenEvent } from "./seen-event.js"
import type { Hits } from "./sigma-hits.js"
import type { Limits } from "./sigma-limits.js"
import { type Lateness, WindowRow, WindowRule } from "./window-rule.js"

/** Values of one window that are kept, where they must be. */
export const MAX_VALUES = 10_000

/** What is worked out of the events of a window. */
export interface Measure {
  /** As it is told: `average of response_bytes`. */
  readonly name: string
  /** What an event adds: a number, or the hash of a value. `undefined` leaves the event out. */
  readonly valueOf: (event: SeenEvent) => number | undefined
  /** What has to be kept: nothing but count and sum, each value, or each different one. */
  readonly keeps: "sum" | "values" | "different"
  /** @param values - as `keeps` says */
  readonly of: (count: number, sum: number, values: readonly number[]) => number
}

export interface ClosingWindow extends Lateness {
  /** Length of the window: ms > 0. */
  readonly overMs: number
  readonly limits: Limits
  readonly measure: Measure
}

class Open extends WindowRow {
  startMs = 0
  /** 0: it has not begun. */
  count = 0
  sum = 0
  values = new Set<number>()
  list: number[] = []
  /** The newest, ascending. */
  leaves: number[] = []
}

const FORM = {
  fields: ({ newestMs, startMs, count, sum, values, list, leaves }: Open) => [
    newestMs,
    startMs,
    count,
    sum,
    [...values],
    list,
    leaves,
  ],
  read(fields: KeptFields): Open {
    const row = new Open(fields.whole())
    row.startMs = fields.whole()
    row.count = fields.whole()
    row.sum = fields.number()
    row.values = new Set(fields.numbers())
    row.list = fields.numbers()
    row.leaves = fields.wholes()
    return row
  },
  bytes: ({ values, list, leaves }: Open) => 320 + 40 * values.size + 8 * (list.length + leaves.length),
}

export class Closing extends WindowRule<Open> {
  readonly #window: ClosingWindow
  readonly #hits: Hits
  /** No window is over before, by the log's own time. */
  #dueMs = 0

  constructor(basis: RuleBasis, window: ClosingWindow, hits: Hits) {
    super(basis, FORM, window, window.overMs)
    this.#window = window
    this.#hits = hits
  }

  isFiring(): boolean {
    const key = this.#hits.found[0]?.key
    return key !== undefined && this.episodes.isOpen(key)
  }

  override get dueMs(): number {
    return this.table.count === 0 ? super.dueMs : Math.min(super.dueMs, this.#dueMs)
  }

  override tick(nowMs: number, fire: Fire): void {
    super.tick(nowMs, fire)
    if (this.table.count === 0 || nowMs < this.#dueMs) return
    let next = Number.POSITIVE_INFINITY
    const over: [key: string, row: Open][] = []
    for (const entry of this.table.entries()) {
      const endMs = this.#endMs(entry[1])
      if (endMs <= nowMs) over.push(entry)
      else next = Math.min(next, endMs)
    }
    // Not in the order of use, which is exact to some leaves only.
    over.sort(([a, { startMs: one }], [b, { startMs: other }]) => one - other || (a < b ? -1 : 1))
    for (const [key, row] of over) {
      this.table.delete(key)
      const occasion = this.#occasionOf(row)
      if (occasion === undefined) continue
      const moment = { timestampMs: row.newestMs, receivedMs: nowMs }
      this.episodes.fireAt(key, occasion, moment, row.used, fire)
    }
    this.#dueMs = next
  }

  protected newRow(newestMs: number): Open {
    return new Open(newestMs)
  }

  protected put(row: Open, ms: number, event: SeenEvent): Occasion | undefined {
    const value = this.#window.measure.valueOf(event)
    if (value === undefined) return undefined
    const isOver = row.count > 0 && ms >= row.startMs + this.#window.overMs
    const occasion = isOver ? this.#occasionOf(row) : undefined
    if (isOver || row.count === 0) begin(row, happenedMs(event))
    this.#add(row, value, event.leafIndex)
    this.#dueMs = Math.min(this.dueMs, this.#endMs(row))
    return occasion
  }

  /** The window that is open goes on. */
  protected override ended(): void {}

  #add(row: Open, value: number, leaf: number): void {
    const { keeps } = this.#window.measure
    row.leaves = [...row.leaves, leaf].slice(-MAX_LEAVES)
    row.count++
    if (keeps === "sum") row.sum += value
    else if (keeps === "values" && row.list.length < MAX_VALUES) row.list.push(value)
    else if (keeps === "different" && row.values.size < MAX_VALUES) row.values.add(value)
  }

  #endMs({ startMs }: Open): number {
    return startMs + this.#window.overMs + this.#window.toleranceMs
  }

  #occasionOf({ count, sum, values, list, leaves }: Open): Occasion | undefined {
    const { limits, measure, overMs } = this.#window
    const found = measure.of(count, sum, measure.keeps === "different" ? [...values] : list)
    if (count === 0 || !limits.hold(found)) return undefined
    const details = { [measure.name]: `${found} (${limits.text})`, window: durationText(overMs) }
    return { severity: this.head.severity, details, leaves, count }
  }
}

function begin(row: Open, startMs: number): void {
  row.startMs = startMs
  row.count = 0
  row.sum = 0
  row.values = new Set()
  row.list = []
  row.leaves = []
}
