/**
 * The ledger: the writer of one log.
 *
 *     submit ─► sequencer ─► storage ─► answer            durable in milliseconds
 *                   └──────► publisher ─► heads           provable in a second or so
 *                                └─► witnesses            … once their quorum has cosigned
 *               scrubber ◄── storage                      re-read behind
 *
 * It knows no events: an entry is bytes into which `stamp` writes a time, a record is bytes that `checkRecord`
 * holds against its entry. One process writes one log; its storage and the heads beside its key are its only state.
 */

import { formatBundle } from "@prooflog/tlog/bundle"
import { StampClock } from "./clock.js"
import { DiskWatch } from "./disk-watch.js"
import { LedgerError, type LedgerErrorCode } from "./error.js"
import type { Head } from "./head.js"
import { type OpenedHeads, openHeads } from "./kept-heads.js"
import { type LedgerOptions, type Options, withDefaults } from "./ledger-options.js"
import type { QuorumState } from "./publication.js"
import { Publisher } from "./publisher.js"
import { Scrubber } from "./scrubber.js"
import { type CommittedTree, Sequencer } from "./sequencer.js"
import {
  generationOf,
  type LogStorage,
  type PurgeOptions,
  type StoredRecord,
  type Tombstone,
} from "./storage.js"
import type { Placement, Submission } from "./submission.js"
import { Withdrawing } from "./withdrawing.js"
import type { WitnessStatus } from "./witness.js"
import { Witnessing } from "./witnessing.js"

export type { Head } from "./head.js"
export type { LedgerOptions } from "./ledger-options.js"
export type { QuorumState } from "./publication.js"
export type { Placement, Submission } from "./submission.js"
export type { WitnessStatus } from "./witness.js"
export type { WitnessingOptions } from "./witnessing.js"

export interface LedgerStatus {
  readonly accepting: boolean
  /** Why not. */
  readonly reason?: LedgerErrorCode
  readonly treeSize: number
  readonly signedSize: number
  readonly publishedSize: number
  /** Leaves that no longer depend on the storage's journal. */
  readonly settledSize: number
  /** Leaves that were re-read since and found right. */
  readonly verifiedSize: number
  /** Whole passes over the log since it was opened. */
  readonly patrolPasses: number
  /** Bytes that wait to be committed, and how many may. */
  readonly queueBytes: number
  readonly queueLimitBytes: number
  /** Time of the newest entry, ms. */
  readonly lastEntryMs: number
  /** Of the device, at the last look. */
  readonly freeBytes?: number
  readonly totalBytes?: number
  /** Those of the policy that can be asked, in its order. */
  readonly witnesses: readonly WitnessStatus[]
  /** Of the witnesses' policy. Whatever it is, what was published stays. */
  readonly quorum: QuorumState
  /** Since when it is missing, ms since 1970. */
  readonly quorumMissingSince?: number
  /** Since when the cosignatures of an idle log could not be renewed, ms since 1970; while it is met, or stale. */
  readonly renewalFailingSince?: number
  /** The first damage that was found. */
  readonly damage?: LedgerError
}

/** How long a close may spend on re-reading what is fresh. */
const CLOSE_CHECK_MS = 3_000

/** How long a close waits for witnesses to cosign the last head; the next opening offers it again. */
const CLOSE_QUORUM_MS = 2_000

/** Commits and reading count as running for so long after the last one. */
const BUSY_MS = 50

