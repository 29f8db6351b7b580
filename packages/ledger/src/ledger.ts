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
import type { SignerKey } from "@prooflog/tlog/key"
import type { Stamp } from "./assemble.js"
import type { CheckRecord } from "./check.js"
import { StampClock } from "./clock.js"
import { DiskWatch } from "./disk-watch.js"
import { LedgerError, type LedgerErrorCode } from "./error.js"
import type { Head } from "./head.js"
import { type OpenedHeads, openHeads } from "./kept-heads.js"
import type { QuorumState } from "./publication.js"
import { type BeforePublish, Publisher } from "./publisher.js"
import { Scrubber } from "./scrubber.js"
import { type CommittedTree, Sequencer } from "./sequencer.js"
import type { SignedHeadStore } from "./signed-head.js"
import { generationOf, type LogStorage } from "./storage.js"
import type { Placement, Submission } from "./submission.js"
import type { WitnessStatus } from "./witness.js"
import { Witnessing, type WitnessingOptions } from "./witnessing.js"

export type { Head } from "./head.js"
export type { QuorumState } from "./publication.js"
export type { Placement, Submission } from "./submission.js"
export type { WitnessStatus } from "./witness.js"
export type { WitnessingOptions } from "./witnessing.js"

export interface LedgerOptions {
  /** Just opened, used by no one else; the ledger closes it. */
  readonly storage: LogStorage
  /** Of type 0x01; its name is the log's origin. */
  readonly signerKey: SignerKey
  /** Where the signed head is kept: beside the key, never with the data. */
  readonly signedHead: SignedHeadStore
  /** Makes the entry of leaf 0, its time not set; called once, when the log is new. */
  readonly genesis: () => { readonly entry: Uint8Array }
  /** Writes the time into an entry. */
  readonly stamp: Stamp
  /** Reads the time of an entry, ms. */
  readonly entryTime: (bytes: Uint8Array, entryOffset: number) => number
  /** Throws if a record does not open its entry. Without it, records are only looked for. */
  readonly checkRecord?: CheckRecord
  /** Wall clock, ms since 1970. */
  readonly clock?: () => number
  /** A clock that no one sets, ms. */
  readonly monotonic?: () => number
  /**
   * Believe a storage with leaves although no signed head was kept. An administrator's decision; witnesses are asked
   * first, and one that knows more wins.
   */
  readonly adoptHead?: boolean
  /** Whose quorum a head needs before it is published; without it, what is signed is published. */
  readonly witnessing?: WitnessingOptions
  /**
   * Is asked before each publication what to append; it stands last in the published tree.
   *
   * @param treeSize - leaves there are at least before it
   */
  readonly beforePublish?: BeforePublish
  /** Bytes of entries and records that may wait to be committed; 64 MiB unless set. */
  readonly queueBytes?: number
  /** Accept nothing while fewer bytes are free; by default 5 % of the device or 2 GiB, whichever is less. */
  readonly minFreeBytes?: number
  /** Least time between two signatures; 200 ms unless set. */
  readonly signEveryMs?: number
  /** Least time between the beginnings of two publications; 1,000 ms unless set, 5,000 ms with witnesses. */
  readonly publishEveryMs?: number
  /** How fast the whole log is re-read, over and over; 2,000 unless set, 0 for never. */
  readonly patrolLeavesPerSecond?: number
  /** Is told what no caller sees: damage, heads that could not be kept, a full disk, a poisoned ledger. */
  readonly onAlarm?: (error: LedgerError) => void
}

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

const DEFAULTS = {
  clock: Date.now,
  monotonic: () => performance.now(),
  queueBytes: 64 * 2 ** 20,
  signEveryMs: 200,
  publishEveryMs: 1_000,
  patrolLeavesPerSecond: 2_000,
  adoptHead: false,
  onAlarm: (_error: LedgerError): void => {},
}

/** How long a close may spend on re-reading what is fresh. */
const CLOSE_CHECK_MS = 3_000

/** How long a close waits for witnesses to cosign the last head; the next opening offers it again. */
const CLOSE_QUORUM_MS = 2_000

/** The witness network counts how often a log asks. */
const WITNESSED_PUBLISH_EVERY_MS = 5_000

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

type Options = LedgerOptions & typeof DEFAULTS

function withDefaults(given: LedgerOptions): Options {
  const publishEveryMs = given.witnessing === undefined ? DEFAULTS.publishEveryMs : WITNESSED_PUBLISH_EVERY_MS
  const onAlarm = sheltered(given.onAlarm ?? DEFAULTS.onAlarm)
  return { ...DEFAULTS, publishEveryMs, ...given, onAlarm }
}

export class Ledger {
  readonly storage: LogStorage
  readonly #options: Options
  readonly #clock: StampClock
  readonly #sequencer: Sequencer
  readonly #publisher: Publisher
  readonly #scrubber: Scrubber
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
    const refusal = this.#closing === undefined ? this.#disk.full : closed()
    return refusal === undefined ? this.#sequencer.submit(submission) : Promise.reject(refusal)
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

/** An alarm that fails itself keeps no one from an answer. */
function sheltered(onAlarm: (error: LedgerError) => void): (error: LedgerError) => void {
  return (error) => {
    try {
      onAlarm(error)
    } catch {
      // There is no one else to tell.
    }
  }
}

function closed(): LedgerError {
  return new LedgerError("LEDGER_CLOSED", "the ledger is closed")
}
