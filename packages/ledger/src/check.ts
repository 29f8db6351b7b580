/**
 * Re-reading what storage keeps: entries against tiles, tiles against the tiles above, records against entries.
 *
 *     entry ──leaf hash──► hash of a tile of level 0 ──root of the tile──► hash of the tile above ──► … ──► edge ──► root
 *     record ──checkRecord──► entry
 *
 * Whoever checks all leaves and then the root has checked every byte that a reader could be given. The opening
 * and the scrubber both do it with these functions.
 */

import { bundlePath, parseBundle } from "@prooflog/tlog/bundle"
import { equalBytes, HASH_SIZE, leafHashInto } from "@prooflog/tlog/hash"
import { type Edge, edgeRoot, loadEdge } from "@prooflog/tlog/integrate"
import { TILE_WIDTH, type Tile, tileAt, tilePath } from "@prooflog/tlog/tile"
import { TileTree } from "@prooflog/tlog/tile-tree"
import { LedgerError } from "./error.js"
import type { CommitRow, LogStorage, StoredRecord, Tombstone } from "./storage.js"

/** Leaves that are checked without a pause: below 1 ms, records included. */
const SLICE = 64

/** Commit rows that are checked without a pause: some milliseconds. */
const COMMIT_SLICE = 1_000

/** Is awaited between slices, and told how long the last one took; what it throws ends the check. */
export type Pause = (checked: number, workedMs: number) => Promise<void>

/** Throws, anything, if the record does not open the entry. */
export type CheckRecord = (entry: Uint8Array, record: Uint8Array) => void

export interface CheckLeavesOptions {
  readonly storage: LogStorage
  /** Tree as which the storage is read: what lies beyond is not looked at. */
  readonly treeSize: number
  /** Leaves `[start, end)` are checked. */
  readonly start: number
  readonly end: number
  readonly checkRecord?: CheckRecord | undefined
  readonly pause?: Pause | undefined
}

/**
 * Checks entries, tiles and records of a range of leaves.
 *
 * @throws LedgerError `LEDGER_CORRUPT` with the first leaf that is damaged or missing
 */
export async function checkLeaves(options: CheckLeavesOptions): Promise<void> {
  const parents = new Parents(options.storage, options.treeSize)
  let next: Promise<BundleRows> | undefined
  for (let start = options.start; start < options.end; ) {
    const end = bundleEnd(start, options.end)
    const rows = await (next ?? readBundleRows(options, start, end))
    // Read ahead: waiting for storage is most of the time a check takes.
    next = end < options.end ? readBundleRows(options, end, bundleEnd(end, options.end)) : undefined
    next?.catch(() => {})
    if (rows.tile.width === TILE_WIDTH) await parents.check(rows.tile, rows.tileBytes)
    await checkBundle(options, rows, start, end)
    start = end
  }
}

/** Where the bundle ends that holds leaf `start`, or the range does. */
function bundleEnd(start: number, end: number): number {
  return Math.min(end, (Math.floor(start / TILE_WIDTH) + 1) * TILE_WIDTH)
}

/** What is stored of the leaves of one bundle. */
interface BundleRows {
  readonly tile: Tile
  readonly tileBytes: Uint8Array
  readonly entries: readonly Uint8Array[]
  /** From the first leaf of the range on. */
  readonly records: readonly (StoredRecord | Tombstone)[]
}

async function readBundleRows(
  { storage, treeSize }: CheckLeavesOptions,
  start: number,
  end: number,
): Promise<BundleRows> {
  const tile = tileAt(0, Math.floor(start / TILE_WIDTH), treeSize) as Tile
  const [tileBytes, entries, records] = await Promise.all([
    readTile(storage, tile),
    readEntries(storage, tile),
    storage.records(start, end).catch((cause) => {
      throw corrupt((cause as LedgerError).leafIndex ?? start, "a record is missing or cannot be read", cause)
    }),
  ])
  return { tile, tileBytes, entries, records }
}

async function checkBundle(
  { checkRecord, pause }: CheckLeavesOptions,
  { tile, tileBytes, entries, records }: BundleRows,
  start: number,
  end: number,
): Promise<void> {
  const first = tile.index * TILE_WIDTH
  const hashes = new Uint8Array(SLICE * HASH_SIZE)
  for (let sliceStart = start; sliceStart < end; sliceStart += SLICE) {
    const sliceEnd = Math.min(end, sliceStart + SLICE)
    const began = performance.now()
    for (let leaf = sliceStart; leaf < sliceEnd; leaf++) {
      leafHashInto(entries[leaf - first] as Uint8Array, hashes, (leaf - sliceStart) * HASH_SIZE)
    }
    requireHashes(hashes, tileBytes, sliceStart, sliceEnd, first)
    for (let leaf = sliceStart; checkRecord !== undefined && leaf < sliceEnd; leaf++) {
      requireRecord(checkRecord, entries[leaf - first] as Uint8Array, records[leaf - start], leaf)
    }
    await pause?.(sliceEnd - sliceStart, performance.now() - began)
  }
}

function requireHashes(
  hashes: Uint8Array,
  tileBytes: Uint8Array,
  start: number,
  end: number,
  first: number,
): void {
  for (let leaf = start, at = 0; leaf < end; leaf++) {
    for (const hashEnd = at + HASH_SIZE; at < hashEnd; at++) {
      if (hashes[at] === tileBytes[(start - first) * HASH_SIZE + at]) continue
      throw corrupt(leaf, "the entry is not the one that its tile holds the hash of")
    }
  }
}