/**
 * Opens the log that is in a storage, or begins one if there is none.
 *
 * Resolves when every leaf it has is signed. On any error nobody has seen a signature that is not kept beside the
 * key, and the storage is closed. Witnesses are not waited for, except where no signed head was kept: then they are
 * asked what they know.
 *
 * @throws LedgerError `LEDGER_BEHIND_SIGNED_HEAD`, `LEDGER_SIGNED_HEAD_MISMATCH` with both heads,
 * `LEDGER_NO_SIGNED_HEAD`, `LEDGER_BAD_SIGNED_HEAD`, `LEDGER_BEHIND_WITNESS`, `LEDGER_CORRUPT` with the first damaged
 * leaf, `LEDGER_NOT_PUBLISHING` if the head cannot be kept
 * @throws RangeError if the witnesses of the policy that can be asked are not its quorum
 *
 * @example
 * ```ts
 * const ledger = await openLedger({ storage, signerKey, signedHead, genesis, stamp, entryTime })
 * const [placement] = await ledger.submit({ entries, records, count: 1 })
 * const head = await ledger.published(placement.leafIndex + 1, 2_000)
 * ```
 */
export async function openLedger(given: LedgerOptions): Promise<Ledger> {
  const options = withDefaults(given)
  const { storage, checkRecord } = options
  let witnessing: Witnessing | undefined
  try {
    witnessing = options.witnessing && new Witnessing(options.witnessing, options)
    const heads = await openHeads({ ...options, checkRecord, witnessing })
    const sizes = { settledSize: await storage.settledSize(), verifiedSize: await storage.verifiedSize() }
    const ledger = new Ledger(options, heads, sizes)
    await ledger.begin()
    return ledger
  } catch (error) {
    witnessing?.close()
    await storage.close().catch(() => {})
    throw error
  }
}

export class Ledger {
  readonly storage: LogStorage
  readonly #options: Options
  readonly #clock: StampClock
  readonly #sequencer: Sequencer
  readonly #publisher: Publisher
  readonly #scrubber: Scrubber
  readonly #withdrawing: Withdrawing
  readonly #disk: DiskWatch
  #tree: CommittedTree
  #lastReadMs = Number.NEGATIVE_INFINITY
  #closing: Promise<void> | undefined

