/**
 * The archive, as it is asked: the server's side of its process.
 *
 *     daily, verify, restore, gone ─► archive child ─► segments
 *     ledger, rows, holds ◄────────── archive child
 *     records ─► archive child ─► bytes, held against the log
 *
 * The process is begun when it is first needed, and ended when nothing was asked of it for a while. Its death ends what
 * it was at with an error, and never touches the ledger: the next run goes on from there.
 */

import { access, rm } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import type { ArchiveDone } from "@prooflog/archive/archive-run"
import { EMPTY_STATE } from "@prooflog/archive/archive-state"
import type { DestroyDone } from "@prooflog/archive/destroy-run"
import type { LegalHolds, Progress, Rows, Told } from "@prooflog/archive/ports"
import type { RestoreDone } from "@prooflog/archive/restore-range"
import type { ScheduleFile } from "@prooflog/archive/schedule-file"
import type { Promises } from "@prooflog/event/promises"
import type { Ledger } from "@prooflog/ledger"
import { encodeHex } from "@prooflog/tlog/base64"
import type { Logger } from "pino"
import { ServerError } from "../error.js"
import type { LogFolder } from "../folder.js"
import type {
  ArchiveCalls,
  ArchiveNumbers,
  MovedRecord,
  MovedRecords,
  RestoreAsked,
  ServerOfArchiveCalls,
  VerifiedSegments,
} from "./archive-calls.js"
import { numbersOf } from "./archive-numbers.js"
import { readStanding, recordsOf, tombstonesOf } from "./archive-standing.js"
import { readArchived, unavailable } from "./archived-records.js"
import { GivingWay } from "./give-way.js"
import { HoldsLock } from "./holds-lock.js"
import { LazyProcess } from "./lazy-process.js"
import { Gone } from "./link.js"
import { sayInto, sayTo } from "./say.js"
import { readSigned } from "./served-leaves.js"
import { Supervisor, type Timing } from "./supervisor.js"

/** Someone who looks on, and may end it. */
export interface Watching {
  /**
   * Ends it where the next run can go on: it rejects with the signal's reason. What was done stays done.
   */
  readonly signal?: AbortSignal
  /** Called at most about four times a second. */
  readonly onProgress?: (progress: Progress) => void
}

export interface DailyAsked {
  /** Hot times of today. Without one nothing is archived; what is due is destroyed all the same. */
  readonly schedule: Pick<ScheduleFile, "classes"> | undefined
  readonly promises: Promises
  /** ms since 1970. */
  readonly nowMs: number
  /** Days for which backups are kept. */
  readonly backupDays: number
  /**
   * When a daily run last had `verified` in what it answered: its `nowMs`. What is due since then is verified; every
   * segment if absent.
   */
  readonly verifiedMs?: number
}

export interface DailyDone {
  /** Absent if it failed, or if there is no schedule. */
  readonly archived?: ArchiveDone
  /** Absent if it failed. */
  readonly destroyed?: DestroyDone
  /** Absent if it failed. Faults are no failure: each is told here, and is an alarm. */
  readonly verified?: VerifiedSegments
  /** Steps that failed, in their order. */
  readonly failed: readonly DailyFailure[]
}

export interface DailyFailure {
  readonly step: "archive" | "destroy" | "verify"
  /** An ArchiveError, ObjectsError, LedgerError, QueryError, VerifierError or ServerError with its code, or a bug. */
  readonly error: Error
}

/**
 * Every method that runs something rejects with an error that has a code: ArchiveError and ObjectsError with the `key` of
 * the segment, LedgerError, QueryError, VerifierError, ServerError. `SERVER_ARCHIVE_UNAVAILABLE` if the process died or
 * could not be begun. Runs wait for each other in the order in which they were asked for.
 */
export interface ArchiveProcess {
  /** Where segments are. */
  readonly store: "directory" | "s3"
  /** For people: a path, or `s3://bucket/prefix`. */
  readonly place: string

  /**
   * Archives, destroys what is due, verifies a part; each whether or not the one before failed. Never rejects but with
   * the reason of the signal.
   */
  daily(asked: DailyAsked, watching?: Watching): Promise<DailyDone>

  /** Holds every segment against the log. */
  verify(watching?: Watching): Promise<VerifiedSegments>

  /** Makes archived records hot again. */
  restore(asked: RestoreAsked, watching?: Watching): Promise<RestoreDone>

  /**
   * Makes records gone that were withdrawn, and whose rows were forgotten: segments are written anew without them, the
   * storage is purged, and `rows.rewrite` is called.
   *
   * @param leaves - of events, ascending, in the published tree, with tombstones that say *destroyed*
   */
  gone(leaves: readonly number[], watching?: Watching): Promise<void>

