/**
 * A correlation about how much in all: it fires when the numbers of a field add up to so much within a time.
 *
 *     gt 1000, timespan 1h       300 ── 500 ── 300
 *                                └────── fires ─┘
 *
 * The window lies anywhere in event time, to a {@link STEPS}th of its length: numbers are added up in steps, so that a
 * group takes the same little room however many events it has.
 *
 * Spec: Sigma correlation rules specification 2.1.0, "Value Sum".
 * Pure.
 */

import { durationText } from "./duration-text.js"
import type { Occasion } from "./episodes.js"
import { MAX_LEAVES } from "./firing.js"
import type { RuleBasis } from "./grouped-rule.js"
import { type KeptFields, notKept } from "./kept-fields.js"
import type { SeenEvent } from "./seen-event.js"
import type { Hits } from "./sigma-hits.js"
import type { Limits } from "./sigma-limits.js"
import { type Lateness, WindowRow, WindowRule } from "./window-rule.js"

/** Steps of a window. */
export const STEPS = 100

export interface SumWindow extends Lateness {
  /** Length of the window: ms ≥ {@link STEPS}. */
  readonly overMs: number
  /** Lower ones: see `Limits`. */
  readonly limits: Limits
  /** The number that an event adds; `undefined` if it has none. */
  readonly numberOf: (event: SeenEvent) => number | undefined
}

interface Step {
  /** Steps since 1970. */
  readonly number: number
  sum: number
  events: number
}

class Sums extends WindowRow {
  /** Ascending. */
  steps: Step[] = []
  /** The newest, ascending. */
  leaves: number[] = []
}

const FORM = {
  fields: ({ newestMs, steps, leaves }: Sums) => [
    newestMs,
    steps.map(({ number }) => number),
    steps.map(({ sum }) => sum),
    steps.map(({ events }) => events),
    leaves,
  ],
  read(fields: KeptFields): Sums {
    const row = new Sums(fields.whole())
    const [numbers, sums, events] = [fields.wholes(), fields.numbers(), fields.wholes()]
    if (numbers.length !== sums.length || numbers.length !== events.length) throw notKept()
    row.steps = numbers.map((number, at) => ({
      number,
      sum: sums[at] as number,
      events: events[at] as number,
    }))
    row.leaves = fields.wholes()
    return row
  },
  bytes: ({ steps, leaves }: Sums) => 240 + 64 * steps.length + 8 * leaves.length,
}

export class Sum extends WindowRule<Sums> {
  readonly #window: SumWindow
  readonly #hits: Hits
  readonly #stepMs: number

  constructor(basis: RuleBasis, window: SumWindow, hits: Hits) {
    super(basis, FORM, window, window.overMs)
    this.#window = window
    this.#hits = hits
    this.#stepMs = window.overMs / STEPS
  }

  isFiring(): boolean {
    const key = this.#hits.found[0]?.key
    return key !== undefined && this.episodes.isOpen(key)
  }

  protected newRow(newestMs: number): Sums {
    return new Sums(newestMs)
  }

  protected put(row: Sums, ms: number, event: SeenEvent): Occasion | undefined {
    const { overMs, toleranceMs, limits, numberOf } = this.#window
    const number = numberOf(event)
    if (number === undefined) return undefined
    const oldest = Math.floor((row.newestMs - toleranceMs - overMs) / this.#stepMs)
    row.steps = row.steps.filter((step) => step.number > oldest)
    row.leaves = [...row.leaves, event.leafIndex].slice(-MAX_LEAVES)
    const own = Math.floor(ms / this.#stepMs)
    addTo(row.steps, own, number)
    const full = windowWith(row.steps, own, limits)
    if (full === undefined) return undefined
    const details = { sum: `${full.sum} (${limits.text})`, window: durationText(overMs) }
    return { severity: this.head.severity, details, leaves: row.leaves, count: full.events }
  }
}

function addTo(steps: Step[], number: number, value: number): void {
  const place = steps.findLastIndex((step) => step.number <= number)
  const step = steps[place]
  if (step?.number === number) {
    step.sum += value
    step.events++
  } else {
    steps.splice(place + 1, 0, { number, sum: value, events: 1 })
  }
}

/** Returns a window that has the step, and whose sum is what is asked for. */
function windowWith(steps: readonly Step[], own: number, limits: Limits): Omit<Step, "number"> | undefined {
  for (const { number: first } of steps) {
    if (first <= own - STEPS || first > own) continue
    const inside = steps.filter(({ number }) => number >= first && number < first + STEPS)
    const sum = inside.reduce((all, step) => all + step.sum, 0)
    if (limits.hold(sum)) return { sum, events: inside.reduce((all, { events }) => all + events, 0) }
  }
  return undefined
}
