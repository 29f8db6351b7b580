/**
 * Who can be asked what: the server and its archive child.
 *
 *     server ◄── read, records, withdraw, restoreRecords, purge ──────────── archive child ─► segments
 *        ◄────── forget, rewrite, heldLeaves, holdsStay, holdsMay, told ──────┘
 *        ◄────── progress, say
 *        └────── begin, archive, destroy, verify, restore, gone, records, numbers, alive, close ─► archive child
 *
 * Whatever has a size goes in pages: leaves by 4,096, bytes by about a megabyte. The child trusts its parent with
 * everything but the log itself, which it holds against a published head; and the parent asks it for nothing that the
 * log cannot be held against.
 */

import type { ArchiveDone } from "@prooflog/archive/archive-run"
import type { DestroyDone } from "@prooflog/archive/destroy-run"
import type { Progress, Told } from "@prooflog/archive/ports"
import type { RestoreDone } from "@prooflog/archive/restore-range"
import type { ScheduleFile } from "@prooflog/archive/schedule-file"
import type { Promises } from "@prooflog/event/promises"
import type { ArchiveSettings } from "../folder-config.js"
import type { Said } from "./say.js"
import type { ChildCalls } from "./supervisor.js"

/** How the archive child is begun. It touches nothing before it is asked for something. */
export interface ArchiveSetup extends ArchiveSettings {
  /** Text of the policy that heads are opened under: the log's own key, no quorum. */
  readonly policy: string
  readonly origin: string
  /** 32 hex digits. */
  readonly logId: string
  /** File of what the archive knows. */
  readonly statePath: string
  /** Folder of drafts and copies, emptied at the start. */
  readonly scratchPath: string
}

/** Which of several things that run a word of progress is about. */
export interface OfRun {
  readonly run: number
}

export interface ArchiveAsked {
  /** Of the schedule file of today: hot times are not promised. */
  readonly classes: ScheduleFile["classes"]
  readonly promises: Promises
  /** ms since 1970. */
  readonly nowMs: number
}

export interface DestroyAsked {
  readonly promises: Promises
  /** ms since 1970. */
  readonly nowMs: number
  /** Days for which backups are kept. */
  readonly backupDays: number
}

export interface VerifyAsked {
  /**
   * The part of all segments that is due now, each at least every 30 days. All of them if absent.
   *
   * Times in ms since 1970: when the part before this one was looked at; all are due if that is unknown.
   */
  readonly part?: { readonly sinceMs: number | undefined; readonly nowMs: number }
}

/** Leaves `[from, to)`, or those received in `[fromMs, toMs)`; of one class, or of all. */
export type RestoreAsked = { readonly className?: string } & (
  | { readonly from: number; readonly to: number }
  | { readonly fromMs: number; readonly toMs: number }
)

export interface GoneAsked {
  /** Leaf indices of events, ascending, whose tombstones say *destroyed*. */
  readonly leaves: Float64Array
}

/** A tombstone that says *moved*. */
export interface MovedRecord {
  readonly leafIndex: number
  /** Of the segment that it names. */
  readonly key: string
}

/** The records of the first of the leaves that were asked for: at least of one. */
export interface MovedRecords {
  /** Packed (uint16be length ‖ bytes). 0 bytes where no segment has the leaf. */
  readonly records: Uint8Array
  readonly count: number
}

/** A segment that is not what the log says, or cannot be read. */
export interface ArchiveFault {
  readonly key: string
  readonly code: string
  readonly message: string
  /** The leaf it is about, if there is one. */
  readonly leafIndex?: number
}

export interface VerifiedSegments {
  /** Segments that were looked at. */
  readonly segments: number
  /** Rows that are what the log says. */
  readonly rows: number
  readonly faults: readonly ArchiveFault[]
}

