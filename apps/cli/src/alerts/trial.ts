/**
 * Rules, tried on events of which nobody is told: those of a file, or of a log's history.
 *
 *     events, in the order of their time ─► as if each had been received when it happened ─► rules ─► firings
 *
 * So nothing is history here, and what is imported may fire. What rules learn, they learn from the first event on.
 */

import { compileRules } from "@prooflog/alerts/compile-rules"
import type { AlertsError } from "@prooflog/alerts/error"
import type { Enrich } from "@prooflog/alerts/event-fields"
import type { Firing, RuleHead } from "@prooflog/alerts/firing"
import { PlainEvents } from "@prooflog/alerts/plain-event"
import { RuleSet } from "@prooflog/alerts/rule-set"
import { FieldSlots } from "@prooflog/alerts/seen-event"
import type { NormalEvent } from "@prooflog/event/event"
import { CliError } from "../error.js"
import { counted } from "../terminal.js"
import type { RulesAt } from "./rules-at.js"

/** An event that can be tried. */
export interface TriedEvent {
  /** Unlike that of any other: a leaf, or a place in a file. */
  readonly number: number
  readonly event: NormalEvent
  /** When it happened: ms since 1970. */
  readonly timeMs: number
  /** Of an event that is in a log. */
  readonly className?: string | undefined
}

export class Trial {
  readonly heads: readonly RuleHead[]
  /** With file, line and column. */
  readonly refused: readonly AlertsError[]
  readonly #set: RuleSet
  readonly #slots: FieldSlots
  readonly #events: PlainEvents
  readonly #enrich: Enrich
  readonly #fire: (firing: Firing) => void
  #newestMs = 0
  /** Of the event that is looked at. */
  #number: number | undefined

  /**
   * @param onFiring - is told the number of the event that made a rule fire, if one did
   * @throws {@link CliError} `CLI_FILE` if there is no rule, right or wrong
   */
  constructor(
    { settings, sources }: RulesAt,
    enrich: Enrich,
    onFiring: (firing: Firing, number: number | undefined) => void,
  ) {
    const slots = new FieldSlots()
    const { toleranceMs } = settings
    // Whatever comes has just been received.
    const times = { toleranceMs, historyAfterMs: Number.POSITIVE_INFINITY }
    const { rules, refused } = compileRules(sources, slots, times)
    if (rules.length === 0 && refused.length === 0) throw new CliError("CLI_FILE", "there is no rule to try")
    this.#set = new RuleSet(rules, slots, times)
    this.#slots = slots
    this.#events = new PlainEvents(slots)
    this.#enrich = enrich
    this.#fire = (firing) => {
      const isOfThis = this.#number !== undefined && firing.leaves.includes(this.#number)
      onFiring(firing, isOfThis ? this.#number : firing.leaves.at(-1))
    }
    this.heads = this.#set.heads
    this.refused = refused
  }

  /** Whether a rule asks for a field, by the name that rules have for it. */
  asksFor(field: string): boolean {
    return this.#slots.names().includes(field)
  }

  /** How often an event was too late for the window of a rule, and was left out of it. */
  get late(): number {
    return this.#set.counts.late
  }

  take({ number, event, timeMs, className }: TriedEvent): void {
    this.#newestMs = Math.max(this.#newestMs, timeMs)
    const seen = this.#events.seenEventOf(event, {
      leafIndex: number,
      receivedMs: this.#newestMs,
      enrich: this.#enrich,
      ...(className !== undefined && { className }),
    })
    this.#number = number
    this.#set.take(seen, this.#fire)
  }

  /** Takes notice that nothing more came until then. @param nowMs - ms since 1970 */
  end(nowMs: number): void {
    this.#number = undefined
    this.#set.tick(nowMs, this.#fire)
  }
}

/** Returns when an event happened: ms since 1970. */
export function timeOf({ core }: NormalEvent): number {
  const micros = core.find(([name]) => name === "timestamp")?.[1]
  return typeof micros === "number" ? Math.floor(micros / 1000) : 0
}

/** @throws {@link CliError} `CLI_FILE` if a rule was refused: what was tried is not all that was asked for */
export function requireAll({ heads, refused }: Pick<Trial, "heads" | "refused">): void {
  if (refused.length === 0) return
  const tried = heads.length === 0 ? "" : `; ${counted(heads.length, "other")} tried`
  const were = refused.length === 1 ? "was" : "were"
  throw new CliError("CLI_FILE", `${counted(refused.length, "rule")} ${were} refused${tried}`)
}
