/**
 * Watches one log: looks at its head, holds it against every head seen, and reads what is new.
 *
 *     look ──► head: signed? fresh? ──► grown from the latest? ──► others' heads ──► keep        one turn
 *                                        │                          │
 *     others' heads ── offer ────────────┼──────────────────────────┴──► fork: accusation        beside it
 *                                        └──► audit of what is new ────► broken rule: accusation  beside it
 *
 *     latest     the largest head that extends all we believed before
 *     audited    the head up to which every entry was read; at most `latest`
 *
 * The audit is no part of the look: a log that dawdles with its entries is looked at and compared as often as any other.
 *
 * Effects: those of the source; files in the monitor's folder; a clock.
 */

import type { OpenedCheckpoint } from "@prooflog/tlog/policy"
import { openHead } from "@prooflog/verifier/advance"
import { VerifierError } from "@prooflog/verifier/error"
import { readCheckpoint } from "@prooflog/verifier/source"
import { LogAudit, type Reading } from "./audit.js"
import { staleness } from "./clocks.js"
import { HeadComparing } from "./comparing.js"
import type { WatchedLog } from "./config.js"
import type { Finding } from "./finding.js"
import { Forks } from "./forks.js"
import { MAX_HEAD_LENGTH, openShownHead, trimmed } from "./head.js"
import type { HeadStore, OpenHead } from "./head-store.js"
import { LogFindings } from "./log-findings.js"
import { type Audited, type LogState, readState, writeState } from "./log-state.js"
import { openQueue, type Queue } from "./queue.js"
import { type ShownBy, THE_LOG } from "./shown-by.js"
import type { WatchOptions } from "./watch-options.js"

export type { WatchOptions } from "./watch-options.js"

/** What can be said of a log to people and machines. */
export interface WatchStatus {
  readonly log: WatchedLog
  readonly latest: OpenedCheckpoint | undefined
  readonly audited: Audited | undefined
  /** Under way: an audit, a re-reading, both or none. */
  readonly readings: readonly Reading[]
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

/** State that only says when we looked is written this often. */
const KEEP_EVERY_MS = 60_000

/** Offers of heads that may wait to be compared at once; what is kept beyond them the next look compares. */
const MAX_OFFERS = 32

export class LogWatch {
  readonly #options: WatchOptions
  readonly #heads: HeadStore
  readonly #findings: LogFindings
  readonly #forks: Forks
  readonly #comparing: HeadComparing
  readonly #audit: LogAudit
  readonly #turn: Queue = openQueue()
  readonly #offers: Queue = openQueue(MAX_OFFERS)
  readonly #writing: Queue = openQueue()
  /** The checkpoint as it was read last, and what it said. */
  #shown: { readonly note: string; readonly head: OpenedCheckpoint } | undefined
  #lookedMs: number | undefined
  #triedMs: number | undefined
  #looks = 0
  #isChanged = false
  #keptMs = Number.NEGATIVE_INFINITY

  private constructor(options: WatchOptions, state: LogState) {
    const onChange = () => {
      this.#isChanged = true
    }
    const { heads, accused } = state
    const findings = new LogFindings(options, state.findings, onChange)
    const forks = new Forks(options, { heads, findings, accused, onChange })
    this.#options = options
    this.#heads = heads
    this.#findings = findings
    this.#forks = forks
    this.#comparing = new HeadComparing(options, { latest: state.latest, heads, findings, forks, onChange })
    this.#audit = new LogAudit(options, { ...state, findings, forks, onChange })
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
    return this.#comparing.latest
  }

  status(): WatchStatus {
    const { audited, readings, rereadMs } = this.#audit
    return {
      log: this.log,
      latest: this.latest,
      audited,
      readings,
      commitmentsFrom: audited?.end.commitmentsFrom,
      lookedMs: this.#lookedMs,
      triedMs: this.#triedMs,
      looks: this.#looks,
      rereadMs,
      openHeads: this.#heads.open,
      findings: this.#findings.all,
    }
  }

  /** Notes that this log is not looked at any more, for a reason that is ours: it is no finding against anybody. */
  stopped(why: string): void {
    const message = `this monitor looks at the log no more, until it is started again: ${why}`
    this.#findings.raise("unchecked", "head", message)
  }

