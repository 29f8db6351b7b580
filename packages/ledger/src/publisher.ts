/**
 * The two heads: signed, then published.
 *
 *     commit ─► sign ─► keep beside the key ─► signed head ─► witnesses ─► quorum ─► keep ─► published head
 *                       ^ nothing leaves before this is durable                      ^ what was shown once, is again
 *
 * At most one signature in 200 ms. A publication begins at most once a second, with witnesses once in 5 s; each as
 * soon as that allows: an idle log does both at once. A size is signed once, and sizes only grow. Without witnesses
 * what is signed is published.
 *
 * Witnesses hold up nothing but the published head. While their quorum is missing it stays as it is, signing goes on,
 * and each publication offers the newest signed head. Cosignatures that come late are attached to the head that is
 * shown, if it is the one they are for, and those of an idle log are renewed.
 *
 * A publication may append entries of its own (`beforePublish`). They are the last leaves of the tree that is
 * then signed and published, whatever was committed after them meanwhile.
 *
 * If we crash before the signed head is kept, no one saw the signature: the next opening signs the same tree or a
 * later one. After that, while witnesses are asked: the next opening finds the head, shows what was shown before and
 * offers the head again, which who has it already cosigns again. Between quorum and show: the same.
 */

import type { SignerKey } from "@prooflog/tlog/key"
import { LedgerError } from "./error.js"
import { type Head, signHead } from "./head.js"
import { Publication, type Witnessed } from "./publication.js"
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
  /** Whose quorum a head needs to be published; without it, what is signed is. */
  readonly witnessed: Witnessed | undefined
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
  /** What everyone may see. */
  readonly publication: Publication
  readonly #options: PublisherOptions
  #committed: CommittedTree
  #signed: Head
  #signedAt = Number.NEGATIVE_INFINITY
  /** When the last publication began. */
  #publishedAt = Number.NEGATIVE_INFINITY
  /** The tree that it was of. */
  #publishedSize: number
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
    this.publication = new Publication({ ...options, onShown: (head) => this.#answer(head) })
    this.#publishedSize = this.published.treeSize
  }

  get signed(): Head {
    return this.#signed
  }

  get published(): Head {
    return this.publication.head
  }

  /** From here on signs and publishes what is committed, each when its time has come. */
  start(): void {
    this.#state = "running"
    this.#arm()
  }

  /** Takes note of a tree that is durable. */
  committed(tree: CommittedTree): void {
    this.#committed = tree
    if (this.#timer === undefined || this.#onlyPublishes) this.#arm()
  }

  /** Resolves with the published head once it has `treeSize` leaves or more, `undefined` if that takes longer. */
  reaching(treeSize: number, timeoutMs: number): Promise<Head | undefined> {
    if (this.published.treeSize >= treeSize) return Promise.resolve(this.published)
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
   * @param quorumMs - how long to wait for witnesses
   * @throws LedgerError `LEDGER_NOT_PUBLISHING` if the head could not be kept
   */
  async finish(quorumMs = 0): Promise<void> {
    this.#state = "paused"
    clearTimeout(this.#timer)
    this.#timer = undefined
    await this.#round
    await this.#sign(this.#committed)
    if (this.published.treeSize === this.#signed.treeSize) return
    this.#publish()
    const shown = this.reaching(this.#signed.treeSize, quorumMs)
    // No longer than there is something to wait for.
    await Promise.race([shown, this.publication.offering ?? shown])
  }

  /** Signs and publishes no more; whoever waits is answered with nothing. */
  async stop(): Promise<void> {
    this.#state = "stopped"
    clearTimeout(this.#timer)
    for (const waiter of this.#waiters) waiter.answer(undefined)
    await this.#round
    await this.publication.stop()
  }

  #arm(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const waitMs = this.#state === "running" && this.#round === undefined ? this.#waitMs() : undefined
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
    const signWait = this.#signedAt + this.#options.signEveryMs - this.#options.monotonic()
    if (this.#committed.treeSize > this.#signed.treeSize) return signWait
    const publishWait = this.#publishWaitMs()
    // What a publication appends must be signed, too.
    return publishWait !== undefined && this.#appends() ? Math.max(publishWait, signWait) : publishWait
  }

  /** Time until a publication may begin; `undefined` while there is nothing to publish, or one is under way. */
  #publishWaitMs(): number | undefined {
    const { offering, renewalAt, head } = this.publication
    if (offering !== undefined) return undefined
    const isNews = Math.max(this.#committed.treeSize, this.#signed.treeSize) > head.treeSize
    const newsAt = isNews ? Number.NEGATIVE_INFINITY : renewalAt
    if (newsAt === undefined) return undefined
    const { monotonic, publishEveryMs } = this.#options
    return Math.max(this.#publishedAt + publishEveryMs, newsAt) - monotonic()
  }

  async #runRound(): Promise<void> {
    const { monotonic, signEveryMs } = this.#options
    const publishes = (this.#publishWaitMs() ?? Number.POSITIVE_INFINITY) <= 0
    try {
      const tree = publishes ? await this.#appendForPublication() : this.#committed
      await this.#sign(tree)
      if (publishes) this.#publish()
    } catch (error) {
      this.#options.onAlarm(error as LedgerError)
      this.#signedAt = monotonic() + RETRY_MS - signEveryMs
    }
  }

  /** Whether a publication appends: not while it is the same tree again that no quorum has cosigned yet. */
  #appends(): boolean {
    return this.#options.beforePublish !== undefined && this.#committed.treeSize > this.#publishedSize
  }

  /** Returns the tree to publish. If nothing can be appended, that is no reason to hold the head back. */
  async #appendForPublication(): Promise<CommittedTree> {
    const { beforePublish, appendLast, onAlarm } = this.#options
    if (beforePublish === undefined || !this.#appends()) return this.#committed
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
    if (this.#state === "stopped") return
    this.#publishedAt = this.#options.monotonic()
    this.#publishedSize = this.#signed.treeSize
    this.publication.publish(this.#signed)
    // Signing goes on meanwhile; the next publication waits for this one.
    void this.publication.offering?.then(() => this.#arm())
  }

  #answer(head: Head): void {
    for (const waiter of this.#waiters) if (waiter.treeSize <= head.treeSize) waiter.answer(head)
  }
}
