/**
 * Holds and erasures of a served log: the steps of `erasure.ts` and `holds.ts`, done to ledger, rows and files.
 *
 *     start ─► what was half done is brought to its end
 *     daily ─► cases that have waited for a day are announced together, and carried out
 *     asked ─► the same, now
 */

import { randomBytes, randomFillSync } from "node:crypto"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { decodeTombstone } from "@prooflog/event/tombstone"
import { LedgerError } from "@prooflog/ledger/error"
import { encodeHex } from "@prooflog/tlog/base64"
import type { Logger } from "pino"
import { readText } from "../durable-file.js"
import type { Exports } from "../exports.js"
import { logStep, type OwnAction, sealOwn, serverEvent } from "../own-events.js"
import type { ServedLog } from "../served-log.js"
import type { Turns } from "../turns.js"
import type { CaseScope, EraseCase } from "./case-file.js"
import { openState, writeState } from "./case-folder.js"
import { CaseStore } from "./cases.js"
import { makeCertificates } from "./erase-certificate.js"
import { type FoundLeaf, findLeaves } from "./erase-leaves.js"
import { DAY_MS, type ErasePorts, isRunDue, resumeErasures, runErasures, type Standing } from "./erasure.js"
import { formatHolds, parseHolds } from "./hold-file.js"
import { leavesTaken } from "./hold-leaves.js"
import { type HoldPorts, Holds } from "./holds.js"
import { announceIn } from "./notices.js"

export interface Erasing {
  readonly holds: Holds
  readonly cases: CaseStore
  /** What a case would be about now; those of other cases, if it is of leaves. @throws as `findLeaves` */
  find(scope: CaseScope): Promise<readonly FoundLeaf[]>
  /** Carries everything as far as it goes, after what runs now; resolves when it is done. */
  run(): Promise<void>
  /** The same, for whoever has the turn. */
  carry(): Promise<void>
  /** Whether a case is to be carried further. */
  isDue(): boolean
  readonly status: RunStatus
  /** Resolves when nothing runs any more. Repeatable. */
  close(): Promise<void>
}

export interface RunStatus {
  readonly isRunning: boolean
  /** Of the last run that ended: when, in ms since 1970, and what went wrong. */
  readonly lastMs?: number
  readonly error?: unknown
}

export interface ErasingOptions {
  readonly log: ServedLog
  readonly exports: Exports
  readonly holds: Holds
  /** One run at a time, of whatever destroys records. */
  readonly turns: Turns
  readonly clock: () => number
  readonly logger: Logger
  /** Fires when the server begins to stop: what runs ends where it can go on at the next start. */
  readonly stopping: AbortSignal
}

/** How often it is looked whether a day is over. */
const LOOK_MS = 60_000

/** Least time between two runs that begin by themselves: a case that is held would be tried each minute. */
const AGAIN_MS = 60 * 60_000

/** How long a run waits for its notice to be published; the next one waits again. */
const PUBLISHED_MS = 60_000
const STEP_MS = 250

/** Leaves looked up at once. */
const LOOK_UP = 1_024

