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

import { access } from "node:fs/promises"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import type { ArchiveDone } from "@prooflog/archive/archive-run"
import { EMPTY_STATE } from "@prooflog/archive/archive-state"
import type { DestroyDone } from "@prooflog/archive/destroy-run"
import { ArchiveError } from "@prooflog/archive/error"
import type { LegalHolds, Progress, Rows, Told } from "@prooflog/archive/ports"
import type { RestoreDone } from "@prooflog/archive/restore-range"
import type { ScheduleFile } from "@prooflog/archive/schedule-file"
import type { Promises } from "@prooflog/event/promises"
import { decodeTombstone } from "@prooflog/event/tombstone"
import type { Ledger } from "@prooflog/ledger"
import { encodeHex } from "@prooflog/tlog/base64"
import type { Logger } from "pino"
import { ServerError } from "../error.js"
import type { LogFolder } from "../folder.js"
import { unpack } from "../packed.js"
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
import { GivingWay } from "./give-way.js"
import { Gone, type Link } from "./link.js"
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
   * `undefined` where what stands in storage has changed since the tombstone was read, so that no segment has the record
   * any more: it was restored, or destroyed. Read storage again.
   *
   * @param moved - ascending; few enough for their records to be in memory
   * @throws ServerError `SERVER_ARCHIVE_UNAVAILABLE` with the key if a segment cannot be read now,
   * `SERVER_ARCHIVE_DAMAGED` with key and leaf if it is not what the log says
   */
  records(moved: readonly MovedRecord[]): Promise<readonly (Uint8Array | undefined)[]>

  /** What the archive knows. Where nothing was ever archived or destroyed by schedule, no process is begun for it. */
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

const TIMING_HERE = { patienceMs: 15_000, idleMs: 600_000 }

/** How often a process that is being begun is looked for. */
const READY_MS = 20

/** Leaves that are asked for at once. */
const MAX_LEAVES = 4_096

const NOTHING: ArchiveNumbers = numbersOf(EMPTY_STATE)

const ARCHIVE = fileURLToPath(new URL("./archive.js", import.meta.url))

type ArchiveSupervisor = Supervisor<ServerOfArchiveCalls, ArchiveCalls>

/** What is a run: it is asked for with its number, and may be watched and ended. */
type RunName = "archive" | "destroy" | "verify" | "restore" | "gone"

