/**
 * A correlation, as a rule: what it is about, what it makes of it, and the correlations inside it.
 *
 *     event ─► inner correlations, rules ─► hits ─► the correlation's own window ─► firings
 *
 * Inner correlations fire to nobody.
 *
 * Pure.
 */

import type { RuleHead } from "./firing.js"
import { JoinedRows } from "./joined-rows.js"
import type { Fire, Rule, RuleRows } from "./rule.js"
import type { SeenEvent } from "./seen-event.js"
import type { Hits } from "./sigma-hits.js"

/** The window of a correlation. */
export interface CorrelationWindow extends Rule {
  readonly rows: RuleRows
  readonly dueMs: number
  readonly late: number
  tick(nowMs: number, fire: Fire): void
  /** Whether it fires about the group of the event that was taken last. */
  isFiring(event: SeenEvent): boolean
}

export class Correlation implements Rule {
  readonly head: RuleHead
  readonly seesOwn = false
  readonly rows: RuleRows
  readonly #window: CorrelationWindow
  readonly #hits: Hits
  readonly #inner: readonly Correlation[]

  /** @param inner - those that `hits` look through */
  constructor(window: CorrelationWindow, hits: Hits, inner: readonly Correlation[]) {
    this.head = window.head
    this.#window = window
    this.#hits = hits
    this.#inner = inner
    this.rows = new JoinedRows(window.rows.stateId, [window.rows, ...inner.map(({ rows }) => rows)])
  }

  get dueMs(): number {
    return Math.min(this.#window.dueMs, ...this.#inner.map(({ dueMs }) => dueMs))
  }

  get late(): number {
    return this.#inner.reduce((sum, { late }) => sum + late, this.#window.late)
  }

  take(event: SeenEvent, fire: Fire): void {
    if (this.#hits.look(event)) this.#window.take(event, fire)
  }

  /** Takes an event and returns whether it is one of what the correlation fires about. */
  finds(event: SeenEvent): boolean {
    if (!this.#hits.look(event)) return false
    this.#window.take(event, unheard)
    return this.#window.isFiring(event)
  }

  tick(nowMs: number, fire: Fire): void {
    for (const inner of this.#inner) inner.tick(nowMs, unheard)
    this.#window.tick(nowMs, fire)
  }
}

function unheard(): void {}
