/**
 * Verdicts as text for people and as JSON for machines.
 *
 * What was not claimed stands in the first lines, withheld names beside the event they were withheld from.
 * Everything quoted was said by someone: it is escaped, so that no value can move a terminal's cursor, turn
 * its text around or pass for another line.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import type { CborValue } from "@prooflog/event/cbor"
import { encodeBase64, encodeHex } from "@prooflog/tlog/base64"
import type { OpenedCheckpoint } from "@prooflog/tlog/policy"
import { formatInstant, formatTimestamp } from "./instant.js"
import type { VerifiedEvent, VerifiedEvidence } from "./verify-evidence.js"
import type { VerifiedLog } from "./verify-log.js"
import type { VerifiedReceipt } from "./verify-receipt.js"

/** Returns what an evidence file proves, for people: several lines, ending in a newline. */
export function reportEvidence(verified: VerifiedEvidence): string {
  const { events, time } = verified
  const lines = [
    ...opening(verified),
    row("received", `${formatInstant(time.fromMs)} to ${formatInstant(time.toMs)} (the operator's word)`),
    ...events.flatMap((event) => ["", ...reportEvent(event)]),
  ]
  return `${lines.join("\n")}\n`
}

/** Returns what a receipt proves, for people: several lines, ending in a newline. */
export function reportReceipt(verified: VerifiedReceipt): string {
  const { opened, entry, leafIndex } = verified
  const lines = [
    ...opening(verified),
    "",
    `leaf ${leafIndex}: ${opened.type}`,
    row("entry", encodeHex(entry)),
    row("received", `${formatInstant(opened.timeMs)} (the operator's word)`),
  ]
  if (opened.type === "event") lines.push(row("class", opened.className))
  return `${lines.join("\n")}\n`
}

/** Returns what an audit proves, for people: several lines, ending in a newline. */
export function reportLog(verified: VerifiedLog): string {
  const { entries, eventsByClass, time, commitmentsFrom } = verified
  const classes = Object.entries(eventsByClass).filter(([, count]) => count > 0)
  const others = [
    `${entries.schedules} schedules`,
    `${entries.notices} notices`,
    `${entries.indexes} indexes`,
    `${entries.unknown} of unknown types`,
  ]
  const lines = [
    ...opening(verified),
    row(
      "events",
      [`${entries.events} in all`, ...classes.map(([name, count]) => `${count} ${name}`)].join(", "),
    ),
    row("other", others.join(", ")),
    row("repeats", `no commitment occurs twice from leaf ${commitmentsFrom} on`),
  ]
  if (time !== undefined) {
    const words = `${formatInstant(time.fromMs)} to ${formatInstant(time.toMs)} (the operator's word)`
    lines.push(row("received", words))
  }
  return `${lines.join("\n")}\n`
}

/** Returns what an evidence file proves as a JSON value; byte strings are base64. */
export function evidenceToJson(verified: VerifiedEvidence): Record<string, unknown> {
  return {
    verdict: "verified",
    ...commonToJson(verified),
    received: { from: formatInstant(verified.time.fromMs), to: formatInstant(verified.time.toMs) },
    events: verified.events.map((event) => ({
      leaf_index: event.leafIndex,
      received_at: formatInstant(event.timeMs),
      class: event.className,
      core: jsonOf(event.core),
      fields: jsonOf(event.fields),
      withheld: event.withheld,
    })),
  }
}

/** Returns what a receipt proves as a JSON value; byte strings are base64. */
export function receiptToJson(verified: VerifiedReceipt): Record<string, unknown> {
  const { leafIndex, entry, opened } = verified
  return {
    verdict: "verified",
    ...commonToJson(verified),
    leaf_index: leafIndex,
    type: opened.type,
    entry: encodeBase64(entry),
    received_at: formatInstant(opened.timeMs),
    ...(opened.type === "event" ? { class: opened.className } : {}),
  }
}

/** Returns what an audit proves as a JSON value. */
export function logToJson(verified: VerifiedLog): Record<string, unknown> {
  const { firstLeaf, commitmentsFrom, entries, eventsByClass, time } = verified
  return {
    verdict: "verified",
    ...commonToJson(verified),
    first_leaf: firstLeaf,
    commitments_from: commitmentsFrom,
    entries: { ...entries },
    events_by_class: { ...eventsByClass },
    ...(time === undefined
      ? {}
      : { received: { from: formatInstant(time.fromMs), to: formatInstant(time.toMs) } }),
  }
}

