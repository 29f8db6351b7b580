/**
 * Windows of correlations, by the type that a correlation has.
 *
 *     event_count, value_count   at least so many    ─► window-count, window-distinct    tells at once
 *     value_sum                  at least so much    ─► sigma-sum
 *     temporal, temporal_ordered                     ─► sigma-temporal
 *     any other limit; value_avg, value_percentile   ─► sigma-closing                    tells when the window is over
 *
 * Pure.
 */

import type { CorrelationWindow } from "./correlation.js"
import { textOf } from "./group-key.js"
import type { RuleBasis } from "./grouped-rule.js"
import type { FieldValue, SeenEvent } from "./seen-event.js"
import { Closing, type Measure } from "./sigma-closing.js"
import type { Hits } from "./sigma-hits.js"
import type { Limits } from "./sigma-limits.js"
import { Sum } from "./sigma-sum.js"
import { Temporal } from "./sigma-temporal.js"
import { textHash } from "./text-hash.js"
import { WindowCount } from "./window-count.js"
import { WindowDistinct } from "./window-distinct.js"
import type { Lateness } from "./window-rule.js"

/** Most that is counted one by one. */
export const MAX_COUNTED = 10_000

/** A field, and the slot it has for each of the correlated rules. */
export interface CorrelatedField {
  readonly name: string
  readonly slots: readonly number[]
}

export interface WindowMaking extends Lateness {
  readonly basis: RuleBasis
  readonly hits: Hits
  readonly overMs: number
}

export function countWindow({ basis, hits, ...window }: WindowMaking, limits: Limits): CorrelationWindow {
  if (limits.areLower && isCountable(limits)) {
    return new Counting(basis, { ...window, atLeast: Math.max(1, limits.atLeast) })
  }
  const measure: Measure = { name: "events", valueOf: () => 1, keeps: "sum", of: (count) => count }
  return new Closing(basis, { ...window, limits, measure }, hits)
}

export function distinctWindow(
  { basis, hits, ...window }: WindowMaking,
  limits: Limits,
  field: CorrelatedField,
): CorrelationWindow {
  const { name, slots } = field
  const [slot, other] = [...new Set(slots)]
  if (limits.areLower && isCountable(limits) && slot !== undefined && other === undefined) {
    return new Differing(basis, { ...window, of: { name, slot }, atLeast: Math.max(1, limits.atLeast) })
  }
  const measure: Measure = {
    name: `different ${name}`,
    valueOf(event) {
      const value = valueIn(event, field, hits)
      return value === undefined ? undefined : textHash(textOf(value))
    },
    keeps: "different",
    of: (_count, _sum, values) => values.length,
  }
  return new Closing(basis, { ...window, limits, measure }, hits)
}

export function sumWindow(
  { basis, hits, ...window }: WindowMaking,
  limits: Limits,
  field: CorrelatedField,
): CorrelationWindow {
  const numberOf = (event: SeenEvent) => numberIn(valueIn(event, field, hits))
  if (limits.areLower) return new Sum(basis, { ...window, limits, numberOf }, hits)
  const measure: Measure = {
    name: `sum of ${field.name}`,
    valueOf: numberOf,
    keeps: "sum",
    of: (_count, sum) => sum,
  }
  return new Closing(basis, { ...window, limits, measure }, hits)
}

export function averageWindow(
  { basis, hits, ...window }: WindowMaking,
  limits: Limits,
  field: CorrelatedField,
): CorrelationWindow {
  const measure: Measure = {
    name: `average of ${field.name}`,
    valueOf: (event) => numberIn(valueIn(event, field, hits)),
    keeps: "sum",
    of: (count, sum) => sum / count,
  }
  return new Closing(basis, { ...window, limits, measure }, hits)
}

/** @param percentile - 1 … 99: so many percent of the numbers are no greater than what is compared */
export function percentileWindow(
  { basis, hits, ...window }: WindowMaking,
  limits: Limits,
  field: CorrelatedField,
  percentile: number,
): CorrelationWindow {
  const measure: Measure = {
    name: `percentile ${percentile} of ${field.name}`,
    valueOf: (event) => numberIn(valueIn(event, field, hits)),
    keeps: "values",
    of(_count, _sum, values) {
      const ascending = [...values].sort((a, b) => a - b)
      return ascending[Math.ceil((percentile / 100) * ascending.length) - 1] ?? 0
    },
  }
  return new Closing(basis, { ...window, limits, measure }, hits)
}

export function temporalWindow(
  { basis, hits, ...window }: WindowMaking,
  rules: number,
  atLeast: number,
  isOrdered: boolean,
): CorrelationWindow {
  return new Temporal(basis, { ...window, rules, atLeast, isOrdered }, hits)
}

class Counting extends WindowCount implements CorrelationWindow {
  isFiring(event: SeenEvent): boolean {
    const key = this.keyOf(event)
    return key !== undefined && this.episodes.isOpen(key)
  }
}

class Differing extends WindowDistinct implements CorrelationWindow {
  isFiring(event: SeenEvent): boolean {
    const key = this.keyOf(event)
    return key !== undefined && this.episodes.isOpen(key)
  }
}

function isCountable({ atLeast }: Limits): boolean {
  return atLeast <= MAX_COUNTED
}

function valueIn(event: SeenEvent, { slots }: CorrelatedField, hits: Hits): FieldValue | undefined {
  const slot = slots[hits.found[0]?.source ?? 0]
  return slot === undefined ? undefined : event.value(slot)
}

/** Numbers beyond are taken for these: a sum of them is still a number, and can be kept. */
const MOST = Number.MAX_SAFE_INTEGER

/** A number may have come as text. */
function numberIn(value: FieldValue | undefined): number | undefined {
  if (typeof value === "number")
    return Number.isNaN(value) ? undefined : Math.min(Math.max(value, -MOST), MOST)
  return typeof value === "string" && /^-?\d{1,15}(?:\.\d{1,15})?$/.test(value) ? Number(value) : undefined
}
