/**
 * Records that are withdrawn, restored and purged.
 *
 *     withdraw   one batch:  − record   + tombstone   + to purge
 *     restore    one batch:  + record   − tombstone   − to purge
 *     purge      steps:      memory into a table │ − record once more, nobody reading │ compact its range │ − to purge
 *
 * Why a purge is more than a compaction: LevelDB keeps what an open snapshot may still see. A deletion that was compacted
 * while someone read lies in one table with its record, and if that is the last level, no compaction parts them again. So
 * every purge writes a deletion of its own above all of them, which
 *
 *  - is in no table with the record: what is in memory is moved into a table first;
 *  - is seen by every snapshot: it is written while nobody reads;
 *  - is compacted down as deep as the record lies: once more if a compaction of LevelDB's own moved that deeper meanwhile.
 *
 * Then the record is dropped, and the files it was in are deleted once nobody reads them any more. The rows to purge go
 * last: if we crash on any line, the next purge does it all again.
 */

import type { PurgeOptions, StoredRecord, Tombstone } from "@prooflog/ledger/storage"
import type { Db } from "./level-db.js"
import type { Readers } from "./readers.js"
import { indexKey, keyIndex, NO_ROWS, RECORD, TO_PURGE, TOMBSTONE, writeIndex } from "./rows.js"
import { deepestLevel, parseTables } from "./tables.js"

/** Most records and most ranges of a step. */
const STEP_RECORDS = 32_768
const STEP_RANGES = 16

/** Withdrawn records with fewer leaves between them are compacted together: they share a table, or nearly. */
const NEAR = 16_384

/** Most leaves of a range: with all that lies above and below them some 200 MB are rewritten, in a second or two. */
const RANGE_LEAVES = 65_536

const NO_BYTES = new Uint8Array(0)

type Batch = ReturnType<Db["batch"]>

export interface WithdrawnOptions {
  readonly db: Db
  readonly readers: Readers
  /** Writes a batch durably. */
  readonly write: (batch: Batch) => Promise<void>
}

/** Leaves, the last included. */
interface Range {
  readonly first: number
  last: number
}

export class Withdrawn {
  readonly #db: Db
  readonly #readers: Readers
  readonly #write: (batch: Batch) => Promise<void>
  /** Settles when the last of those that take turns is through. */
  #turn: Promise<unknown> = Promise.resolve()
  #purging: Promise<unknown> = Promise.resolve()
  /** Leaves of the step under way, but for those that were withdrawn again since: they are not done with it. */
  #step = new Set<number>()

  constructor({ db, readers, write }: WithdrawnOptions) {
    this.#db = db
    this.#readers = readers
    this.#write = write
  }

