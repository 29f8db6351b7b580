/**
 * Storage in memory: for tests and trials, and the slow and obvious model of the port.
 *
 *     commit ─► journal (steps) ─settle─► tables            opening: tables, then the journal's steps again
 *
 * What "disk" there is lives in a {@link MemoryDisk} and outlasts the storage that was opened over it, so a
 * crash is nothing but opening it again. Nothing survives the process.
 */

import { forEachPacked, formatBundle } from "@prooflog/tlog/bundle"
import { LedgerError } from "./error.js"
import {
  type Commit,
  type CommitRow,
  type IdRow,
  type LogStorage,
  type PurgeOptions,
  readCut,
  requireRecordRange,
  type Space,
  type StoredRecord,
  type Tombstone,
} from "./storage.js"

const NO_BYTES = new Uint8Array(0)

/** Everything that is kept, by what it is found by. */
export interface MemoryTables {
  treeSize: number
  settledSize: number
  verifiedSize: number
  /** By "level/index". */
  tiles: Map<string, Uint8Array>
  bundles: Map<number, Uint8Array>
  records: Map<number, Uint8Array>
  tombstones: Map<number, Uint8Array>
  /** By first leaf. */
  commits: Map<number, CommitRow>
  /** By "generation/id in hex". */
  ids: Map<string, { readonly generation: number; readonly leafIndex: number }>
}

/** One step, applied all or not at all. */
export interface MemoryStep {
  readonly apply: (tables: MemoryTables) => void
  /** The records it brings, packed. */
  readonly records: Uint8Array
  /** How many records it withdraws: they are in earlier steps as long as there are any. */
  readonly withdrawn: number
}

export class MemoryDisk {
  readonly tables: MemoryTables = {
    treeSize: 0,
    settledSize: 0,
    verifiedSize: 0,
    tiles: new Map(),
    bundles: new Map(),
    records: new Map(),
    tombstones: new Map(),
    commits: new Map(),
    ids: new Map(),
  }
  /** Steps that are not in the tables yet, oldest first. */
  journal: MemoryStep[] = []
  /** Makes the next commit, withdrawal, restoration or purge reject, once: kept all the same, or not. */
  nextWriteFails: "kept" | "not kept" | undefined
  /** What it says of its room. */
  space: Space = { free: 2 ** 40, total: 2 ** 40 }
  #holder: symbol | undefined

  /** Ends the storage that is open over it, as a power cut would. */
  pullPlug(): void {
    this.#holder = undefined
  }

