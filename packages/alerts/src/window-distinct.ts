/**
 * A rule about how many different values: it fires when a group has so many of a field within a time.
 *
 *     distinct { of: http_path, at_least: 3, over: 5m }     /a   /a   /b   /a   /c
 *                                                           └─────── fires ─────┘
 *
 * Windows and order are those of `window-count.ts`.
 *
 * Exact, but for values that have the same hash of 31 bits. Of one value, an event between two others that are no
 * further apart than the window is left out, since whatever window has it has one of these. So of a group that does not
 * fire there are fewer than twice `atLeast` in each window, whatever it does.
 *
 * Pure.
 */

import { durationText } from "./duration-text.js"
import { MORE_OF_THE_SAME, type Occasion } from "./episodes.js"
import { textOf } from "./group-key.js"
import type { RuleBasis } from "./grouped-rule.js"
import { distancesFrom, type KeptFields, notKept } from "./kept-fields.js"
import { listBytes } from "./rows.js"
import type { FieldValue, SeenEvent } from "./seen-event.js"
import { textHash } from "./text-hash.js"
import { countUntil, type Lateness, placeIn, WindowRow, WindowRule, withNumber } from "./window-rule.js"

export interface DistinctWindow extends Lateness {
  /** The field whose values are told apart. */
  readonly of: { readonly name: string; readonly slot: number }
  /** Length of the window: ms > 0. */
  readonly overMs: number
  /** Values that it takes, at least 1. */
  readonly atLeast: number
}

class Distinct extends WindowRow {
  /** Ascending. */
  times: number[] = []
  /** One for each time. */
  leaves: number[] = []
  /** Hash of the value, one for each time. */
  values: number[] = []
}

const FORM = {
  fields: ({ newestMs, times, leaves, values, used }: Distinct) => [
    newestMs,
    distancesFrom(newestMs, times),
    distancesFrom(used, leaves),
    values,
  ],
  read(fields: KeptFields, used: number): Distinct {
    const newestMs = fields.whole()
    const row = new Distinct(newestMs)
    row.times = fields.wholesFrom(newestMs)
    row.leaves = fields.wholesFrom(used)
    row.values = fields.wholes()
    if (row.times.length !== row.leaves.length || row.times.length !== row.values.length) throw notKept()
    return row
  },
  bytes: ({ times }: Distinct) => 104 + 3 * listBytes(times.length),
}

export class WindowDistinct extends WindowRule<Distinct> {
  readonly #window: DistinctWindow
  readonly #details: Readonly<Record<string, string>>

  constructor(basis: RuleBasis, window: DistinctWindow) {
    super(basis, FORM, window, window.overMs)
    const { of, atLeast, overMs } = window
    this.#window = window
    this.#details = { different: `${of.name}: ${atLeast} or more`, window: durationText(overMs) }
  }

