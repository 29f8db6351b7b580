/**
 * All rules, folded over the log.
 *
 *     event ─► ticks up to its time ─► own? history? ─► each rule ─► firings
 *
 * Three kinds of events are not what they seem, and are kept from rules that do not ask for them:
 *
 *     own       source is `prooflog`: what is done with the log itself. Only rules that say `own: true` see it; and what
 *               an alert has caused (`attributes.hop`) none, or an alert about alerts would never end
 *     history   received long after it happened, as an import is: rules learn from it, and nothing fires
 *     late      too late for one window: that rule leaves it out, and counts it
 *
 * The same events and ticks fire the same, live or replayed, in one go or put back from kept rows after each of them.
 *
 * Pure: time is what events and ticks say.
 */

import { AlertsError } from "./error.js"
import type { RuleHead } from "./firing.js"
import { Health, type HealthName } from "./health.js"
import { type Fire, type Rule, TICK_MS } from "./rule.js"
import type { FieldSlots, SeenEvent } from "./seen-event.js"

/** The source of what is done with the log itself. No producer's key has it. */
const OWN_SOURCE = "prooflog"

/** Of the row that is not one rule's. */
const SET_STATE = "rule-set"
const CLOCK = "clock"

export interface RuleSetOptions {
  /** What is received so long after it happened is history: ms > 0. */
  readonly historyAfterMs: number
}

/** What was looked at since the set was made. */
export interface RuleSetCounts {
  readonly events: number
  /** … of these, too old to fire. */
  readonly history: number
  /** How often an event was too late for the window of a rule. */
  readonly late: number
}

export class RuleSet {
  readonly #rules: readonly Rule[]
  readonly #ownRules: readonly Rule[]
  readonly #byState: ReadonlyMap<string, Rule>
  readonly #source: number
  readonly #hop: number
  readonly #historyAfterMs: number
  /** The last tick that is over; `undefined` before the first. */
  #tickedMs: number | undefined
  #isClockKept = true
  #events = 0
  #history = 0

  /**
   * @param rules - with states unlike each other
   * @param slots - of the rules; whatever reads events has to be made after this set
   */
  constructor(rules: readonly Rule[], slots: FieldSlots, { historyAfterMs }: RuleSetOptions) {
    this.#rules = rules
    this.#ownRules = rules.filter(({ seesOwn }) => seesOwn)
    this.#byState = new Map(
      rules.flatMap((rule) => (rule.rows === undefined ? [] : [[rule.rows.stateId, rule]])),
    )
    this.#source = slots.slotOf("source")
    this.#hop = slots.slotOf("attributes.hop")
    this.#historyAfterMs = historyAfterMs
  }

  get heads(): readonly RuleHead[] {
    return this.#rules.map(({ head }) => head)
  }

  get counts(): RuleSetCounts {
    const late = this.#rules.reduce((sum, rule) => sum + (rule.late ?? 0), 0)
    return { events: this.#events, history: this.#history, late }
  }

  /** Rows of all rules, and about how many bytes they take in memory. */
  get size(): { readonly rows: number; readonly bytes: number } {
    const sizes = this.#rules.map(({ rows }) => rows?.size ?? { rows: 0, bytes: 0 })
    return {
      rows: sizes.reduce((sum, { rows }) => sum + rows, 0),
      bytes: sizes.reduce((sum, { bytes }) => sum + bytes, 0),
    }
  }

  /** Looks at the event of the next leaf. */
  take(event: SeenEvent, fire: Fire): void {
    this.tick(event.receivedMs, fire)
    const isOwn = event.value(this.#source) === OWN_SOURCE
    if (isOwn && event.value(this.#hop) !== undefined) return
    this.#events++
    const rules = isOwn ? this.#ownRules : this.#rules
    if (event.receivedMs - event.timestampMs > this.#historyAfterMs) {
      this.#history++
      for (const rule of rules) rule.learn?.(event)
    } else {
      for (const rule of rules) rule.take(event, fire)
    }
  }

  /**
   * Takes notice that time has come so far: every event that was received before the last multiple of {@link TICK_MS}
   * has been looked at.
   */
  tick(nowMs: number, fire: Fire): void {
    if (this.#tickedMs !== undefined && nowMs < this.#tickedMs + TICK_MS) return
    const lastMs = Math.floor(nowMs / TICK_MS) * TICK_MS
    // What was before the first event means nothing to anyone.
    for (let atMs = this.#nextTickMs(lastMs); atMs <= lastMs; atMs = this.#nextTickMs(lastMs)) {
      this.#tickedMs = atMs
      for (const rule of this.#rules) if ((rule.dueMs ?? atMs) <= atMs) rule.tick?.(atMs, fire)
    }
    this.#tickedMs = lastMs
    this.#isClockKept = false
  }

  /**
   * Tells the rules about the log's health what was found.
   *
   * @param problem - for people; `undefined` if there is none
   */
  health(name: HealthName, problem: string | undefined, nowMs: number, fire: Fire): void {
    for (const rule of this.#rules) {
      if (rule instanceof Health && rule.watches === name) rule.report(problem, nowMs, fire)
    }
  }

  /** Whether kept rows of this state belong to a rule, or to the set itself. */
  has(stateId: string): boolean {
    return stateId === SET_STATE || this.#byState.has(stateId)
  }

  /**
   * Puts a kept row back, before any event.
   *
   * @returns whether there is a rule that it belongs to; if not, it is of no use any more
   * @throws {@link AlertsError} `ALERTS_BAD_STATE` if it has another form
   */
  restore(stateId: string, key: string, value: string): boolean {
    try {
      if (stateId === SET_STATE && key === CLOCK) {
        this.#tickedMs = clockIn(value)
        return true
      }
      const rows = this.#byState.get(stateId)?.rows
      rows?.restore(key, value)
      return rows !== undefined
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause
      throw new AlertsError("ALERTS_BAD_STATE", `${stateId}: ${cause.message}`, { cause })
    }
  }

  /** Hands out what has changed since it was last asked: rows to keep with the cursor, and those to remove. */
  takeChanges(
    keep: (stateId: string, key: string, value: string) => void,
    remove: (stateId: string, key: string) => void,
  ): void {
    if (!this.#isClockKept) keep(SET_STATE, CLOCK, String(this.#tickedMs))
    this.#isClockKept = true
    for (const [stateId, { rows }] of this.#byState) {
      rows?.takeChanges(
        (key, value) => keep(stateId, key, value),
        (key) => remove(stateId, key),
      )
    }
  }

  /** Forgets whatever is known by one of these values of a field, as after an erasure. */
  forget(field: string, values: ReadonlySet<string>): void {
    for (const { rows } of this.#rules) rows?.forget(field, values)
  }

  /** Returns the next tick at which a rule may have something to do; one after `lastMs` if there is none until then. */
  #nextTickMs(lastMs: number): number {
    if (this.#tickedMs === undefined) return lastMs + TICK_MS
    const next = this.#tickedMs + TICK_MS
    let dueMs = Number.POSITIVE_INFINITY
    for (const rule of this.#rules) if (rule.tick !== undefined) dueMs = Math.min(dueMs, rule.dueMs ?? next)
    return Math.max(next, Math.min(lastMs + TICK_MS, Math.ceil(dueMs / TICK_MS) * TICK_MS))
  }
}

function clockIn(value: string): number {
  const ms = Number(value)
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(ms)) throw new RangeError("a kept time is none")
  return ms
}