  /** Notes that the webhook has a finding. */
  async told(finding: Finding): Promise<void> {
    this.#findings.told(finding)
    await this.#keep()
  }

  /**
   * Looks once, and compares heads. Whatever the log does wrong becomes a finding. What is new is left to
   * {@link audit}.
   *
   * It rejects with the signal's reason, and for what is our own fault: the disk, or a bug.
   */
  poll(): Promise<void> {
    return this.#turn(async () => {
      const head = await this.#look()
      this.#looks++
      this.#triedMs = this.#options.clock()
      const isGrown = head !== undefined && (await this.#comparing.grow(head))
      this.#audit.aimAt(isGrown ? { head, lookedMs: this.#lookedMs as number } : undefined)
      if (isGrown) {
        await this.#comparing.compareAll()
        this.#comparing.settleHidden()
      }
      this.#audit.noteHanging()
      await this.#keep()
    })
  }

  /** Whether the last look has shown something new that nobody reads yet. */
  isAuditDue(): boolean {
    return this.#audit.isDue()
  }

  /** Reads what is new, as far as the last look has shown it; one audit at a time. It rejects as {@link poll}. */
  async audit(): Promise<void> {
    await this.#audit.audit()
    await this.#keep()
  }

  /** Whether the whole log should be read again, now. */
  isRereadDue(options: { readonly goesOn: boolean }): boolean {
    return this.#audit.isRereadDue(options)
  }

  /** Reads the whole log again, up to what was audited. It rejects as {@link poll}. */
  async reread(): Promise<void> {
    await this.#audit.reread()
    await this.#keep()
  }

  /**
   * Compares a head that someone else has shown.
   *
   * @param head - opened by `openShownHead`
   * @returns false if there is room for it neither among those that are compared now nor among those that are kept
   */
  offer(head: OpenedCheckpoint, shown: ShownBy): boolean {
    if (!this.#comparing.take(head, shown)) return true
    const offered = this.#offers.tryRun(async () => {
      await this.#comparing.compare(head)
      await this.#keep()
    })
    const { signal, logger } = this.#options
    offered?.catch((error: unknown) => {
      if (!signal.aborted) logger.error({ err: error }, "a head could not be compared")
    })
    return offered !== undefined || this.#comparing.isKept(head)
  }

  /** Resolves when every head offered so far was compared, and what came of it is on disk. */
  async settled(): Promise<void> {
    await this.#offers(async () => {})
    await this.#writing(async () => {})
  }

  /** The head that the log shows, if it is signed as the policy asks. */
  async #look(): Promise<OpenedCheckpoint | undefined> {
    const { log, looks, clock } = this.#options
    let note: string | undefined
    let head: OpenedCheckpoint
    try {
      note = await readCheckpoint(looks)
      head = note === this.#shown?.note ? this.#shown.head : openShort(note, log)
    } catch (error) {
      // Without a quorum it is no head to follow, but it may convict.
      const claimed = note === undefined ? undefined : openShownHead(note, log.policy)
      if (claimed !== undefined) this.offer(claimed, THE_LOG)
      await this.#findings.failed(
        { by: "head", error, head: undefined, source: looks },
        this.latest !== undefined,
      )
      return undefined
    }
    this.#shown = { note, head }
    this.#lookedMs = clock()
    this.#findings.settle("head")
    const stale = staleness(head, log.policy, this.#lookedMs, log)
    if (stale === undefined) this.#findings.settle("freshness")
    else this.#findings.raise("stale", "freshness", stale)
    return head
  }

  async #keep(): Promise<void> {
    const { path, log, clock } = this.#options
    if (!this.#isChanged && clock() - this.#keptMs < KEEP_EVERY_MS) return
    this.#isChanged = false
    this.#keptMs = clock()
    await this.#writing(() =>
      writeState(path, log.origin, {
        audited: this.#audit.audited,
        latest: this.latest,
        heads: this.#heads,
        accused: this.#forks.accused,
        unseenSinceMs: this.#audit.unseenSinceMs,
        rereadMs: this.#audit.rereadMs,
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
