/**
 * The scrubber: re-reads what storage keeps, because storage forgets and misremembers without an error.
 *
 *     0 ────────── patrol ─────────► verified ──── fresh ────► settled ─── (in the journal) ───► size
 *
 * Two lanes on one thread. *Fresh* settles what is new, then checks it once: a fiftieth of the time while commits
 * are running, all of it when the log is idle. *Patrol* walks the whole log at a low rate, over and over, and
 * ends each pass with the commits and the root. What they find is an alarm; they never mend, and never stop the log.
 *
 * If we crash, the lanes begin again from the sizes that were remembered last.
 */

import { equalBytes } from "@prooflog/tlog/hash"
import { TILE_WIDTH } from "@prooflog/tlog/tile"
import { type CheckRecord, checkCommits, checkLeaves, type Pause, readRoot } from "./check.js"
import { LedgerError } from "./error.js"
import type { CommittedTree } from "./sequencer.js"
import type { LogStorage } from "./storage.js"

/** New leaves after which the journal is settled: a crash leaves about so many to re-check on opening. */
const SETTLE_LEAVES = 200_000

/** Time after which fewer are settled. */
const SETTLE_MS = 60_000

/** Leaves checked before the lane says how far it came. */
const CHUNK = 4_096

/** A pass of the patrol begins at most so often. */
const PATROL_MS = 60_000

/** How long a lane rests when it has nothing to do, or could not read. */
const REST_MS = 1_000
const RETRY_MS = 30_000

/** Forty-nine parts rest for one part work: at nine, single events over HTTP were an eighth slower. */
const REST_RATIO = 49

export interface ScrubberOptions {
  readonly storage: LogStorage
  readonly checkRecord: CheckRecord | undefined
  /** The newest committed tree. */
  readonly tree: () => CommittedTree
  /** Whether commits are running. */
  readonly busy: () => boolean
  /** Whether there is room to settle: that writes anew all that the journal holds. */
  readonly roomy: () => boolean
  readonly settledSize: number
  readonly verifiedSize: number
  readonly patrolLeavesPerSecond: number
  readonly onAlarm: (error: LedgerError) => void
}

/** Ends a check when the scrubber is told to stop. */
const STOP = Symbol("stop")

export class Scrubber {
  readonly #options: ScrubberOptions
  #settled: number
  #settledAt = performance.now()
  /** How far the fresh lane came; past damage, this is more than what is remembered as verified. */
  #fresh: number
  #verified: number
  #patrol = 0
  #passes = 0
  #passBegan = Number.NEGATIVE_INFINITY
  #damage: LedgerError | undefined
  #stopped = false
  #wake: (() => void) | undefined
  #running: Promise<void> | undefined

  constructor(options: ScrubberOptions) {
    this.#options = options
    // These sizes are rows like others, and may rot.
    this.#settled = Math.min(options.settledSize, options.tree().treeSize)
    this.#verified = Math.min(options.verifiedSize, this.#settled)
    this.#fresh = this.#verified
  }

  get settledSize(): number {
    return this.#settled
  }

  /** Leaves that were re-read and found right. */
  get verifiedSize(): number {
    return this.#verified
  }

  /** Whole passes of the patrol since the opening. */
  get passes(): number {
    return this.#passes
  }

  /** The first damage that was found. */
  get damage(): LedgerError | undefined {
    return this.#damage
  }

  start(): void {
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#wake?.()
    await this.#running
  }

