/**
 * A rule about single events: it fires on each that matches.
 *
 * Pure.
 */

import { GroupedRule, type RuleBasis } from "./grouped-rule.js"
import type { Fire } from "./rule.js"
import { RuleTables } from "./rule-tables.js"
import type { SeenEvent } from "./seen-event.js"

export class SingleEvent extends GroupedRule {
  readonly rows: RuleTables

  constructor(basis: RuleBasis) {
    super(basis)
    this.rows = new RuleTables(basis.stateId, basis.group, { e: this.episodes.table })
  }

  protected look(key: string, event: SeenEvent, fire: Fire): void {
    const { severity } = this.head
    this.episodes.fireEach(key, { severity, details: {}, leaves: [event.leafIndex], count: 1 }, event, fire)
  }
}
