/**
 * What rules of all our kinds have in common: which events they look at, how they tell them apart, and that what they
 * fire about ends.
 *
 *     event ─► where? ─► group ─► the kind's own look ─► episode of the group ─► firings
 *
 * Pure.
 */

import { Episodes } from "./episodes.js"
import type { RuleHead } from "./firing.js"
import type { GroupKey } from "./group-key.js"
import type { Fire, Rule, RuleRows } from "./rule.js"
import type { SeenEvent } from "./seen-event.js"

/** What is said of a rule, whatever its kind. */
export interface RuleBasis {
  readonly head: RuleHead
  readonly seesOwn: boolean
  /** As `RuleRows.stateId`. */
  readonly stateId: string
  /** Whether it looks at an event at all. Never throws. */
  readonly where: (event: SeenEvent) => boolean
  readonly group: GroupKey
  /** Quiet after which what it fired about is over: ms, more than 0. */
  readonly resolveAfterMs: number
}

export abstract class GroupedRule implements Rule {
  readonly head: RuleHead
  readonly seesOwn: boolean
  abstract readonly rows: RuleRows
  protected readonly episodes: Episodes
  readonly #where: (event: SeenEvent) => boolean
  readonly #group: GroupKey

  constructor({ head, seesOwn, where, group, resolveAfterMs }: RuleBasis) {
    this.head = head
    this.seesOwn = seesOwn
    this.#where = where
    this.#group = group
    this.episodes = new Episodes(head, group, resolveAfterMs)
  }

  take(event: SeenEvent, fire: Fire): void {
    const key = this.keyOf(event)
    if (key !== undefined) this.look(key, event, fire)
  }

  tick(nowMs: number, fire: Fire): void {
    this.episodes.tick(nowMs, fire, (key) => this.ended(key))
  }

  get dueMs(): number {
    return this.episodes.dueMs
  }

  /** Returns the group of an event that the rule looks at. */
  protected keyOf(event: SeenEvent): string | undefined {
    return this.#where(event) ? this.#group.keyOf(event) : undefined
  }

  /** Looks at an event of a group. */
  protected abstract look(key: string, event: SeenEvent, fire: Fire): void

  /** Is told that a group was quiet for long enough. */
  protected ended(_key: string): void {}
}

/**
 * Returns when an event happened, as far as that can be believed: ms since 1970. No event is from after it was
 * received, or one wrong clock would make all others late.
 */
export function happenedMs({ timestampMs, receivedMs }: SeenEvent): number {
  return Math.min(timestampMs, receivedMs)
}
