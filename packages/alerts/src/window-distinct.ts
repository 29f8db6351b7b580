/**
 * A rule about how many different values: it fires when a group has so many of a field within a time.
 *
 *     distinct { of: http_path, at_least: 3, over: 5m }     /a   /a   /b   /a   /c
 *                                                           └─────── fires ─────┘
 *
 * Windows and order are those of `window-count.ts`.
 *
 * Exact, but for values that have the same hash of 31 bits. Of one value, an event between two others that are no
 * further apart than the window may be left out, since whatever window has it has one of these. So of a group that does
 * not fire, fewer than twice `atLeast` in each window are needed, whatever it does; what is not needed goes now and then.
 *
 * An event that comes in order costs a few steps, however many values there are; one that is out of order, as many as
 * the row has events.
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
  /** When each value was seen last, the oldest first, of the window that ends with the last time; made when it is needed. */
  seen: Map<number, number> | undefined
}

/** What the map takes for a value and when it was seen. */
const SEEN_BYTES = 48

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
  // Each time may be that of a value of its own.
  bytes: ({ times }: Distinct) => 104 + 3 * listBytes(times.length) + SEEN_BYTES * times.length,
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
    const { of, overMs, atLeast } = this.#window
    const value = textHash(textOf(event.value(of.slot) as FieldValue))
    this.#makeRoom(row, isOpen)
    const place = placeIn(row.times, ms)
    insert(row, place, ms, event.leafIndex, value)
    const full =
      place === row.times.length - 1
        ? fullAtEnd(row, atLeast, overMs)
        : fullAround(row, place, atLeast, overMs)
    const leaves = full === undefined || isOpen ? [] : leavesOf(row, full)
    if (full === undefined) return undefined
    if (isOpen) return MORE_OF_THE_SAME
    return { severity: this.head.severity, details: this.#details, leaves, count: leaves.length }
  }

  /** Leaves out what no window needs, when there is much of it: all at once, so that it costs little for each event. */
  #makeRoom(row: Distinct, isOpen: boolean): void {
    const { overMs, atLeast, toleranceMs } = this.#window
    const { length } = row.times
    const past = countUntil(row.times, row.newestMs - toleranceMs - overMs)
    if (past > 0 && past * 4 >= length) cut(row, past)
    // Of an open group, the newest are enough to see whether it goes on.
    else if (isOpen && length >= 4 * atLeast) cut(row, length - 2 * atLeast)
    else if (length >= 3 * atLeast * (Math.ceil(toleranceMs / overMs) + 2)) thin(row, overMs)
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
      row.seen = undefined
      this.table.changed(key, row)
    }
  }
}

function insert(row: Distinct, place: number, ms: number, leaf: number, value: number): void {
  if (place < row.times.length) row.seen = undefined
  row.times = withNumber(row.times, place, ms)
  row.leaves = withNumber(row.leaves, place, leaf)
  row.values = withNumber(row.values, place, value)
}

/** Removes the oldest. */
function cut(row: Distinct, count: number): void {
  for (const list of [row.times, row.leaves, row.values]) list.splice(0, count)
}

/** The first and the last event of a window. */
type Span = readonly [first: number, last: number]

/** Returns the window that ends with the last event, if it has so many values. */
function fullAtEnd(row: Distinct, atLeast: number, overMs: number): Span | undefined {
  const { times, values } = row
  const last = times.length - 1
  const ms = times[last] as number
  if (row.seen === undefined) {
    row.seen = new Map()
    for (const [at, value] of values.entries()) see(row.seen, value, times[at] as number)
  } else {
    see(row.seen, values[last] as number, ms)
  }
  for (const [value, seenMs] of row.seen) {
    if (ms - seenMs < overMs) break
    row.seen.delete(value)
  }
  return row.seen.size < atLeast ? undefined : [countUntil(times, ms - overMs), last]
}

function see(seen: Map<number, number>, value: number, ms: number): void {
  seen.delete(value)
  seen.set(value, ms)
}

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

/** Removes what stands between two others of its value no further apart than the window. */
function thin(row: Distinct, overMs: number): void {
  const { times, leaves, values } = row
  /** Of each value, the last two that stay. */
  const staying = new Map<number, readonly [before: number | undefined, last: number]>()
  const goes = new Set<number>()
  for (const [at, value] of values.entries()) {
    const [before, last] = staying.get(value) ?? []
    if (last === undefined) staying.set(value, [undefined, at])
    else if (before === undefined || (times[at] as number) - (times[before] as number) > overMs)
      staying.set(value, [last, at])
    else {
      goes.add(last)
      staying.set(value, [before, at])
    }
  }
  const stays = (_: number, at: number) => !goes.has(at)
  row.times = times.filter(stays)
  row.leaves = leaves.filter(stays)
  row.values = values.filter(stays)
}