  /**
   * Returns the records of leaves that were moved, in their order, each held against the log. Each segment is read once
   * for 4,096 leaves.
   *
   * `undefined` where what stands in storage has changed since the tombstone was read: the record was destroyed, or was
   * restored and no segment has it any more. Read storage again.
   *
   * @param moved - ascending; few enough for their records to be in memory
   * @throws ServerError `SERVER_ARCHIVE_UNAVAILABLE` with the key if a segment cannot be read now,
   * `SERVER_ARCHIVE_DAMAGED` with key and leaf if it is not what the log says
   */
  records(moved: readonly MovedRecord[]): Promise<readonly (Uint8Array | undefined)[]>

  /**
   * What the archive knows. Where nothing was ever archived or destroyed by schedule, no process is begun for it; and the
   * place of the segments is not looked at.
   *
   * Where `owed.unfinished` is not 0, a record that is still hot may stand in a segment that a run left half done: whoever
   * erases it has to ask for {@link gone}, too.
   */
  numbers(): Promise<ArchiveNumbers>

  /** Ends whatever runs, as each signal would, with an AbortError. */
  stop(): void

  /** Ends the process; whatever runs or is asked rejects. Repeatable. */
  close(): Promise<void>
}

/** What the archive needs of a ledger. */
export type LedgerOfArchive = Pick<
  Ledger,
  | "storage"
  | "signedHead"
  | "publishedHead"
  | "treeSize"
  | "scrubLater"
  | "withdraw"
  | "restoreRecords"
  | "purge"
>

export interface ArchiveProcessOptions {
  readonly ledger: LedgerOfArchive
  readonly folder: Pick<
    LogFolder,
    "origin" | "logId" | "verifierKey" | "archiveStatePath" | "archiveScratchPath" | "serving"
  >
  /** The query store, and exports that are kept. Called by runs only. */
  readonly rows: Rows
  /** Called by runs only. */
  readonly holds: LegalHolds
  /** Logs what was done, once however often it is told. Durable when it resolves. */
  readonly tell: (told: Told) => Promise<unknown>
  readonly logger: Logger
  /** How long it takes until something is given up; a test makes it short. */
  readonly timing?: Partial<ArchiveTiming>
}

export interface ArchiveTiming extends Timing {
  /** How long a caller waits for a process that is being begun. */
  readonly patienceMs: number
  /** After which a process of which nothing is asked is ended. */
  readonly idleMs: number
}

const PATIENCE = { patienceMs: 15_000, idleMs: 600_000 }

const NOTHING: ArchiveNumbers = numbersOf(EMPTY_STATE)

const ARCHIVE = fileURLToPath(new URL("./archive.js", import.meta.url))

/** What is a run: it is asked for with its number, and may be watched and ended. */
type RunName = "archive" | "destroy" | "verify" | "restore" | "gone"

