/**
 * What rules about a past have in common: a row for each group, of what it did before, in as few bytes as will do.
 *
 * A past has no end: rows stay until there are too many, and are read back from old events when a log is imported. They
 * are learned in the order in which events come. An event that comes too late to be news teaches like any other.
 *
 * Pure.
 */

import { GroupedRule, type RuleBasis } from "./grouped-rule.js"
import { type Row, type RowForm, Rows } from "./rows.js"
import type { Fire } from "./rule.js"
import { RuleTables, type Table } from "./rule-tables.js"
import type { SeenEvent } from "./seen-event.js"

/** Groups that one rule remembers: a million users, or the last of them to do something. */
const LIMITS = { rows: 2 ** 20, bytes: 256 * 2 ** 20 }

export abstract class PastRule<R extends Row> extends GroupedRule {
  readonly rows: RuleTables
  protected readonly table: Rows<R>

  /** @param more - tables besides that of pasts, by their letters */
  constructor(basis: RuleBasis, form: RowForm<R>, more: Readonly<Record<string, Table>> = {}) {
    super(basis)
    this.table = new Rows(form, LIMITS)
    this.rows = new RuleTables(
      basis.stateId,
      basis.group,
      { p: this.table, e: this.episodes.table, ...more },
      (field, values) => this.forgetInside(field, values),
    )
  }

  learn(event: SeenEvent): void {
    const key = this.keyOf(event)
    if (key !== undefined) this.look(key, event, undefined)
  }

  /** @param fire - absent if the event only teaches */
  protected abstract override look(key: string, event: SeenEvent, fire: Fire | undefined): void

  /** Forgets values inside rows. */
  protected forgetInside(_field: string, _values: ReadonlySet<string>): void {}
}

/** Whether what an event did was allowed: what was refused says where someone was who may be anyone. */
export function succeeded(event: SeenEvent, resultSlot: number): boolean {
  return event.value(resultSlot) === "success"
}