/** @throws ServerError `SERVER_MALFORMED_FOLDER` if what was kept is damaged */
export async function openErasing({
  log,
  exports,
  holds,
  turns,
  clock,
  logger,
  stopping,
}: ErasingOptions): Promise<Erasing> {
  const closing = new AbortController()
  stopping.addEventListener("abort", () => closing.abort())
  const cases = await CaseStore.open(rootOf(log))
  const ports = erasePorts(log, exports, cases, holds, clock, closing.signal)
  let status: RunStatus = { isRunning: false }
  let last: Promise<void> = Promise.resolve()

  async function tracked(task: () => Promise<void>): Promise<void> {
    if (closing.signal.aborted) return
    status = { ...status, isRunning: true }
    try {
      await task()
      status = { isRunning: false, lastMs: clock() }
    } catch (error) {
      status = { isRunning: false, lastMs: clock(), error }
      throw error
    }
  }

  /** One after another. */
  function inTurn(task: () => Promise<void>): Promise<void> {
    const done = turns.take(() => tracked(task))
    last = done.catch(() => {})
    return done
  }

  function alarm(error: unknown): void {
    if (!closing.signal.aborted)
      logger.error({ err: error }, "alarm of retention: erasing stopped, and goes on with the next run")
  }

  const isDue = () => isRunDue(cases.cases(), clock(), ports.backupMs)

  function isTime(): boolean {
    const pauseMs = status.error === undefined ? AGAIN_MS : LOOK_MS
    if (status.isRunning || clock() - (status.lastMs ?? Number.NEGATIVE_INFINITY) < pauseMs) return false
    return isDue()
  }

  const looking = setInterval(() => {
    if (isTime()) inTurn(() => runErasures(ports)).catch(alarm)
  }, LOOK_MS).unref()
  inTurn(async () => {
    await holds.settle()
    const isHalfDone = ({ state, notice }: EraseCase) =>
      state === "noticed" || state === "withdrawn" || (state === "queued" && notice !== undefined)
    if (!cases.cases().some(isHalfDone)) return
    // Rows begin to be read when the server does.
    const { treeSize } = log.ledger.signedHead
    while (isBehind(log, treeSize) && !closing.signal.aborted) await sleep(STEP_MS)
    await resumeErasures(ports)
  }).catch(alarm)

  return {
    holds,
    cases,
    async find(scope) {
      return "leaves" in scope ? [] : findLeaves(log.reading, scope, log.ledger.treeSize)
    },
    run() {
      const done = inTurn(() => runErasures(ports))
      done.catch(alarm)
      return done
    },
    carry: () => tracked(() => runErasures(ports)),
    isDue,
    get status() {
      return status
    },
    async close() {
      closing.abort()
      clearInterval(looking)
      await last
    },
  }
}

/** Where holds and cases are kept. */
function rootOf({ folder }: ServedLog): string {
  return join(folder.dir, "retention")
}

/** @throws ServerError `SERVER_MALFORMED_FOLDER` if what was kept is damaged */
export function openHolds(log: ServedLog): Promise<Holds> {
  return Holds.open(holdPorts(log, join(rootOf(log), "holds.json")))
}

/** Whether rows of some of the first leaves still come, of a log that is followed. */
export function isBehind({ reading }: ServedLog, treeSize: number): boolean {
  const { state, through } = reading.status()
  return state !== "off" && state !== "stopped" && through < treeSize
}

function holdPorts(log: ServedLog, path: string): HoldPorts {
  return {
    read: async () => parseHolds(await openState(path)),
    write: (holds) => writeState(path, formatHolds(holds)),
    newId,
    seal(action, { id, scope, why, by, timeMs }) {
      const said = { hold: id, why, by, ...(scope && { scope: JSON.stringify(scope) }) }
      const event = serverEvent({ action, resource: `hold/${id}`, said }, timeMs)
      return sealOwn(event, timeMs, log.seeds)
    },
    treeSize: () => log.ledger.treeSize,
    announce: announceIn(log),
    async say(action, id, { at, by, notice }) {
      const doing = { action, resource: `hold/${id}`, said: { hold: id, notice_leaf: notice.leaf } }
      return logStep(log, doing, { timeMs: Date.parse(at), eventId: `${id}.${lastWord(action)}`, keyId: by })
    },
    taken: (scope, leaves) => leavesTaken(log.reading, scope, leaves),
  }
}

