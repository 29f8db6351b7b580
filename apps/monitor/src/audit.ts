/**
 * Reads the entries of one log: what is new under its latest head, and now and then all of it again.
 *
 *     audit      one at a time, from where the last one ended to the latest head
 *     re-read    from the first leaf to where the audit is; what came in the meantime is read with it
 *
 * A log may dawdle with its entries as long as it likes: looks and comparisons go on beside (watch.ts). Each takes over
 * its end in one step in which nothing is awaited, so that whoever looks on sees one end or the next.
 *
 * The audit ends at a leaf that breaks a rule, since nothing after it can be what an honest log would say.
 *
 * Effects: those of the source; files in the accusations' folder; a clock.
 */

import type { OpenedCheckpoint } from "@prooflog/tlog/policy"
import { type LogSource, remembering } from "@prooflog/verifier/source"
import { type EntryCounts, type VerifiedLog, verifyLog } from "@prooflog/verifier/verify-log"
import { offClock } from "./clocks.js"
import type { Forks } from "./forks.js"
import { sizeOf, withoutQuorum } from "./head.js"
import { hangsAfterMs } from "./health.js"
import { isFork, type LogFindings } from "./log-findings.js"
import { type Audited, NO_COUNTS } from "./log-state.js"
import { openQueue, type Queue } from "./queue.js"
import type { WatchOptions } from "./watch-options.js"

/** A reading under way. */
export interface Reading {
  readonly what: "audit" | "re-read"
  /** That were checked, of the tree's. */
  readonly leaves: number
  readonly treeSize: number
  /** When it last got further, or began, ms since 1970. */
  readonly movedMs: number
}

/** A head that the log shows, and when it was looked at, ms since 1970. */
interface Target {
  readonly head: OpenedCheckpoint
  readonly lookedMs: number
}

export interface AuditParts {
  readonly audited: Audited | undefined
  readonly unseenSinceMs: number | undefined
  readonly rereadMs: number
  readonly findings: LogFindings
  readonly forks: Forks
  /** Told of what is worth keeping. */
  readonly onChange: () => void
}

/** After an audit that failed, the next one waits so many times as long as it took: a large log is not read without end. */
const REST_FACTOR = 4

/** Bytes of what an audit has read last that are kept, so that it proves what it saw. */
const MAX_REMEMBERED_BYTES = 1 << 25

export class LogAudit {
  readonly #options: WatchOptions
  readonly #findings: LogFindings
  readonly #forks: Forks
  readonly #onChange: () => void
  readonly #turn: Queue = openQueue()
  readonly #readings = new Map<Reading["what"], Reading>()
  #audited: Audited | undefined
  #target: Target | undefined
  #unseenSinceMs: number | undefined
  #rereadMs: number
  /** Audits that were asked for and have not ended. */
  #auditing = 0
  #rereading = false
  #restUntil = Number.NEGATIVE_INFINITY
  #rereadRestUntil = Number.NEGATIVE_INFINITY

  constructor(options: WatchOptions, parts: AuditParts) {
    this.#options = options
    this.#audited = parts.audited
    this.#unseenSinceMs = parts.unseenSinceMs
    this.#rereadMs = parts.rereadMs
    this.#findings = parts.findings
    this.#forks = parts.forks
    this.#onChange = parts.onChange
  }

  get audited(): Audited | undefined {
    return this.#audited
  }

