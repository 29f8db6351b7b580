/**
 * Watches one log: looks at its head, holds it against every head seen, and reads what is new.
 *
 *     look ──► head: signed? fresh? ──► grown from the latest? ──► audit of what is new ──► keep
 *                                        │                          │
 *     others' heads ── offer ────────────┴──► fork: accusation      └──► broken rule: accusation
 *
 *     latest     the largest head that extends all we believed before
 *     audited    the head up to which every entry was read; at most `latest`
 *
 * A log that is caught is watched on: heads are compared for as long as it shows any. Only the audit ends at a leaf
 * that breaks a rule, since nothing after it can be what an honest log would say.
 *
 * Effects: those of the source; files in the monitor's folder; a clock.
 */

import type { OpenedCheckpoint } from "@prooflog/tlog/policy"
import type { Accusation } from "@prooflog/verifier/accusation"
import { accuseEntry, accuseHeads, accuseWitnesses } from "@prooflog/verifier/accuse"
import { checkGrowth, openHead } from "@prooflog/verifier/advance"
import { VerifierError } from "@prooflog/verifier/error"
import { type LogSource, readCheckpoint, remembering } from "@prooflog/verifier/source"
import { type EntryCounts, type VerifiedLog, verifyLog } from "@prooflog/verifier/verify-log"
import type { Logger } from "pino"
import type { Accusations } from "./accusations.js"
import { offClock, staleness } from "./clocks.js"
import type { WatchedLog } from "./config.js"
import { diagnose } from "./diagnose.js"
import { type Activity, type Finding, type FindingKind, isLasting, weightOf } from "./finding.js"
import { headKey, MAX_HEAD_LENGTH, openShownHead, trimmed, withoutQuorum } from "./head.js"
import { type HeadStore, MAX_OPEN, type OpenHead } from "./head-store.js"
import { type Audited, NO_COUNTS, readState, writeState } from "./log-state.js"
import { type FindingsListener, OpenFindings } from "./open-findings.js"
import { openQueue, type Queue } from "./queue.js"

export interface WatchOptions {
  readonly log: WatchedLog
  readonly source: LogSource
  /** File of its state. */
  readonly path: string
  readonly accusations: Accusations
  readonly listener: FindingsListener
  /** ms since 1970. */
  readonly clock: () => number
  readonly logger: Logger
  /** Ends everything; what fails by that is nobody's fault. */
  readonly signal: AbortSignal
}

/** What can be said of a log to people and machines. */
export interface WatchStatus {
  readonly log: WatchedLog
  readonly latest: OpenedCheckpoint | undefined
  readonly audited: Audited | undefined
  /** Leaves that the audit or re-reading under way has checked. */
  readonly reading:
    | { readonly what: "audit" | "re-read"; readonly leaves: number; readonly treeSize: number }
    | undefined
  /** First leaf from which repeated commitments are looked for. */
  readonly commitmentsFrom: number | undefined
  /** When the log last showed a head that is in order, ms; `undefined` if never since the start. */
  readonly lookedMs: number | undefined
  /** When it was last tried to look, ms. */
  readonly triedMs: number | undefined
  readonly looks: number
  readonly rereadMs: number
  /** Shown by others, and not compared with ours yet. */
  readonly openHeads: readonly OpenHead[]
  readonly findings: readonly Finding[]
}

/** A larger head seen elsewhere may be shown to us a little later, and a tile that is missing be served again. */
const HIDDEN_AFTER_MS = 60_000

/** After an audit that failed, the next one waits so many times as long as it took: a large log is not read without end. */
const REST_FACTOR = 4

/** State that only says when we looked is written this often. */
const KEEP_EVERY_MS = 60_000

/** Forks of one log that are proven, each of which is enough: a log can go on showing another tree for ever. */
const MAX_FORKS = 8

/** Bytes of what an audit has read last that are kept, so that it proves what it saw. */
const MAX_REMEMBERED_BYTES = 1 << 25

