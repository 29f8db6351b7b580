/**
 * The archive of a served log: the daily run, and what is asked of it by hand.
 *
 *     each day ─► erasures that are due ─► archive ─► destroy ─► verify a part     one after another, whatever fails
 *     asked    ─► the same now, or all segments verified, or a range made hot again
 *     start    ─► a run that was cut off goes on
 *
 * There is one job at a time, and none while an erasure runs: they take turns. A log in which nothing is old begins no
 * process for it. What goes wrong is an alarm, is remembered, and is tried again by the next run.
 */

import { randomBytes } from "node:crypto"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { Progress } from "@prooflog/archive/ports"
import type { RestoreDone } from "@prooflog/archive/restore-range"
import { entryTimeMs } from "@prooflog/event/entry"
import { LedgerError } from "@prooflog/ledger/error"
import { encodeHex } from "@prooflog/tlog/base64"
import type { Logger } from "pino"
import { readText } from "../durable-file.js"
import { ServerError } from "../error.js"
import type { RestoreAsked, VerifiedSegments } from "../followers/archive-calls.js"
import type { DailyDone, Watching } from "../followers/archive-process.js"
import type { ServedLog } from "../served-log.js"
import type { Turns } from "../turns.js"
import { isAnythingOld } from "./archive-look.js"
import { openState, writeState } from "./case-folder.js"
import {
  type DailyState,
  faultsAfter,
  formatDaily,
  isDailyDue,
  type LastRun,
  NEVER_RUN,
  parseDaily,
  type StepFailure,
} from "./daily-file.js"
import { type Erasing, isBehind } from "./erase-run.js"
import { type Failure, failureOf } from "./failure.js"

/** Something long that is done with the archive. */
export interface ArchiveJob {
  /** job_ and 16 hex digits. */
  readonly id: string
  readonly kind: JobKind
  readonly state: "running" | "done" | "failed"
  readonly progress: JobProgress
  /** What came of it, if it is done. */
  readonly result?: JobResult
  /** Why it failed; of a run, what failed first. */
  readonly error?: Failure
}

export type JobKind = "run" | "verify" | "restore"

/** As the archive says it; before that it waits, for its turn or its process, or erases. */
export type JobProgress = Omit<Progress, "step"> & { readonly step: Progress["step"] | "wait" | "erase" }

export type JobResult =
  | { readonly run: LastRun; readonly verified?: VerifiedSegments }
  | { readonly verified: VerifiedSegments }
  | { readonly restored: RestoreDone }

export interface Archiving {
  /** The last one that was begun since the start. */
  readonly job: ArchiveJob | undefined
  /** What is remembered of the daily run. */
  readonly daily: DailyState
  /** @throws ServerError `SERVER_ARCHIVE_BUSY`, naming the job */
  requireIdle(): void
  /** Begins the daily run, with every erasure that waits. @throws as `requireIdle` */
  run(): ArchiveJob
  /** Begins to hold every segment against the log. @throws as `requireIdle` */
  verify(): ArchiveJob
  /** Begins to make records hot again. @throws as `requireIdle` */
  restore(asked: RestoreAsked): ArchiveJob
  /** Resolves when nothing runs any more. Repeatable. */
  close(): Promise<void>
}

export interface ArchivingOptions {
  readonly log: ServedLog
  readonly erasing: Erasing
  /** Shared with erasures. */
  readonly turns: Turns
  readonly clock: () => number
  readonly logger: Logger
  /** Fires when the server begins to stop: what runs ends where it can go on at the next start. */
  readonly stopping: AbortSignal
}

/** How often it is looked whether a day is over. */
const LOOK_MS = 60_000

/** How long a run waits for rows; what needs them fails then, and is done by the next one. */
const BEHIND_MS = 60_000
const STEP_MS = 250

/** Faults of one verification that the operator is told one by one: a store that is away makes many. */
const TOLD_FAULTS = 20

