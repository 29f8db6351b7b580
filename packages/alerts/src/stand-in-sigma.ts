/**
 * Sigma documents that are told of events in few words, for tests only. Not part of the package.
 */

import { parseYamlDocuments } from "@prooflog/settings/parse-yaml"
import type { Firing } from "./firing.js"
import { PlainEvents } from "./plain-event.js"
import type { Rule } from "./rule.js"
import { FieldSlots, type SeenEvent } from "./seen-event.js"
import { compileSigmaDocuments } from "./sigma-set.js"
import { normalEventOf } from "./stand-in-events.js"

export const LATENESS = { toleranceMs: 600_000, historyAfterMs: 86_400_000 }

/** What documents became: rules, and what was said of those that became none. */
export function compiledSigma(text: string) {
  const slots = new FieldSlots()
  const { compiled, refused } = compileSigmaDocuments(parseYamlDocuments(text, "s.yml"), slots, LATENESS)
  return { rules: compiled.map(({ rule }) => rule), refused: refused.map(({ message }) => message), slots }
}

/** Rules that take events in order, and what they fire. */
export class SigmaWatch {
  readonly firings: Firing[] = []
  readonly rules: readonly Rule[]
  readonly #events: PlainEvents
  #leaf: number

  /**
   * @param leaf - of the next event
   * @throws Error if a document is refused
   */
  constructor(text: string, leaf = 0) {
    this.#leaf = leaf
    const { rules, refused, slots } = compiledSigma(text)
    if (refused.length > 0) throw new Error(refused.join("\n"))
    this.rules = rules
    this.#events = new PlainEvents(slots)
  }

  /** @param atMs - when it happened, and was received unless that is given: ms since 1970 */
  see(fields: Readonly<Record<string, unknown>>, atMs: number, receivedMs = atMs): void {
    const event = normalEventOf({ timestamp: atMs, ...fields })
    this.take(this.#events.seenEventOf(event, { leafIndex: this.#leaf++, receivedMs }))
  }

  take(event: SeenEvent): void {
    for (const rule of this.rules) rule.take(event, (firing) => this.firings.push(firing))
  }

  tick(nowMs: number): void {
    for (const rule of this.rules) rule.tick?.(nowMs, (firing) => this.firings.push(firing))
  }

  /** What fired, in short: `user_id=ada 1,2`. */
  get told(): readonly string[] {
    return this.firings
      .filter(({ kind }) => kind === "fires")
      .map(({ labels, leaves }) => {
        const group = Object.entries(labels).map(([name, value]) => `${name}=${value}`)
        return [...group, leaves.join(",")].join(" ")
      })
  }
}
