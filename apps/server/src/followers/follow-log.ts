/**
 * Reading, as it is done: the server's side of the reader.
 *
 *     routes ─ question ─► wait for min_size ─► reader ─► query child ─► answer
 *     ledger ◄─ read, records ─────────────── reader
 *
 * Nothing here waits for a child but those who ask it something.
 */

import { fileURLToPath } from "node:url"
import type { AlertChange } from "@prooflog/alerts/alert-book"
import { QueryError } from "@prooflog/query/error"
import { leavesBehind } from "@prooflog/query/listing"
import type { Logger } from "pino"
import { type Alerts, NO_ALERTS } from "../alerting/alerts.js"
import { ServerError } from "../error.js"
import type { LogFolder } from "../folder.js"
import type { LogReader } from "../log-reader.js"
import type { Asking, Reading, ReadingStatus } from "../reading.js"
import type { AlertsAnswerOf, AlertsQuestion, AlertsSetup, Health, OwnStep } from "./alerts-calls.js"
import type { AnswerOf, FollowState, Question, ReaderCalls, ServerCalls } from "./calls.js"
import { Gone, type Link } from "./link.js"
import { sayInto, sayTo } from "./say.js"
import { type OfLedger, readRecords, readSigned } from "./served-leaves.js"
import { SignedSizes } from "./signed-sizes.js"
import { Supervisor, type Timing } from "./supervisor.js"
import { Through } from "./through.js"

/** How long it takes until something is given up; a test makes it short. */
export interface FollowTiming extends Timing {
  /** From a question's deadline to the end of the process that answers it. */
  readonly graceMs: number
  readonly exportTimeoutMs: number
  /** How often the reader looks at the signed head. */
  readonly pollMs: number
  /** How long an answer waits for its `minSize`, and a question or a reindex for processes that have died. */
  readonly patienceMs: number
}

export interface FollowLogOptions {
  readonly ledger: OfLedger
  /** Of the same log. */
  readonly reader: Pick<LogReader, "leaves">
  readonly folder: Pick<LogFolder, "verifierKey" | "queryPath" | "serving">
  readonly logger: Logger
  /** Wall clock, ms since the epoch. */
  readonly clock: () => number
  readonly timing?: Partial<FollowTiming>
  /** Whoever is to be alerted; nobody unless given. */
  readonly alerting?: Alerting | undefined
}

export interface Alerting {
  readonly setup: AlertsSetup
  /** Logs what is done about alerts, once for each event id. Resolves with the leaf. */
  readonly own: (step: OwnStep) => Promise<number>
  /** How the log is: looked at all the time. */
  readonly health: (reading: ReadingStatus) => Health
}

export interface Following {
  readonly reading: Reading
  readonly alerts: Alerts
}

const TIMING = { graceMs: 1_000, exportTimeoutMs: 600_000, pollMs: 100, patienceMs: 5_000 }

/** How often the signed head is looked at, so that it is known since when it is one. */
const HEAD_MS = 200

/** How often rules are told how the log is. */
const HEALTH_MS = 2_000

/** How often the scrubber is held back while a question is under way; it forgets after 50 ms. */
const REST_MS = 25

const READER = fileURLToPath(new URL("./reader.js", import.meta.url))

