/**
 * Compares heads of one log: those that it shows us with each other, and with those that others were shown.
 *
 *     shown to us ─────► grown from the latest? ─► the latest
 *                                │
 *     shown to others ─► open ───┴─► the same history: checked    another: a fork    no telling for a minute: hidden
 *
 * Heads are compared for as long as anybody shows any, also of a log that was caught.
 *
 * Effects: those of the source; files in the accusations' folder; a clock.
 */

import { isQuorum, type OpenedCheckpoint } from "@prooflog/tlog/policy"
import { checkGrowth } from "@prooflog/verifier/advance"
import { remembering } from "@prooflog/verifier/source"
import type { Forks } from "./forks.js"
import { headKey, leavesOf, sizeOf } from "./head.js"
import type { HeadStore, OpenHead } from "./head-store.js"
import { isFork, type LogFindings, requireVerifierError } from "./log-findings.js"
import { type ShownBy, THE_LOG } from "./shown-by.js"
import type { WatchOptions } from "./watch-options.js"

/** A larger head seen elsewhere may be shown to us a little later, and a tile that is missing be served again. */
const HIDDEN_AFTER_MS = 60_000

/** How long a look may take to compare heads that could not be compared before: the log's tiles may dawdle with each. */
const COMPARE_MS = 10_000

export interface ComparingParts {
  readonly latest: OpenedCheckpoint | undefined
  readonly heads: HeadStore
  readonly findings: LogFindings
  readonly forks: Forks
  /** Told of what is worth keeping. */
  readonly onChange: () => void
}

export class HeadComparing {
  readonly #options: WatchOptions
  readonly #heads: HeadStore
  readonly #findings: LogFindings
  readonly #forks: Forks
  readonly #onChange: () => void
  #latest: OpenedCheckpoint | undefined
  /** Key of the open head that was compared last. */
  #comparedLast: string | undefined

  constructor(options: WatchOptions, { latest, heads, findings, forks, onChange }: ComparingParts) {
    this.#options = options
    this.#latest = latest
    this.#heads = heads
    this.#findings = findings
    this.#forks = forks
    this.#onChange = onChange
  }

  /** The largest head that extends all that was believed before. */
  get latest(): OpenedCheckpoint | undefined {
    return this.#latest
  }