function requireRecord(
  checkRecord: CheckRecord,
  entry: Uint8Array,
  record: StoredRecord | Tombstone | undefined,
  leaf: number,
): void {
  if (record?.kind !== "record") return
  try {
    checkRecord(entry, record.bytes)
  } catch (cause) {
    throw corrupt(leaf, "the record does not open its entry", cause)
  }
}

/** The tiles above, each read once while the leaves below it are checked. */
class Parents {
  readonly #storage: LogStorage
  readonly #treeSize: number
  /** By level. */
  readonly #tiles: ({ readonly index: number; readonly bytes: Uint8Array } | undefined)[] = []

  constructor(storage: LogStorage, treeSize: number) {
    this.#storage = storage
    this.#treeSize = treeSize
  }

  /** Checks that the tile above holds the root of this full tile; if that fills it, goes on upwards. */
  async check(tile: Tile, bytes: Uint8Array): Promise<void> {
    const level = tile.level + 1
    const index = Math.floor(tile.index / TILE_WIDTH)
    // A full tile always has a parent hash.
    const parent = tileAt(level, index, this.#treeSize) as Tile
    let known = this.#tiles[level]
    if (known?.index !== index) {
      known = { index, bytes: await readTile(this.#storage, parent) }
      this.#tiles[level] = known
    }
    const place = tile.index % TILE_WIDTH
    const hash = known.bytes.subarray(place * HASH_SIZE, (place + 1) * HASH_SIZE)
    if (!equalBytes(new TileTree(bytes).hash(8, 0), hash)) {
      throw corrupt(
        firstLeafOf(tile),
        `${tilePath(tile)} is not the one that the tile above holds the root of`,
      )
    }
    if (place === TILE_WIDTH - 1) await this.check(parent, known.bytes)
  }
}

/**
 * Reads the right edge of the tree of `treeSize` leaves; checks nothing but lengths.
 *
 * @throws LedgerError `LEDGER_CORRUPT` if a tile is missing or cannot be read
 */
export function readEdge(storage: LogStorage, treeSize: number): Promise<Edge> {
  return loadEdge(treeSize, (tiles) => Promise.all(tiles.map((tile) => readTile(storage, tile))))
}

/** Returns the root of the tree of `treeSize` leaves, recomputed from the tiles of its right edge. */
export async function readRoot(storage: LogStorage, treeSize: number): Promise<Uint8Array> {
  return edgeRoot(await readEdge(storage, treeSize))
}

/**
 * Checks that no step of the log is missing between leaf `start` and the end of the tree. Steps after that, which
 * a running log may have made meanwhile, are not looked at.
 *
 * @returns the last step of the tree
 * @throws LedgerError `LEDGER_CORRUPT` with the first leaf of the first step that is lost
 */
export async function checkCommits(
  storage: LogStorage,
  start: number,
  treeSize: number,
  pause?: Pause,
): Promise<CommitRow> {
  let reached: number | undefined
  let checked = 0
  let began = performance.now()
  for await (const row of storage.commits(Math.min(start, treeSize - 1))) {
    if (reached === undefined ? row.firstLeaf > start : row.firstLeaf !== reached) {
      throw corrupt(reached ?? start, `a step of the log is lost: the next begins with leaf ${row.firstLeaf}`)
    }
    reached = row.firstLeaf + row.count
    if (reached === treeSize) return row
    if (reached > treeSize) break
    if (++checked % COMMIT_SLICE > 0) continue
    await pause?.(COMMIT_SLICE, performance.now() - began)
    began = performance.now()
  }
  const leafIndex = Math.min(reached ?? start, treeSize)
  throw corrupt(leafIndex, `no step of the log ends with its tree size, ${treeSize}`)
}

async function readTile(storage: LogStorage, tile: Tile): Promise<Uint8Array> {
  const path = tilePath(tile)
  const bytes = await readCommitted(storage, path, firstLeafOf(tile))
  if (bytes.length !== tile.width * HASH_SIZE)
    throw corrupt(firstLeafOf(tile), `${path} has ${bytes.length} bytes`)
  return bytes
}

/**
 * Returns the entries of the leaves below a tile of level 0; checks nothing but their form.
 *
 * @throws LedgerError `LEDGER_CORRUPT` if the bundle is missing or none
 */
export async function readEntries(storage: LogStorage, { index, width }: Tile): Promise<Uint8Array[]> {
  const path = bundlePath(index, width)
  const bytes = await readCommitted(storage, path, index * TILE_WIDTH)
  try {
    return parseBundle(bytes, width)
  } catch (cause) {
    throw corrupt(index * TILE_WIDTH, `${path} is not an entry bundle`, cause)
  }
}

async function readCommitted(storage: LogStorage, path: string, firstLeaf: number): Promise<Uint8Array> {
  let bytes: Uint8Array | undefined
  try {
    bytes = await storage.read(path)
  } catch (cause) {
    throw corrupt(firstLeaf, `${path} cannot be read`, cause)
  }
  if (bytes === undefined) throw corrupt(firstLeaf, `${path} is missing`)
  return bytes
}

function firstLeafOf({ level, index }: Tile): number {
  return index * TILE_WIDTH ** (level + 1)
}

function corrupt(leafIndex: number, what: string, cause?: unknown): LedgerError {
  return new LedgerError("LEDGER_CORRUPT", `leaf ${leafIndex}: ${what}`, {
    leafIndex,
    ...(cause === undefined ? {} : { cause }),
  })
}
