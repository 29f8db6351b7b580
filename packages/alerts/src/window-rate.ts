/**
 * A rule about how fast: it fires when a group has more events per second than so many, over a time.
 *
 *     rate { over: 1m, above: 100 }      20 slots of 3 s, aligned to 1970; more than 6,000 events in any 20 in a row
 *
 * So it is a count in steps of a twentieth of the window, and remembers numbers instead of events: it is for amounts
 * that no one would list. Whether a group fires does not depend on the order in which its events come, late ones aside.
 *
 * Pure.
 */

import { durationText } from "./duration-text.js"
import { MORE_OF_THE_SAME, type Occasion } from "./episodes.js"
import { MAX_LEAVES } from "./firing.js"
import type { RuleBasis } from "./grouped-rule.js"
import type { KeptFields } from "./kept-fields.js"
import { listBytes } from "./rows.js"
import type { SeenEvent } from "./seen-event.js"
import { type Lateness, WindowRow, WindowRule } from "./window-rule.js"

/** Slots in a window. */
export const RATE_SLOTS = 20

export interface RateWindow extends Lateness {
  /** Length of the window: ms > 0, a multiple of {@link RATE_SLOTS}. */
  readonly overMs: number
  /** Events per second, more than 0: the window has more than these. */
  readonly above: number
}

class Slotted extends WindowRow {
  /** Number of the first slot in `counts`, from 1970. */
  firstSlot = 0
  /** Events in this slot and those after it. */
  counts: number[] = []
  /** The last ones that were received. */
  leaves: number[] = []
}

const FORM = {
  fields: ({ newestMs, firstSlot, counts, leaves }: Slotted) => [newestMs, firstSlot, counts, leaves],
  read(fields: KeptFields): Slotted {
    const row = new Slotted(fields.whole())
    row.firstSlot = fields.whole()
    row.counts = fields.wholes()
    row.leaves = fields.wholes()
    return row
  },
  bytes: ({ counts, leaves }: Slotted) => 104 + listBytes(counts.length) + listBytes(leaves.length),
}

export class WindowRate extends WindowRule<Slotted> {
  readonly #slotMs: number
  readonly #toleranceMs: number
  readonly #window: string
  /** Events in a window that are not yet too many. */
  readonly #allowed: number

  constructor(basis: RuleBasis, { overMs, above, ...lateness }: RateWindow) {
    super(basis, FORM, lateness, overMs)
    this.#slotMs = overMs / RATE_SLOTS
    this.#toleranceMs = lateness.toleranceMs
    this.#window = durationText(overMs)
    this.#allowed = (above * overMs) / 1000
  }

  protected newRow(newestMs: number): Slotted {
    return new Slotted(newestMs)
  }

  protected put(row: Slotted, ms: number, event: SeenEvent, isOpen: boolean): Occasion | undefined {
    const slot = Math.floor(ms / this.#slotMs)
    // No event to come shares a window with a slot before this one.
    const first = Math.floor((row.newestMs - this.#toleranceMs) / this.#slotMs) - RATE_SLOTS + 1
    cutBefore(row, first)
    countIn(row, slot)
    row.leaves.push(event.leafIndex)
    if (row.leaves.length > MAX_LEAVES) row.leaves.shift()
    const most = mostAround(row, slot)
    if (most <= this.#allowed) return undefined
    if (isOpen) return MORE_OF_THE_SAME
    const details = { events: String(most), window: this.#window }
    return { severity: this.head.severity, details, leaves: row.leaves.slice(), count: most }
  }
}

function cutBefore(row: Slotted, slot: number): void {
  const surplus = slot - row.firstSlot
  if (surplus <= 0 || row.counts.length === 0) return
  row.counts.splice(0, surplus)
  row.firstSlot = slot
}

function countIn(row: Slotted, slot: number): void {
  const { counts } = row
  if (counts.length === 0) row.firstSlot = slot
  for (; row.firstSlot > slot; row.firstSlot--) counts.unshift(0)
  const at = slot - row.firstSlot
  while (counts.length <= at) counts.push(0)
  counts[at] = (counts[at] as number) + 1
}

/** Returns the most events in a window that has this slot. */
function mostAround({ firstSlot, counts }: Slotted, slot: number): number {
  const at = slot - firstSlot
  let sum = 0
  for (let i = Math.max(0, at - RATE_SLOTS + 1); i <= at; i++) sum += counts[i] as number
  let most = sum
  const last = Math.min(counts.length, at + RATE_SLOTS)
  for (let end = at + 1; end < last; end++) {
    sum += counts[end] as number
    if (end >= RATE_SLOTS) sum -= counts[end - RATE_SLOTS] as number
    most = Math.max(most, sum)
  }
  return most
}
