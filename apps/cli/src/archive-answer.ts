/**
 * What a log's server says of its archive: how much lies there, how the last run ended, what it does just now.
 *
 *     GET v1/archive                          → { store, place, segments, records, bytes, by_class, owed, expiring, faults,
 *                                                 last_run?, job? }
 *     POST v1/archive/run, verify, restore    → 202, the job
 *
 * Suspect: every text is a server's, and is escaped where it is shown.
 */

import { CliError } from "./error.js"

type Json = Readonly<Record<string, unknown>>

/** One class in the archive. */
export interface ArchivedClass {
  readonly name: string
  readonly segments: number
  readonly records: number
  readonly bytes: number
  /** When its first archived record was received; nothing if none is there. */
  readonly firstTime?: string
  readonly lastTime?: string
  /** Leaves before this one were archived, or will not be. */
  readonly archivedBefore?: number
  /** Records that are due, and that a hold keeps. */
  readonly heldBack: number
}

/** What went wrong. */
export interface Failure {
  readonly code: string
  readonly message: string
}

/** Records that a run moved, destroyed, and could not destroy for a hold. */
export interface RunCounts {
  readonly archived: number
  readonly withdrawn: number
  readonly heldBack: number
}

export interface LastRun extends RunCounts {
  readonly at: string
  /** What went wrong, in that run or with the archive. */
  readonly error?: Failure
}

/** Records that are gone, and may still be in backups. */
export interface Expiring {
  readonly records: number
  /** When the first of them is in none any more. */
  readonly next?: string
}

export type JobKind = "run" | "verify" | "restore"

/** Something long that the server does. */
export interface ArchiveJob {
  readonly id: string
  readonly kind: string
  readonly state: "running" | "done" | "failed"
  readonly step?: string
  readonly className?: string
  /** Key of the segment it is at. */
  readonly key?: string
  readonly done: number
  /** How many there are; unknown if absent. */
  readonly of?: number
  /** What came of it, if it ended: of a run, also if it failed. */
  readonly result?: Json
  /** Why not, if it failed. */
  readonly error?: Failure
  /** As it was said. */
  readonly json: Json
}

export interface ArchiveStatus {
  readonly store: string
  readonly place: string
  readonly segments: number
  readonly records: number
  readonly bytes: number
  /** By name. */
  readonly classes: readonly ArchivedClass[]
  /** What an earlier run left to the next one, by the server's names of it: how many, or that it is so. */
  readonly owed: ReadonlyMap<string, number | true>
  readonly expiring: Expiring
  /** Segments that were found damaged, or could not be read. */
  readonly faults: readonly SegmentFault[]
  readonly lastRun?: LastRun
  readonly job?: ArchiveJob
}

/** @throws {@link CliError} `CLI_UNEXPECTED_ANSWER` */
export function archiveStatusIn(answer: Json): ArchiveStatus {
  const { store, place, by_class, owed, faults, last_run, job } = answer
  const { records, next } = objectIn(answer.expiring)
  return {
    store: textIn(store),
    place: textIn(place),
    segments: numberIn(answer.segments),
    records: numberIn(answer.records),
    bytes: numberIn(answer.bytes),
    classes: Object.entries(objectIn(by_class))
      .map(([name, each]) => classIn(name, objectIn(each)))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    owed: owedIn(objectIn(owed)),
    expiring: { records: numberIn(records), ...(typeof next === "string" && { next }) },
    faults: faultsIn(faults),
    ...(isThere(last_run) && { lastRun: lastRunIn(objectIn(last_run)) }),
    ...(isThere(job) && { job: archiveJobIn(objectIn(job)) }),
  }
}

/** @throws {@link CliError} `CLI_UNEXPECTED_ANSWER` */
export function archiveJobIn(json: Json): ArchiveJob {
  const { id, kind, state, step, class: className, key, done, of, result, error } = json
  if (state !== "running" && state !== "done" && state !== "failed") throw unexpected()
  return {
    id: textIn(id),
    kind: textIn(kind),
    state,
    ...(typeof step === "string" && { step }),
    ...(typeof className === "string" && { className }),
    ...(typeof key === "string" && { key }),
    done: isThere(done) ? numberIn(done) : 0,
    ...(isThere(of) && { of: numberIn(of) }),
    ...(isThere(result) && { result: objectIn(result) }),
    ...(isThere(error) && { error: failureIn(error) }),
    json,
  }
}

