/**
 * The sequencer: gives entries their places, one durable commit after another.
 *
 *     submit ─► queue ─► [ commit ] ─► answers        one in flight; the next takes all that came meanwhile
 *
 * Group commit adapts by itself: it flushes when the disk is free, not on a timer. An idle disk starts at the
 * end of the turn of the event loop, so that requests read in one poll travel together; a busy one gathers.
 * A timer of 1 ms or 4 ms was slower at 64 connections.
 *
 * Other writes of records take a turn between two commits, one each.
 *
 * If we crash while a commit is in flight, it is there or not there as a whole and nobody was told.
 * If a commit rejects, nobody can know which: the ledger is poisoned, and only an opening finds out.
 */

import { type Assembled, assemble, type Frontier, type Stamp } from "./assemble.js"
import type { StampClock } from "./clock.js"
import { LedgerError } from "./error.js"
import { Repeats } from "./repeats.js"
import { generationOf, type LogStorage } from "./storage.js"
import { type Placement, requireSubmission, type Submission } from "./submission.js"
import { type Slice, Waiting } from "./waiting.js"

/** Most leaves of one commit: some milliseconds of hashing and writing, in which the event loop stands still. */
const MAX_COMMIT_LEAVES = 2_048

/** About as many bytes of entries and records as one commit takes. */
const MAX_COMMIT_BYTES = 4 * 2 ** 20

/** The tree after a commit. */
export interface CommittedTree {
  readonly treeSize: number
  /** 32 bytes */
  readonly rootHash: Uint8Array
}

export interface SequencerOptions {
  readonly storage: LogStorage
  readonly frontier: Frontier
  readonly clock: StampClock
  readonly stamp: Stamp
  readonly entryTime: (bytes: Uint8Array, entryOffset: number) => number
  /** Bytes of entries and records that may wait. */
  readonly queueBytes: number
  /** Is told of each commit that is durable, before its submissions are answered. */
  readonly onCommit: (tree: CommittedTree) => void
  /** Is told once, when a write rejected. */
  readonly onPoison: (error: LedgerError) => void
}

/** What a publication appends: it waits for no queue and stands last in its commit. */
interface Closing {
  readonly waiting: Waiting
  readonly answer: (tree: CommittedTree) => void
}

/** A write that is no commit. */
interface Other {
  readonly work: () => Promise<void>
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class Sequencer {
  readonly #options: SequencerOptions
  readonly #repeats: Repeats
  #frontier: Frontier
  #queue: Waiting[] = []
  #queueBytes = 0
  #closing: Closing | undefined
  #others: Other[] = []
  /** Then a commit that waits is next. */
  #otherWasLast = false
  #inFlight = false
  #scheduled = false
  #poison: LedgerError | undefined
  #lastCommitMs = Number.NEGATIVE_INFINITY
  #generation: number
  #drained: (() => void)[] = []
  readonly #flushNow = () => this.#flush()

  constructor(options: SequencerOptions) {
    this.#options = options
    this.#frontier = options.frontier
    this.#generation = generationOf(options.clock.lastMs)
    this.#repeats = new Repeats({
      storage: options.storage,
      entryTime: options.entryTime,
      generations: () => [this.#generation, this.#generation - 1].filter((generation) => generation >= 0),
      onFresh: (waiting) => this.#enqueue(waiting),
    })
  }

  /** Bytes of entries and records that wait or are in flight. */
  get queueBytes(): number {
    return this.#queueBytes
  }

  get poison(): LedgerError | undefined {
    return this.#poison
  }

  /** Whether a commit is in flight or wanted, or the last was not yet `ms` ago. */
  busyWithin(ms: number): boolean {
    return this.#inFlight || this.#queueBytes > 0 || performance.now() - this.#lastCommitMs < ms
  }

