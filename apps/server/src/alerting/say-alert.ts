/**
 * Alerts in the words of the wire, for one who may not see everything.
 *
 * Labels are values of fields. Those of fields that are withheld from a role are left out, and so are all details: what
 * was counted or compared may be told in words that are such a value.
 *
 * Pure.
 */

import { alertJson } from "@prooflog/alerts/alert-json"
import { isInForce } from "@prooflog/alerts/silences"
import type { ShownAlert, ShownSilence } from "../followers/alerts-calls.js"
import { timeText } from "../time-text.js"

/** Labels that are derived from a field. */
const DERIVED: Readonly<Record<string, string>> = {
  country: "ip_address",
  asn: "ip_address",
  as_organization: "ip_address",
  latitude: "ip_address",
  longitude: "ip_address",
  browser: "user_agent",
  os: "user_agent",
}

/** @param withheld - names of fields */
export function sayAlert(alert: ShownAlert, withheld: readonly string[]): object {
  const { silencedBy, inhibitedBy, labels, details } = alert
  const seen = Object.entries(labels).filter(([name]) => !withheld.includes(fieldOf(name)))
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

/** `attributes.a.b` and `raw.a` are members of a field. */
function fieldOf(label: string): string {
  const field = label.split(".", 1)[0] as string
  return DERIVED[field] ?? field
}

/**
 * @param nowMs - by the clock of the one who asks, which times of silences are given by: the clock of the process that keeps
 * them may be some milliseconds behind, and what was just placed would not be in force
 */
export function saySilence(silence: ShownSilence, nowMs: number): object {
  const { id, matchers, startsMs, endsMs, by, why } = silence
  const times = { starts: timeText(startsMs), ends: timeText(endsMs) }
  return { id, in_force: isInForce(silence, nowMs), matchers, ...times, by, why }
}
