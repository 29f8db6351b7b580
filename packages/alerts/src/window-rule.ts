/**
 * What rules about windows have in common: a row for each group, and what is too late for it.
 *
 *     event time   ──────┬──────────────────────┬───────────────┬─────────►
 *                   left out, late          tolerance        newest of the group
 *
 * Events may come in any order: one that is older than the newest of its group by more than the tolerance is late,
 * counted as such, and left out. The newest of its group, not of all: a source that always delivers a quarter of an
 * hour after the others is not late for that.
 *
 * Pure.
 */

import type { Occasion } from "./episodes.js"
import { GroupedRule, happenedMs, type RuleBasis } from "./grouped-rule.js"
import { Row, type RowForm, Rows } from "./rows.js"
import type { Fire } from "./rule.js"
import { RuleTables } from "./rule-tables.js"
import type { SeenEvent } from "./seen-event.js"

/** How old events may be. */
export interface Lateness {
  /** Against the newest of the group: ms ≥ 0. */
  readonly toleranceMs: number
  /** Against the time at which it was received: ms > 0. No window is shown an event that is older. */
  readonly historyAfterMs: number
}

/** Groups that one rule remembers. */
const LIMITS = { rows: 100_000, bytes: 64 * 2 ** 20 }

/** Rows looked at for each new one, whether they are of no use any more. */
const LOOKED_AT = 2

export abstract class WindowRow extends Row {
  /** When the newest event of the group happened, be it kept or not: ms since 1970. */
  newestMs: number

  constructor(newestMs: number) {
    super()
    this.newestMs = newestMs
  }
}

export abstract class WindowRule<R extends WindowRow> extends GroupedRule {
  readonly rows: RuleTables
  protected readonly table: Rows<R>
  readonly #lateness: Lateness
  /** An event of a row shares no window with one that happens so much later. */
  readonly #reachMs: number
  #late = 0

  /** @param reachMs - what happened so long before another event shares no window with it: ms > 0 */
  constructor(basis: RuleBasis, form: RowForm<R>, lateness: Lateness, reachMs: number) {
    super(basis)
    this.table = new Rows(form, LIMITS)
    this.#lateness = lateness
    this.#reachMs = reachMs
    this.rows = new RuleTables(
      basis.stateId,
      basis.group,
      { w: this.table, e: this.episodes.table },
      (field, values) => this.forgetInside(field, values),
    )
  }

  get late(): number {
    return this.#late
  }

  protected abstract newRow(newestMs: number): R

  /**
   * Puts an event into the row of its group, whose `newestMs` knows it already.
   *
   * @param isOpen - the group fires already: the row may keep less, and what is returned is not told
   * @returns what it fires about, if the event is in a window that makes the group fire
   */
  protected abstract put(row: R, ms: number, event: SeenEvent, isOpen: boolean): Occasion | undefined

  protected look(key: string, event: SeenEvent, fire: Fire): void {
    const row = this.rowFor(key, event)
    if (row === undefined) return
    const occasion = this.put(row, happenedMs(event), event, this.episodes.isOpen(key))
    if (occasion !== undefined) this.episodes.fireOnce(key, occasion, event, fire)
    this.table.changed(key, row)
  }

  /** Returns the row of a group, a new one the first time; `undefined` if the event is too late for it, and counts it. */
  protected rowFor(key: string, event: SeenEvent): R | undefined {
    const ms = happenedMs(event)
    const known = this.table.use(key, event.leafIndex)
    if (known === undefined) {
      this.#removeDead(event.receivedMs)
      const row = this.newRow(ms)
      this.table.add(key, row, event.leafIndex)
      return row
    }
    if (ms < known.newestMs - this.#lateness.toleranceMs) {
      this.#late++
      return undefined
    }
    if (ms > known.newestMs) known.newestMs = ms
    return known
  }

  /** It takes a whole window before the group fires again. */
  protected override ended(key: string): void {
    this.table.delete(key)
  }

  /** Forgets values inside rows. */
  protected forgetInside(_field: string, _values: ReadonlySet<string>): void {}

  /** Removes rows that no event to come can share a window with: it would be history. */
  #removeDead(nowMs: number): void {
    const diedMs = nowMs - this.#lateness.historyAfterMs - this.#reachMs
    for (let looked = 0; looked < LOOKED_AT; looked++) {
      const oldest = this.table.oldest()
      if (oldest === undefined || oldest[1].newestMs > diedMs) return
      this.table.delete(oldest[0])
    }
  }
}

/** Returns the index at which a time belongs among ascending ones: behind those that are the same. */
export function placeIn(times: readonly number[], ms: number): number {
  let place = times.length
  while (place > 0 && (times[place - 1] as number) > ms) place--
  return place
}

/** Puts a number into a list, and returns the list: the same, unless it was empty. Most lists never have a second. */
export function withNumber(numbers: number[], place: number, number: number): number[] {
  if (numbers.length === 0) return [number]
  // At the end, where it nearly always belongs, nothing is moved.
  if (place === numbers.length) numbers.push(number)
  else numbers.splice(place, 0, number)
  return numbers
}

/** Returns how many ascending times are no later than this. In O(log n). */
export function countUntil(times: readonly number[], ms: number): number {
  let [low, high] = [0, times.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((times[middle] as number) <= ms) low = middle + 1
    else high = middle
  }
  return low
}