/** What lies in the archive of one class. */
export interface ClassNumbers {
  readonly segments: number
  /** Rows of them; some may be of records that were restored or destroyed since. */
  readonly records: number
  readonly bytes: number
  /** Of its segments, if there are any. */
  readonly firstLeaf?: number
  readonly lastLeaf?: number
  /** Times of their entries, ms since 1970. */
  readonly firstTimeMs?: number
  readonly lastTimeMs?: number
  /** Leaves before this one were archived, or will not be. */
  readonly archivedBeforeLeaf: number
  /** Leaves before this one were destroyed if they were due, but for those held back. */
  readonly destroyedBeforeLeaf: number
  /** Leaves that are due and that a hold was on. */
  readonly heldBack: number
}

/** What the next run has to do whatever the time is. */
export interface OwedNumbers {
  /** Segments that a run left half written, moved or destroyed. */
  readonly unfinished: number
  /** Segments to be written anew without what was destroyed. */
  readonly stale: number
  /** Records that were destroyed by schedule and are not gone yet. */
  readonly withdrawn: number
  /** Whether storage may still hold bytes of withdrawn records. */
  readonly purge: boolean
  /** Whether the query store may still hold bytes of forgotten rows. */
  readonly rewrite: boolean
  /** Things done and maybe not told. */
  readonly untold: number
  /** Records that are gone and may be in backups. */
  readonly expiring: number
  /** When the first of them has expired, ms since 1970. */
  readonly nextExpiryMs?: number
}

/** What the archive knows, in numbers. */
export interface ArchiveNumbers {
  readonly segments: number
  readonly records: number
  readonly bytes: number
  /** By name. */
  readonly classes: Readonly<Record<string, ClassNumbers>>
  readonly owed: OwedNumbers
}

/** What the server asks the archive child. Runs wait for each other; records and numbers wait for nothing. */
export interface ArchiveCalls extends ChildCalls {
  begin(setup: ArchiveSetup): void
  archive(asked: ArchiveAsked & OfRun): ArchiveDone
  destroy(asked: DestroyAsked & OfRun): DestroyDone
  verify(asked: VerifyAsked & OfRun): VerifiedSegments
  restore(asked: RestoreAsked & OfRun): RestoreDone
  gone(asked: GoneAsked & OfRun): void
  /** Each held against the log. @param moved - ascending, at most 4,096 */
  records(moved: readonly MovedRecord[]): MovedRecords
  numbers(value: undefined): ArchiveNumbers
}

/** Leaves and what stands, or is to stand, at each. */
export interface PackedLeaves {
  /** Leaf indices, ascending. */
  readonly leaves: Float64Array
  /** Packed (uint16be length ‖ bytes), one for each; or one for all of them. */
  readonly packed: Uint8Array
}

/** Leaves `[start, end)`; an answer may end earlier. */
export interface StandingSlice {
  /** Packed, one for each leaf: a record, of 0 bytes for a leaf that is no event; or a tombstone. */
  readonly packed: Uint8Array
  /** Leaf indices of tombstones, ascending. */
  readonly tombstones: Float64Array
  /** Where the slice ends: > `start`. */
  readonly end: number
}

/** What the archive child asks and tells the server. */
export interface ServerOfArchiveCalls {
  /** As `LogSource.read`, of several paths; `checkpoint` is the published head. */
  read(paths: readonly string[]): readonly (Uint8Array | undefined)[]
  records(range: { readonly start: number; readonly end: number }): StandingSlice
  withdraw(tombstones: PackedLeaves): void
  restoreRecords(records: PackedLeaves): void
  /** Ended by its signal it answers `false`. */
  purge(value: undefined): boolean
  forget(leaves: readonly number[]): void
  rewrite(value: undefined): void
  heldLeaves(leaves: readonly number[]): readonly number[]
  /** Answers when no hold can be placed any more: until `holdsMay`, or until the child is dead. */
  holdsStay(value: undefined): void
  holdsMay(value: undefined): void
  told(told: Told): void
  progress(progress: Progress & OfRun): void
  say(said: Said): void
}