  /** @throws LedgerError `LEDGER_LOCKED` if a storage is open over it */
  hold(): symbol {
    if (this.#holder !== undefined)
      throw new LedgerError("LEDGER_LOCKED", "another storage is open over this disk")
    this.#holder = Symbol("holder")
    return this.#holder
  }

  /** @throws LedgerError `LEDGER_CLOSED` unless `holder` holds it */
  requireHeldBy(holder: symbol): void {
    if (this.#holder !== holder) throw new LedgerError("LEDGER_CLOSED", "the storage is closed")
  }
}

/**
 * Opens a storage over a disk in memory, an empty one unless given.
 *
 * @throws LedgerError `LEDGER_LOCKED` if one is open over it
 */
export async function openMemoryStorage(disk: MemoryDisk = new MemoryDisk()): Promise<LogStorage> {
  return new MemoryStorage(disk)
}

class MemoryStorage implements LogStorage {
  readonly #disk: MemoryDisk
  readonly #holder: symbol
  readonly #now: MemoryTables
  #broken = false

  constructor(disk: MemoryDisk) {
    this.#disk = disk
    this.#holder = disk.hold()
    this.#now = copyTables(disk.tables)
    for (const step of disk.journal) step.apply(this.#now)
  }

  async treeSize(): Promise<number> {
    return this.#tables().treeSize
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    const { treeSize, tiles, bundles } = this.#tables()
    return readCut(path, treeSize, ({ kind, level, index }) =>
      kind === "bundle" ? bundles.get(index) : tiles.get(`${level}/${index}`),
    )
  }

  async records(start: number, end: number): Promise<readonly (StoredRecord | Tombstone)[]> {
    const { treeSize, records, tombstones } = this.#tables()
    requireRecordRange(start, end, treeSize)
    const found: (StoredRecord | Tombstone)[] = []
    for (let leafIndex = start; leafIndex < end; leafIndex++) {
      const tombstone = tombstones.get(leafIndex)
      const bytes = tombstone ?? records.get(leafIndex)
      if (bytes === undefined) {
        throw new LedgerError("LEDGER_MISSING_RECORD", `leaf ${leafIndex} has no record`, { leafIndex })
      }
      found.push({ kind: tombstone === undefined ? "record" : "tombstone", leafIndex, bytes })
    }
    return found
  }

  async *commits(start: number): AsyncIterable<CommitRow> {
    const rows = [...this.#tables().commits.values()].sort((a, b) => a.firstLeaf - b.firstLeaf)
    for (const row of rows) if (row.firstLeaf + row.count > start) yield row
  }

  async leavesOf(
    ids: readonly Uint8Array[],
    generations: readonly number[],
  ): Promise<(number | undefined)[]> {
    const tables = this.#tables()
    return ids.map((id) => {
      for (const generation of generations) {
        const found = tables.ids.get(idKey(id, generation))
        if (found !== undefined) return found.leafIndex
      }
      return undefined
    })
  }

  async commit(commit: Commit): Promise<void> {
    const { treeSize } = this.#writable()
    if (commit.follows !== treeSize) {
      throw new LedgerError(
        "LEDGER_OTHER_WRITER",
        `the commit follows ${commit.follows} leaves, there are ${treeSize}`,
      )
    }
    this.#write(() => this.#commit(commit))
  }

  async settle(): Promise<void> {
    this.#writable()
    this.#settle()
  }

  async settledSize(): Promise<number> {
    return this.#tables().settledSize
  }

  async verifiedSize(): Promise<number> {
    return this.#tables().verifiedSize
  }

  async setVerifiedSize(treeSize: number): Promise<void> {
    this.#writable()
    this.#step((tables) => {
      tables.verifiedSize = treeSize
    })
  }

  async dropGenerationsBefore(generation: number): Promise<void> {
    const old = [...this.#writable().ids].filter(([, row]) => row.generation < generation)
    if (old.length === 0) return
    this.#step((tables) => {
      for (const [key] of old) tables.ids.delete(key)
    })
  }

  async withdraw(tombstones: readonly Tombstone[]): Promise<void> {
    this.#writable()
    const rows = tombstones.map(({ leafIndex, bytes }) => ({ leafIndex, bytes: bytes.slice() }))
    this.#write(() =>
      this.#step(
        (tables) => {
          for (const { leafIndex, bytes } of rows) {
            tables.tombstones.set(leafIndex, bytes)
            tables.records.delete(leafIndex)
          }
        },
        { withdrawn: rows.length },
      ),
    )
  }

  async restore(records: readonly StoredRecord[]): Promise<void> {
    this.#writable()
    const packed = formatBundle(records.map(({ bytes }) => bytes))
    const leaves = records.map(({ leafIndex }) => leafIndex)
    this.#write(() =>
      this.#step(
        (tables) => {
          forEachPacked(packed, (start, end, i) => {
            const leafIndex = leaves[i] as number
            tables.records.set(leafIndex, packed.subarray(start, end))
            tables.tombstones.delete(leafIndex)
          })
        },
        { records: packed },
      ),
    )
  }

  /** A withdrawn record is still in the journal's steps, until they are settled: one step of any size. */
  async purge({ signal, onProgress }: PurgeOptions = {}): Promise<boolean> {
    this.#writable()
    if (signal?.aborted) return false
    const gone = this.#disk.journal.reduce((sum, { withdrawn }) => sum + withdrawn, 0)
    this.#write(() => this.#settle())
    if (gone > 0) onProgress?.(gone)
    return true
  }

  async space(): Promise<Space> {
    this.#tables()
    return this.#disk.space
  }

  async close(): Promise<void> {
    this.#tables()
    this.#disk.pullPlug()
  }

  #tables(): MemoryTables {
    this.#disk.requireHeldBy(this.#holder)
    return this.#now
  }

  #writable(): MemoryTables {
    if (!this.#broken) return this.#tables()
    throw new LedgerError("LEDGER_POISONED", "an earlier commit failed: the storage must be reopened")
  }

  /** Does what a disk can be told to fail at. After a failure nobody knows what was kept. */
  #write(write: () => void): void {
    const fault = this.#disk.nextWriteFails
    this.#disk.nextWriteFails = undefined
    this.#broken = fault !== undefined
    if (fault !== "not kept") write()
    if (fault !== undefined) throw new LedgerError("LEDGER_STORAGE_FAILED", `a write failed, ${fault}`)
  }

  #settle(): void {
    for (const step of this.#disk.journal.splice(0)) step.apply(this.#disk.tables)
    this.#disk.tables.settledSize = this.#now.treeSize
    this.#now.settledSize = this.#now.treeSize
  }

  #commit(commit: Commit): void {
    const { follows, treeSize, rootHash } = commit
    const tiles = commit.tiles.map(
      ({ tile, bytes }) => [`${tile.level}/${tile.index}`, bytes.slice()] as const,
    )
    const bundles = commit.bundles.map(({ index, bytes }) => [index, bytes.slice()] as const)
    const packed = commit.records.slice()
    const ids = commit.ids.map((row: IdRow) => ({ ...row, key: idKey(row.id, row.generation) }))
    const row = { firstLeaf: follows, count: treeSize - follows, rootHash: rootHash.slice() }
    this.#step(
      (tables) => {
        for (const [key, bytes] of tiles) tables.tiles.set(key, bytes)
        for (const [index, bytes] of bundles) tables.bundles.set(index, bytes)
        forEachPacked(packed, (start, end, i) => {
          tables.records.set(follows + i, packed.subarray(start, end))
        })
        for (const { key, generation, leafIndex } of ids) tables.ids.set(key, { generation, leafIndex })
        tables.commits.set(follows, row)
        tables.treeSize = treeSize
      },
      { records: packed },
    )
  }

  #step(apply: MemoryStep["apply"], { records, withdrawn }: Partial<MemoryStep> = {}): void {
    apply(this.#tables())
    this.#disk.journal.push({ apply, records: records ?? NO_BYTES, withdrawn: withdrawn ?? 0 })
  }
}

function copyTables(tables: MemoryTables): MemoryTables {
  return {
    ...tables,
    tiles: new Map(tables.tiles),
    bundles: new Map(tables.bundles),
    records: new Map(tables.records),
    tombstones: new Map(tables.tombstones),
    commits: new Map(tables.commits),
    ids: new Map(tables.ids),
  }
}

function idKey(id: Uint8Array, generation: number): string {
  return `${generation}/${Buffer.from(id).toString("hex")}`
}
