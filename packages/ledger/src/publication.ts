/**
 * What everyone may see, and how a signed head becomes that.
 *
 *     signed head ─► offer to witnesses ─► quorum ─► keep beside the key ─► shown
 *                         │                             └ what was shown once is shown after a restart, too
 *                         └─ none in time: what was shown stays; missing since …
 *     shown head ─► offer again, its cosignatures being old ─► quorum ─► …
 *                         └─ none in time: what was shown stays; renewal failing since …, and stale after as long again
 *
 * Without witnesses what is signed is shown. With them the published head carries every cosignature that was verified;
 * those that come late, or are renewed, replace it by the same head with more on it.
 */

import { CosignedHead } from "./cosigned-head.js"
import { LedgerError } from "./error.js"
import type { Head } from "./head.js"
import type { HeadStore } from "./signed-head.js"
import type { WitnessStatus } from "./witness.js"
import type { Witnessing } from "./witnessing.js"

/** Who decides what is shown. */
export interface Witnessed {
  readonly witnessing: Witnessing
  /** What is shown until a head has its quorum: what was shown before, perhaps without one, or the tree without leaves. */
  readonly shown: CosignedHead
  /** Where what is shown is kept. */
  readonly store: HeadStore | undefined
}

/**
 * - `none`: nobody is asked for
 * - `met`: what is shown has its quorum, and nothing newer waits
 * - `stale`: … but no quorum has renewed its cosignatures for as long as they are good for: they are twice that old
 * - `missing`: what is shown has none, or a signed head could not be shown as too few cosigned it
 */
export type QuorumState = "none" | "met" | "stale" | "missing"

export interface PublicationOptions {
  /** Shown from the beginning, without witnesses. */
  readonly signed: Head
  readonly witnessed: Witnessed | undefined
  readonly clock: () => number
  readonly monotonic: () => number
  readonly onShown: (head: Head) => void
  readonly onAlarm: (error: LedgerError) => void
}

export class Publication {
  readonly #options: PublicationOptions
  #head: Head
  /** The newest head that was offered, with the cosignatures it has. */
  #offered: CosignedHead | undefined
  #offering: Promise<void> | undefined
  /** Has a quorum, and is not shown as it is now. */
  #toShow: CosignedHead | undefined
  #keeping: Promise<void> | undefined
  /** When the last offer began that a quorum answered, by the monotonic clock. */
  #renewedAt = Number.NEGATIVE_INFINITY
  #missingSince: number | undefined
  /** The first offer that no quorum answered, since one did: when it began, by either clock. */
  #failing: { readonly sinceMs: number; readonly atMs: number } | undefined
  #alarmed = false
  #stopped = false

  constructor(options: PublicationOptions) {
    const { witnessed, signed, clock } = options
    this.#options = options
    this.#head = witnessed?.shown.shown() ?? signed
    this.#offered = witnessed?.shown
    if (witnessed?.shown.isQuorum() === false) this.#missingSince = clock()
  }

  get head(): Head {
    return this.#head
  }

  /** The offer that is being made, if one is. */
  get offering(): Promise<void> | undefined {
    return this.#offering
  }

  /** When cosignatures are to be renewed, ms by the monotonic clock; `undefined` if there are none. */
  get renewalAt(): number | undefined {
    const { witnessed } = this.#options
    return witnessed && this.#renewedAt + witnessed.witnessing.refreshMs
  }

  get witnesses(): readonly WitnessStatus[] {
    return this.#options.witnessed?.witnessing.statuses ?? []
  }

