/**
 * Leaves under a signed head that break the rules of entries.
 *
 *     head ──path──► leaf i      what the log signed at one place
 *          ──path──► leaf j      what it signed at a later place, and may not
 *
 * Any two leaves will do, not only neighbours: times that never decrease, and promises that are never shortened, from
 * one leaf to the next do not do so over many either. So the entries between them need not be shown.
 *
 * Spec: docs/spec/accusation.md; docs/spec/entry.md.
 * Pure: no I/O, no clock, no randomness.
 */

import { decodeEntry, type Entry } from "@prooflog/event/entry"
import { EventError } from "@prooflog/event/error"
import { checkNextSchedule, type Schedule } from "@prooflog/event/schedule"
import { equalBytes } from "@prooflog/tlog/hash"
import { doesNotConvict } from "./accusation-heads.js"
import type { AccusedLeaf, BrokenOrder } from "./accusation-text.js"

interface PlacedEntry {
  readonly leafIndex: number
  readonly entry: Entry
}

/**
 * Checks that the second of two leaves may not follow the first, and says why.
 *
 * @param leaves - in the tree under one head of this log
 * @returns what the log signed, the end of a sentence
 * @throws {@link VerifierError} `VERIFIER_ACCUSATION_REFUSED`
 */
export function checkBrokenOrder(
  kind: BrokenOrder["kind"],
  leaves: BrokenOrder["leaves"],
  origin: string,
): string {
  const [earlier, later] = leaves
  if (earlier.leafIndex >= later.leafIndex) throw doesNotConvict("its leaves do not ascend")
  const first = placed(earlier)
  const second = placed(later)
  switch (kind) {
    case "time-went-back":
      return checkTimes(first, second)
    case "repeated-commitment":
      return checkCommitments(first, second)
    case "shortened-schedule":
      return checkSchedules(first, second, origin)
  }
}

/**
 * Checks that a leaf is no entry, or may not stand where it stands, and says why.
 *
 * @param leaf - in the tree under a head of this log
 * @returns what the log signed, the end of a sentence
 * @throws {@link VerifierError} `VERIFIER_ACCUSATION_REFUSED`
 */
export function checkInvalidEntry({ leafIndex, entry }: AccusedLeaf, origin: string): string {
  const opened = opens(entry)
  if (typeof opened === "string") return `leaf ${leafIndex}, which is no entry (${opened})`
  const isGenesis = opened.type === "genesis"
  if (leafIndex > 0 && isGenesis) return `leaf ${leafIndex}, a second genesis`
  if (leafIndex === 0 && !isGenesis) return "leaf 0, which is no genesis"
  if (isGenesis && opened.origin !== origin) {
    // No longer than an origin may be: an entry has room for 64 KiB.
    return `leaf 0, the genesis of ${JSON.stringify(opened.origin.slice(0, 255))}`
  }
  throw doesNotConvict(`leaf ${leafIndex} is a valid entry`)
}

function checkTimes(first: PlacedEntry, second: PlacedEntry): string {
  const ms = first.entry.timeMs - second.entry.timeMs
  if (ms <= 0) throw doesNotConvict("the later leaf does not have the earlier time")
  return `leaf ${second.leafIndex} with a time ${ms} ms before that of leaf ${first.leafIndex}`
}

function checkCommitments(first: PlacedEntry, second: PlacedEntry): string {
  if (first.entry.type !== "event" || second.entry.type !== "event") {
    throw doesNotConvict("its leaves are not two events")
  }
  if (!equalBytes(first.entry.commitment, second.entry.commitment)) {
    throw doesNotConvict("its leaves have two commitments")
  }
  return `leaves ${first.leafIndex} and ${second.leafIndex} with one commitment`
}

function checkSchedules(first: PlacedEntry, second: PlacedEntry, origin: string): string {
  const promised = scheduleOf(first, origin)
  if (promised === undefined) throw doesNotConvict("its earlier leaf has no schedule")
  if (second.entry.type !== "schedule") throw doesNotConvict("its later leaf is no schedule")
  const why = shortens(promised, second.entry.schedule)
  if (why === undefined) throw doesNotConvict("the later schedule keeps what the earlier one promised")
  return `leaf ${second.leafIndex}, a schedule that does not keep what leaf ${first.leafIndex} promised (${why})`
}

/** The schedule that a leaf puts in force: that of a schedule entry, or of this log's genesis at its place. */
function scheduleOf({ leafIndex, entry }: PlacedEntry, origin: string): Schedule | undefined {
  if (entry.type === "schedule") return entry.schedule
  const isGenesis = entry.type === "genesis" && leafIndex === 0 && entry.origin === origin
  return isGenesis ? entry.schedule : undefined
}

/** How the next schedule breaks the promise; `undefined` if it does not. Both were checked when they were decoded. */
function shortens(promised: Schedule, next: Schedule): string | undefined {
  try {
    checkNextSchedule(promised, next)
    return undefined
  } catch (error) {
    if (error instanceof EventError && error.code === "EVENT_BAD_SCHEDULE") return wordsOf(error)
    throw error
  }
}

function placed({ leafIndex, entry }: AccusedLeaf): PlacedEntry {
  const opened = opens(entry)
  if (typeof opened !== "string") return { leafIndex, entry: opened }
  throw doesNotConvict(`leaf ${leafIndex} is no entry; that is the kind invalid-entry (${opened})`)
}

/** The entry in these bytes, or why it is none. */
function opens(bytes: Uint8Array): Entry | string {
  try {
    return decodeEntry(bytes)
  } catch (error) {
    if (error instanceof EventError) return wordsOf(error)
    throw error
  }
}

/** Why, without what it is not: the sentence around it says that. */
function wordsOf({ message }: EventError): string {
  return message.replace(/^not an? (?:entry|schedule): /, "")
}
