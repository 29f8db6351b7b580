/**
 * A rule about first times: it fires when a group, usually a user, has a value of a field that it never had before.
 *
 *     a week of learning                        then
 *     ada: user.create, key.rotate   …          ada: user.create    nothing
 *                                               ada: hold.release ─► fires, once
 *                                               bob: user.create  ─► fires: it is bob's first
 *
 * It learns from the first event that the rule looks at, whoever's that is: whoever was never heard of before is news.
 *
 * Pure.
 */

import { textOf } from "./group-key.js"
import { happenedMs, type RuleBasis } from "./grouped-rule.js"
import type { KeptFields } from "./kept-fields.js"
import { PastRule } from "./past-rule.js"
import { listBytes, Row, Rows } from "./rows.js"
import type { Fire } from "./rule.js"
import type { SeenEvent } from "./seen-event.js"
import { textHash } from "./text-hash.js"

export interface FirstSeen {
  /** The field whose values are remembered. */
  readonly of: { readonly name: string; readonly slot: number }
  /** How long the rule only learns: ms ≥ 0. */
  readonly learnMs: number
}

/** Values that are remembered for one group; the first ones go. */
const MAX_VALUES = 1_000

class Known extends Row {
  /** Hashes, as they became known. */
  values: number[]

  constructor(values: number[]) {
    super()
    this.values = values
  }
}

const KNOWN = {
  fields: ({ values }: Known) => [values],
  read: (fields: KeptFields) => new Known(fields.wholes()),
  bytes: ({ values }: Known) => 56 + listBytes(values.length),
}

class Beginning extends Row {
  /** Of the earliest event: ms since 1970. */
  sinceMs: number

  constructor(sinceMs: number) {
    super()
    this.sinceMs = sinceMs
  }
}

const BEGINNING = {
  fields: ({ sinceMs }: Beginning) => [sinceMs],
  read: (fields: KeptFields) => new Beginning(fields.whole()),
  bytes: () => 80,
}

/** The key of the one row that says since when the rule learns. */
const RULE = ""

export class PastFirstSeen extends PastRule<Known> {
  readonly #beginning: Rows<Beginning>
  readonly #settings: FirstSeen

  constructor(basis: RuleBasis, settings: FirstSeen) {
    const beginning = new Rows<Beginning>(BEGINNING, { rows: 1, bytes: 1_000 })
    super(basis, KNOWN, { b: beginning })
    this.#beginning = beginning
    this.#settings = settings
  }

  protected look(key: string, event: SeenEvent, fire: Fire | undefined): void {
    const { of, learnMs } = this.#settings
    const said = event.value(of.slot)
    if (said === undefined) return
    const nowMs = happenedMs(event)
    const hasLearned = nowMs - this.#sinceMs(nowMs, event.leafIndex) >= learnMs
    const value = textHash(textOf(said))
    const row = this.table.use(key, event.leafIndex)
    if (row?.values.includes(value)) return
    if (hasLearned && fire !== undefined) {
      const details = { [of.name]: textOf(said) }
      const occasion = { severity: this.head.severity, details, leaves: [event.leafIndex], count: 1 }
      this.episodes.fireEach(key, occasion, event, fire)
    }
    if (row === undefined) {
      this.table.add(key, new Known([value]), event.leafIndex)
      return
    }
    row.values.push(value)
    if (row.values.length > MAX_VALUES) row.values.shift()
    this.table.changed(key, row)
  }

  protected override forgetInside(field: string, values: ReadonlySet<string>): void {
    if (field !== this.#settings.of.name) return
    const hashes = new Set([...values].map(textHash))
    for (const [key, row] of this.table.entries()) {
      if (!row.values.some((value) => hashes.has(value))) continue
      row.values = row.values.filter((value) => !hashes.has(value))
      this.table.changed(key, row)
    }
  }

  /** Returns the time of the earliest event, this one among them. */
  #sinceMs(nowMs: number, leaf: number): number {
    const row = this.#beginning.get(RULE)
    if (row === undefined) this.#beginning.add(RULE, new Beginning(nowMs), leaf)
    else if (nowMs < row.sinceMs) {
      row.sinceMs = nowMs
      this.#beginning.changed(RULE, row)
    }
    return Math.min(nowMs, row?.sinceMs ?? nowMs)
  }
}