  get quorum(): QuorumState {
    const { witnessed, monotonic } = this.#options
    if (witnessed?.witnessing.asksForSomeone !== true) return "none"
    if (this.#missingSince !== undefined) return "missing"
    const failingMs =
      this.#failing === undefined ? Number.NEGATIVE_INFINITY : monotonic() - this.#failing.atMs
    return failingMs < witnessed.witnessing.refreshMs ? "met" : "stale"
  }

  /** Since when a signed head could not be shown, ms since 1970. */
  get missingSince(): number | undefined {
    return this.#missingSince
  }

  /** Since when the cosignatures of what is shown could not be renewed, ms since 1970; it is shown all the same. */
  get renewalFailingSince(): number | undefined {
    return this.#missingSince === undefined ? this.#failing?.sinceMs : undefined
  }

  /**
   * Publishes a signed head, or renews its cosignatures. Without witnesses it is shown on return; with them it is
   * offered, and what happens then is not waited for.
   *
   * @param head - the newest that was signed, kept beside the key
   */
  publish(head: Head): void {
    const { witnessed } = this.#options
    if (witnessed === undefined) {
      this.#show(head)
      return
    }
    const isOffered = this.#offered?.head.treeSize === head.treeSize
    const offered = isOffered
      ? (this.#offered as CosignedHead)
      : new CosignedHead(head, witnessed.witnessing.policy)
    this.#offered = offered
    const offering = this.#offer(offered, witnessed).finally(() => {
      if (this.#offering === offering) this.#offering = undefined
    })
    this.#offering = offering
  }

  /** Shows nothing new any more; resolves when nothing is under way. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#options.witnessed?.witnessing.close()
    await this.#offering
    await this.#keeping
  }

  async #offer(offered: CosignedHead, { witnessing }: Witnessed): Promise<void> {
    const { clock, monotonic, onAlarm } = this.#options
    const [beganMs, began] = [clock(), monotonic()]
    const met = await witnessing.offer(offered, (cosigned) => this.#cosigned(cosigned))
    if (this.#stopped || offered !== this.#offered) return
    if (met) {
      this.#renewedAt = began
      this.#failing = undefined
      this.#alarmed = false
      this.#cosigned(offered)
      await this.#keeping
      return
    }
    this.#failing ??= { sinceMs: beganMs, atMs: began }
    if (offered.head.treeSize > this.#head.treeSize) this.#missingSince ??= beganMs
    if (this.#alarmed) return
    this.#alarmed = true
    onAlarm(noQuorum(offered.head, witnessing.statuses))
  }

  #cosigned(cosigned: CosignedHead): void {
    // Late answers to a head that others have overtaken are of no use to anyone.
    if (this.#stopped || !cosigned.isQuorum() || cosigned.head.treeSize < this.#head.treeSize) return
    if (this.#failing !== undefined && cosigned.isQuorum(this.#failing.atMs)) this.#failing = undefined
    this.#toShow = cosigned
    this.#keeping ??= this.#keep().finally(() => {
      this.#keeping = undefined
    })
  }

  /** Keeps and shows what has its quorum, one after another. */
  async #keep(): Promise<void> {
    const { witnessed, clock, onAlarm } = this.#options
    while (this.#toShow !== undefined) {
      const head = this.#toShow.shown()
      this.#toShow = undefined
      if (head.note === this.#head.note) continue
      try {
        await witnessed?.store?.write(head.note)
        this.#show(head)
      } catch (cause) {
        this.#missingSince ??= clock()
        const message = "the published head could not be kept beside the key"
        onAlarm(new LedgerError("LEDGER_NOT_PUBLISHING", message, { cause }))
      }
    }
  }

  #show(head: Head): void {
    if (this.#stopped) return
    this.#head = head
    this.#missingSince = undefined
    this.#options.onShown(head)
  }
}

function noQuorum({ treeSize }: Head, statuses: readonly WitnessStatus[]): LedgerError {
  const failures = statuses.flatMap(({ name, failure }) =>
    failure === undefined ? [] : `${name}: ${failure}`,
  )
  const why = failures.length === 0 ? "they take too long" : failures.join("; ")
  return new LedgerError(
    "LEDGER_NOT_PUBLISHING",
    `no quorum of witnesses cosigns the head of ${treeSize} leaves: ${why}`,
  )
}
