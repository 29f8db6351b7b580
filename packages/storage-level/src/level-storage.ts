/**
 * The storage port on LevelDB.
 *
 *     one commit = one atomic batch, synced:   tiles, bundles ─ right edge overwritten
 *                                              records, ids   ─ a row each
 *                                              treeSize, commit row
 *
 * What LevelDB does not promise, and who makes up for it: a damaged journal is refused before LevelDB reads it
 * (journal.ts); a damaged table answers wrong bytes without an error, which the ledger's opening, its scrubber
 * and every reader check.
 *
 * One process at a time: LevelDB's lock holds on local disks, not on network ones.
 */

import { LedgerError } from "@prooflog/ledger/error"
import {
  type Commit,
  type CommitRow,
  type LogStorage,
  type PurgeOptions,
  readCut,
  requireRecordRange,
  type Space,
  type StoredRecord,
  type Tombstone,
} from "@prooflog/ledger/storage"
import { forEachPacked } from "@prooflog/tlog/bundle"
import { type Db, type LevelStorageOptions, openDb, readNumber, spaceOf } from "./level-db.js"
import { ledgerError } from "./level-error.js"
import { Readers } from "./readers.js"
import { RecentRecords } from "./recent-records.js"
import { missingRecord, PAGE_BYTES, readAll, readRecordPage } from "./record-page.js"
import {
  BUNDLE,
  COMMIT,
  formatCommit,
  formatNumber,
  ID,
  idKey,
  indexKey,
  keyGeneration,
  keyIndex,
  NO_ROWS,
  type NumberName,
  numberKey,
  parseCommit,
  parseNumber,
  RECORD,
  TOMBSTONE,
  tileKey,
  writeIndex,
} from "./rows.js"
import { Withdrawn } from "./withdrawn.js"

export type { LevelStorageOptions } from "./level-db.js"

/** Rows that one page of an iterator reads; a page closes its iterator, so that it holds up no purge. */
const PAGE_ROWS = 1_000

/**
 * Opens the log in a folder, an empty one if the folder is not there.
 *
 * @throws LedgerError `LEDGER_LOCKED` if another storage has it open, `LEDGER_CORRUPT` if a journal is damaged,
 * `LEDGER_STORAGE_FAILED` if LevelDB cannot open it
 *
 * @example
 * ```ts
 * const storage = await openLevelStorage("/var/lib/prooflog/data/log")
 * const ledger = await openLedger({ storage, … }) // which closes it
 * ```
 */
export async function openLevelStorage(
  folder: string,
  options: LevelStorageOptions = {},
): Promise<LogStorage> {
  const db = await openDb(folder, options)
  try {
    return new LevelStorage(db, folder, await look(db))
  } catch (error) {
    await db.close()
    throw ledgerError(error, `${folder} cannot be opened`)
  }
}

/** What an opening finds. */
interface Found {
  readonly treeSize: number
  readonly oldestGeneration: number
}

async function look(db: Db): Promise<Found> {
  const [oldestId] = await db.keys({ gte: idKey(0, NO_ID), lt: new Uint8Array([ID + 1]), limit: 1 }).all()
  return {
    treeSize: await readNumber(db, "treeSize"),
    oldestGeneration: oldestId === undefined ? Number.POSITIVE_INFINITY : keyGeneration(oldestId),
  }
}

class LevelStorage implements LogStorage {
  readonly #db: Db
  readonly #folder: string
  #treeSize: number
  /** No id of an earlier generation is kept. */
  #oldestGeneration: number
  readonly #recent = new RecentRecords()
  readonly #readers = new Readers()
  readonly #withdrawn: Withdrawn
  #askedKeys: Uint8Array[] = []
  #asked: Promise<(Uint8Array | undefined)[]> | undefined
  #broken = false

