/**
 * A rule about how many: it fires when a group has so many events within a time.
 *
 *     at_least 3, over 10m     9:00   9:04      9:11 9:12 9:13
 *                                                └─ fires ─┘
 *
 * The window lies anywhere in event time, and is half open: two events that are exactly its length apart do not share
 * one. Whether a group fires does not depend on the order in which its events come, late ones aside.
 *
 * Exact: every event that can still share a window with one to come is kept. Of a group that does not fire, these are
 * fewer than `atLeast` in each window; of one that does, `atLeast` are enough.
 *
 * Pure.
 */

import { durationText } from "./duration-text.js"
import { MORE_OF_THE_SAME, type Occasion } from "./episodes.js"
import type { RuleBasis } from "./grouped-rule.js"
import { distancesFrom, type KeptFields, notKept } from "./kept-fields.js"
import { listBytes } from "./rows.js"
import type { SeenEvent } from "./seen-event.js"
import { countUntil, type Lateness, placeIn, WindowRow, WindowRule, withNumber } from "./window-rule.js"

export interface CountWindow extends Lateness {
  /** Length of the window: ms > 0. */
  readonly overMs: number
  /** Events that it takes, at least 1. */
  readonly atLeast: number
}

class Counted extends WindowRow {
  /** Ascending. */
  times: number[] = []
  /** One for each time. */
  leaves: number[] = []
}

const FORM = {
  fields: ({ newestMs, times, leaves, used }: Counted) => [
    newestMs,
    distancesFrom(newestMs, times),
    distancesFrom(used, leaves),
  ],
  read(fields: KeptFields, used: number): Counted {
    const newestMs = fields.whole()
    const row = new Counted(newestMs)
    row.times = fields.wholesFrom(newestMs)
    row.leaves = fields.wholesFrom(used)
    if (row.times.length !== row.leaves.length) throw notKept()
    return row
  },
  bytes: ({ times }: Counted) => 96 + 2 * listBytes(times.length),
}

export class WindowCount extends WindowRule<Counted> {
  readonly #window: CountWindow
  readonly #details: Readonly<Record<string, string>>

  constructor(basis: RuleBasis, window: CountWindow) {
    super(basis, FORM, window, window.overMs)
    this.#window = window
    this.#details = { events: String(window.atLeast), window: durationText(window.overMs) }
  }

  protected newRow(newestMs: number): Counted {
    return new Counted(newestMs)
  }

  protected put(row: Counted, ms: number, event: SeenEvent, isOpen: boolean): Occasion | undefined {
    const { overMs, atLeast, toleranceMs } = this.#window
    const { times, leaves } = row
    const past = countUntil(times, row.newestMs - toleranceMs - overMs)
    // Of an open group, the newest are enough to see whether it goes on.
    const surplus = Math.max(past, isOpen ? times.length - atLeast : 0)
    if (surplus > 0) {
      times.splice(0, surplus)
      leaves.splice(0, surplus)
    }
    const place = placeIn(times, ms)
    row.times = withNumber(times, place, ms)
    row.leaves = withNumber(leaves, place, event.leafIndex)
    const first = firstOfFull(row.times, place, atLeast, overMs)
    if (first === undefined) return undefined
    if (isOpen) return MORE_OF_THE_SAME
    const full = row.leaves.slice(first, first + atLeast).sort((a, b) => a - b)
    return { severity: this.head.severity, details: this.#details, leaves: full, count: atLeast }
  }
}

/** Returns where the newest `count` times begin that share a window with the time at `place`, and have it among them. */
function firstOfFull(
  times: readonly number[],
  place: number,
  count: number,
  overMs: number,
): number | undefined {
  for (let first = Math.min(place, times.length - count); first > place - count && first >= 0; first--) {
    if ((times[first + count - 1] as number) - (times[first] as number) < overMs) return first
  }
  return undefined
}
