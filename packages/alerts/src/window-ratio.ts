/**
 * A rule about shares: it fires when surely more of a group's events are of a kind than ever so often.
 *
 *     5 m   5 m   5 m   5 m             buckets, aligned to 1970
 *     2/80  1/75  3/90 44/64
 *     └─ baseline: 2 % ┘  └─ surely 53 % or more ─► fires: more than 5 %, and than 5 times the baseline
 *
 * *Surely* is the lower end of the Wilson interval at 99 %: 1 of 1 is no news, 44 of 64 is. It is asked anew with each
 * event of a bucket that has enough, so that a burst is told while it lasts.
 *
 * The baseline of a bucket is an average of the shares of those before it, each new one weighing 2 % (and more among the
 * first). A bucket that would make the rule fire teaches nothing, or a long burst would become what is usual; but if all
 * of the last day's did, it is what is usual, and they do.
 *
 * A bucket is closed when one begins that the tolerance separates from it; until then events are put into it in any
 * order. So baselines do not depend on the order in which events come, late ones aside, nor do the buckets for which the
 * rule surely fires: those that are too many when they close.
 *
 * Pure.
 */

import { durationText } from "./duration-text.js"
import { MORE_OF_THE_SAME, type Occasion } from "./episodes.js"
import { MAX_LEAVES } from "./firing.js"
import { happenedMs, type RuleBasis } from "./grouped-rule.js"
import { type KeptFields, notKept } from "./kept-fields.js"
import type { SeenEvent } from "./seen-event.js"
import { type Lateness, WindowRow, WindowRule } from "./window-rule.js"

export interface RatioWindow extends Lateness {
  /** Whether an event is of the kind whose share is watched. Never throws. */
  readonly of: (event: SeenEvent) => boolean
  /** Length of a bucket: ms > 0. */
  readonly overMs: number
  /** Events without which a bucket says nothing, at least 1. */
  readonly atLeast: number
  /** The share that is never too much: 0 … 1. */
  readonly above: number
  /** How many times the baseline is never too much: at least 0. */
  readonly timesBaseline: number
}

/** Quantile of the normal distribution that leaves half a percent on each side. */
const Z = 2.5758

/** Weight of a new share in the baseline. */
const ALPHA = 0.02

/** A day of buckets that are all too many is what is usual. */
const FROZEN_MS = 86_400_000

interface Bucket {
  /** From 1970. */
  readonly number: number
  events: number
  hits: number
  /** The share that was usual before it. */
  readonly baseline: number
  /** Of hits: the last ones that were received. */
  readonly leaves: number[]
}

class Shares extends WindowRow {
  /** Of all closed buckets. */
  baseline = 0
  /** Buckets that taught it. */
  learned = 0
  /** Number of the first of the last closed buckets that taught nothing; -1 if the last one did. */
  frozenFrom = -1
  /** Ascending by number. */
  buckets: Bucket[] = []
  /** The baseline after each bucket that was closed lately: for buckets that begin after they should. Ascending. */
  lately: (readonly [number: number, baseline: number])[] = []
}

const FORM = {
  fields: ({ newestMs, baseline, learned, frozenFrom, buckets, lately }: Shares) => [
    newestMs,
    baseline,
    learned,
    frozenFrom,
    buckets.flatMap(({ number, events, hits }) => [number, events, hits]),
    buckets.map((bucket) => bucket.baseline),
    buckets.map(({ leaves }) => leaves),
    lately.map(([number]) => number),
    lately.map(([, baseline]) => baseline),
  ],
  read(fields: KeptFields): Shares {
    const row = new Shares(fields.whole())
    row.baseline = fields.number()
    row.learned = fields.whole()
    row.frozenFrom = fields.number()
    const counts = fields.wholes()
    const baselines = fields.numbers()
    const leaves = fields.lists()
    if (counts.length !== 3 * baselines.length || leaves.length !== baselines.length) throw notKept()
    row.buckets = baselines.map((baseline, at) => {
      const [number, events, hits] = counts.slice(3 * at, 3 * at + 3) as [number, number, number]
      return { number, events, hits, baseline, leaves: leaves[at] as number[] }
    })
    const numbers = fields.wholes()
    const after = fields.numbers()
    if (numbers.length !== after.length) throw notKept()
    row.lately = numbers.map((number, at) => [number, after[at] as number])
    return row
  },
  // With half of the leaves that a bucket may name.
  bytes: ({ buckets, lately }: Shares) => 240 + 296 * buckets.length + 72 * lately.length,
}

export class WindowRatio extends WindowRule<Shares> {
  readonly #window: RatioWindow