  protected override keyOf(event: SeenEvent): string | undefined {
    const key = super.keyOf(event)
    return key === undefined || event.value(this.#window.of.slot) === undefined ? undefined : key
  }

  protected newRow(newestMs: number): Distinct {
    return new Distinct(newestMs)
  }

  protected put(row: Distinct, ms: number, event: SeenEvent, isOpen: boolean): Occasion | undefined {
    const { of, overMs, atLeast, toleranceMs } = this.#window
    const value = textHash(textOf(event.value(of.slot) as FieldValue))
    const past = countUntil(row.times, row.newestMs - toleranceMs - overMs)
    // Of an open group, the newest are enough to see whether it goes on.
    const surplus = Math.max(past, isOpen ? row.times.length - 2 * atLeast : 0)
    if (surplus > 0) for (const list of [row.times, row.leaves, row.values]) list.splice(0, surplus)
    const place = placeIn(row.times, ms)
    insert(row, place, ms, event.leafIndex, value)
    const full = fullAround(row, place, atLeast, overMs)
    const leaves = full === undefined || isOpen ? [] : leavesOf(row, full)
    thin(row, place, overMs)
    if (full === undefined) return undefined
    if (isOpen) return MORE_OF_THE_SAME
    return { severity: this.head.severity, details: this.#details, leaves, count: leaves.length }
  }

  protected override forgetInside(field: string, values: ReadonlySet<string>): void {
    if (field !== this.#window.of.name) return
    const hashes = new Set([...values].map(textHash))
    for (const [key, row] of this.table.entries()) {
      const kept = row.values.flatMap((value, at) => (hashes.has(value) ? [] : [at]))
      if (kept.length === row.values.length) continue
      row.times = kept.map((at) => row.times[at] as number)
      row.leaves = kept.map((at) => row.leaves[at] as number)
      row.values = kept.map((at) => row.values[at] as number)
      this.table.changed(key, row)
    }
  }
}

function insert(row: Distinct, place: number, ms: number, leaf: number, value: number): void {
  row.times = withNumber(row.times, place, ms)
  row.leaves = withNumber(row.leaves, place, leaf)
  row.values = withNumber(row.values, place, value)
}

function remove(row: Distinct, place: number): void {
  row.times.splice(place, 1)
  row.leaves.splice(place, 1)
  row.values.splice(place, 1)
}

/** The first and the last event of a window. */
type Span = readonly [first: number, last: number]

/** Returns a window that has so many values, of those that may have the event at `place`. */
function fullAround(
  { times, values }: Distinct,
  place: number,
  atLeast: number,
  overMs: number,
): Span | undefined {
  const ms = times[place] as number
  let first = place
  while (first > 0 && ms - (times[first - 1] as number) < overMs) first--
  let last = place
  while (last + 1 < times.length && (times[last + 1] as number) - ms < overMs) last++
  if (last - first + 1 < atLeast) return undefined
  // Windows that do not have the event cannot be full, or it would have been found with the last one that came.
  const counts = new Map<number, number>()
  for (let end = first, start = first; end <= last; end++) {
    add(counts, values[end] as number, 1)
    while ((times[end] as number) - (times[start] as number) >= overMs) {
      add(counts, values[start] as number, -1)
      start++
    }
    if (counts.size >= atLeast) return [start, end]
  }
  return undefined
}

/** Returns the newest leaf of each value in a window, ascending. */
function leavesOf({ values, leaves }: Distinct, [first, last]: Span): readonly number[] {
  const newest = new Map<number, number>()
  for (let at = first; at <= last; at++) newest.set(values[at] as number, leaves[at] as number)
  return [...newest.values()].sort((a, b) => a - b)
}

function add(counts: Map<number, number>, value: number, one: 1 | -1): void {
  const count = (counts.get(value) ?? 0) + one
  if (count === 0) counts.delete(value)
  else counts.set(value, count)
}

/**
 * Removes what stands between two others of its value no further apart than the window: the event at `place`, or a
 * neighbour of it.
 */
function thin(row: Distinct, place: number, overMs: number): void {
  const { times, values } = row
  const value = values[place] as number
  const before = values.lastIndexOf(value, place - 1)
  const earlier = place === 0 || before <= 0 ? -1 : values.lastIndexOf(value, before - 1)
  const after = values.indexOf(value, place + 1)
  const later = after < 0 ? -1 : values.indexOf(value, after + 1)
  const isClose = (one: number, other: number) => (times[other] as number) - (times[one] as number) <= overMs
  // From behind, so that what is removed moves none of the others.
  const dropsAfter = later >= 0 && isClose(place, later)
  const next = dropsAfter ? later : after
  const hasBefore = place > 0 && before >= 0
  const dropsPlace = hasBefore && next >= 0 && isClose(before, next)
  const dropsBefore = hasBefore && earlier >= 0 && isClose(earlier, dropsPlace ? next : place)
  if (dropsAfter) remove(row, after)
  if (dropsPlace) remove(row, place)
  if (dropsBefore) remove(row, before)
}
