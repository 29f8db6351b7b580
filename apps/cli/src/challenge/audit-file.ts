/**
 * The file of an audit of retention: all that its verdict rests on, so that it can be judged again, offline.
 *
 *     { "format": "prooflog-retention-audit/1",
 *       "at": "2026-03-01T12:00:00.000Z", "may_withhold": [],        what the auditor knew by itself
 *       "schedules": [ { leaf_index, path, entry }, … ],             found by its audit of the whole log, each in the tree
 *       "challenge": "…", "answers": "…",                            both texts, verbatim
 *       "report": { … } }                                            how it came out; not looked at again
 *
 * That there are no other schedules, and that the nonce was drawn once, is the word of whoever wrote the file. It holds
 * records, and so is its owner's alone.
 *
 * Spec: docs/spec/challenge.md, "The file of an audit".
 * Pure: no I/O, no clock, no randomness.
 */

import { parseStrictJson } from "@prooflog/event/json"
import { decodeBase64, encodeBase64 } from "@prooflog/tlog/base64"
import type { Answer } from "@prooflog/verifier/challenge-answers"
import { refusalBy, VerifierError } from "@prooflog/verifier/error"
import { formatInstant } from "@prooflog/verifier/instant"

const FORMAT = "prooflog-retention-audit/1"

const MEMBERS = ["format", "at", "may_withhold", "schedules", "challenge", "answers", "report"]

/** Deep enough for a report. */
const MAX_DEPTH = 8

/** A leaf, and that it is in the tree. */
export type Shown = Pick<Answer, "leafIndex" | "path" | "entry">

export interface AuditFile {
  /** The auditor's clock, ms since 1970. */
  readonly atMs: number
  readonly mayWithhold: readonly string[]
  /** The genesis, and each schedule entry up to the head. */
  readonly schedules: readonly Shown[]
  /** As it was sent. */
  readonly challenge: string
  /** As they came. */
  readonly answers: string
}

export function formatAudit(file: AuditFile, report: Readonly<Record<string, unknown>>): string {
  const { atMs, mayWithhold, schedules, challenge, answers } = file
  const leaves = schedules.map(({ leafIndex, path, entry }) => ({
    leaf_index: leafIndex,
    path: path.map(encodeBase64),
    entry: encodeBase64(entry),
  }))
  const members = {
    at: formatInstant(atMs),
    may_withhold: mayWithhold,
    schedules: leaves,
    challenge,
    answers,
  }
  return `${JSON.stringify({ format: FORMAT, ...members, report })}\n`
}

/** Whether a file says that it is one. */
export function isAudit(start: string): boolean {
  return START.test(start)
}

const START = /^\s*\{\s*"format"\s*:\s*"prooflog-retention-audit\/1"/

/**
 * @param source - suspect
 * @throws {@link VerifierError} `VERIFIER_MALFORMED_EVIDENCE`
 */
export function parseAudit(source: Uint8Array): AuditFile {
  const file = jsonOf(source)
  if (!isObject(file) || Object.keys(file).some((name) => !MEMBERS.includes(name)))
    throw malformed("its members")
  const { format, at, may_withhold, schedules, challenge, answers } = file
  const atMs = typeof at === "string" && INSTANT.test(at) ? Date.parse(at) : Number.NaN
  if (format !== FORMAT) throw malformed("its format")
  if (!Number.isSafeInteger(atMs)) throw malformed("at")
  if (!Array.isArray(may_withhold) || !may_withhold.every((name) => typeof name === "string")) {
    throw malformed("may_withhold")
  }
  if (!Array.isArray(schedules)) throw malformed("schedules")
  if (typeof challenge !== "string" || typeof answers !== "string") throw malformed("challenge or answers")
  return { atMs, mayWithhold: may_withhold, schedules: schedules.map(shownOf), challenge, answers }
}

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

function jsonOf(source: Uint8Array): unknown {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(source)
    return parseStrictJson(text, { maxDepth: MAX_DEPTH, integers: "double" })
  } catch (cause) {
    if (cause instanceof TypeError) throw malformed("its text, which is not UTF-8")
    throw refusalBy(cause, "VERIFIER_MALFORMED_EVIDENCE", "not the file of an audit")
  }
}

function shownOf(value: unknown): Shown {
  const { leaf_index, path, entry } = isObject(value) ? value : {}
  const hashes = Array.isArray(path) ? path.map(bytesOf) : [undefined]
  const bytes = bytesOf(entry)
  const isShown = Number.isSafeInteger(leaf_index) && (leaf_index as number) >= 0 && bytes !== undefined
  if (!isShown || hashes.includes(undefined)) throw malformed("schedules")
  return { leafIndex: leaf_index as number, path: hashes as Uint8Array[], entry: bytes }
}

function bytesOf(value: unknown): Uint8Array | undefined {
  return typeof value === "string" ? decodeBase64(value) : undefined
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** The refusal of such a file. @param what - is wrong */
export function malformed(what: string): VerifierError {
  return new VerifierError("VERIFIER_MALFORMED_EVIDENCE", `not the file of an audit of retention: ${what}`)
}