  withdraw(tombstones: readonly Tombstone[]): Promise<void> {
    return this.#inTurn(async () => {
      const batch = this.#db.batch()
      const keys = new Keys()
      for (const { leafIndex, bytes } of tombstones) {
        keys.moveTo(leafIndex)
        batch.put(keys.tombstone, bytes).put(keys.toPurge, NO_BYTES).del(keys.record)
        this.#step.delete(leafIndex)
      }
      await this.#write(batch)
    })
  }

  restore(records: readonly StoredRecord[]): Promise<void> {
    return this.#inTurn(async () => {
      const batch = this.#db.batch()
      const keys = new Keys()
      // The last bytes of a batch are a key, and no zeros: journal.ts tells a sound end from an unwritten one by that.
      for (const { leafIndex, bytes } of records) {
        keys.moveTo(leafIndex)
        batch.put(keys.record, bytes).del(keys.toPurge).del(keys.tombstone)
      }
      await this.#write(batch)
    })
  }

  /** @returns whether it came to the end: `false` if it was stopped before */
  async purge(options: PurgeOptions): Promise<boolean> {
    const purging = this.#purging.then(() => this.#purge(options))
    this.#purging = purging.catch(() => {})
    return await purging
  }

  async #purge({ signal, onProgress }: PurgeOptions): Promise<boolean> {
    let from = 0
    for (let gone = 0; !signal?.aborted; ) {
      const ranges = await this.#inTurn(() => this.#deleteAnew(from))
      if (ranges.length === 0) return true
      const last = await this.#compact(ranges, signal)
      gone += await this.#inTurn(() => this.#forgetStep(last))
      onProgress?.(gone)
      from = last + 1
    }
    return false
  }

  /** Begins a step with the leaves from `from` on; returns their ranges, none if there are no more. */
  async #deleteAnew(from: number): Promise<Range[]> {
    const found = await this.#readers.read(() =>
      this.#db
        .keys({ gte: indexKey(TO_PURGE, from), lt: new Uint8Array([TO_PURGE + 1]), limit: STEP_RECORDS })
        .all(),
    )
    const ranges: Range[] = []
    const batch = this.#db.batch()
    const keys = new Keys()
    for (const leafIndex of found.map(keyIndex)) {
      const range = ranges.at(-1)
      const isNear = range !== undefined && leafIndex - range.last < NEAR
      if (isNear && leafIndex - range.first < RANGE_LEAVES) range.last = leafIndex
      else if (ranges.length < STEP_RANGES) ranges.push({ first: leafIndex, last: leafIndex })
      else break
      this.#step.add(leafIndex)
      keys.moveTo(leafIndex)
      batch.del(keys.record)
    }
    if (ranges.length === 0) {
      await batch.close()
      return ranges
    }
    await this.#emptyMemory()
    await this.#readers.alone(() => this.#write(batch))
    return ranges
  }

  /** Drives the records out of the files, range by range until it is to stop; returns the last leaf that it came to. */
  async #compact(ranges: readonly Range[], signal: AbortSignal | undefined): Promise<number> {
    let last = -1
    for (const range of ranges) {
      if (signal?.aborted && last >= 0) break
      await this.#compactRange(range)
      last = range.last
    }
    // Files that someone reads are deleted with the next table that is written after.
    await this.#readers.olderGone()
    await this.#emptyMemory()
    return last
  }

  /** A compaction goes as deep as there were tables when it began: once more if the records went deeper meanwhile. */
  async #compactRange({ first, last }: Range): Promise<void> {
    const start = indexKey(RECORD, first)
    const end = indexKey(RECORD, last)
    const level = () => deepestLevel(parseTables(this.#db.getProperty("leveldb.sstables")), start, end)
    let before: number
    do {
      before = level()
      await this.#db.compactRange(start, end)
    } while (level() > before)
  }

  /**
   * Takes the step as done up to leaf `last`; returns how many records that were. Fails if a compaction did: LevelDB
   * says so with the next write only.
   */
  async #forgetStep(last: number): Promise<number> {
    let gone = 0
    const batch = this.#db.batch()
    const keys = new Keys()
    for (const leafIndex of this.#step) {
      if (leafIndex > last) continue
      keys.moveTo(leafIndex)
      batch.del(keys.toPurge)
      gone++
    }
    this.#step.clear()
    await this.#write(batch)
    return gone
  }

  /** What is in memory goes into a table, the journal anew, and files that nobody needs are deleted. */
  #emptyMemory(): Promise<void> {
    return this.#db.compactRange(...NO_ROWS)
  }

  /** A purge must not delete what is being restored, nor forget what is being withdrawn. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work)
    this.#turn = turn.catch(() => {})
    return turn
  }
}

/** The keys of one leaf after another: LevelDB's batch copies them at once, and fresh ones cost four times as much. */
class Keys {
  readonly record = indexKey(RECORD, 0)
  readonly tombstone = indexKey(TOMBSTONE, 0)
  readonly toPurge = indexKey(TO_PURGE, 0)

  moveTo(leafIndex: number): void {
    for (const key of [this.record, this.tombstone, this.toPurge]) writeIndex(key, 1, leafIndex)
  }
}