  get readings(): readonly Reading[] {
    return [...this.#readings.values()]
  }

  /** When leaves beyond `audited` were last not shown, ms; `undefined` if never. */
  get unseenSinceMs(): number | undefined {
    return this.#unseenSinceMs
  }

  get rereadMs(): number {
    return this.#rereadMs
  }

  /** Notes what a look has shown: what there is to audit, or with `undefined`, that there is nothing to go by. */
  aimAt(target: Target | undefined): void {
    this.#target = target
    if (target === undefined || this.#auditing > 0 || this.#isNew(target)) return
    this.#unseenSinceMs = target.lookedMs
    if (!this.#findings.isStuck("audit")) this.#findings.settle("audit")
  }

  /** Raises what a log does that serves no more of its entries, and does not say so either. */
  noteHanging(): void {
    const { clock, log } = this.#options
    for (const { what, leaves, treeSize, movedMs } of this.readings) {
      const forMs = clock() - movedMs
      if (forMs <= hangsAfterMs(log)) continue
      const minutes = Math.floor(forMs / 60_000)
      const message = `no more than ${leaves} of ${treeSize} leaves could be read for ${minutes} minutes: what comes next does not come`
      this.#findings.raise("withheld", what, message)
    }
  }

  /** Whether there is something new to read, and it is time for it, and nobody reads it. */
  isDue(): boolean {
    return this.#auditing === 0 && this.#isReady()
  }

  /** Reads what is new under the head that was shown last; after the audit under way, if there is one. */
  async audit(): Promise<void> {
    this.#auditing++
    try {
      await this.#turn(() => this.#auditNow())
    } finally {
      this.#auditing--
    }
  }

  /**
   * Whether the whole log should be read again: the last time is long ago, or, for a monitor that goes on running,
   * its commitments are not known. Not while an audit is under way: it ends at a head that the log shows now.
   */
  isRereadDue({ goesOn }: { readonly goesOn: boolean }): boolean {
    if (this.#audited === undefined || this.#rereading || this.#auditing > 0) return false
    if (this.#findings.isStuck("re-read")) return false
    if (performance.now() < this.#rereadRestUntil) return false
    if (goesOn && this.#audited.end.commitmentsFrom > 0) return true
    return this.#options.clock() - this.#rereadMs >= this.#options.log.rereadMs
  }

  /**
   * Reads the whole log again, up to what was audited: finds what was replaced or withdrawn since, and knows
   * every commitment afterwards.
   */
  async reread(): Promise<void> {
    const { clock } = this.#options
    if (this.#rereading || this.#audited === undefined) return
    this.#rereading = true
    const source = remembering(this.#options.entries, MAX_REMEMBERED_BYTES)
    const startedMs = performance.now()
    let head = this.#audited.end.checkpoint
    try {
      const whole = await this.#verify("re-read", head, undefined, source)
      // In the audit's turn: what came in the meantime is read with it, and no more comes while it is.
      await this.#turn(async () => {
        head = (this.#audited as Audited).end.checkpoint
        this.#audited = await this.#extend({ end: whole.end, counts: whole.entries }, head, source)
      })
      this.#rereadMs = clock()
      this.#findings.settle("re-read")
      this.#onChange()
    } catch (error) {
      this.#rereadRestUntil = this.#restAfter(startedMs)
      await this.#findings.failed({ by: "re-read", error, head, source }, true)
    } finally {
      this.#rereading = false
      this.#readings.delete("re-read")
    }
  }

  async #auditNow(): Promise<void> {
    const { clock, log } = this.#options
    if (!this.#isReady()) return
    const source = remembering(this.#options.entries, MAX_REMEMBERED_BYTES)
    const { head, lookedMs } = this.#target as Target
    const from = this.#audited
    const startedMs = performance.now()
    try {
      const result = await this.#verify("audit", head, from, source)
      this.#findings.settle("audit")
      const wrong =
        result.time && offClock({ ...result.time, unseenSinceMs: this.#unseenSinceMs }, clock(), log.clockMs)
      if (wrong === undefined) this.#findings.settle("clock")
      else this.#findings.raise("off-clock", "clock", wrong)
      if (from === undefined) this.#rereadMs = clock()
      this.#audited = { end: result.end, counts: sum(from?.counts ?? NO_COUNTS, result.entries) }
      this.#unseenSinceMs = lookedMs
      this.#onChange()
    } catch (error) {
      this.#restUntil = this.#restAfter(startedMs)
      if (isFork(error) && from !== undefined)
        await this.#forks.prove(from.end.checkpoint, head, "audit", source)
      else await this.#findings.failed({ by: "audit", error, head, source }, true)
    } finally {
      this.#readings.delete("audit")
    }
  }

  #isReady(): boolean {
    if (this.#target === undefined || !this.#isNew(this.#target)) return false
    return !this.#findings.isStuck("audit") && performance.now() >= this.#restUntil
  }

  #isNew({ head }: Target): boolean {
    return this.#audited === undefined || sizeOf(this.#audited.end.checkpoint) < sizeOf(head)
  }

  async #verify(
    what: Reading["what"],
    head: OpenedCheckpoint,
    from: Audited | undefined,
    source: LogSource,
  ): Promise<VerifiedLog> {
    const { log, signal, clock } = this.#options
    const treeSize = sizeOf(head)
    let furthest = from === undefined ? 0 : sizeOf(from.end.checkpoint)
    this.#readings.set(what, { what, leaves: furthest, treeSize, movedMs: clock() })
    return await verifyLog(source, withoutQuorum(log.policy), {
      checkpoint: head.note,
      ...(from && { from: from.end }),
      signal,
      onProgress: ({ leaves }) => {
        if (leaves <= furthest) return
        furthest = leaves
        this.#readings.set(what, { what, leaves, treeSize, movedMs: clock() })
      },
    })
  }

  /** The same audit, gone on to `head`. */
  async #extend(from: Audited, head: OpenedCheckpoint, source: LogSource): Promise<Audited> {
    if (sizeOf(from.end.checkpoint) === sizeOf(head)) return from
    const { end, entries } = await this.#verify("re-read", head, from, source)
    return { end, counts: sum(from.counts, entries) }
  }

  /** Looks are so far apart as they are anyway: only what took long needs more. */
  #restAfter(startedMs: number): number {
    const nowMs = performance.now()
    return nowMs + REST_FACTOR * (nowMs - startedMs) - this.#options.log.pollMs
  }
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