/** How long a look may take to compare heads that could not be compared before: the log's tiles may dawdle with each. */
const COMPARE_MS = 10_000

/** Offers of heads that may wait. */
const MAX_OFFERS = 32

export class LogWatch {
  readonly #options: WatchOptions
  readonly #findings: OpenFindings
  readonly #heads: HeadStore
  readonly #turn: Queue = openQueue()
  readonly #offers: Queue = openQueue(MAX_OFFERS)
  readonly #writing: Queue = openQueue()
  #latest: OpenedCheckpoint | undefined
  #audited: Audited | undefined
  #unseenSinceMs: number | undefined
  #rereadMs: number
  /** The checkpoint as it was read last, and what it said. */
  #shown: { readonly note: string; readonly head: OpenedCheckpoint } | undefined
  #reading: WatchStatus["reading"]
  #rereading = false
  /** What met a leaf that breaks a rule, and found out whether that can be proven. */
  readonly #judged = new Set<Activity>()
  #restUntil = Number.NEGATIVE_INFINITY
  #rereadRestUntil = Number.NEGATIVE_INFINITY
  #lookedMs: number | undefined
  #triedMs: number | undefined
  #looks = 0
  /** Key of the open head that was compared last. */
  #comparedLast: string | undefined
  #isChanged = false
  #keptMs = Number.NEGATIVE_INFINITY

  private constructor(options: WatchOptions, state: Awaited<ReturnType<typeof readState>>) {
    this.#options = options
    this.#findings = new OpenFindings(state.findings, options.listener)
    this.#heads = state.heads
    this.#latest = state.latest
    this.#audited = state.audited
    this.#unseenSinceMs = state.unseenSinceMs
    this.#rereadMs = state.rereadMs
  }

  /** @throws MonitorError `MONITOR_BAD_STATE` */
  static async open(options: WatchOptions): Promise<LogWatch> {
    const { origin, policy } = options.log
    return new LogWatch(options, await readState(options.path, origin, policy))
  }

  get log(): WatchedLog {
    return this.#options.log
  }

  /** The largest head that extends all that was believed before. */
  get latest(): OpenedCheckpoint | undefined {
    return this.#latest
  }

  status(): WatchStatus {
    return {
      log: this.log,
      latest: this.#latest,
      audited: this.#audited,
      reading: this.#reading,
      commitmentsFrom: this.#audited?.end.commitmentsFrom,
      lookedMs: this.#lookedMs,
      triedMs: this.#triedMs,
      looks: this.#looks,
      rereadMs: this.#rereadMs,
      openHeads: this.#heads.open,
      findings: this.#findings.all,
    }
  }