/** Begins no process yet. Empties the scratch folder, in which a process that was killed left records. */
export function openArchiveProcess(options: ArchiveProcessOptions): ArchiveProcess {
  const { ledger, folder, logger } = options
  const { store } = folder.serving.archive
  const watchers = new Map<number, Watching["onProgress"]>()
  let lastRun = 0
  let stopping = new AbortController()

  const child = new LazyProcess<ServerOfArchiveCalls, ArchiveCalls>({
    ...PATIENCE,
    ...options.timing,
    supervise: () => supervise(options, (run, progress) => watchers.get(run)?.(progress)),
    before: rm(folder.archiveScratchPath, { recursive: true, force: true }).catch((error: unknown) =>
      logger.error({ err: error }, "alarm of the archive: its scratch folder cannot be emptied"),
    ),
    refusal: (why, cause) => unavailable(WHY_NOT[why], cause),
  })

  async function run<N extends RunName>(
    name: N,
    asked: Omit<Parameters<ArchiveCalls[N]>[0], "run">,
    { signal, onProgress }: Watching = {},
  ): Promise<ReturnType<ArchiveCalls[N]>> {
    const ending = AbortSignal.any(signal === undefined ? [stopping.signal] : [signal, stopping.signal])
    ending.throwIfAborted()
    const number = ++lastRun
    watchers.set(number, onProgress)
    const numbered = { ...asked, run: number } as Parameters<ArchiveCalls[N]>[0]
    try {
      return await child.use((link) => link.ask(name, numbered, ending))
    } catch (error) {
      // However the process said it.
      ending.throwIfAborted()
      throw error
    } finally {
      watchers.delete(number)
    }
  }

  async function daily(asked: DailyAsked, watching: Watching = {}): Promise<DailyDone> {
    const { schedule, promises, nowMs, backupDays, verifiedMs } = asked
    const { signal } = stopping
    const failed: DailyFailure[] = []
    async function step<T>(name: DailyFailure["step"], task: () => Promise<T>): Promise<T | undefined> {
      try {
        return await task()
      } catch (error) {
        signal.throwIfAborted()
        watching.signal?.throwIfAborted()
        failed.push({ step: name, error: error as Error })
        return undefined
      }
    }
    const archived =
      schedule &&
      (await step("archive", () => run("archive", { classes: schedule.classes, promises, nowMs }, watching)))
    const destroyed = await step("destroy", () => run("destroy", { promises, nowMs, backupDays }, watching))
    const part = { sinceMs: verifiedMs, nowMs }
    const verified = await step("verify", () => run("verify", { part }, watching))
    return {
      ...(archived && { archived }),
      ...(destroyed && { destroyed }),
      ...(verified && { verified }),
      failed,
    }
  }

  /** Once more if the process dies: it may have been killed for a run. */
  async function askRecords(moved: readonly MovedRecord[]): Promise<MovedRecords> {
    const ask = () => child.use((link) => link.ask("records", moved))
    return ask().catch((error: unknown) => {
      if (error instanceof ServerError && error.cause instanceof Gone) return ask()
      throw error
    })
  }

  return {
    store: store.kind,
    place: store.kind === "directory" ? store.path : `s3://${store.bucket}/${store.prefix ?? ""}`,
    daily,
    verify: (watching) => run("verify", {}, watching),
    restore: (asked, watching) => run("restore", asked, watching),
    gone: (leaves, watching) => run("gone", { leaves: Float64Array.from(leaves) }, watching),
    records: (moved) => readArchived(askRecords, ledger.storage, moved),
    async numbers() {
      if (!child.isThere && !(await isThere(folder.archiveStatePath))) return NOTHING
      return child.use((link) => link.ask("numbers", undefined))
    },
    stop() {
      stopping.abort()
      stopping = new AbortController()
    },
    close() {
      stopping.abort()
      return child.close()
    },
  }
}

const WHY_NOT = {
  died: "the archive process died: what it was at goes on with the next run",
  "cannot be begun": "the archive process cannot be begun",
  closed: "the server is stopping",
}

function supervise(
  { ledger, folder, rows, holds, tell, logger, timing }: ArchiveProcessOptions,
  onProgress: (run: number, progress: Progress) => void,
): Supervisor<ServerOfArchiveCalls, ArchiveCalls> {
  const { store, segmentRows } = folder.serving.archive
  const hear = sayInto(logger)
  const lock = new HoldsLock(holds)
  const giving = new GivingWay(() => ledger.treeSize)
  return new Supervisor<ServerOfArchiveCalls, ArchiveCalls>({
    name: "archive",
    module: ARCHIVE,
    timing,
    say: sayTo(hear),
    handlers: {
      read: (paths) => giving.after(() => Promise.all(paths.map((path) => readPublished(ledger, path)))),
      records: (range) => giving.after(() => readStanding(ledger, range)),
      withdraw: (page) => giving.after(() => lock.during(() => ledger.withdraw(tombstonesOf(page)))),
      restoreRecords: (page) => giving.after(() => ledger.restoreRecords(recordsOf(page))),
      purge: (_, signal) => ledger.purge({ signal }),
      forget: (leaves) => rows.forget(leaves),
      rewrite: () => rows.rewrite(),
      heldLeaves: (leaves) => holds.heldLeaves(leaves),
      holdsStay: (_, gone) => lock.take(gone),
      holdsMay: () => lock.free(),
      async told(told) {
        await tell(told)
      },
      progress: ({ run, ...progress }) => onProgress(run, progress),
      say: hear,
    },
    begin: (link) =>
      link.ask("begin", {
        policy: `log ${folder.verifierKey}\nquorum none\n`,
        origin: folder.origin,
        logId: encodeHex(folder.logId),
        statePath: folder.archiveStatePath,
        scratchPath: folder.archiveScratchPath,
        store,
        segmentRows,
      }),
    onDeath: () => void lock.free(),
  })
}

const utf8 = new TextEncoder()

async function readPublished(ledger: LedgerOfArchive, path: string): Promise<Uint8Array | undefined> {
  if (path === "checkpoint") return utf8.encode(ledger.publishedHead.note)
  ledger.scrubLater()
  return readSigned(ledger, path)
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false
    throw error
  }
}
