/**
 * A rule about silence: it fires when a group that was heard is not heard any more.
 *
 *     api ─ api ─ api ─────── for ───────► fires ──── api ─► resolves
 *
 * Heard is what the log received, whatever its time: a source that sends old events is not silent. What is imported is
 * no sign of life.
 *
 * A group that stays silent for `resolveAfterMs` is given up: it resolves, and is not missed until it is heard again.
 *
 * Pure.
 */

import { durationText } from "./duration-text.js"
import { GroupedRule, type RuleBasis } from "./grouped-rule.js"
import type { KeptFields } from "./kept-fields.js"
import { Row, Rows } from "./rows.js"
import type { Fire } from "./rule.js"
import { RuleTables } from "./rule-tables.js"
import type { SeenEvent } from "./seen-event.js"

/** Groups that one rule listens to. */
const LIMITS = { rows: 5_000, bytes: 4 * 2 ** 20 }

class Heard extends Row {
  /** When it was heard last: ms since 1970. */
  lastMs: number

  constructor(lastMs: number) {
    super()
    this.lastMs = lastMs
  }
}

const FORM = {
  fields: ({ lastMs }: Heard) => [lastMs],
  read: (fields: KeptFields) => new Heard(fields.whole()),
  bytes: () => 72,
}

export class Silence extends GroupedRule {
  readonly rows: RuleTables
  /** Groups that are not silent. */
  readonly #table = new Rows<Heard>(FORM, LIMITS)
  readonly #forMs: number
  /** No group is silent for long enough before. */
  #dueMs = 0

  /** @param forMs - ms > 0 */
  constructor(basis: RuleBasis, forMs: number) {
    super(basis)
    this.#forMs = forMs
    this.rows = new RuleTables(basis.stateId, basis.group, { h: this.#table, e: this.episodes.table })
  }

  override get dueMs(): number {
    const listening = this.#table.count === 0 ? Number.POSITIVE_INFINITY : this.#dueMs
    return Math.min(listening, super.dueMs)
  }

  protected look(key: string, { leafIndex, receivedMs }: SeenEvent, fire: Fire): void {
    const row = this.#table.use(key, leafIndex)
    if (row !== undefined) {
      row.lastMs = receivedMs
      this.#table.changed(key, row)
      return
    }
    this.episodes.end(key, receivedMs, fire)
    this.#dueMs = Math.min(this.dueMs, receivedMs + this.#forMs)
    this.#table.add(key, new Heard(receivedMs), leafIndex)
  }

  override tick(nowMs: number, fire: Fire): void {
    super.tick(nowMs, fire)
    if (this.#table.count === 0 || nowMs < this.#dueMs) return
    let next = Number.POSITIVE_INFINITY
    const silent: [key: string, row: Heard][] = []
    for (const entry of this.#table.entries()) {
      const due = entry[1].lastMs + this.#forMs
      if (due <= nowMs) silent.push(entry)
      else next = Math.min(next, due)
    }
    // Not in the order of use, which is exact to some leaves only.
    silent.sort(([a, { lastMs: one }], [b, { lastMs: other }]) => one - other || (a < b ? -1 : 1))
    for (const [key, row] of silent) {
      this.#table.delete(key)
      const details = { silence: durationText(this.#forMs), last_heard: new Date(row.lastMs).toISOString() }
      const occasion = { severity: this.head.severity, details, leaves: [], count: 0 }
      this.episodes.fireAt(key, occasion, { timestampMs: row.lastMs, receivedMs: nowMs }, row.used, fire)
    }
    this.#dueMs = next
  }
}
