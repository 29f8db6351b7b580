/**
 * An alert: that a rule fires about something, from when it began to when it was over.
 *
 *     fingerprint   SHA-256(["rule id", [["label", "value"], …]]), labels by name: what makes two firings the same alert
 *     id            "alert_" and 64 bits of SHA-256([salt, rule id, fingerprint, leaf, time]) of the firing that opened it
 *
 * Both follow from the firing: whoever evaluates the same events again, as after a crash, opens the same alerts. Ids stand
 * in events for ever, and fingerprints in none: without the salt, which is secret, an id says nothing of the labels.
 *
 * Labels and details are suspect text out of events, cut to the lengths below; the fingerprint is that of the whole.
 * Pure.
 */

import { sha256 } from "@prooflog/tlog/hash"
import { type Firing, MAX_LEAVES, type RuleHead, type Severity } from "./firing.js"

export interface Alert {
  /** `alert_` and 16 hex digits. */
  readonly id: string
  /** 64 hex digits. */
  readonly fingerprint: string
  readonly rule: RuleHead
  /** The highest that its firings had so far. */
  readonly severity: Severity
  /** By name. At most {@link MAX_LABELS} of at most {@link MAX_VALUE} characters. */
  readonly labels: Readonly<Record<string, string>>
  /** Of its last firing, bounded likewise. */
  readonly details: Readonly<Record<string, string>>
  /** Ascending, the newest {@link MAX_LEAVES} of them. */
  readonly leaves: readonly number[]
  /** Events that its firings were about, shown in `leaves` or not. */
  readonly count: number
  readonly state: "firing" | "resolved"
  /** When it happened first and last, by the events' own time: ms since 1970. */
  readonly startsMs: number
  readonly lastMs: number
  /** When it was over; of resolved ones. */
  readonly endsMs?: number
  readonly acknowledged?: Acknowledgement
}

export interface Acknowledgement {
  /** ms since 1970. */
  readonly atMs: number
  /** Id of an API key. */
  readonly by: string
  /** Suspect. */
  readonly note: string
}

/** Most labels, and most details, of an alert. */
export const MAX_LABELS = 16

/** Most UTF-16 units of a label's or a detail's name. */
export const MAX_NAME = 64

/** … of its value. */
export const MAX_VALUE = 256

/** … of a rule's title, of its sentence, and of a note. */
export const MAX_TITLE = 256
export const MAX_WHY = 1_024
export const MAX_NOTE = 1_024

/** Returns the 64 hex digits that firings of one alert share. */
export function fingerprintOf(ruleId: string, labels: Readonly<Record<string, string>>): string {
  return hexHash([ruleId, Object.entries(labels).sort(byName)])
}

/**
 * Returns the alert that a firing opens.
 *
 * @param salt - secret, and always the same
 * @param cut - is told how many labels, details and characters' worth of values were left out, if any were
 */
export function openAlert(
  firing: Firing,
  fingerprint: string,
  salt: string,
  cut: (values: number) => void,
): Alert {
  const { rule, severity, count, timestampMs, receivedMs } = firing
  const leaves = firing.leaves.slice(-MAX_LEAVES)
  return {
    id: `alert_${hexHash([salt, rule.id, fingerprint, leaves.at(-1) ?? null, receivedMs]).slice(0, 16)}`,
    fingerprint,
    rule: {
      id: rule.id,
      version: rule.version,
      title: cutText(rule.title, MAX_TITLE),
      why: cutText(rule.why, MAX_WHY),
      severity: rule.severity,
    },
    severity,
    labels: cutRecord(firing.labels, cut),
    details: cutRecord(firing.details, cut),
    leaves,
    count,
    state: "firing",
    startsMs: timestampMs,
    lastMs: timestampMs,
  }
}

/** Returns an alert with what a further firing of it was about. */
export function alertWith(known: Alert, { rule, leaves, count, timestampMs }: Firing): Alert {
  const newest = known.leaves.at(-1) ?? -1
  const news = leaves.filter((leaf) => leaf > newest)
  // One that looks back at what it has fired about already tells their sum.
  const looksBack = leaves.length === 0 || news.length < leaves.length
  return {
    ...known,
    rule: { ...known.rule, version: rule.version },
    leaves: [...known.leaves, ...news].slice(-MAX_LEAVES),
    count: looksBack ? Math.max(known.count + news.length, count) : known.count + count,
    startsMs: Math.min(known.startsMs, timestampMs),
    lastMs: Math.max(known.lastMs, timestampMs),
  }
}

/** Returns hex digits of the SHA-256 of a value's JSON. */
export function hexHash(value: unknown): string {
  // JSON escapes halves of surrogate pairs, so that no two texts have the same bytes.
  return Array.from(sha256(new TextEncoder().encode(JSON.stringify(value))), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("")
}

/**
 * Returns a text of at most `max` UTF-16 units: itself, or its beginning and `…`.
 *
 * A pair of surrogates is never cut in two.
 */
export function cutText(text: string, max: number): string {
  if (text.length <= max) return text
  const end = isHighSurrogate(text.charCodeAt(max - 2)) ? max - 2 : max - 1
  return `${text.slice(0, end)}…`
}

/** Returns names and values, by name, each cut to what an alert holds. */
export function cutRecord(
  record: Readonly<Record<string, string>>,
  cut: (values: number) => void,
): Readonly<Record<string, string>> {
  const entries = Object.entries(record).sort(byName)
  const held = entries.slice(0, MAX_LABELS)
  const tooLong = held.filter(([name, value]) => name.length > MAX_NAME || value.length > MAX_VALUE)
  const left = entries.length - held.length + tooLong.length
  if (left > 0) cut(left)
  return Object.fromEntries(
    held.map(([name, value]) => [cutText(name, MAX_NAME), cutText(value, MAX_VALUE)] as const),
  )
}

function byName([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00
}
