/**
 * Records that are withdrawn, replaced by tombstones; that come back; that are made gone.
 *
 *     record ──withdraw──► tombstone ──withdraw──► another tombstone ──► …  until one is final: it stays for ever
 *        ▲                     │
 *        └───── restore ───────┘    only with a record that opens the entry
 *
 *     purge    the storage's own work, step by step, beside all this
 *
 * What stands at a leaf decides what may follow, so withdrawals and restorations take turns. All that can be refused is
 * refused before anything is written; the write itself stands between two commits, and poisons as they do.
 *
 * What a tombstone says is its writer's affair: one question is asked of it, whether it is final.
 */

import { equalBytes } from "@prooflog/tlog/hash"
import { TILE_WIDTH, type Tile, tileAt } from "@prooflog/tlog/tile"
import { type CheckRecord, readEntries } from "./check.js"
import { LedgerError } from "./error.js"
import {
  type LogStorage,
  MAX_RECORDS,
  type PurgeOptions,
  type StoredRecord,
  type Tombstone,
} from "./storage.js"

/** Most bytes of records or tombstones in one call: as many as one commit takes. */
export const MAX_WITHDRAWN_BYTES = 4 * 2 ** 20

/** The longest record, and the longest tombstone. */
const MAX_BYTES = 65_535

/** Leaves that are looked at without a pause. */
const WINDOW = 256

/** Whether a tombstone stays for ever; if not, another or the record itself may replace it. */
export type IsFinal = (tombstone: Uint8Array) => boolean

export interface WithdrawingOptions {
  readonly storage: LogStorage
  readonly checkRecord: CheckRecord | undefined
  readonly isFinal: IsFinal
  /** Leaves that are committed. */
  readonly treeSize: () => number
  /** Does a write between two commits. */
  readonly between: (work: () => Promise<void>) => Promise<void>
  /** Takes note of a write that failed beside the commits; returns what to tell its caller. */
  readonly poisonBy: (cause: unknown) => LedgerError
}

type Standing = StoredRecord | Tombstone

export class Withdrawing {
  readonly #options: WithdrawingOptions
  readonly #stop = new AbortController()
  /** Settles when the last of those that take turns is through. */
  #turn: Promise<unknown> = Promise.resolve()
  readonly #purges = new Set<Promise<unknown>>()

  constructor(options: WithdrawingOptions) {
    this.#options = options
  }