function erasePorts(
  log: ServedLog,
  exports: Exports,
  cases: CaseStore,
  holds: Holds,
  clock: () => number,
  closing: AbortSignal,
): ErasePorts {
  const { ledger, reader } = log
  return {
    cases: async () => cases.cases(),
    writeCase: (one) => cases.write(one),
    notices: async () => cases.notices(),
    writeNotice: (one) => cases.writeNotice(one),
    nowMs: clock,
    newId,
    fill: (bytes) => void randomFillSync(bytes),
    treeSize: () => ledger.treeSize,
    async find(scope) {
      if ("leaves" in scope) return scope.leaves
      return (await findLeaves(log.reading, scope, ledger.treeSize)).map(({ leafIndex }) => leafIndex)
    },
    standing: (leaves) => standingOf(log, leaves),
    heldAmong: (leaves) => holds.heldAmong(leaves),
    whileHoldsStay: (task) => holds.whileTheyStay(task),
    announce: announceIn(log),
    async isPublished(leaf) {
      for (let waitedMs = 0; waitedMs < PUBLISHED_MS && !closing.aborted; waitedMs += STEP_MS) {
        if ((await ledger.published(leaf + 1, STEP_MS)) !== undefined) return true
      }
      return false
    },
    withdraw: (tombstones) =>
      ledger.withdraw(tombstones.map((each) => ({ kind: "tombstone" as const, ...each }))),
    // What was read before the records were withdrawn is among the rows once they have come so far.
    forgetRows: (leaves) => log.reading.forget(leaves, ledger.treeSize),
    forgetAlerts: (persons, leaves) => log.alerts.forget({ persons, leaves }),
    async destroy(leaves, segments) {
      // What was hot may lie in a segment all the same: it was restored, or a run was cut off while it moved it.
      const hasArchive = (await readText(log.folder.archiveStatePath)) !== undefined
      if (segments.length > 0 || hasArchive) {
        const ascending = [...new Set(leaves)].sort((a, b) => a - b)
        return log.archive.gone(ascending, { signal: closing })
      }
      // One that runs would be waited for.
      await exports.removeAll()
      if (!(await ledger.purge({ signal: closing })))
        throw new LedgerError("LEDGER_CLOSED", "the log was closed while records were purged")
      await log.reading.rewrite()
    },
    async certify({ id, items = [] }, { leaf }, noticeItems) {
      const leaves = items.map(([leafIndex]) => leafIndex)
      const head = ledger.publishedHead
      let parts = 0
      for await (const text of makeCertificates(reader, head, leaf as number, noticeItems, leaves)) {
        await cases.writeCertificate(id, ++parts, text)
      }
      return parts
    },
    forgetHolds: (persons, ids) => holds.forget(persons, ids),
    say(action, { id }, count) {
      const doing = { action, resource: `case/${id}`, said: { case: id, records: count } }
      return logStep(log, doing, { timeMs: clock(), eventId: `${id}.${lastWord(action)}` })
    },
    backupMs: log.folder.serving.backupDays * DAY_MS,
  }
}

async function standingOf({ ledger }: ServedLog, leaves: readonly number[]): Promise<Standing[]> {
  const { treeSize } = ledger
  const standing: Standing[] = []
  for (let at = 0; at < leaves.length; at += LOOK_UP) {
    const some = leaves.slice(at, at + LOOK_UP).filter((leaf) => leaf < treeSize)
    if (some.length < Math.min(LOOK_UP, leaves.length - at))
      throw new RangeError("leaves: past the end of the log")
    // As it is there: a record that was moved is not destroyed where it stands.
    const stored = await Promise.all(some.map((leaf) => ledger.storage.records(leaf, leaf + 1)))
    for (const { kind, bytes } of stored.flat()) {
      if (kind === "record") standing.push(bytes.length === 0 ? "none" : "record")
      else {
        const tombstone = decodeTombstone(bytes)
        standing.push(tombstone.state === "moved" ? { segment: tombstone.segment } : "destroyed")
      }
    }
  }
  return standing
}

function newId(): string {
  return encodeHex(randomBytes(8))
}

/** "log.erase.gone" → "gone" */
function lastWord(action: OwnAction): string {
  return action.slice(action.lastIndexOf(".") + 1)
}