/** Returns a verdict's JSON as one line, ending in a newline. It is ASCII wherever a terminal might do more than show it. */
export function formatJson(value: Readonly<Record<string, unknown>>): string {
  const escaped = JSON.stringify(value).replace(UNSHOWABLE, (character) =>
    Array.from({ length: character.length }, (_, i) => escapeUnit(character.charCodeAt(i))).join(""),
  )
  return `${escaped}\n`
}

/**
 * Returns text as it can be shown on a terminal: one line, nothing invisible.
 *
 * @param text - suspect
 */
export function escapeText(text: string): string {
  return text.replace(UNSHOWABLE, (character) => {
    const code = character.codePointAt(0) as number
    return code > 0xffff ? `\\u{${code.toString(16)}}` : escapeUnit(code)
  })
}

function escapeUnit(code: number): string {
  return `\\u${code.toString(16).padStart(4, "0")}`
}

/**
 * Controls, format characters (which turn text around or hide), line ends, lone surrogates, private use; what is
 * shown as nothing (variation selectors, fillers, the empty Braille cell); every space but the usual one.
 */
const UNSHOWABLE =
  /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Default_Ignorable_Code_Point}\u2800]|(?! )\p{Zs}/gu

/** What every verdict has. */
export interface Common {
  readonly proven: string
  readonly notClaimed: string
  readonly origin: string
  readonly treeSize: number
  readonly checkpoint: OpenedCheckpoint
}

/** The first lines of a report, up to the cosignatures. @param verdict - in a word or two */
export function opening({ proven, notClaimed, checkpoint }: Common, verdict = "verified"): string[] {
  const { treeSize, rootHash } = checkpoint.checkpoint
  return [
    `${verdict}: ${escapeText(proven)}`,
    escapeText(notClaimed),
    "",
    row("checkpoint", `${treeSize} leaves, root ${encodeBase64(rootHash)}`),
    row("signed by", `${checkpoint.logKey.name}+${keyIdOf(checkpoint.logKey.keyId)}`),
    ...(checkpoint.cosignatures.length === 0
      ? [row("cosigned by", "no witness of the policy")]
      : checkpoint.cosignatures.map(({ witness, timeSeconds }) =>
          row("cosigned by", `${witness}, ${formatInstant(timeSeconds * 1000)}`),
        )),
  ]
}

/** The members that every verdict has. */
export function commonToJson({
  proven,
  notClaimed,
  origin,
  treeSize,
  checkpoint,
}: Common): Record<string, unknown> {
  return {
    proven,
    not_claimed: notClaimed,
    origin,
    tree_size: treeSize,
    root_hash: encodeBase64(checkpoint.checkpoint.rootHash),
    cosigned: checkpoint.cosignatures.map(({ witness, timeSeconds }) => ({
      witness,
      time: formatInstant(timeSeconds * 1000),
    })),
  }
}

function reportEvent({ leafIndex, timeMs, className, core, fields, withheld }: VerifiedEvent): string[] {
  return [
    `leaf ${leafIndex}, received ${formatInstant(timeMs)}, class ${className}`,
    ...Object.entries(core).map(([name, value]) => row(name, showValue(name, value))),
    ...Object.entries(fields).map(([name, value]) => row(name, showValue(name, value))),
    ...withheld.map((name) => row(name, "(withheld)")),
  ]
}

/** A line of a report. @param text - suspect */
export function row(name: string, text: string): string {
  return `  ${name.padEnd(18)} ${escapeText(text)}`
}

/** Text bare where that cannot be misread, else as JSON; timestamps as instants. */
function showValue(name: string, value: CborValue): string {
  if (name === "timestamp" && Number.isSafeInteger(value)) return formatTimestamp(value as number)
  if (typeof value === "string" && BARE.test(value)) return value
  // No two spaces on end: on a line that the terminal wraps they would pass for the beginning of a row.
  return JSON.stringify(jsonOf(value)).replace(/(?<= ) /g, escapeUnit(0x20))
}

/**
 * Text that looks like nothing else: neither a number, an array, an object, a boolean, nor a word of this report;
 * without quotes, and without backslashes, so that one that is shown is an escape; each space of it between two
 * other characters.
 */
const BARE = /^(?!true$|false$)[^\s"\\([{\d-](?: ?[^\s"\\])*$/u

function jsonOf(value: CborValue | Readonly<Record<string, CborValue>>): unknown {
  if (value instanceof Uint8Array) return encodeBase64(value)
  if (Array.isArray(value)) return value.map(jsonOf)
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([name, member]) => [name, jsonOf(member as CborValue)]),
    )
  }
  return value
}

function keyIdOf(keyId: number): string {
  return keyId.toString(16).padStart(8, "0")
}
