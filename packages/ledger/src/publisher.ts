/**
 * The two heads: signed, then published.
 *
 *     commit ─► sign ─► keep beside the key ─► signed head ─► (witnesses, later) ─► published head
 *                       ^ nothing leaves before this is durable
 *
 * At most one signature in 200 ms and one publication a second, each as soon as that allows: an idle log does
 * both at once. A size is signed once, and sizes only grow.
 *
 * A publication may append entries of its own (`beforePublish`). They are the last leaves of the tree that is
 * then signed and published, whatever was committed after them meanwhile.
 *
 * Crash before the head is kept: no one saw the signature, the next opening signs the same tree or a later one.
 * Crash after: the next opening finds the head and publishes it.
 */

import type { SignerKey } from "@prooflog/tlog/key"
import { LedgerError } from "./error.js"
import { type Head, signHead } from "./head.js"
import type { CommittedTree } from "./sequencer.js"
import type { SignedHeadStore } from "./signed-head.js"
import type { Submission } from "./submission.js"

/** How long to wait after a signature that could not be kept. */
const RETRY_MS = 1_000

export type BeforePublish = (
  treeSize: number,
) => Promise<Pick<Submission, "entries" | "records" | "count"> | undefined>

export interface PublisherOptions {
  readonly signerKey: SignerKey
  readonly store: SignedHeadStore
  /** The head that was kept. */
  readonly signed: Head
  readonly clock: () => number
  readonly monotonic: () => number
  readonly signEveryMs: number
  readonly publishEveryMs: number
  readonly beforePublish: BeforePublish | undefined
  /** Appends entries as the last leaves of a tree; resolves with that tree when it is durable. */
  readonly appendLast: (submission: Submission) => Promise<CommittedTree>
  readonly onAlarm: (error: LedgerError) => void
}

interface Waiter {
  readonly treeSize: number
  readonly answer: (head: Head | undefined) => void
}

export class Publisher {
  readonly #options: PublisherOptions
  #committed: CommittedTree
  #signed: Head
  #published: Head
  #signedAt = Number.NEGATIVE_INFINITY
  #publishedAt = Number.NEGATIVE_INFINITY
  /** The round that is running; rounds never overlap. */
  #round: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  /** The timer waits for a publication, and nothing is to be signed. */
  #onlyPublishes = false
  #state: "paused" | "running" | "stopped" = "paused"
  readonly #waiters = new Set<Waiter>()

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#committed = options.signed
    this.#signed = options.signed
    this.#published = options.signed
  }

  get signed(): Head {
    return this.#signed
  }

  get published(): Head {
    return this.#published
  }

  /** From here on signs and publishes what is committed, each when its time has come. */
  start(): void {
    this.#state = "running"
    this.#arm()
  }

  /** Takes note of a tree that is durable. */
  committed(tree: CommittedTree): void {
    this.#committed = tree
    if (this.#round === undefined && (this.#timer === undefined || this.#onlyPublishes)) this.#arm()
  }

  /** Resolves with the published head once it has `treeSize` leaves or more, `undefined` if that takes longer. */
  reaching(treeSize: number, timeoutMs: number): Promise<Head | undefined> {
    if (this.#published.treeSize >= treeSize) return Promise.resolve(this.#published)
    if (this.#state === "stopped") return Promise.resolve(undefined)
    return new Promise((resolve) => {
      const waiter = {
        treeSize,
        answer: (head: Head | undefined) => {
          clearTimeout(timer)
          this.#waiters.delete(waiter)
          resolve(head)
        },
      }
      const timer = setTimeout(() => waiter.answer(undefined), timeoutMs)
      this.#waiters.add(waiter)
    })
  }

  /**
   * Signs and publishes all that is committed, without waiting for its time, and appends nothing.
   *
   * @throws LedgerError `LEDGER_NOT_PUBLISHING` if the head could not be kept
   */
  async finish(): Promise<void> {
    this.#state = "paused"
    clearTimeout(this.#timer)
    this.#timer = undefined
    await this.#round
    await this.#sign(this.#committed)
    this.#publish()
  }

  /** Signs and publishes no more; whoever waits is answered with nothing. */
  async stop(): Promise<void> {
    this.#state = "stopped"
    clearTimeout(this.#timer)
    for (const waiter of this.#waiters) waiter.answer(undefined)
    await this.#round
  }

  #arm(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const waitMs = this.#state === "running" ? this.#waitMs() : undefined
    if (waitMs === undefined) return
    if (waitMs > 0) {
      this.#onlyPublishes = this.#committed.treeSize === this.#signed.treeSize
      this.#timer = setTimeout(() => this.#arm(), waitMs)
      return
    }
    this.#round = this.#runRound().finally(() => {
      this.#round = undefined
      this.#arm()
    })
  }

  /** Time until something is to be done; `undefined` while there is nothing. */
  #waitMs(): number | undefined {
    const mustSign = this.#committed.treeSize > this.#signed.treeSize
    const mustPublish = mustSign || this.#signed.treeSize > this.#published.treeSize
    if (!mustPublish) return undefined
    const now = this.#options.monotonic()
    const signWait = this.#signedAt + this.#options.signEveryMs - now
    const publishWait = this.#publishedAt + this.#options.publishEveryMs - now
    // What a publication appends must be signed, too.
    const signsAnyway = mustSign || this.#options.beforePublish !== undefined
    return mustSign ? signWait : Math.max(publishWait, signsAnyway ? signWait : 0)
  }

  async #runRound(): Promise<void> {
    const { monotonic, publishEveryMs } = this.#options
    const publishes = monotonic() - this.#publishedAt >= publishEveryMs
    try {
      const tree = publishes ? await this.#appendForPublication() : this.#committed
      await this.#sign(tree)
      if (publishes) this.#publish()
    } catch (error) {
      this.#options.onAlarm(error as LedgerError)
      this.#signedAt = monotonic() + RETRY_MS - this.#options.signEveryMs
    }
  }

  /** Returns the tree to publish. If nothing can be appended, that is no reason to hold the head back. */
  async #appendForPublication(): Promise<CommittedTree> {
    const { beforePublish, appendLast, onAlarm } = this.#options
    if (beforePublish === undefined) return this.#committed
    try {
      const submission = await beforePublish(this.#committed.treeSize)
      if (submission !== undefined) return await appendLast(submission)
    } catch (cause) {
      onAlarm(
        new LedgerError("LEDGER_NOT_PUBLISHING", "nothing could be appended to the published tree", {
          cause,
        }),
      )
    }
    return this.#committed
  }

  async #sign(tree: CommittedTree): Promise<void> {
    if (tree.treeSize <= this.#signed.treeSize || this.#state === "stopped") return
    const { signerKey, store, clock, monotonic } = this.#options
    const head = signHead(tree, signerKey, clock())
    try {
      await store.write(head.note)
    } catch (cause) {
      throw new LedgerError("LEDGER_NOT_PUBLISHING", "the signed head could not be kept beside the key", {
        cause,
      })
    }
    // Only from here on may the signature be seen.
    this.#signed = head
    this.#signedAt = monotonic()
  }

  #publish(): void {
    if (this.#state === "stopped" || this.#published === this.#signed) return
    this.#published = this.#signed
    this.#publishedAt = this.#options.monotonic()
    for (const waiter of this.#waiters) {
      if (waiter.treeSize <= this.#published.treeSize) waiter.answer(this.#published)
    }
  }
}