/** Begins nothing yet. */
export function openArchiveProcess(options: ArchiveProcessOptions): ArchiveProcess {
  const { ledger, folder, rows, logger } = options
  const { store, segmentRows } = folder.serving.archive
  const timing = { ...TIMING_HERE, ...options.timing }
  const hear = sayInto(logger)
  const holds = new HoldsLock(options.holds)
  const giving = new GivingWay(() => ledger.treeSize)
  const watchers = new Map<number, Watching["onProgress"]>()
  let lastRun = 0
  let process: ArchiveSupervisor | undefined
  /** Resolves when the process before this one is dead. */
  let ended: Promise<void> = Promise.resolve()
  let underWay = 0
  let idle: NodeJS.Timeout | undefined
  let stopping = new AbortController()
  let closed = false

  function begin(): ArchiveSupervisor {
    const begun = new Supervisor<ServerOfArchiveCalls, ArchiveCalls>({
      name: "archive",
      module: ARCHIVE,
      timing: options.timing,
      say: sayTo(hear),
      handlers: {
        read: (paths) => giving.after(() => Promise.all(paths.map((path) => readPublished(ledger, path)))),
        records: (range) => giving.after(() => readStanding(ledger, range)),
        withdraw: (page) => giving.after(() => ledger.withdraw(tombstonesOf(page))),
        restoreRecords: (page) => giving.after(() => ledger.restoreRecords(recordsOf(page))),
        purge: (_, signal) => ledger.purge({ signal }),
        forget: (leaves) => rows.forget(leaves),
        rewrite: () => rows.rewrite(),
        heldLeaves: (leaves) => options.holds.heldLeaves(leaves),
        holdsStay: (_, signal) => holds.take(signal),
        holdsMay: () => holds.free(),
        async told(told) {
          await options.tell(told)
        },
        progress: ({ run, ...progress }) => watchers.get(run)?.(progress),
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
      onDeath: () => holds.free(),
    })
    begun.start()
    return begun
  }

  /** The process's link, once it has one. */
  async function link(): Promise<Link<ArchiveCalls>> {
    await ended
    for (let leftMs = timing.patienceMs; !closed; leftMs -= READY_MS) {
      process ??= begin()
      if (process.link !== undefined) return process.link
      if (leftMs <= 0) throw unavailable("the archive process cannot be begun")
      await sleep(READY_MS)
    }
    throw unavailable("the server is stopping")
  }

  /** Does something with the process, which stays until nothing was done with it for a while. */
  async function using<T>(task: (link: Link<ArchiveCalls>) => Promise<T>): Promise<T> {
    clearTimeout(idle)
    underWay++
    try {
      return await task(await link())
    } catch (error) {
      if (!(error instanceof Gone)) throw error
      throw unavailable("the archive process died: what it was at goes on with the next run", error)
    } finally {
      if (--underWay === 0) idle = setTimeout(end, timing.idleMs).unref()
    }
  }

  function end(): void {
    const old = process
    process = undefined
    if (old !== undefined) ended = old.close()
  }

  async function run<N extends RunName>(
    name: N,
    asked: Omit<Parameters<ArchiveCalls[N]>[0], "run">,
    { signal, onProgress }: Watching = {},
  ): Promise<ReturnType<ArchiveCalls[N]>> {
    const signals = signal === undefined ? [stopping.signal] : [signal, stopping.signal]
    const ending = AbortSignal.any(signals)
    ending.throwIfAborted()
    const number = ++lastRun
    watchers.set(number, onProgress)
    const numbered = { ...asked, run: number } as Parameters<ArchiveCalls[N]>[0]
    try {
      return await using((link) => link.ask(name, numbered, ending))
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
    const failed: DailyFailure[] = []
    async function step<T>(name: DailyFailure["step"], task: () => Promise<T>): Promise<T | undefined> {
      const { signal } = stopping
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

  /** Reading is repeated once: what killed the process may have been a run. */
  async function askRecords(moved: readonly MovedRecord[]): Promise<MovedRecords> {
    try {
      return await using(async (link) => {
        try {
          return await link.ask("records", moved)
        } catch (error) {
          if (error instanceof Gone) return undefined
          throw error
        }
      }).then((answer) => answer ?? using((link) => link.ask("records", moved)))
    } catch (error) {
      throw refusalOf(error)
    }
  }

  async function records(moved: readonly MovedRecord[]): Promise<readonly (Uint8Array | undefined)[]> {
    const found: (Uint8Array | undefined)[] = []
    while (found.length < moved.length) {
      const some = moved.slice(found.length, found.length + MAX_LEAVES)
      const { records, count } = await askRecords(some)
      if (!(count > 0)) throw new Error("bug: the archive process answered no records")
      for (const [i, record] of unpack(records).entries()) {
        if (record.length === 0) await requireChanged(ledger, some[i] as MovedRecord)
        found.push(record.length === 0 ? undefined : record)
      }
    }
    return found
  }

  return {
    store: store.kind,
    place: store.kind === "directory" ? store.path : `s3://${store.bucket}/${store.prefix ?? ""}`,
    daily,
    verify: (watching) => run("verify", {}, watching),
    restore: (asked, watching) => run("restore", asked, watching),
    gone: (leaves, watching) => run("gone", { leaves: Float64Array.from(leaves) }, watching),
    records,
    async numbers() {
      if (process === undefined && !(await isThere(folder.archiveStatePath))) return NOTHING
      return using((link) => link.ask("numbers", undefined))
    },
    stop() {
      stopping.abort()
      stopping = new AbortController()
    },
    async close() {
      closed = true
      stopping.abort()
      clearTimeout(idle)
      end()
      await ended
    },
  }
}

/** The lock of holds, while the archive process has it. */
class HoldsLock {
  readonly #holds: LegalHolds
  #free: (() => void) | undefined

  constructor(holds: LegalHolds) {
    this.#holds = holds
  }

  /** Resolves when no hold can be placed, until {@link free}. @param signal - who asked is dead */
  take(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const held = this.#holds.whileTheyStay(() => {
        if (signal.aborted) return Promise.resolve()
        return new Promise<void>((free) => {
          this.#free = free
          resolve()
        })
      })
      held.catch(reject)
    })
  }

  free(): void {
    this.#free?.()
    this.#free = undefined
  }
}

const utf8 = new TextEncoder()

async function readPublished(ledger: LedgerOfArchive, path: string): Promise<Uint8Array | undefined> {
  if (path === "checkpoint") return utf8.encode(ledger.publishedHead.note)
  ledger.scrubLater()
  return readSigned(ledger, path)
}

/** No segment has the record that a tombstone sends us to: something else must stand there by now. */
async function requireChanged(ledger: LedgerOfArchive, { leafIndex, key }: MovedRecord): Promise<void> {
  const [standing] = await ledger.storage.records(leafIndex, leafIndex + 1)
  if (standing?.kind !== "tombstone") return
  const tombstone = decodeTombstone(standing.bytes)
  if (tombstone.state !== "moved" || tombstone.segment !== key) return
  const message = `${key}: leaf ${leafIndex}: its record was moved there, and no segment has it`
  throw new ServerError("SERVER_ARCHIVE_DAMAGED", message, { leafIndex })
}

/** What whoever asked for a record is told. */
function refusalOf(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof ServerError) return error
  const { message } = error
  if (error instanceof ArchiveError && error.code === "ARCHIVE_SEGMENT_REFUSED") {
    const { leafIndex } = error
    return new ServerError("SERVER_ARCHIVE_DAMAGED", message, {
      cause: error,
      ...(leafIndex !== undefined && { leafIndex }),
    })
  }
  return unavailable(message, error)
}

function unavailable(message: string, cause?: unknown): ServerError {
  return new ServerError("SERVER_ARCHIVE_UNAVAILABLE", message, { cause })
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
