/**
 * What the server reads of its own log: tiles as small trees, entries, records.
 *
 * Proofs ask for the same tiles again and again: what a tile hashes to is kept, and so are bundles, each as much
 * as fits a bound in bytes. A path names bytes that never change once they are published, so nothing kept grows
 * old; two who ask for one path at once wait for one reading of it.
 */

import type { LogStorage } from "@prooflog/ledger/storage"
import { bundlePath, forEachPacked } from "@prooflog/tlog/bundle"
import { proveInclusion, type TileReader } from "@prooflog/tlog/inclusion"
import { TILE_WIDTH, tilePath } from "@prooflog/tlog/tile"
import { TileTree } from "@prooflog/tlog/tile-tree"
import { Lru } from "./lru.js"
import { recordOf } from "./retention/destroyed.js"
import type { MovedRecords, StoredLeaf } from "./retention/moved-records.js"

/** Memory for the trees of tiles: enough for a million leaves. */
const TILE_BYTES = 64 * 1024 * 1024

/** Memory for bundles: those of a million entries too. */
const BUNDLE_BYTES = 64 * 1024 * 1024

/** A tile's tree has twice as many hashes as the tile. */
const TREE_BYTES_PER_HASH = 2 * 32

/** What an entry of a usual class takes in a bundle, with its length and the note of where it begins. */
const BUNDLE_BYTES_PER_ENTRY = 64

/** Leaves whose records are asked of the storage at once: at most 16 MiB. */
const LEAVES_AT_ONCE = 256

export class LogReader {
  readonly #storage: LogStorage
  readonly #trees = new Lru<Promise<TileTree>>(TILE_BYTES)
  readonly #bundles = new Lru<Promise<Bundle>>(BUNDLE_BYTES)
  readonly #moved: MovedRecords

  constructor(storage: LogStorage, moved: MovedRecords) {
    this.#storage = storage
    this.#moved = moved
  }

  /** Tiles as proofs take them. */
  readonly readTiles: TileReader = (tiles) =>
    Promise.all(
      tiles.map((tile) =>
        kept(this.#trees, tilePath(tile), tile.width * TREE_BYTES_PER_HASH, async (path) => {
          return new TileTree(await this.#read(path))
        }),
      ),
    )

  /** The hashes that lead from a leaf to the root of the tree of `treeSize` leaves, which must be published. */
  inclusionPath(leafIndex: number, treeSize: number): Promise<Uint8Array[]> {
    return proveInclusion(leafIndex, treeSize, this.readTiles)
  }

  /** A leaf's entry: a view, not to be written to. `leafIndex < treeSize`, which must be published. */
  async entry(leafIndex: number, treeSize: number): Promise<Uint8Array> {
    const index = Math.floor(leafIndex / TILE_WIDTH)
    const first = index * TILE_WIDTH
    const width = Math.min(TILE_WIDTH, treeSize - first)
    const bundle = await kept(
      this.#bundles,
      bundlePath(index, width),
      width * BUNDLE_BYTES_PER_ENTRY,
      async (path) => indexBundle(await this.#read(path)),
    )
    const start = bundle.starts[leafIndex - first] as number
    const end = bundle.starts[leafIndex - first + 1] as number
    return bundle.bytes.subarray(start + 2, end)
  }

  /**
   * A leaf's record, wherever it lies; empty for a leaf that is no event.
   *
   * @throws ServerError `SERVER_DESTROYED` with why, and the leaf that says so; and as {@link storedRecords}
   */
  async record(leafIndex: number): Promise<Uint8Array> {
    return recordOf(await this.storedRecord(leafIndex))
  }

  /** A leaf's record, wherever it lies, or the tombstone of one that is destroyed. @throws as {@link storedRecords} */
  async storedRecord(leafIndex: number): Promise<StoredLeaf> {
    const [stored] = await this.storedRecords([leafIndex])
    return stored as StoredLeaf
  }

  /**
   * The same of several leaves, in their order: asked for in one turn, so that the storage looks them up in one go.
   *
   * @throws ServerError `SERVER_ARCHIVE_UNAVAILABLE`, `SERVER_ARCHIVE_DAMAGED` of records that were moved; EventError if
   * a tombstone is damaged
   */
  async storedRecords(leafIndices: readonly number[]): Promise<readonly StoredLeaf[]> {
    const stored = await Promise.all(leafIndices.map((leafIndex) => this.#stored(leafIndex)))
    return this.#moved.among(stored, (leafIndex) => this.#stored(leafIndex))
  }

  /**
   * The same of the leaves `[start, end)`, in slices, each read when it is asked for.
   *
   * @param atOnce - leaves of a slice
   * @throws as {@link storedRecords}
   */
  async *leaves(
    start: number,
    end: number,
    atOnce = LEAVES_AT_ONCE,
  ): AsyncGenerator<readonly StoredLeaf[], void, undefined> {
    for (let at = start; at < end; at += atOnce) {
      const stored = await this.#storage.records(at, Math.min(end, at + atOnce))
      yield await this.#moved.near(stored, this.#storage, (leafIndex) => this.#stored(leafIndex))
    }
  }

  /** What the storage has there. */
  async #stored(leafIndex: number): Promise<StoredLeaf> {
    const [stored] = await this.#storage.records(leafIndex, leafIndex + 1)
    if (stored === undefined) throw new Error(`bug: the storage answered no record for leaf ${leafIndex}`)
    return stored
  }

  async #read(path: string): Promise<Uint8Array> {
    const bytes = await this.#storage.read(path)
    if (bytes === undefined) throw new Error(`bug: ${path} is published and not stored`)
    return bytes
  }
}

interface Bundle {
  readonly bytes: Uint8Array
  /** Where each entry's length stands, and where the last entry ends. */
  readonly starts: Uint32Array
}

function indexBundle(bytes: Uint8Array): Bundle {
  const starts = new Uint32Array(TILE_WIDTH + 1)
  forEachPacked(bytes, (_, end, i) => {
    starts[i + 1] = end
  })
  return { bytes, starts }
}

/** The value kept for a path, or the one that is read now; a reading that fails is not kept. */
function kept<T>(
  cache: Lru<Promise<T>>,
  path: string,
  bytes: number,
  read: (path: string) => Promise<T>,
): Promise<T> {
  const known = cache.get(path)
  if (known !== undefined) return known
  const value = read(path)
  cache.set(path, value, bytes)
  value.catch(() => cache.delete(path))
  return value
}