/** Begins to follow a log; resolves nothing, waits for nothing. */
export function followLog({
  ledger,
  reader: log,
  folder,
  logger,
  clock,
  timing: given = {},
  alerting,
}: FollowLogOptions): Following {
  const timing = { ...TIMING, ...given }
  const { query } = folder.serving
  const through = new Through()
  const sizes = new SignedSizes()
  const hear = sayInto(logger)
  const listeners = new Set<(change: AlertChange) => void>()
  let told: FollowState | undefined
  /** Deaths of query children of readers that are dead. */
  let formerDeaths = 0
  let everFollowed = false
  let closed = false

  const noteHead = () => sizes.signed(ledger.signedHead.treeSize, clock())
  noteHead()
  const heads = setInterval(noteHead, HEAD_MS)
  heads.unref()
  let underWay = 0
  // It would take a processor from whoever waits for an answer.
  const resting = setInterval(() => {
    if (underWay > 0) ledger.scrubLater()
  }, REST_MS)
  resting.unref()

  const reader = new Supervisor<ServerCalls, ReaderCalls>({
    name: "reader",
    module: READER,
    timing: given,
    say: sayTo(hear),
    handlers: {
      read: (path) => readSigned(ledger, path),
      records: (range) => readRecords(ledger, log, range),
      say: hear,
      state(state) {
        told = state
        everFollowed ||= state.state === "following"
      },
      through(size) {
        sizes.seen(size, clock())
        through.reached(size)
      },
      own(step) {
        if (alerting === undefined) throw new Error("bug: nobody is alerted, and something was done about it")
        return alerting.own(step)
      },
      changed(change) {
        for (const listener of listeners) listener(change)
      },
    },
    begin: (link) =>
      link.ask("begin", {
        policy: `log ${folder.verifierKey}\nquorum none\n`,
        query: { path: folder.queryPath, memoryMb: query.memoryMb, mmdb: query.mmdb },
        alerts: alerting?.setup,
        timeoutMs: query.timeoutMs,
        exportTimeoutMs: timing.exportTimeoutMs,
        graceMs: timing.graceMs,
        pollMs: timing.pollMs,
        timing: given,
      }),
    onDeath() {
      // Stopped, or busy for good, it would not notice that its parent is gone, and would keep the rows locked.
      for (const pid of [told?.queryPid, told?.alertsPid]) if (pid !== undefined) killIfThere(pid)
      formerDeaths += told?.deaths ?? 0
      told = undefined
    },
  })

  reader.start()
  const healths = setInterval(() => {
    if (alerting !== undefined) reader.link?.tell("health", alerting.health(reading.status()))
  }, HEALTH_MS)
  healths.unref()

  /**
   * The reader's link, once it has one.
   *
   * @param patience - shared by all that one caller waits for
   */
  async function link(patience = patienceOf(timing.patienceMs)): Promise<Link<ReaderCalls>> {
    for (;;) {
      if (reader.link !== undefined) return reader.link
      if (closed || !(await patience.wait())) {
        throw new QueryError(
          "QUERY_UNAVAILABLE",
          closed ? "the server is stopping" : "the reader is not ready",
        )
      }
    }
  }

  /** Asked again as long as it finds nobody who could do it: it may be done twice. */
  async function insist<T>(ask: (link: Link<ReaderCalls>) => Promise<T>): Promise<T> {
    const patience = patienceOf(timing.patienceMs)
    for (;;) {
      try {
        return await ask(await link(patience))
      } catch (error) {
        if (!isOfRestart(error)) throw error
        if (!closed && (await patience.wait())) continue
        if (!(error instanceof Gone)) throw error
        throw new QueryError("QUERY_UNAVAILABLE", "the reader is not ready", { cause: error })
      }
    }
  }

  async function ask<Q extends Question>(question: Q, { minSize = 0, signal }: Omit<Asking, "withheld">) {
    await through.wait(minSize, timing.patienceMs, signal)
    ledger.scrubLater()
    underWay++
    try {
      return await askTwice(question, signal)
    } finally {
      underWay--
    }
  }

  async function askTwice<Q extends Question>(question: Q, signal: AbortSignal | undefined) {
    try {
      return (await (await link()).ask("question", question, signal)) as AnswerOf<Q>
    } catch (error) {
      if (!(error instanceof Gone)) throw error
    }
    try {
      return (await (await link()).ask("question", question, signal)) as AnswerOf<Q>
    } catch (error) {
      if (!(error instanceof Gone)) throw error
      throw new QueryError("QUERY_RESTARTED", "the reader died, and died again", { cause: error })
    }
  }

  const reading: Reading = {
    status(): ReadingStatus {
      const { treeSize } = ledger.signedHead
      const seen = through.size
      return {
        state: told?.state ?? (everFollowed ? "restarting" : "starting"),
        through: seen,
        treeSize,
        lagLeaves: Math.max(0, treeSize - seen),
        lagSeconds: sizes.lagSeconds(seen, clock()),
        ...(told?.stoppedBy && { stoppedBy: told.stoppedBy }),
        databases: told?.databases ?? [],
        restarts: reader.deaths + formerDeaths + (told?.deaths ?? 0),
      }
    },
    async sql({ minSize, signal, ...asked }) {
      const began = performance.now()
      const answer = await ask({ kind: "sql", asked }, { minSize, signal })
      return { ...answer, ms: Math.round((performance.now() - began) * 10) / 10 }
    },
    list(filter, { withheld, maxBytes, minSize = 0, signal }) {
      // A page goes on from an answer that had seen so much; less would leave rows out.
      const seen = filter.cursor === undefined ? 0 : leavesBehind(filter.cursor)
      return ask({ kind: "list", filter, withheld, maxBytes }, { minSize: Math.max(minSize, seen), signal })
    },
    facets: (filter, columns, { withheld, top, ...asking }) =>
      ask({ kind: "facets", filter, columns, top, withheld }, asking),
    histogram: (filter, asked, { withheld, ...asking }) =>
      ask({ kind: "histogram", filter, asked, withheld }, asking),
    export: ({ signal, ...job }) => ask({ kind: "export", job }, { signal }),
    reindex: () => insist((link) => link.ask("reindex", undefined)),
    async forget(leaves, minSize) {
      await through.wait(minSize, timing.patienceMs, undefined)
      for (let at = 0; at < leaves.length; at += FORGOTTEN_AT_ONCE) {
        const some = leaves.slice(at, at + FORGOTTEN_AT_ONCE)
        await insist((link) => link.ask("forget", some))
      }
    },
    rewrite: () => insist((link) => link.ask("rewrite", undefined)),
    onThrough: (listener) => through.listen(listener),
    async close() {
      closed = true
      clearInterval(heads)
      clearInterval(resting)
      clearInterval(healths)
      through.close()
      await reader.close()
    },
  }
  const alerts: Alerts = {
    ask: <Q extends AlertsQuestion>(question: Q) =>
      insist((link) => link.ask("askAlerts", question) as Promise<AlertsAnswerOf<Q>>),
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    forget: (forgotten) => insist((link) => link.ask("forgetAlerts", forgotten)),
  }
  return { reading, alerts: alerting === undefined ? NO_ALERTS : alerts }
}

/** Leaves of one message: other messages are not to wait for it. */
const FORGOTTEN_AT_ONCE = 65_536

/** How often a reader that is not ready is looked for. */
const READY_MS = 20

/** How long somebody waits in all, in small steps: `wait` takes one, and says whether there was one left. */
function patienceOf(ms: number): { wait(): Promise<boolean> } {
  let leftMs = ms
  return {
    async wait() {
      if (leftMs <= 0) return false
      leftMs -= READY_MS
      await new Promise((resolve) => setTimeout(resolve, READY_MS))
      return true
    },
  }
}

/** Whether a process was not there, or not ready, which the next one will be. */
function isOfRestart(error: unknown): boolean {
  if (error instanceof ServerError) return error.code === "SERVER_ALERTS_AWAY"
  return error instanceof Gone || (error instanceof QueryError && error.code === "QUERY_UNAVAILABLE")
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL")
  } catch {
    // ESRCH: it has noticed that its parent died, and is gone.
  }
}