  /** Settles all there is and checks what is fresh, for at most about `limitMs`. */
  async finish(limitMs: number): Promise<void> {
    await this.stop()
    const deadline = performance.now() + limitMs
    try {
      await this.#settle()
      while (this.#fresh < this.#settled && performance.now() < deadline) await this.#checkFresh(1_024)
    } catch (error) {
      this.#alarm(error)
    }
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      let restMs: number
      try {
        restMs = (await this.#stepFresh()) || (await this.#stepPatrol()) ? 0 : REST_MS
      } catch (error) {
        if (error === STOP) return
        this.#alarm(error)
        restMs = RETRY_MS
      }
      if (restMs > 0) await this.#rest(restMs)
    }
  }

  /** Returns whether there was something to do. */
  async #stepFresh(): Promise<boolean> {
    const unsettled = this.#options.tree().treeSize - this.#settled
    const late = performance.now() - this.#settledAt >= SETTLE_MS
    if (unsettled >= SETTLE_LEAVES || (unsettled > 0 && late)) await this.#settle()
    if (this.#fresh >= this.#settled) return false
    await this.#checkFresh(CHUNK, this.#pauseByLoad)
    return true
  }

  async #settle(): Promise<void> {
    const { treeSize } = this.#options.tree()
    this.#settledAt = performance.now()
    if (treeSize === this.#settled || !this.#options.roomy()) return
    await this.#options.storage.settle()
    this.#settled = treeSize
  }

  async #checkFresh(leaves: number, pause?: Pause): Promise<void> {
    const start = this.#fresh
    const end = Math.min(this.#settled, start + leaves)
    const reached = await this.#check(start, end, pause)
    this.#fresh = reached
    // Past damage, nothing is remembered as verified: the next opening looks again.
    if (reached !== end || this.#verified !== start) return
    this.#verified = end
    await this.#options.storage.setVerifiedSize(end)
  }

  /** Returns whether there was something to do. */
  async #stepPatrol(): Promise<boolean> {
    const { patrolLeavesPerSecond, storage, tree } = this.#options
    if (patrolLeavesPerSecond <= 0) return false
    if (this.#patrol === 0) {
      if (performance.now() - this.#passBegan < PATROL_MS) return false
      this.#passBegan = performance.now()
    }
    const end = Math.min(this.#fresh, this.#patrol + TILE_WIDTH)
    if (this.#patrol < end) {
      this.#patrol = await this.#check(this.#patrol, end, (n) =>
        this.#rest((n * 1_000) / patrolLeavesPerSecond),
      )
      return true
    }
    this.#patrol = 0
    const { treeSize, rootHash } = tree()
    await checkCommits(storage, 0, treeSize, this.#stoppable(this.#pauseByLoad))
    if (!equalBytes(await readRoot(storage, treeSize), rootHash)) {
      throw new LedgerError(
        "LEDGER_CORRUPT",
        `the tiles do not have the root of the tree of ${treeSize} leaves`,
      )
    }
    this.#passes++
    return true
  }

  /** Checks leaves; returns from where to go on, which after damage is the next bundle. */
  async #check(start: number, end: number, pause?: Pause): Promise<number> {
    const { storage, checkRecord, tree } = this.#options
    const { treeSize } = tree()
    try {
      await checkLeaves({
        storage,
        treeSize,
        start,
        end,
        checkRecord,
        pause: pause && this.#stoppable(pause),
      })
      return end
    } catch (error) {
      if (!(error instanceof LedgerError) || error.leafIndex === undefined) throw error
      this.#alarm(error)
      return (Math.floor(Math.max(error.leafIndex, start) / TILE_WIDTH) + 1) * TILE_WIDTH
    }
  }

  #stoppable(pause: Pause): Pause {
    return async (leaves, workedMs) => {
      await pause(leaves, workedMs)
      if (this.#stopped) throw STOP
    }
  }

  /** While commits are running, rests forty-nine times as long as it worked. */
  readonly #pauseByLoad: Pause = (_, workedMs) => {
    if (this.#options.busy()) return this.#rest(workedMs * REST_RATIO)
    return new Promise((resolve) => setImmediate(resolve))
  }

  #rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#stopped) return resolve()
      const timer = setTimeout(resolve, ms).unref()
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #alarm(error: unknown): void {
    const alarm =
      error instanceof LedgerError
        ? error
        : new LedgerError("LEDGER_STORAGE_FAILED", "the scrubber could not read", { cause: error })
    if (alarm.code === "LEDGER_CORRUPT") this.#damage ??= alarm
    this.#options.onAlarm(alarm)
  }
}