  /**
   * Takes a submission; settles when all of it is durable.
   *
   * @throws LedgerError `LEDGER_QUEUE_FULL`, `LEDGER_CLOCK_JUMPED`, `LEDGER_POISONED`, `LEDGER_DISK_FULL`
   */
  submit(submission: Submission): Promise<readonly Placement[]> {
    return new Promise((resolve, reject) => {
      requireSubmission(submission)
      const refusal = this.#refusal(submission)
      if (refusal !== undefined) return reject(refusal)
      const waiting = this.#waiting(submission, resolve, reject)
      if (submission.ids === undefined) this.#enqueue(waiting)
      else this.#repeats.recognise(waiting, submission.ids)
    })
  }

  /** Appends at once, as the last leaves of the commit they go with; resolves with the tree that they end. */
  appendLast(submission: Submission): Promise<CommittedTree> {
    return new Promise((resolve, reject) => {
      requireSubmission(submission)
      if (this.#poison !== undefined) return reject(this.#poison)
      const waiting = this.#waiting(submission, () => {}, reject)
      this.#closing = { waiting, answer: resolve }
      this.#schedule()
    })
  }

  /**
   * Does a write between two commits: none is in flight while it runs. If it rejects, the ledger is poisoned.
   *
   * @throws LedgerError `LEDGER_POISONED`, `LEDGER_DISK_FULL`
   */
  between(work: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#poison !== undefined) return reject(this.#poison)
      this.#others.push({ work, resolve, reject })
      this.#schedule()
    })
  }

  /**
   * Poisons the ledger because a write failed beside the commits.
   *
   * @returns what to tell its caller
   */
  poisonBy(cause: unknown): LedgerError {
    return this.#poisoned(cause, [])
  }

  /** Resolves when nothing waits any more. */
  drain(): Promise<void> {
    return new Promise((resolve) => {
      this.#drained.push(resolve)
      this.#reportDrained()
    })
  }

  #refusal(submission: Submission): LedgerError | undefined {
    if (this.#poison !== undefined) return this.#poison
    const bytes = submission.entries.length + submission.records.length
    const { queueBytes } = this.#options
    if (bytes > queueBytes)
      throw new RangeError(`submission: expected at most ${queueBytes} bytes, got ${bytes}`)
    if (this.#queueBytes + bytes <= queueBytes) return undefined
    return new LedgerError(
      "LEDGER_QUEUE_FULL",
      `${this.#queueBytes} of ${queueBytes} bytes wait to be committed`,
    )
  }

  #waiting(
    submission: Submission,
    resolve: (placements: readonly Placement[]) => void,
    reject: (error: Error) => void,
  ): Waiting {
    const bytes = submission.entries.length + submission.records.length
    this.#queueBytes += bytes
    return new Waiting(
      submission,
      (placements) => {
        this.#leave(bytes)
        resolve(placements)
      },
      (error) => {
        this.#leave(bytes)
        reject(error)
      },
    )
  }

  #leave(bytes: number): void {
    this.#queueBytes -= bytes
    if (this.#drained.length > 0) this.#reportDrained()
  }

  #enqueue(waiting: Waiting): void {
    if (this.#poison === undefined) {
      this.#queue.push(waiting)
      this.#schedule()
    } else {
      waiting.fail(this.#poison, true)
    }
  }

  #schedule(): void {
    if (this.#inFlight || this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#flushNow)
  }

  #flush(): void {
    this.#scheduled = false
    const hasCommit = this.#queue.length > 0 || this.#closing !== undefined
    const other = this.#otherWasLast && hasCommit ? undefined : this.#others.shift()
    this.#otherWasLast = other !== undefined
    if (other !== undefined) this.#run(other)
    else this.#commitNext()
  }

  #commitNext(): void {
    try {
      const timeMs = this.#options.clock.next()
      this.#turnGeneration(timeMs)
      this.#commit(timeMs)
    } catch (error) {
      this.#refuseAll(error as LedgerError)
    }
  }

  #commit(timeMs: number): void {
    const slices = this.#take()
    const closing = this.#closing
    this.#closing = undefined
    if (closing !== undefined) {
      slices.push(closing.waiting.take(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY))
    }
    if (slices.length === 0) return
    this.#inFlight = true
    this.#write(slices, timeMs).then(
      // On this line the step is durable and nobody knows. A crash here loses no event: it only repeats answers.
      (assembled) => this.#committed(assembled, slices, timeMs, closing),
      (cause) => {
        this.#inFlight = false
        this.#poisoned(cause, slices)
      },
    )
  }

  #run({ work, resolve, reject }: Other): void {
    this.#inFlight = true
    work().then(
      () => {
        this.#landed()
        resolve()
      },
      (cause) => {
        this.#inFlight = false
        reject(this.#poisoned(cause, []))
      },
    )
  }

  async #write(slices: readonly Slice[], timeMs: number): Promise<Assembled> {
    const { storage, stamp } = this.#options
    const assembled = assemble(this.#frontier, slices, timeMs, stamp, this.#generation)
    await storage.commit(assembled.commit)
    return assembled
  }

  /** Takes what fits into one commit from the head of the queue. */
  #take(): Slice[] {
    const slices: Slice[] = []
    let leaves = 0
    let bytes = 0
    let passed = 0
    while (passed < this.#queue.length && leaves < MAX_COMMIT_LEAVES && bytes < MAX_COMMIT_BYTES) {
      const waiting = this.#queue[passed] as Waiting
      if (!waiting.answered) {
        const slice = waiting.take(MAX_COMMIT_LEAVES - leaves, MAX_COMMIT_BYTES - bytes)
        slices.push(slice)
        leaves += slice.count
        bytes += slice.entries.length + slice.records.length
        if (waiting.left > 0) break
      }
      passed++
    }
    this.#queue = passed === this.#queue.length ? [] : this.#queue.slice(passed)
    return slices
  }

  #committed(
    { commit, frontier }: Assembled,
    slices: readonly Slice[],
    timeMs: number,
    closing: Closing | undefined,
  ): void {
    this.#frontier = frontier
    const tree = { treeSize: commit.treeSize, rootHash: commit.rootHash }
    this.#options.onCommit(tree)
    let leafIndex = commit.follows
    for (const slice of slices) {
      slice.waiting.placeFresh(slice, leafIndex, timeMs)
      leafIndex += slice.count
    }
    closing?.answer(tree)
    this.#landed()
  }

  /** What was in flight is durable: on with what came meanwhile. */
  #landed(): void {
    this.#inFlight = false
    this.#lastCommitMs = performance.now()
    if (this.#queue.length + this.#others.length > 0 || this.#closing !== undefined) this.#schedule()
    else this.#reportDrained()
  }

  /** Returns what those who asked for the write are told. */
  #poisoned(cause: unknown, slices: readonly Slice[]): LedgerError {
    const isFirst = this.#poison === undefined
    this.#poison ??= new LedgerError(
      "LEDGER_POISONED",
      "a write failed and may or may not have been kept: the ledger must be reopened",
      { cause },
    )
    const error = cause instanceof LedgerError && cause.code === "LEDGER_DISK_FULL" ? cause : this.#poison
    if (isFirst) this.#options.onPoison(this.#poison)
    for (const { waiting } of slices) waiting.fail(error, true)
    this.#refuseAll(this.#poison)
    return error
  }

  /** Nothing of the queue was committed yet, except the first parts of a submission that spans commits. */
  #refuseAll(error: LedgerError): void {
    const queue = this.#queue
    this.#queue = []
    for (const waiting of queue) waiting.fail(error, this.#poison !== undefined)
    this.#closing?.waiting.fail(error)
    this.#closing = undefined
    if (this.#poison !== undefined) for (const { reject } of this.#others.splice(0)) reject(this.#poison)
    this.#reportDrained()
  }

  /** Ids of older generations are forgotten when a new one begins; that is tidying up, and may fail. */
  #turnGeneration(timeMs: number): void {
    const generation = generationOf(timeMs)
    if (generation === this.#generation) return
    this.#generation = generation
    this.#options.storage.dropGenerationsBefore(generation - 1).catch(() => {})
  }

  #reportDrained(): void {
    if (this.#queueBytes > 0 || this.#others.length > 0 || this.#inFlight) return
    for (const resolve of this.#drained.splice(0)) resolve()
  }
}
