/**
 * Alerts in the words of the wire, for one who may not see everything.
 *
 * Labels are values of fields. Of one from whom some are withheld, only labels that are known to be other fields are
 * shown: a rule may call a field as another log does, or as it likes. All details are left out: what was counted or
 * compared may be told in words that are such a value.
 *
 * Pure.
 */

import { alertJson } from "@prooflog/alerts/alert-json"
import { parseMatcher } from "@prooflog/alerts/matchers"
import { isInForce } from "@prooflog/alerts/silences"
import { FIELDS } from "@prooflog/event/fields"
import type { ShownAlert, ShownSilence } from "../followers/alerts-calls.js"
import { timeText } from "../time-text.js"

/** What may be a label, by the field that it is made of. */
const FIELD_OF: ReadonlyMap<string, string> = new Map([
  ...FIELDS.map(({ name }) => [name, name] as const),
  ["country", "ip_address"],
  ["asn", "ip_address"],
  ["as_organization", "ip_address"],
  ["latitude", "ip_address"],
  ["longitude", "ip_address"],
  ["browser", "user_agent"],
  ["os", "user_agent"],
])

/** What is in no record, and public. */
const PUBLIC: ReadonlySet<string> = new Set(["class", "rule", "severity"])

/** @param withheld - names of fields */
export function sayAlert(alert: ShownAlert, withheld: readonly string[]): object {
  const { silencedBy, inhibitedBy, labels, details } = alert
  const seen = Object.entries(labels).filter(([name]) => isShown(name, withheld))
  const shown = {
    ...alert,
    labels: Object.fromEntries(seen),
    details: withheld.length === 0 ? details : {},
  }
  const { fingerprint, ...said } = alertJson(shown)
  return {
    ...said,
    // It is a hash of all labels: whoever guesses one would find it in there.
    ...(withheld.length === 0 && { fingerprint }),
    silenced_by: silencedBy,
    ...(inhibitedBy !== undefined && { inhibited_by: inhibitedBy }),
  }
}

/** @param label - `attributes.a.b` and `raw.a` are members of a field */
function isShown(label: string, withheld: readonly string[]): boolean {
  if (withheld.length === 0 || PUBLIC.has(label)) return true
  const field = FIELD_OF.get(label.split(".", 1)[0] as string)
  // Those of the log's own events say what others asked for: see withhold.ts.
  return field !== undefined && field !== "attributes" && !withheld.includes(field)
}

/**
 * @param nowMs - by the clock of the one who asks, which times of silences are given by: the clock of the process that keeps
 * them may be some milliseconds behind, and what was just placed would not be in force
 * @param withheld - names of fields: of what is asked of one, the name alone is said
 */
export function saySilence(silence: ShownSilence, nowMs: number, withheld: readonly string[]): object {
  const { id, startsMs, endsMs, by, why } = silence
  const matchers = silence.matchers.map((text) => {
    const { name } = parseMatcher(text)
    return isShown(name, withheld) ? text : `${name}: withheld`
  })
  const times = { starts: timeText(startsMs), ends: timeText(endsMs) }
  return { id, in_force: isInForce(silence, nowMs), matchers, ...times, by, why }
}
