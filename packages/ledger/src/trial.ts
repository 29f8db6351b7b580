/** A ledger on trial, for tests: over memory, with clocks that stand still until they are set. */

import { bundlePath, formatBundle, parseBundle } from "@prooflog/tlog/bundle"
import { CompactRange } from "@prooflog/tlog/compact-range"
import { leafHash, sha256 } from "@prooflog/tlog/hash"
import { createSignerKey } from "@prooflog/tlog/key"
import { TILE_WIDTH } from "@prooflog/tlog/tile"
import type { LedgerError } from "./error.js"
import { type Ledger, type LedgerOptions, openLedger, type Placement } from "./ledger.js"
import { MemoryDisk, openMemoryStorage } from "./memory.js"
import { type SignedHeadStore, signedHeadInMemory } from "./signed-head.js"
import type { Commit, LogStorage } from "./storage.js"

/** 2026-02-01, noon. */
export const START_MS = Date.UTC(2026, 1, 1, 12)

export const TIME_OFFSET = 3

/** The layout of the event package's entries, as far as time goes: uint64be at byte 3. */
export function stamp(bytes: Uint8Array, entryOffset: number, timeMs: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  view.setBigUint64(entryOffset + TIME_OFFSET, BigInt(timeMs))
}

export function entryTime(bytes: Uint8Array, entryOffset: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Number(view.getBigUint64(entryOffset + TIME_OFFSET))
}

/** 20 bytes: room for the time, then a number that tells entries apart. */
export function makeEntry(n: number): Uint8Array {
  const entry = new Uint8Array(20)
  new DataView(entry.buffer).setUint32(12, n)
  return entry
}

export function entryNumber(entry: Uint8Array): number {
  return new DataView(entry.buffer, entry.byteOffset).getUint32(12)
}

export function makeRecord(n: number): Uint8Array {
  return sha256(Buffer.from(`record ${n}`))
}

export function makeId(n: number): Uint8Array {
  return sha256(Buffer.from(`id ${n}`)).slice(0, 16)
}

export function submissionOf(numbers: readonly number[], ids?: readonly (number | undefined)[]) {
  return {
    entries: formatBundle(numbers.map(makeEntry)),
    records: formatBundle(numbers.map(makeRecord)),
    count: numbers.length,
    ...(ids === undefined ? {} : { ids: ids.map((id) => (id === undefined ? undefined : makeId(id))) }),
  }
}

/** The record opens the entry if both are made of the same number; genesis has the empty one. */
export function checkRecord(entry: Uint8Array, record: Uint8Array): void {
  const n = entryNumber(entry)
  const expected = n === GENESIS_NUMBER ? new Uint8Array(0) : makeRecord(n)
  if (!Buffer.from(record).equals(expected)) throw new Error(`not the record of entry ${n}`)
}

export const GENESIS_NUMBER = 0xffffffff

/** Everything that outlasts a ledger, and clocks to set. */
export class Trial {
  disk = new MemoryDisk()
  signedHead: SignedHeadStore = signedHeadInMemory()
  readonly alarms: LedgerError[] = []
  readonly commits: Commit[] = []
  nowMs = START_MS
  monotonicMs = 0

  /** Moves both clocks, as time does. */
  pass(ms: number): void {
    this.nowMs += ms
    this.monotonicMs += ms
  }

  async open(options: Partial<LedgerOptions> = {}): Promise<Ledger> {
    const storage = options.storage ?? this.watch(await openMemoryStorage(this.disk))
    return await openLedger({
      signerKey: createSignerKey("trial.example/log", sha256(new Uint8Array(1)), 1),
      signedHead: this.signedHead,
      genesis: () => ({ entry: makeEntry(GENESIS_NUMBER) }),
      stamp,
      entryTime,
      checkRecord,
      clock: () => this.nowMs,
      patrolLeavesPerSecond: 0,
      onAlarm: (error) => this.alarms.push(error),
      ...options,
      storage,
    })
  }

  /** Notes the commits that reach a storage. */
  watch(storage: LogStorage): LogStorage {
    const commit = storage.commit.bind(storage)
    storage.commit = (one) => {
      this.commits.push(one)
      return commit(one)
    }
    return storage
  }
}

/** A disk with the same contents: a backup, or what a crash left. */
export function copyDisk(disk: MemoryDisk): MemoryDisk {
  const copy = new MemoryDisk()
  const { tables } = disk
  Object.assign(copy.tables, {
    ...tables,
    tiles: new Map(tables.tiles),
    bundles: new Map(tables.bundles),
    records: new Map(tables.records),
    tombstones: new Map(tables.tombstones),
    commits: new Map(tables.commits),
    ids: new Map(tables.ids),
  })
  copy.journal = [...disk.journal]
  return copy
}

/** All entries of a storage, in order. */
export async function readEntries(storage: LogStorage): Promise<Uint8Array[]> {
  const treeSize = await storage.treeSize()
  const entries: Uint8Array[] = []
  for (let at = 0; at < treeSize; at += TILE_WIDTH) {
    const width = Math.min(TILE_WIDTH, treeSize - at)
    const bundle = (await storage.read(bundlePath(at / TILE_WIDTH, width))) as Uint8Array
    entries.push(...parseBundle(bundle, width))
  }
  return entries
}

/** The root over the first `treeSize` entries, one leaf at a time. */
export function rootOf(entries: readonly Uint8Array[], treeSize = entries.length): Uint8Array {
  const range = CompactRange.empty()
  for (const entry of entries.slice(0, treeSize)) range.append(leafHash(entry))
  return range.rootHash()
}

export function leavesOf(placements: readonly Placement[]): number[] {
  return placements.map(({ leafIndex }) => leafIndex)
}

export async function until(condition: () => boolean, timeoutMs = 5_000): Promise<void> {
  const end = performance.now() + timeoutMs
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${timeoutMs} ms: ${condition}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