  /** As `Ledger.withdraw`. */
  async withdraw(tombstones: readonly Tombstone[]): Promise<void> {
    this.#requireRows("withdraw", tombstones)
    const { storage, between } = this.#options
    await this.#inTurn(async () => {
      const due: Tombstone[] = []
      for await (const [standing, tombstone] of this.#standingAt(tombstones)) {
        if (standing.kind === "record" && standing.bytes.length === 0) {
          throw new RangeError(`withdraw: leaf ${standing.leafIndex} is no event`)
        }
        if (standing.kind === "tombstone") {
          if (equalBytes(standing.bytes, tombstone.bytes)) continue
          this.#requireNotFinal(standing)
        }
        due.push(tombstone)
      }
      if (due.length > 0) await between(() => storage.withdraw(due))
    })
  }

  /** As `Ledger.restoreRecords`. */
  async restore(records: readonly StoredRecord[]): Promise<void> {
    this.#requireRows("restoreRecords", records)
    const { storage, between, checkRecord } = this.#options
    if (checkRecord === undefined) throw new RangeError("restoreRecords: the ledger was given no checkRecord")
    await this.#inTurn(async () => {
      const entryOf = this.#entryReader()
      const due: StoredRecord[] = []
      for await (const [standing, record] of this.#standingAt(records)) {
        requireOpens(checkRecord, await entryOf(record.leafIndex), record)
        if (standing.kind === "record") continue
        this.#requireNotFinal(standing)
        due.push(record)
      }
      if (due.length > 0) await between(() => storage.restore(due))
    })
  }

  /** As `Ledger.purge`. */
  async purge({ signal, onProgress }: PurgeOptions): Promise<boolean> {
    const { storage, poisonBy } = this.#options
    const stop = this.#stop.signal
    const purging = storage.purge({
      signal: signal === undefined ? stop : AbortSignal.any([signal, stop]),
      onProgress,
    })
    this.#purges.add(purging)
    try {
      return await purging
    } catch (cause) {
      throw poisonBy(cause)
    } finally {
      this.#purges.delete(purging)
    }
  }

  /** Lets no further step of a purge begin, and waits for all that is under way. */
  async finish(): Promise<void> {
    this.#stop.abort()
    await Promise.allSettled([this.#turn, ...this.#purges])
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work)
    this.#turn = turn.catch(() => {})
    await turn
  }

  #requireRows(call: string, rows: readonly Standing[]): void {
    if (rows.length > MAX_RECORDS) {
      throw new RangeError(`${call}: expected at most ${MAX_RECORDS} leaves, got ${rows.length}`)
    }
    const treeSize = this.#options.treeSize()
    let next = 0
    let total = 0
    for (const { leafIndex, bytes } of rows) {
      if (!Number.isSafeInteger(leafIndex) || leafIndex < next || leafIndex >= treeSize) {
        throw new RangeError(
          `${call}: expected leaves of [${next}, ${treeSize}), ascending, got ${leafIndex}`,
        )
      }
      if (bytes.length === 0 || bytes.length > MAX_BYTES) {
        throw new RangeError(`${call}: expected 1 to ${MAX_BYTES} bytes for a leaf, got ${bytes.length}`)
      }
      next = leafIndex + 1
      total += bytes.length
    }
    if (total > MAX_WITHDRAWN_BYTES) {
      throw new RangeError(`${call}: expected at most ${MAX_WITHDRAWN_BYTES} bytes, got ${total}`)
    }
  }

  /** Each row with what stands at its leaf. */
  async *#standingAt<T extends Standing>(rows: readonly T[]): AsyncIterable<readonly [Standing, T]> {
    for (let at = 0; at < rows.length; ) {
      const start = (rows[at] as T).leafIndex
      let last = at
      while (last + 1 < rows.length && (rows[last + 1] as T).leafIndex < start + WINDOW) last++
      const standing = await this.#options.storage.records(start, (rows[last] as T).leafIndex + 1)
      for (; at <= last; at++) {
        const row = rows[at] as T
        yield [standing[row.leafIndex - start] as Standing, row]
      }
    }
  }

  #requireNotFinal({ leafIndex, bytes }: Tombstone): void {
    if (!this.#options.isFinal(bytes)) return
    throw new LedgerError(
      "LEDGER_RECORD_DESTROYED",
      `the record of leaf ${leafIndex} was destroyed, and its tombstone stays`,
      { leafIndex },
    )
  }

  /** Reads the entry of a leaf, each bundle once as long as leaves ascend. */
  #entryReader(): (leafIndex: number) => Promise<Uint8Array> {
    const { storage, treeSize } = this.#options
    let index = -1
    let entries: readonly Uint8Array[] = []
    return async (leafIndex) => {
      if (Math.floor(leafIndex / TILE_WIDTH) !== index) {
        index = Math.floor(leafIndex / TILE_WIDTH)
        entries = await readEntries(storage, tileAt(0, index, treeSize()) as Tile)
      }
      return entries[leafIndex % TILE_WIDTH] as Uint8Array
    }
  }
}

function requireOpens(checkRecord: CheckRecord, entry: Uint8Array, { leafIndex, bytes }: StoredRecord): void {
  try {
    checkRecord(entry, bytes)
  } catch (cause) {
    throw new LedgerError(
      "LEDGER_RECORD_REFUSED",
      `leaf ${leafIndex}: the record that was to be restored does not open its entry`,
      { leafIndex, cause },
    )
  }
}