  /** Whether a head that the log shows extends what was believed; then it is the latest. */
  async grow(head: OpenedCheckpoint): Promise<boolean> {
    const source = remembering(this.#options.looks)
    const conflict = this.#heads.conflictWith(head)
    if (conflict !== undefined) {
      this.take(head, THE_LOG)
      await this.#forks.prove(conflict, head, "growth", source)
      return false
    }
    const known = this.#latest
    if (known !== undefined && headKey(known) !== headKey(head)) {
      try {
        await checkGrowth(known, head, source)
      } catch (error) {
        // Nothing is forgotten: when the log grows again this head is compared, too.
        this.take(head, THE_LOG)
        const heads = [known.note, head.note] as const
        if (isFork(error)) await this.#forks.prove(known, head, "growth", source)
        else await this.#findings.failed({ by: "growth", error, head, source, heads }, true)
        return false
      }
    }
    this.#findings.settle("growth")
    if (known?.note !== head.note) this.#onChange()
    this.#latest = head
    this.#heads.addChecked(head)
    return true
  }

  /**
   * Keeps a head until it can be compared, and says so if there was no room for it, or others had to make some. That is no
   * alarm while the log may be waiting for its witnesses: then heads pile up that it signs, and shows to nobody else.
   *
   * @returns whether there is anything new about it
   */
  take(head: OpenedCheckpoint, shown: ShownBy): boolean {
    const sinceMs = this.#options.clock()
    const before = this.#heads.dropped
    const isKnown = this.#heads.isKnown(head)
    const isChanged = isKnown
      ? this.#heads.join(head, sinceMs)
      : this.#heads.addOpen({ ...shown, head, sinceMs })
    if (isChanged) this.#onChange()
    if (this.#heads.dropped > before) {
      const { open } = this.#heads
      const message = `${open.length} signed heads that cannot be compared yet are kept, and there is room for no more`
      const isWaiting = [{ head }, ...open].every((each) => this.#mayBeUnpublished(each.head))
      this.#findings.raise(isWaiting ? "unchecked" : "crowded", "crowd", message)
    }
    return isChanged || !isKnown
  }

  /** Whether there was room to keep it, or nothing more to find out about it. */
  isKept(head: OpenedCheckpoint): boolean {
    return this.#heads.isKnown(head)
  }

  /** Holds a head that was taken against all others, as far as the log's tiles let it. */
  async compare(head: OpenedCheckpoint): Promise<void> {
    if (!this.#heads.isChecked(head) && !this.#heads.isCondemned(head)) await this.#compareOpen(head)
    await this.#forks.accuseWitnesses(performance.now() + COMPARE_MS)
  }

  /** As many open heads as there is time for; the next look goes on with the next of them. */
  async compareAll(): Promise<void> {
    const untilMs = performance.now() + COMPARE_MS
    const { open } = this.#heads
    const from = open.findIndex(({ head }) => headKey(head) === this.#comparedLast) + 1
    for (const { head } of [...open.slice(from), ...open.slice(0, from)]) {
      await this.#compareOpen(head)
      this.#comparedLast = headKey(head)
      if (performance.now() > untilMs) break
    }
    if (!this.#heads.isCrowded) this.#findings.settle("crowd")
    await this.#forks.accuseWitnesses(untilMs)
  }

  async #compareOpen(head: OpenedCheckpoint): Promise<void> {
    const { logger, signal } = this.#options
    const source = remembering(this.#options.looks)
    const conflict = this.#heads.conflictWith(head)
    if (conflict !== undefined) return await this.#forks.prove(conflict, head, "gossip", source)
    const known = this.#latest
    if (known === undefined || sizeOf(head) > sizeOf(known)) return
    try {
      await checkGrowth(head, known, source)
      this.#heads.addChecked(head)
      this.#onChange()
    } catch (error) {
      requireVerifierError(error, signal)
      if (isFork(error)) await this.#forks.prove(known, head, "gossip", source)
      // The log does not answer, or answers wrongly: the head stays open, and is withheld if that goes on.
      else logger.debug({ err: error }, "a head could not be compared yet")
    }
  }

  /** Heads that others were shown: we are not, or cannot tell whether ours extends them. To be called after growth. */
  settleHidden(): void {
    const { clock, log } = this.#options
    const latest = this.#latest as OpenedCheckpoint
    const afterMs = Math.max(HIDDEN_AFTER_MS, 3 * log.pollMs)
    const hidden = this.#heads.open.filter(({ sinceMs }) => clock() - sinceMs > afterMs)
    const withheld = hidden.find(({ head }) => !this.#mayBeUnpublished(head))
    const [unpublished] = hidden
    if (withheld !== undefined) {
      const heads = [latest.note, withheld.head.note] as const
      this.#findings.raise("withheld", "gossip", wordsForHidden(withheld, latest), { heads })
    } else if (unpublished !== undefined) {
      const message = `${wordsForHidden(unpublished, latest)}; the larger one lacks its quorum of cosignatures, so the log may be waiting for its witnesses before it shows it to anyone`
      this.#findings.raise("unchecked", "gossip", message)
    } else this.#findings.settle("gossip")
  }

  /** A log shows a head once its quorum has cosigned it: until then others, its witnesses first, may know of it before us. */
  #mayBeUnpublished(head: OpenedCheckpoint): boolean {
    const cosigners = head.cosignatures.map(({ witness }) => witness)
    const published = this.#latest === undefined ? 0 : sizeOf(this.#latest)
    return sizeOf(head) > published && !isQuorum(this.#options.log.policy, cosigners)
  }
}

function wordsForHidden({ by, head }: OpenHead, latest: OpenedCheckpoint): string {
  const shown = `${by} was shown a signed head of ${leavesOf(head)}, this monitor one of ${sizeOf(latest)}`
  return sizeOf(head) > sizeOf(latest)
    ? shown
    : `${shown}, and the hashes that would tell whether it extends the other are not served, or are wrong`
}