  constructor(db: Db, folder: string, found: Found) {
    this.#db = db
    this.#folder = folder
    this.#treeSize = found.treeSize
    this.#withdrawn = new Withdrawn({
      db,
      readers: this.#readers,
      write: (batch) => this.#write(batch),
    })
    this.#oldestGeneration = found.oldestGeneration
  }

  async treeSize(): Promise<number> {
    return this.#treeSize
  }

  read(path: string): Promise<Uint8Array | undefined> {
    return readCut(path, this.#treeSize, ({ kind, level, index }) =>
      this.#get(kind === "bundle" ? indexKey(BUNDLE, index) : tileKey(level, index)),
    )
  }

  async records(start: number, end: number): Promise<readonly (StoredRecord | Tombstone)[]> {
    requireRecordRange(start, end, this.#treeSize)
    const recent = this.#recent.find(start, end)
    if (recent !== undefined) return recent
    if (end - start === 1) return [await this.#recordAt(start)]
    return await this.#reading("records cannot be read", () => readRecordPage(this.#db, start, end))
  }

  /** One leaf, as evidence asks for it: looked up, which costs a quarter of an iterator. */
  async #recordAt(leafIndex: number): Promise<StoredRecord | Tombstone> {
    const record = await this.#get(indexKey(RECORD, leafIndex))
    if (record !== undefined) return { kind: "record", leafIndex, bytes: record }
    // Both in one turn, and so as of one moment: the record may just be on its way back.
    const [restored, tombstone] = await Promise.all([
      this.#get(indexKey(RECORD, leafIndex)),
      this.#get(indexKey(TOMBSTONE, leafIndex)),
    ])
    if (tombstone !== undefined) return { kind: "tombstone", leafIndex, bytes: tombstone }
    if (restored !== undefined) return { kind: "record", leafIndex, bytes: restored }
    throw missingRecord(leafIndex)
  }

  async *commits(start: number): AsyncIterable<CommitRow> {
    const [holding] = await this.#iterate(
      { gte: indexKey(COMMIT, 0), lte: indexKey(COMMIT, start), reverse: true },
      1,
    )
    let from = holding?.[0] ?? indexKey(COMMIT, 0)
    for (;;) {
      const rows = await this.#iterate(
        { gte: from, lt: indexKey(COMMIT, Number.MAX_SAFE_INTEGER) },
        PAGE_ROWS,
      )
      for (const [key, value] of rows) {
        const commit = parseCommit(value)
        const firstLeaf = keyIndex(key)
        if (commit === undefined) {
          throw new LedgerError("LEDGER_CORRUPT", `the row of the commit of leaf ${firstLeaf} is damaged`, {
            leafIndex: firstLeaf,
          })
        }
        if (firstLeaf + commit.count > start) yield { firstLeaf, ...commit }
        from = indexKey(COMMIT, firstLeaf + 1)
      }
      if (rows.length === 0) return
    }
  }

  async leavesOf(
    ids: readonly Uint8Array[],
    generations: readonly number[],
  ): Promise<(number | undefined)[]> {
    // In most logs the last generation is empty or dropped, and every look-up in it would be in vain.
    const kept = generations.filter((generation) => generation >= this.#oldestGeneration)
    const leaves: (number | undefined)[] = []
    // In pages, so that ten thousand ids do not hold up the event loop.
    for (let start = 0; start < ids.length; start += PAGE_ROWS) {
      const page = ids.slice(start, start + PAGE_ROWS)
      const keys = kept.flatMap((generation) => page.map((id) => idKey(generation, id)))
      const values = await this.#reading("ids cannot be read", () => this.#db.getMany(keys))
      for (let i = 0; i < page.length; i++) {
        let at = i
        while (at < values.length && values[at] === undefined) at += page.length
        const value = values[at]
        leaves.push(value && parseNumber(value))
      }
    }
    return leaves
  }

  async commit(commit: Commit): Promise<void> {
    this.#requireUnbroken()
    if (commit.follows !== this.#treeSize) {
      throw new LedgerError(
        "LEDGER_OTHER_WRITER",
        `the commit follows ${commit.follows} leaves, there are ${this.#treeSize}`,
      )
    }
    const batch = this.#db.batch()
    for (const { tile, bytes } of commit.tiles) batch.put(tileKey(tile.level, tile.index), bytes)
    for (const { index, bytes } of commit.bundles) batch.put(indexKey(BUNDLE, index), bytes)
    // LevelDB's batch copies key and value at once, so one key serves all records: 0.1 µs less for each.
    const key = indexKey(RECORD, commit.follows)
    forEachPacked(commit.records, (start, end, i) => {
      writeIndex(key, 1, commit.follows + i)
      batch.put(key, commit.records.subarray(start, end))
    })
    for (const { id, generation, leafIndex } of commit.ids) {
      batch.put(idKey(generation, id), formatNumber(leafIndex))
      this.#oldestGeneration = Math.min(this.#oldestGeneration, generation)
    }
    batch.put(numberKey("treeSize"), formatNumber(commit.treeSize))
    // The last bytes of a step are a hash: journal.ts tells a sound end from an unwritten one by that.
    batch.put(
      indexKey(COMMIT, commit.follows),
      formatCommit(commit.treeSize - commit.follows, commit.rootHash),
    )
    await this.#write(batch)
    this.#treeSize = commit.treeSize
    this.#recent.add(commit)
  }

  async settle(): Promise<void> {
    this.#requireUnbroken()
    const treeSize = this.#treeSize
    await this.#emptyJournal()
    await this.#putNumber("settledSize", treeSize)
  }

  settledSize(): Promise<number> {
    return this.#reading("settledSize cannot be read", () => readNumber(this.#db, "settledSize"))
  }

  verifiedSize(): Promise<number> {
    return this.#reading("verifiedSize cannot be read", () => readNumber(this.#db, "verifiedSize"))
  }

  setVerifiedSize(treeSize: number): Promise<void> {
    return this.#putNumber("verifiedSize", treeSize)
  }

  async dropGenerationsBefore(generation: number): Promise<void> {
    this.#requireUnbroken()
    await this.#reading("ids cannot be dropped", () =>
      this.#db.clear({ gte: idKey(0, NO_ID), lt: idKey(generation, NO_ID) }),
    )
    this.#oldestGeneration = Math.max(this.#oldestGeneration, generation)
  }

  async withdraw(tombstones: readonly Tombstone[]): Promise<void> {
    this.#requireUnbroken()
    for (const { leafIndex } of tombstones) this.#recent.forget(leafIndex)
    await this.#withdrawn.withdraw(tombstones)
  }

  async restore(records: readonly StoredRecord[]): Promise<void> {
    this.#requireUnbroken()
    await this.#withdrawn.restore(records)
  }

  async purge(options: PurgeOptions = {}): Promise<boolean> {
    this.#requireUnbroken()
    return await this.#try("records cannot be purged", () => this.#withdrawn.purge(options))
  }

  space(): Promise<Space> {
    return spaceOf(this.#folder)
  }

  async close(): Promise<void> {
    await this.#db.close()
  }

  /** What is in memory goes into a table, and then the journal can go. */
  #emptyJournal(): Promise<void> {
    return this.#try("the journal cannot be emptied", () => this.#db.compactRange(...NO_ROWS))
  }

  /** Rows that are asked for in one turn, as a proof asks for its tiles, are read at once: a third of the cost. */
  #get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#asked ??= this.#getAsked()
    const at = this.#askedKeys.push(key) - 1
    return this.#asked.then((values) => values[at])
  }

  async #getAsked(): Promise<(Uint8Array | undefined)[]> {
    await Promise.resolve()
    const keys = this.#askedKeys
    this.#askedKeys = []
    this.#asked = undefined
    return await this.#reading("a row cannot be read", () => this.#db.getMany(keys))
  }

  async #putNumber(name: NumberName, n: number): Promise<void> {
    this.#requireUnbroken()
    const batch = this.#db.batch().put(numberKey(name), formatNumber(n))
    await this.#write(batch)
  }

  /** Writes a batch so that it survives a power cut. After a failure nobody knows what was kept. */
  async #write(batch: ReturnType<Db["batch"]>): Promise<void> {
    try {
      await batch.write({ sync: true })
    } catch (error) {
      this.#broken = true
      throw ledgerError(error, "a batch could not be written")
    }
    // Another write failed while this one was under way: this may stand behind its torn bytes.
    this.#requireUnbroken()
  }

  /** LevelDB takes writes after one that failed, and an opening forgets those behind torn bytes in the journal. */
  #requireUnbroken(): void {
    if (!this.#broken) return
    throw new LedgerError("LEDGER_POISONED", "an earlier write failed: the storage must be reopened")
  }

  /** Up to `limit` rows of a range. */
  #iterate(range: Range, limit: number): Promise<[Uint8Array, Uint8Array][]> {
    return this.#reading("rows cannot be read", () =>
      readAll(this.#db.iterator({ ...range, limit, highWaterMarkBytes: PAGE_BYTES }), limit),
    )
  }

  #reading<T>(what: string, read: () => Promise<T>): Promise<T> {
    return this.#try(what, () => this.#readers.read(read))
  }

  async #try<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw ledgerError(error, what)
    }
  }
}

interface Range {
  readonly gte: Uint8Array
  readonly lt?: Uint8Array
  readonly lte?: Uint8Array
  readonly reverse?: boolean
}

const NO_ID = new Uint8Array(0)