export async function openArchiving({
  log,
  erasing,
  turns,
  clock,
  logger,
  stopping,
}: ArchivingOptions): Promise<Archiving> {
  const { archive, ledger, reader, schedule, folder } = log
  const path = join(folder.dir, "retention", "daily.json")
  const closing = new AbortController()
  const { signal } = closing
  stopping.addEventListener("abort", () => closing.abort())
  let daily = await readDaily(path, logger)
  let job: ArchiveJob | undefined
  let last: Promise<unknown> = Promise.resolve()

  async function keep(state: DailyState): Promise<void> {
    daily = state
    await writeState(path, formatDaily(state))
  }

  function requireIdle(): void {
    if (job?.state !== "running") return
    throw new ServerError("SERVER_ARCHIVE_BUSY", `${job.kind} ${job.id} is under way: there is one at a time`)
  }

  /** @param work - rejects with why it failed, once that is told */
  function begin(kind: JobKind, work: (watching: Watching, at: Advance) => Promise<JobResult>): ArchiveJob {
    requireIdle()
    const id = `job_${encodeHex(randomBytes(8))}`
    const begun: ArchiveJob = { id, kind, state: "running", progress: { step: "wait", done: 0 } }
    let now = begun
    job = begun
    const advance: Advance = (progress) => {
      now = { ...now, progress }
      job = now
    }
    const end = (ended: Pick<ArchiveJob, "state" | "result" | "error">) => {
      job = { ...now, ...ended }
    }
    last = turns
      .take(async () => {
        signal.throwIfAborted()
        return work({ signal, onProgress: advance }, advance)
      })
      .then(
        (result) => {
          const [failed] = "run" in result ? result.run.failed : []
          end({ state: failed === undefined ? "done" : "failed", result, ...(failed && { error: failed }) })
        },
        (error: unknown) => {
          end({ state: "failed", error: failureOf(error) })
          if (!signal.aborted) alarm(error, { job: id }, `alarm of the archive: ${kind} failed`)
        },
      )
    return begun
  }

  function alarm(error: unknown, details: object, message: string): void {
    logger.error({ ...details, err: error, code: failureOf(error).code }, message)
  }

  /** Why nothing is done now. By a clock that has leapt ahead, everything would be due, and nobody could undo it. */
  function refusalOfLedger(): LedgerError | undefined {
    const { reason } = ledger.status()
    return reason && new LedgerError(reason, "the log takes nothing: nothing is moved or destroyed meanwhile")
  }

  async function hasWork(nowMs: number): Promise<boolean> {
    // Once there is an archive, a part of it is verified each day.
    if ((await readText(folder.archiveStatePath)) !== undefined) return true
    const { treeSize } = ledger.publishedHead
    const classes = schedule.read?.file.classes
    const timeOf = async (leaf: number) => entryTimeMs(await reader.entry(leaf, treeSize), 0)
    return isAnythingOld({ classes, promises: schedule.promises, nowMs, treeSize, timeOf })
  }

  async function runDaily(isAsked: boolean, watching: Watching, advance: Advance): Promise<JobResult> {
    const begunMs = clock()
    const failed: StepFailure[] = []
    const fail = (step: StepFailure["step"], error: unknown) => {
      failed.push({ step, ...failureOf(error) })
      alarm(error, { step }, "alarm of retention: a step of the daily run failed; the next run goes on")
    }
    const refusal = refusalOfLedger()
    if (refusal !== undefined) fail("destroy", refusal)
    else if (isAsked || erasing.isDue()) {
      advance({ step: "erase", done: 0 })
      await erasing.carry().catch((error: unknown) => {
        if (!signal.aborted) fail("erase", error)
      })
      signal.throwIfAborted()
      advance({ step: "wait", done: 0 })
    }
    const isWanted = refusal === undefined && (await hasWork(begunMs))
    const done = isWanted ? await runArchive(begunMs, watching) : NOTHING
    for (const { step, error } of done.failed) fail(step, error)
    const { archived, destroyed, verified } = done
    const run: LastRun = {
      begunMs,
      endedMs: clock(),
      archived: archived?.records ?? 0,
      withdrawn: destroyed?.withdrawn ?? 0,
      heldBack: destroyed?.heldBack ?? daily.last?.heldBack ?? 0,
      failed,
    }
    const { openMs, ...before } = daily
    const faults = verified === undefined ? daily.faults : noted(verified, begunMs, false)
    await keep({ ...before, ...(verified && { verifiedMs: begunMs }), last: run, faults })
    return { run, ...(verified && { verified }) }
  }

  async function runArchive(nowMs: number, watching: Watching): Promise<DailyDone> {
    // If we crash behind this line, the next start goes on.
    await keep({ ...daily, openMs: nowMs })
    // Rows begin to be read when the server does, and holds are asked of them.
    const { treeSize } = ledger.signedHead
    for (let waitedMs = 0; waitedMs < BEHIND_MS && isBehind(log, treeSize); waitedMs += STEP_MS) {
      signal.throwIfAborted()
      await sleep(STEP_MS)
    }
    const done = await archive.daily(
      {
        schedule: schedule.read?.file,
        promises: schedule.promises,
        nowMs,
        backupDays: folder.serving.backupDays,
        ...(daily.verifiedMs !== undefined && { verifiedMs: daily.verifiedMs }),
      },
      watching,
    )
    signal.throwIfAborted()
    return done
  }

  /** Tells the operator of each fault. */
  function noted(verified: VerifiedSegments, nowMs: number, wasAll: boolean) {
    for (const { key, code, message, leafIndex } of verified.faults.slice(0, TOLD_FAULTS)) {
      const details = { code, key, ...(leafIndex !== undefined && { leaf: leafIndex }) }
      logger.error(details, `alarm of the archive: a segment is damaged, or cannot be read: ${message}`)
    }
    const untold = verified.faults.length - TOLD_FAULTS
    if (untold > 0)
      logger.error(`alarm of the archive: ${untold} more segments are damaged, or cannot be read`)
    return faultsAfter(daily.faults, verified, nowMs, wasAll)
  }

  const run = (isAsked: boolean) => begin("run", (watching, advance) => runDaily(isAsked, watching, advance))

  const looking = setInterval(() => {
    if (!signal.aborted && job?.state !== "running" && isDailyDue(daily, clock())) run(false)
  }, LOOK_MS).unref()
  if (daily.openMs !== undefined) run(false)

  return {
    get job() {
      return job
    },
    get daily() {
      return daily
    },
    requireIdle,
    run: () => run(true),
    verify: () =>
      begin("verify", async (watching) => {
        const nowMs = clock()
        const verified = await archive.verify(watching)
        await keep({ ...daily, verifiedMs: nowMs, faults: noted(verified, nowMs, true) })
        return { verified }
      }),
    restore: (asked) =>
      begin("restore", async (watching) => ({ restored: await archive.restore(asked, watching) })),
    async close() {
      closing.abort()
      clearInterval(looking)
      await last
    },
  }
}

/** What is remembered may be lost: then the next run comes at once, and looks at every segment. */
async function readDaily(path: string, logger: Logger): Promise<DailyState> {
  try {
    return parseDaily(await openState(path))
  } catch (error) {
    if (!(error instanceof ServerError)) throw error
    logger.warn({ err: error, code: error.code }, `${path} is damaged, and begun anew`)
    return NEVER_RUN
  }
}

/** Notes how far a job is. */
type Advance = (progress: JobProgress) => void

const NOTHING: DailyDone = { failed: [] }
