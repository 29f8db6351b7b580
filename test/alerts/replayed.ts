/** A log of another system, told to rules as if it happened now: for tests of what they find in real logs. */

import { compileRules } from "@prooflog/alerts/compile-rules"
import type { Firing } from "@prooflog/alerts/firing"
import { PlainEvents } from "@prooflog/alerts/plain-event"
import { RuleSet } from "@prooflog/alerts/rule-set"
import { FieldSlots } from "@prooflog/alerts/seen-event"
import { SHIPPED_FILE, SHIPPED_RULES } from "@prooflog/alerts/shipped"
import { openEnricher } from "@prooflog/enrich/enrich"
import { normalizeEvent } from "@prooflog/event/event"
import type { AccessEvent } from "@prooflog/event/schema"

const TIMES = { toleranceMs: 600_000, historyAfterMs: 86_400_000 }

export interface ReplayOptions {
  /** More rules, in YAML. */
  readonly rules?: string
  /** When all of it was received; each event when it happened, unless given. */
  readonly receivedMs?: number
}

/** Tells the rules that come with the log, and others, of events in the order given. Returns all that fired. */
export async function replayed(
  events: Iterable<AccessEvent>,
  { rules = "rules: []", receivedMs }: ReplayOptions = {},
): Promise<readonly Firing[]> {
  const { enrich } = await openEnricher()
  const slots = new FieldSlots()
  const sources = [
    { file: SHIPPED_FILE, text: SHIPPED_RULES },
    { file: "more.yaml", text: rules },
  ]
  const { rules: compiled, refused } = compileRules(sources, slots, TIMES)
  if (refused[0] !== undefined) throw refused[0]
  const set = new RuleSet(compiled, slots, TIMES)
  const plain = new PlainEvents(slots)
  const firings: Firing[] = []
  let leafIndex = 0
  let newestMs = 0
  for (const event of events) {
    const added = { source: "import", source_key_id: "k_01", event_id: `f:${leafIndex}` }
    const normal = normalizeEvent(event, added)
    newestMs = Math.max(
      newestMs,
      Math.floor(Number(normal.core.find(([name]) => name === "timestamp")?.[1]) / 1000),
    )
    const seen = plain.seenEventOf(normal, { leafIndex, receivedMs: receivedMs ?? newestMs, enrich })
    set.take(seen, (firing) => firings.push(firing))
    leafIndex++
  }
  return firings
}

/** Firings of a rule, without those that tell of an end. */
export function firesOf(firings: readonly Firing[], id: string): readonly Firing[] {
  return firings.filter(({ kind, rule }) => kind === "fires" && rule.id === id)
}
