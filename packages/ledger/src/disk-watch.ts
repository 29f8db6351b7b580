/**
 * The watermark: stop taking events before the disk is really full.
 *
 * A write that meets the end of the disk half-way poisons the ledger; a refusal before that costs nothing and
 * ends by itself when there is room again. What was already accepted is still committed.
 */

import { LedgerError } from "./error.js"
import type { LogStorage, Space } from "./storage.js"

const POLL_MS = 1_000

/** By default 5 % of the device, but never more than this. */
const DEFAULT_MIN_FREE = 2 * 2 ** 30
const DEFAULT_MIN_SHARE = 0.05

export class DiskWatch {
  readonly #storage: LogStorage
  readonly #minFreeBytes: number | undefined
  readonly #onAlarm: (error: LedgerError) => void
  #space: Space | undefined
  #full: LedgerError | undefined
  #timer: NodeJS.Timeout | undefined

  /** @param minFreeBytes - the watermark; by default 5 % of the device or 2 GiB, whichever is less */
  constructor(storage: LogStorage, minFreeBytes: number | undefined, onAlarm: (error: LedgerError) => void) {
    this.#storage = storage
    this.#minFreeBytes = minFreeBytes
    this.#onAlarm = onAlarm
  }

  /** Why nothing is accepted at the moment. */
  get full(): LedgerError | undefined {
    return this.#full
  }

  /** As it was at the last look. */
  get space(): Space | undefined {
    return this.#space
  }

  /** Looks now, then once a second. */
  async start(): Promise<void> {
    await this.#look()
    this.#timer = setInterval(() => void this.#look(), POLL_MS).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async #look(): Promise<void> {
    try {
      this.#space = await this.#storage.space()
    } catch {
      // Not knowing is no reason to refuse events: the commit itself will tell.
      return
    }
    const { free, total } = this.#space
    const least = this.#minFreeBytes ?? Math.min(total * DEFAULT_MIN_SHARE, DEFAULT_MIN_FREE)
    if (free >= least) {
      this.#full = undefined
      return
    }
    const wasFull = this.#full !== undefined
    this.#full = new LedgerError(
      "LEDGER_DISK_FULL",
      `${free} bytes are free on the device of ${total}, fewer than the watermark of ${Math.round(least)}`,
    )
    if (!wasFull) this.#onAlarm(this.#full)
  }
}