  constructor(basis: RuleBasis, window: RatioWindow) {
    // What was learned is never of no use.
    super(basis, FORM, window, Number.POSITIVE_INFINITY)
    this.#window = window
  }

  learn(event: SeenEvent): void {
    const key = this.keyOf(event)
    if (key === undefined) return
    const row = this.rowFor(key, event)
    if (row === undefined) return
    this.#count(row, happenedMs(event), event)
    this.table.changed(key, row)
  }

  protected newRow(newestMs: number): Shares {
    return new Shares(newestMs)
  }

  protected put(row: Shares, ms: number, event: SeenEvent, isOpen: boolean): Occasion | undefined {
    const { bucket, isHit } = this.#count(row, ms, event)
    if ((isOpen && !isHit) || !this.#isTooMuch(bucket)) return undefined
    if (isOpen) return MORE_OF_THE_SAME
    const { hits, events, baseline, leaves } = bucket
    const details = {
      share: `${hits} of ${events}`,
      usual: `${(100 * baseline).toFixed(1)} %`,
      window: durationText(this.#window.overMs),
    }
    return { severity: this.head.severity, details, leaves: leaves.slice(), count: hits }
  }

  /** What was learned stays. */
  protected override ended(): void {}

  #count(row: Shares, ms: number, event: SeenEvent): { readonly bucket: Bucket; readonly isHit: boolean } {
    const bucket = this.#bucketAt(row, Math.floor(ms / this.#window.overMs))
    const isHit = this.#window.of(event)
    bucket.events++
    if (isHit) {
      bucket.hits++
      bucket.leaves.push(event.leafIndex)
      if (bucket.leaves.length > MAX_LEAVES) bucket.leaves.shift()
    }
    return { bucket, isHit }
  }

  /** Returns the bucket of this number, which is not yet closed; where it is the newest, closes what it ends. */
  #bucketAt(row: Shares, number: number): Bucket {
    const { buckets } = row
    let place = buckets.length
    while (place > 0 && (buckets[place - 1] as Bucket).number > number) place--
    const found = buckets[place - 1]
    if (found?.number === number) return found
    if (place === buckets.length) this.#close(row, number)
    const baseline = row.lately.findLast(([closed]) => this.#isClosedBy(closed, number))?.[1] ?? 0
    const bucket = { number, events: 0, hits: 0, baseline, leaves: [] }
    // Closing took some away from before it.
    const after = buckets.findIndex((each) => each.number > number)
    buckets.splice(after < 0 ? buckets.length : after, 0, bucket)
    return bucket
  }

  /** Whether a bucket is closed when another begins. */
  #isClosedBy(number: number, other: number): boolean {
    const { overMs, toleranceMs } = this.#window
    return (number + 1) * overMs <= other * overMs - toleranceMs
  }

  #close(row: Shares, number: number): void {
    const closed = row.buckets.filter((bucket) => this.#isClosedBy(bucket.number, number))
    for (const bucket of closed) {
      this.#learn(row, bucket)
      row.lately.push([bucket.number, row.baseline])
    }
    row.buckets.splice(0, closed.length)
    // A bucket that is still to come begins no earlier than the oldest that is open: one step before it is enough.
    const { overMs, toleranceMs } = this.#window
    const oldest = number - Math.floor(toleranceMs / overMs) - 1
    const surplus = row.lately.findLastIndex(([each]) => this.#isClosedBy(each, oldest))
    if (surplus > 0) row.lately.splice(0, surplus)
  }

  #learn(row: Shares, bucket: Bucket): void {
    if (this.#isTooMuch(bucket)) {
      if (row.frozenFrom < 0) row.frozenFrom = bucket.number
      if ((bucket.number - row.frozenFrom) * this.#window.overMs < FROZEN_MS) return
    } else {
      row.frozenFrom = -1
    }
    row.learned++
    row.baseline += Math.max(ALPHA, 1 / row.learned) * (bucket.hits / bucket.events - row.baseline)
  }

  #isTooMuch({ events, hits, baseline }: Bucket): boolean {
    const { atLeast, above, timesBaseline } = this.#window
    return events >= atLeast && surely(hits, events) > Math.max(above, timesBaseline * baseline)
  }
}

/** Returns the share that is exceeded at 99 %: the lower end of the Wilson interval. */
function surely(hits: number, events: number): number {
  const share = hits / events
  const square = (Z * Z) / events
  const spread = Z * Math.sqrt((share * (1 - share)) / events + square / (4 * events))
  return (share + square / 2 - spread) / (1 + square)
}