  /** For {@link openLedger}, which knows that all of this fits together. */
  constructor(
    options: Options,
    { examined: { frontier, rootHash, lastMs }, signed, witnessed }: OpenedHeads,
    sizes: { readonly settledSize: number; readonly verifiedSize: number },
  ) {
    const { storage, onAlarm } = options
    this.#options = options
    this.storage = storage
    this.#tree = { treeSize: frontier.edge.treeSize, rootHash }
    this.#clock = new StampClock(options, lastMs)
    this.#sequencer = new Sequencer({
      ...options,
      frontier,
      clock: this.#clock,
      onCommit: (tree) => this.#committed(tree),
      onPoison: (error) => this.#poisoned(error),
    })
    this.#publisher = new Publisher({
      ...options,
      store: options.signedHead,
      signed,
      witnessed,
      beforePublish: options.beforePublish,
      appendLast: (submission) => this.#sequencer.appendLast(submission),
    })
    this.#scrubber = new Scrubber({
      ...options,
      ...sizes,
      checkRecord: options.checkRecord,
      tree: () => this.#tree,
      busy: () => this.#sequencer.busyWithin(BUSY_MS) || performance.now() - this.#lastReadMs < BUSY_MS,
      roomy: () => this.#disk.full === undefined,
    })
    this.#withdrawing = new Withdrawing({
      ...options,
      checkRecord: options.checkRecord,
      treeSize: () => this.treeSize,
      between: (work) => this.#sequencer.between(work),
      poisonBy: (cause) => this.#sequencer.poisonBy(cause),
    })
    this.#disk = new DiskWatch(storage, options.minFreeBytes, onAlarm)
  }

  /** Begins a new log with its genesis, signs what is not signed yet, sets everything going. Called once. */
  async begin(): Promise<void> {
    if (this.#tree.treeSize === 0) {
      const entries = formatBundle([this.#options.genesis().entry])
      await this.#sequencer.submit({ entries, records: formatBundle([new Uint8Array(0)]), count: 1 })
    }
    this.#publisher.committed(this.#tree)
    await this.#publisher.finish()
    const generation = generationOf(this.#clock.lastMs)
    // Tidying up, for which a full disk may have no room.
    if (generation > 0) await this.storage.dropGenerationsBefore(generation - 1).catch(() => {})
    await this.#disk.start()
    this.#publisher.start()
    this.#scrubber.start()
  }

  /** Leaves that are durable. */
  get treeSize(): number {
    return this.#tree.treeSize
  }

  /** What the log has signed last: followers of this process read up to it. */
  get signedHead(): Head {
    return this.#publisher.signed
  }

  /**
   * What everyone may see. Without witnesses, the signed head of a moment ago; with them, the newest head that a quorum
   * has cosigned, its cosignatures on it. Before the first of those what was shown without witnesses, or in a new log
   * the tree without leaves.
   */
  get publishedHead(): Head {
    return this.#publisher.published
  }

  /** Says that much of the storage is being read: the scrubber rests as it does while commits are running. */
  scrubLater(): void {
    this.#lastReadMs = performance.now()
  }

  /**
   * Gives entries their places. Resolves when all of them are durable, in the order given; a large submission
   * may span several commits. The bytes are not to be changed until then.
   *
   * If it rejects with `LEDGER_POISONED` or `LEDGER_DISK_FULL` after it was accepted, nobody can know what of it
   * was kept. Of one that spans commits, `LEDGER_CLOCK_JUMPED` may have kept the first part. With the ids of its
   * producer it can be sent again.
   *
   * @throws LedgerError `LEDGER_QUEUE_FULL`, `LEDGER_DISK_FULL`, `LEDGER_CLOCK_JUMPED`, `LEDGER_POISONED`,
   * `LEDGER_CLOSED`, `LEDGER_STORAGE_FAILED` if ids could not be looked up
   */
  submit(submission: Submission): Promise<readonly Placement[]> {
    const refusal = this.#refusal()
    return refusal === undefined ? this.#sequencer.submit(submission) : Promise.reject(refusal)
  }

  /**
   * Withdraws records: from here on their tombstones are answered, and nobody is given the records any more. Durable when
   * it resolves; all or none. Repeatable: where the same tombstone stands already, nothing happens.
   *
   * The records' bytes are still on disk until {@link Ledger.purge}.
   *
   * @param tombstones - of up to 4,096 events in the order of their leaves, 4 MiB altogether; what they say is not looked at
   * @throws LedgerError `LEDGER_RECORD_DESTROYED` with the first leaf whose tombstone is final and another one, before
   * anything was written; `LEDGER_MISSING_RECORD`; `LEDGER_DISK_FULL`, `LEDGER_POISONED`, `LEDGER_CLOSED` as
   * {@link Ledger.submit}
   * @throws RangeError before anything was written: too many, out of order, beyond the tree, or a leaf that is no event
   */
  withdraw(tombstones: readonly Tombstone[]): Promise<void> {
    const refusal = this.#refusal()
    return refusal === undefined ? this.#withdrawing.withdraw(tombstones) : Promise.reject(refusal)
  }

  /**
   * Puts records back where tombstones stand that are not final. Durable when it resolves; all or none. Repeatable: where
   * a record stands already, nothing happens.
   *
   * @param records - of up to 4,096 events in the order of their leaves, 4 MiB altogether; suspect: each is held against
   * its entry
   * @throws LedgerError `LEDGER_RECORD_REFUSED` with the first leaf whose entry its record does not open,
   * `LEDGER_RECORD_DESTROYED` with the first leaf whose tombstone is final, before anything was written; and as
   * {@link Ledger.withdraw}
   */
  restoreRecords(records: readonly StoredRecord[]): Promise<void> {
    const refusal = this.#refusal()
    return refusal === undefined ? this.#withdrawing.restore(records) : Promise.reject(refusal)
  }

  /**
   * Makes withdrawn records gone: no byte of them is left in a file of the storage. Rewrites the files they were in, step
   * by step, each a second or two, while commits and reading go on. Repeatable, after a stop, a crash or an error too: it
   * goes on with what is left.
   *
   * @param options - `signal: AbortSignal.timeout(10_000)` bounds a call
   * @returns whether all that had been withdrawn before the call is gone; `false` if it was stopped, by its signal or
   * because the ledger closes
   * @throws LedgerError `LEDGER_DISK_FULL`, `LEDGER_POISONED`, `LEDGER_CLOSED` as {@link Ledger.submit}: rewriting needs
   * room itself
   */
  purge(options: PurgeOptions = {}): Promise<boolean> {
    const refusal = this.#refusal() ?? this.#sequencer.poison
    return refusal === undefined ? this.#withdrawing.purge(options) : Promise.reject(refusal)
  }

  /** Resolves with the published head once it has `treeSize` leaves or more, `undefined` if that takes longer. */
  published(treeSize: number, timeoutMs: number): Promise<Head | undefined> {
    return this.#publisher.reaching(treeSize, timeoutMs)
  }

  /** Believes the wall clock as it is now, after `LEDGER_CLOCK_JUMPED`. An administrator's decision. */
  acceptClock(): void {
    this.#clock.accept()
  }

  status(): LedgerStatus {
    const refusal =
      this.#closing !== undefined
        ? closed()
        : (this.#sequencer.poison ?? this.#disk.full ?? this.#clock.jumped())
    const { damage } = this.#scrubber
    const space = this.#disk.space
    const { witnesses, quorum, missingSince, renewalFailingSince } = this.#publisher.publication
    return {
      accepting: refusal === undefined,
      ...(refusal === undefined ? {} : { reason: refusal.code }),
      treeSize: this.treeSize,
      signedSize: this.signedHead.treeSize,
      publishedSize: this.publishedHead.treeSize,
      settledSize: this.#scrubber.settledSize,
      verifiedSize: this.#scrubber.verifiedSize,
      patrolPasses: this.#scrubber.passes,
      queueBytes: this.#sequencer.queueBytes,
      queueLimitBytes: this.#options.queueBytes,
      lastEntryMs: this.#clock.lastMs,
      ...(space === undefined ? {} : { freeBytes: space.free, totalBytes: space.total }),
      witnesses,
      quorum,
      ...(quorum === "missing" && missingSince !== undefined ? { quorumMissingSince: missingSince } : {}),
      ...(renewalFailingSince === undefined ? {} : { renewalFailingSince }),
      ...(damage === undefined ? {} : { damage }),
    }
  }

  /**
   * Finishes what was accepted, signs and publishes it, re-reads what is fresh for some seconds, closes the
   * storage. Witnesses are waited for, for two seconds at most. Repeatable.
   *
   * @throws LedgerError `LEDGER_NOT_PUBLISHING` if the last head could not be kept; everything is closed all the same
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#disk.stop()
    await this.#withdrawing.finish()
    await this.#sequencer.drain()
    try {
      if (this.#isSound()) await this.#publisher.finish(CLOSE_QUORUM_MS)
    } finally {
      await this.#publisher.stop()
      // Asked again: what a publication appended meanwhile may have poisoned it.
      await (this.#isSound() ? this.#scrubber.finish(CLOSE_CHECK_MS) : this.#scrubber.stop())
      await this.storage.close()
    }
  }

  #refusal(): LedgerError | undefined {
    return this.#closing === undefined ? this.#disk.full : closed()
  }

  #isSound(): boolean {
    return this.#sequencer.poison === undefined
  }

  #committed(tree: CommittedTree): void {
    this.#tree = tree
    this.#publisher.committed(tree)
  }

  /** Trees that were committed before are sound, but the storage may have lost them to the torn commit. */
  #poisoned(error: LedgerError): void {
    void this.#publisher.stop()
    void this.#scrubber.stop()
    this.#options.onAlarm(error)
  }
}

function closed(): LedgerError {
  return new LedgerError("LEDGER_CLOSED", "the ledger is closed")
}