  /** Notes that this log is not looked at any more, for a reason that is ours: it is no finding against anybody. */
  stopped(why: string): void {
    this.#raise(
      "unchecked",
      "head",
      `this monitor looks at the log no more, until it is started again: ${why}`,
    )
  }

  /** Notes that the webhook has a finding. */
  async told(finding: Finding): Promise<void> {
    this.#findings.told(finding)
    this.#isChanged = true
    await this.#keep()
  }

  /**
   * Looks once, and audits what is new. Whatever the log does wrong becomes a finding.
   *
   * It rejects with the signal's reason, and for what is our own fault: the disk, or a bug.
   */
  poll(): Promise<void> {
    return this.#turn(async () => {
      const head = await this.#look()
      this.#looks++
      this.#triedMs = this.#options.clock()
      if (head !== undefined && (await this.#grow(head))) {
        await this.#audit()
        await this.#compareOpen()
        this.#settleHidden()
      }
      await this.#keep()
    })
  }

  /**
   * Compares a head that someone else has shown.
   *
   * @param head - opened by `openShownHead`
   * @param by - who showed it, for people
   * @returns false if too many wait already
   */
  offer(head: OpenedCheckpoint, by: string): boolean {
    if (this.#heads.isChecked(head) || this.#heads.isCondemned(head)) return true
    const offered = this.#offers.tryRun(async () => {
      const conflict = this.#heads.conflictWith(head)
      this.#keepOpen(head, by)
      if (conflict !== undefined) await this.#fork(conflict, head, "gossip", this.#options.source)
      else await this.#compare(head)
      await this.#keep()
    })
    const { signal, logger } = this.#options
    offered?.catch((error: unknown) => {
      if (!signal.aborted) logger.error({ err: error }, "a head could not be compared")
    })
    return offered !== undefined
  }

  /** Resolves when every head offered so far was compared, and what came of it is on disk. */
  async settled(): Promise<void> {
    await this.#offers(async () => {})
    await this.#writing(async () => {})
  }

  /**
   * Whether the whole log should be read again: the last time is long ago, or, for a monitor that goes on running,
   * its commitments are not known.
   */
  isRereadDue({ goesOn }: { readonly goesOn: boolean }): boolean {
    if (this.#audited === undefined || this.#rereading || this.#isStuck("re-read")) return false
    if (performance.now() < this.#rereadRestUntil) return false
    if (goesOn && this.#audited.end.commitmentsFrom > 0) return true
    return this.#options.clock() - this.#rereadMs >= this.log.rereadMs
  }

  /**
   * Reads the whole log again, up to what was audited: finds what was replaced or withdrawn since, and knows
   * every commitment afterwards.
   */
  async reread(): Promise<void> {
    const { clock } = this.#options
    const source = remembering(this.#options.source, MAX_REMEMBERED_BYTES)
    if (this.#rereading || this.#audited === undefined) return
    this.#rereading = true
    const startedMs = performance.now()
    let head = this.#audited.end.checkpoint
    try {
      const whole = await this.#verify("re-read", head, undefined, source)
      // What came in the meantime is read with it; nothing is awaited between that and the exchange.
      await this.#turn(async () => {
        head = (this.#audited as Audited).end.checkpoint
        this.#audited = await this.#extend({ end: whole.end, counts: whole.entries }, head, source)
      })
      this.#rereadMs = clock()
      this.#settle("re-read")
      this.#isChanged = true
    } catch (error) {
      this.#rereadRestUntil = this.#restAfter(startedMs)
      await this.#failed("re-read", error, head, source)
    } finally {
      this.#rereading = false
      this.#reading = undefined
    }
    await this.#keep()
  }

  /** The head that the log shows, if it is signed as the policy asks. */
  async #look(): Promise<OpenedCheckpoint | undefined> {
    const { log, source, clock } = this.#options
    let note: string | undefined
    let head: OpenedCheckpoint
    try {
      note = await readCheckpoint(source)
      head = note === this.#shown?.note ? this.#shown.head : openShort(note, log)
    } catch (error) {
      // Without a quorum it is no head to follow, but it may convict.
      const claimed = note === undefined ? undefined : openShownHead(note, log.policy)
      if (claimed !== undefined) this.offer(claimed, "the log")
      await this.#failed("head", error, undefined, source)
      return undefined
    }
    this.#shown = { note, head }
    this.#lookedMs = clock()
    this.#settle("head")
    const stale = staleness(head, log.policy, this.#lookedMs, log)
    if (stale === undefined) this.#settle("freshness")
    else this.#raise("stale", "freshness", stale)
    return head
  }

  /** Whether a head extends what was believed; then it is the latest. */
  async #grow(head: OpenedCheckpoint): Promise<boolean> {
    const source = remembering(this.#options.source)
    const conflict = this.#heads.conflictWith(head)
    if (conflict !== undefined) {
      this.#keepOpen(head, "the log")
      await this.#fork(conflict, head, "growth", source)
      return false
    }
    const known = this.#latest
    if (known !== undefined && headKey(known) !== headKey(head)) {
      try {
        await checkGrowth(known, head, source)
      } catch (error) {
        // Nothing is forgotten: when the log grows again this head is compared, too.
        this.#keepOpen(head, "the log")
        if (isFork(error)) await this.#fork(known, head, "growth", source)
        else await this.#failed("growth", error, head, source, [known.note, head.note])
        return false
      }
    }
    this.#settle("growth")
    this.#isChanged ||= known?.note !== head.note
    this.#latest = head
    this.#heads.addChecked(head)
    return true
  }

  /** Reads what is new under the latest head. */
  async #audit(): Promise<void> {
    const { clock, log } = this.#options
    const source = remembering(this.#options.source, MAX_REMEMBERED_BYTES)
    const head = this.#latest as OpenedCheckpoint
    const lookedMs = this.#lookedMs as number
    if (this.#isStuck("audit")) return
    if (this.#audited !== undefined && sizeOf(this.#audited.end.checkpoint) === sizeOf(head)) {
      this.#unseenSinceMs = lookedMs
      this.#settle("audit")
      return
    }
    if (performance.now() < this.#restUntil) return
    const startedMs = performance.now()
    try {
      const result = await this.#verify("audit", head, this.#audited, source)
      this.#settle("audit")
      const wrong =
        result.time && offClock({ ...result.time, unseenSinceMs: this.#unseenSinceMs }, clock(), log.clockMs)
      if (wrong === undefined) this.#settle("clock")
      else this.#raise("off-clock", "clock", wrong)
      if (this.#audited === undefined) this.#rereadMs = clock()
      this.#audited = { end: result.end, counts: sum(this.#audited?.counts ?? NO_COUNTS, result.entries) }
      this.#unseenSinceMs = lookedMs
      this.#isChanged = true
    } catch (error) {
      this.#restUntil = this.#restAfter(startedMs)
      if (isFork(error) && this.#audited !== undefined)
        await this.#fork(this.#audited.end.checkpoint, head, "audit", source)
      else await this.#failed("audit", error, head, source)
    } finally {
      this.#reading = undefined
    }
  }

  async #verify(
    what: "audit" | "re-read",
    head: OpenedCheckpoint,
    from: Audited | undefined,
    source: LogSource,
  ): Promise<VerifiedLog> {
    const { log, signal } = this.#options
    return await verifyLog(source, withoutQuorum(log.policy), {
      checkpoint: head.note,
      ...(from && { from: from.end }),
      signal,
      onProgress: ({ leaves, treeSize }) => {
        this.#reading = { what, leaves, treeSize }
      },
    })
  }

  /** The same audit, gone on to `head`. */
  async #extend(from: Audited, head: OpenedCheckpoint, source: LogSource): Promise<Audited> {
    if (sizeOf(from.end.checkpoint) === sizeOf(head)) return from
    const { end, entries } = await this.#verify("re-read", head, from, source)
    return { end, counts: sum(from.counts, entries) }
  }

  /** Keeps a head until it can be compared, and says so if others had to make room. */
  #keepOpen(head: OpenedCheckpoint, by: string): void {
    const before = this.#heads.dropped
    if (this.#heads.addOpen({ head, by, sinceMs: this.#options.clock() })) this.#isChanged = true
    if (this.#heads.dropped === before) return
    const message = `${this.#heads.open.length} signed heads that cannot be compared yet are kept, and there is room for no more`
    this.#raise("crowded", "crowd", message)
  }

  /** As many open heads as there is time for; the next look goes on with the next of them. */
  async #compareOpen(): Promise<void> {
    const untilMs = performance.now() + COMPARE_MS
    const { open } = this.#heads
    const from = open.findIndex(({ head }) => headKey(head) === this.#comparedLast) + 1
    for (const { head } of [...open.slice(from), ...open.slice(0, from)]) {
      await this.#compare(head)
      this.#comparedLast = headKey(head)
      if (performance.now() > untilMs) break
    }
    if (this.#heads.open.length <= MAX_OPEN / 2) this.#settle("crowd")
  }

  /** Holds an open head against the latest. */
  async #compare(head: OpenedCheckpoint): Promise<void> {
    const { logger } = this.#options
    const source = remembering(this.#options.source)
    const known = this.#latest
    if (known === undefined || sizeOf(head) > sizeOf(known)) return
    try {
      await checkGrowth(head, known, source)
      this.#heads.addChecked(head)
      this.#isChanged = true
    } catch (error) {
      this.#requireVerifierError(error)
      if (isFork(error)) await this.#fork(known, head, "gossip", source)
      // The log does not answer, or answers wrongly: the head stays open, and is withheld if that goes on.
      else logger.debug({ err: error }, "a head could not be compared yet")
    }
  }

  /** A head that others were shown: we are not, or cannot tell whether ours extends it. */
  #settleHidden(): void {
    const { clock, log } = this.#options
    const latest = this.#latest as OpenedCheckpoint
    const afterMs = Math.max(HIDDEN_AFTER_MS, 3 * log.pollMs)
    const hidden = this.#heads.open.find(({ sinceMs }) => clock() - sinceMs > afterMs)
    if (hidden === undefined) {
      this.#settle("gossip")
      return
    }
    const shown = `${hidden.by} was shown a signed head of ${leaves(hidden.head)}, this monitor one of ${sizeOf(latest)}`
    const message =
      sizeOf(hidden.head) > sizeOf(latest)
        ? shown
        : `${shown}, and the hashes that would tell whether it extends the other are not served, or are wrong`
    this.#raise("withheld", "gossip", message, { heads: [latest.note, hidden.head.note] })
  }

  /**
   * Two signed heads that contradict each other: proves it, and keeps both.
   *
   * @param other - the one that is not followed
   * @param source - remembers what was compared: the log does not choose when to stop serving it
   */
  async #fork(
    known: OpenedCheckpoint,
    other: OpenedCheckpoint,
    by: Activity,
    source: LogSource,
  ): Promise<void> {
    const { log, logger, clock } = this.#options
    this.#findings.seen("forked", clock())
    const forks = this.#findings.all.filter((finding) => finding.kind === "forked" && finding.accusation)
    if (forks.length >= MAX_FORKS) this.#heads.condemn(other)
    if (this.#heads.isCondemned(other)) return
    const message =
      sizeOf(known) === sizeOf(other)
        ? `two signed heads of ${leaves(known)} contradict each other`
        : `signed heads of ${sizeOf(known)} and ${sizeOf(other)} leaves contradict each other`
    const heads = [known.note, other.note] as const
    try {
      const accusation = await accuseHeads(known, other, source, log.policy)
      if (accusation === undefined) return
      const file = await this.#accuse(accusation)
      for (const each of await accuseWitnesses(known, other, source, log.policy)) await this.#accuse(each)
      this.#heads.condemn(other)
      this.#raise("forked", by, message, { heads, accusation: file })
    } catch (error) {
      this.#requireVerifierError(error)
      // Found, and not provable now: both heads stay in the finding, and the next look tries again.
      logger.warn({ err: error, origin: log.origin }, "a fork could not be proven yet")
      this.#raise("forked", by, message, { heads })
    }
  }

  /** Names what the verifier has thrown; what is not the log's doing is thrown on. */
  async #failed(
    by: Activity,
    error: unknown,
    head: OpenedCheckpoint | undefined,
    source: LogSource,
    heads?: readonly [string, string],
  ): Promise<void> {
    this.#requireVerifierError(error)
    const found = await diagnose(error, this.#options.source, head)
    this.#options.signal.throwIfAborted()
    // Of a log that never answered nothing is missing.
    const kind =
      found === "withheld" && head === undefined && this.#latest === undefined ? "unreachable" : found
    const accusation =
      head !== undefined && isLasting(kind) ? await this.#accuseEntry(error, head, source, by) : undefined
    this.#raise(kind, by, error.message, { ...(heads && { heads }), ...(accusation && { accusation }) })
  }

  async #accuseEntry(
    error: VerifierError,
    head: OpenedCheckpoint,
    source: LogSource,
    by: Activity,
  ): Promise<string | undefined> {
    try {
      const accusation = await accuseEntry(error, head, source)
      this.#judged.add(by)
      return accusation && (await this.#accuse(accusation))
    } catch (cause) {
      this.#requireVerifierError(cause)
      this.#options.logger.warn({ err: cause, origin: this.log.origin }, "an entry could not be accused")
      return undefined
    }
  }

  async #accuse(accusation: Accusation): Promise<string> {
    const file = await this.#options.accusations.keep(accusation)
    this.#options.logger.error({ origin: this.log.origin, kind: accusation.kind, file }, "accusation written")
    return file
  }

  /** Throws on what is not the log's doing: a bug, a failed disk, and whatever fails because all is to end. */
  #requireVerifierError(error: unknown): asserts error is VerifierError {
    this.#options.signal.throwIfAborted()
    if (!(error instanceof VerifierError)) throw error
  }

  #raise(
    kind: FindingKind,
    by: Activity,
    message: string,
    more: Partial<Pick<Finding, "heads" | "accusation">> = {},
  ): void {
    const seenMs = this.#options.clock()
    if (this.#findings.raise({ kind, by, message, seenMs, ...more })) this.#isChanged = true
  }

  #settle(by: Activity): void {
    if (this.#findings.settle(by)) this.#isChanged = true
  }

  /** Looks are so far apart as they are anyway: only what took long needs more. */
  #restAfter(startedMs: number): number {
    const nowMs = performance.now()
    return nowMs + REST_FACTOR * (nowMs - startedMs) - this.log.pollMs
  }

  /** A leaf breaks a rule for ever: reading cannot go past it. It is read again only for a proof that is still owed. */
  #isStuck(what: "audit" | "re-read"): boolean {
    return this.#findings.all.some(
      (finding) =>
        finding.by === what &&
        finding.kind !== "forked" &&
        isLasting(finding.kind) &&
        (weightOf(finding) === "proven" || this.#judged.has(what)),
    )
  }

  async #keep(): Promise<void> {
    const { path, log, clock } = this.#options
    if (!this.#isChanged && clock() - this.#keptMs < KEEP_EVERY_MS) return
    this.#isChanged = false
    this.#keptMs = clock()
    await this.#writing(() =>
      writeState(path, log.origin, {
        audited: this.#audited,
        latest: this.#latest,
        heads: this.#heads,
        unseenSinceMs: this.#unseenSinceMs,
        rereadMs: this.#rereadMs,
        findings: this.#findings.all,
      }),
    )
  }
}

/** Opens a head as the policy asks, of a length that is worth keeping. */
function openShort(note: string, { policy }: WatchedLog): OpenedCheckpoint {
  const head = trimmed(openHead(note, policy))
  if (head.note.length <= MAX_HEAD_LENGTH) return head
  const message = `the checkpoint has ${head.note.length} characters, where ${MAX_HEAD_LENGTH} are kept`
  throw new VerifierError("VERIFIER_CHECKPOINT_REFUSED", message, { path: "checkpoint" })
}

function sizeOf({ checkpoint }: OpenedCheckpoint): number {
  return checkpoint.treeSize
}

function leaves(head: OpenedCheckpoint): string {
  return sizeOf(head) === 1 ? "1 leaf" : `${sizeOf(head)} leaves`
}

function isFork(error: unknown): boolean {
  return error instanceof VerifierError && error.code === "VERIFIER_FORKED"
}

function sum(a: EntryCounts, b: EntryCounts): EntryCounts {
  return {
    events: a.events + b.events,
    schedules: a.schedules + b.schedules,
    notices: a.notices + b.notices,
    indexes: a.indexes + b.indexes,
    unknown: a.unknown + b.unknown,
  }
}