function failureIn(error: unknown): Failure {
  const { code, message } = objectIn(error)
  return { code: textIn(code), message: textIn(message) }
}

/** What a verification found. */
export interface Verified {
  readonly segments: number
  /** Rows that are what the log says. */
  readonly records: number
  readonly faults: readonly SegmentFault[]
}

export interface SegmentFault extends Failure {
  readonly key: string
  readonly leafIndex?: number
  /** Or it could not be read. */
  readonly isRefused: boolean
  /** As it was said. */
  readonly json: Json
}

/** @throws {@link CliError} `CLI_UNEXPECTED_ANSWER` */
export function verifiedIn({ segments, records, faults }: Json): Verified {
  return { segments: numberIn(segments), records: numberIn(records), faults: faultsIn(faults) }
}

/** What a run did. */
export interface Ran extends RunCounts {
  /** Steps that failed, in their order. */
  readonly failed: readonly (Failure & { readonly step: string })[]
  /** What it found when it looked at a part of the archive; nothing if it did not come to that. */
  readonly verified?: Verified
}

/** @throws {@link CliError} `CLI_UNEXPECTED_ANSWER` */
export function ranIn(json: Json): Ran {
  const { failed, verified } = json
  if (!Array.isArray(failed)) throw unexpected()
  return {
    ...countsIn(json),
    failed: failed.map((each) => ({ ...failureIn(each), step: textIn(objectIn(each).step) })),
    ...(isThere(verified) && { verified: verifiedIn(objectIn(verified)) }),
  }
}

/** Returns how much a restore brought back. @throws {@link CliError} `CLI_UNEXPECTED_ANSWER` */
export function restoredIn({ records, segments }: Json): {
  readonly records: number
  readonly segments: number
} {
  return { records: numberIn(records), segments: numberIn(segments) }
}

/** Says that a segment was looked at, and is not what it should be. */
const REFUSING = ["ARCHIVE_SEGMENT_REFUSED"]

function faultsIn(value: unknown): readonly SegmentFault[] {
  if (!Array.isArray(value)) throw unexpected()
  return value.map((each) => faultIn(objectIn(each)))
}

function faultIn(json: Json): SegmentFault {
  const { key, leaf_index, code, message } = json
  return {
    key: textIn(key),
    ...(isThere(leaf_index) && { leafIndex: numberIn(leaf_index) }),
    code: textIn(code),
    message: textIn(message),
    isRefused: REFUSING.includes(textIn(code)),
    json,
  }
}

/** Returns a count. @throws {@link CliError} `CLI_UNEXPECTED_ANSWER` */
function numberIn(value: unknown): number {
  if (typeof value === "number" && Number.isFinite(value) && value >= 0) return value
  throw unexpected()
}

function unexpected(): CliError {
  return new CliError("CLI_UNEXPECTED_ANSWER", "v1/archive did not answer as a log does")
}

function classIn(name: string, json: Json): ArchivedClass {
  const { first_time, last_time, archived_before_leaf: before, held_back } = json
  return {
    name,
    segments: numberIn(json.segments),
    records: numberIn(json.records),
    bytes: numberIn(json.bytes),
    ...(typeof first_time === "string" && { firstTime: first_time }),
    ...(typeof last_time === "string" && { lastTime: last_time }),
    ...(isThere(before) && { archivedBefore: numberIn(before) }),
    heldBack: isThere(held_back) ? numberIn(held_back) : 0,
  }
}

function lastRunIn(json: Json): LastRun {
  const { at, error } = json
  return { at: textIn(at), ...countsIn(json), ...(isThere(error) && { error: failureIn(error) }) }
}

function countsIn({ archived, withdrawn, held_back }: Json): RunCounts {
  return { archived: numberIn(archived), withdrawn: numberIn(withdrawn), heldBack: numberIn(held_back) }
}

/** What is owed is said by name, with true or a number; what is not owed, with false or 0. */
function owedIn(owed: Json): ReadonlyMap<string, number | true> {
  return new Map(
    Object.entries(owed).flatMap(([name, value]): [string, number | true][] =>
      value === true || (typeof value === "number" && value > 0) ? [[name, value]] : [],
    ),
  )
}

function isThere(value: unknown): boolean {
  return value !== undefined && value !== null
}

function textIn(value: unknown): string {
  if (typeof value === "string") return value
  throw unexpected()
}

function objectIn(value: unknown): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json
  throw unexpected()
}
