/**
 * A rule about the log's own health: whoever watches over it reports, and the rule fires while there is a problem.
 *
 *     checkpoint_late: "the last head is 12 m old"  ─► fires      checkpoint_late: no problem  ─► resolves
 *
 * Looks at no event. Pure.
 */

import { Episodes } from "./episodes.js"
import type { RuleHead } from "./firing.js"
import { GroupKey } from "./group-key.js"
import type { Fire, Rule } from "./rule.js"
import { RuleTables } from "./rule-tables.js"
import { FieldSlots } from "./seen-event.js"

/** What can be reported about a log. */
export const HEALTH_NAMES = [
  /** No head was published for too long. */
  "checkpoint_late",
  /** Too few witnesses cosign. */
  "quorum_missing",
  /** What is stored is not what was signed. */
  "verification_failed",
  /** Those who read the log are far behind it. */
  "follower_lag",
  /** The disk is filling up, or failing. */
  "disk",
] as const

export type HealthName = (typeof HEALTH_NAMES)[number]

/** The one group. */
const LOG = ""

export class Health implements Rule {
  readonly head: RuleHead
  readonly seesOwn = false
  readonly rows: RuleTables
  readonly watches: HealthName
  /** A problem is over when that is reported, however long it takes. */
  readonly dueMs = Number.POSITIVE_INFINITY
  readonly #episodes: Episodes

  constructor(head: RuleHead, stateId: string, watches: HealthName) {
    const group = new GroupKey([], new FieldSlots())
    this.head = head
    this.watches = watches
    this.#episodes = new Episodes(head, group, Number.POSITIVE_INFINITY)
    this.rows = new RuleTables(stateId, group, { e: this.#episodes.table })
  }

  take(): void {}

  /**
   * Fires about a problem that is new, resolves one that is over.
   *
   * @param problem - for people; `undefined` if there is none
   * @param nowMs - ms since 1970
   */
  report(problem: string | undefined, nowMs: number, fire: Fire): void {
    if (problem === undefined) this.#episodes.end(LOG, nowMs, fire)
    if (problem === undefined || this.#episodes.isOpen(LOG)) return
    const occasion = { severity: this.head.severity, details: { problem }, leaves: [], count: 0 }
    this.#episodes.fireAt(LOG, occasion, { timestampMs: nowMs, receivedMs: nowMs }, 0, fire)
  }
}
