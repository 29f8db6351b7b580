/**
 * Tiles that were checked from the top: a signed root, the tiles of the right edge under it, and each full
 * tile under the one hash of it that its parent holds.
 *
 *     root   signed
 *      └─ right edge      one partial tile a level: together they make the root
 *          └─ full tile   its root is a hash of the tile above
 *              └─ entries of a bundle, hashed by the caller
 *
 * So whatever is wrong is found in the very tile where it is wrong, and everything that is handed out is
 * what the log has signed.
 *
 * Effects: reads the source.
 */

import { CompactRange } from "@prooflog/tlog/compact-range"
import { equalBytes, HASH_SIZE } from "@prooflog/tlog/hash"
import { type Edge, edgeRoot, loadEdge } from "@prooflog/tlog/integrate"
import { TILE_WIDTH, type Tile, tileAt, tilePath } from "@prooflog/tlog/tile"
import { VerifierError } from "./error.js"
import { type LogSource, readTile } from "./source.js"

/**
 * Sees every tile once it was checked, for a second opinion: the root that another implementation finds for
 * `hashes` must be `rootHash`. Throwing ends the audit with that error.
 *
 * @param hashes - n × 32 bytes, not to be changed
 * @param rootHash - of the tree over these hashes alone: for a full tile the hash that its parent holds
 */
export type TileWitness = (tile: Tile, hashes: Uint8Array, rootHash: Uint8Array) => void | Promise<void>

/** Tiles of each level above the leaves that are kept: neighbours share their parents. */
const KEPT_PER_LEVEL = 4

export class CheckedTiles {
  readonly #source: LogSource
  readonly #edge: Edge
  readonly #onTile: TileWitness | undefined
  readonly #kept: Map<number, Promise<Uint8Array>>[] = []

  private constructor(source: LogSource, edge: Edge, onTile: TileWitness | undefined) {
    this.#source = source
    this.#edge = edge
    this.#onTile = onTile
  }

  /**
   * Reads the right edge of a log and checks that it makes `rootHash`.
   *
   * @throws {@link VerifierError} `VERIFIER_ROOT_REFUSED`, and what reading throws
   */
  static async open(
    source: LogSource,
    treeSize: number,
    rootHash: Uint8Array,
    onTile?: TileWitness,
  ): Promise<CheckedTiles> {
    let paths = "the empty tree"
    const edge = await loadEdge(treeSize, (tiles) => {
      paths = tiles.map(tilePath).join(", ")
      return Promise.all(tiles.map((tile) => readTile(source, tile)))
    })
    if (!equalBytes(edgeRoot(edge), rootHash)) {
      const message = `the root of ${treeSize} leaves is not the one that was signed (from ${paths})`
      throw new VerifierError("VERIFIER_ROOT_REFUSED", message, { path: paths })
    }
    const checked = new CheckedTiles(source, edge, onTile)
    for (const [level, hashes] of edge.tiles.entries()) {
      if (hashes.length > 0) await checked.#witness(checked.#tile(level, edgeIndex(treeSize, level)), hashes)
    }
    return checked
  }

  /**
   * Returns the hashes of a tile, checked: `width` × 32 bytes, not to be changed.
   *
   * @throws {@link VerifierError} `VERIFIER_TILE_REFUSED`, and what reading throws
   */
  async hashes(level: number, index: number): Promise<Uint8Array> {
    const tile = this.#tile(level, index)
    if (tile.width < TILE_WIDTH) return this.#edge.tiles[level] as Uint8Array
    if (level === 0) return await this.#readFull(tile)
    this.#kept[level] ??= new Map()
    const row = this.#kept[level]
    const kept = row.get(index)
    if (kept !== undefined) return await kept
    const reading = this.#readFull(tile)
    row.set(index, reading)
    for (const oldest of row.keys()) {
      if (row.size <= KEPT_PER_LEVEL) break
      row.delete(oldest)
    }
    return await reading
  }

  async #readFull(tile: Tile): Promise<Uint8Array> {
    const parent = this.hashes(tile.level + 1, Math.floor(tile.index / TILE_WIDTH))
    const [hashes, above] = await Promise.all([readTile(this.#source, tile), parent])
    const at = (tile.index % TILE_WIDTH) * HASH_SIZE
    const rootHash = rootOf(hashes)
    if (!equalBytes(rootHash, above.subarray(at, at + HASH_SIZE))) {
      const path = tilePath(tile)
      const message = `${path} is not the tile that was signed: its root is not hash ${tile.index % TILE_WIDTH} of the tile above`
      throw new VerifierError("VERIFIER_TILE_REFUSED", message, { path })
    }
    await this.#onTile?.(tile, hashes, rootHash)
    return hashes
  }

  async #witness(tile: Tile, hashes: Uint8Array): Promise<void> {
    await this.#onTile?.(tile, hashes, rootOf(hashes))
  }

  #tile(level: number, index: number): Tile {
    const tile = tileAt(level, index, this.#edge.treeSize)
    if (tile === undefined) {
      throw new RangeError(`no tile ${level}/${index} in a tree of ${this.#edge.treeSize} leaves`)
    }
    return tile
  }
}

function rootOf(hashes: Uint8Array): Uint8Array {
  const range = CompactRange.empty()
  range.appendLeaves(hashes)
  return range.rootHash()
}

/** Place of the partial tile in its row. */
function edgeIndex(treeSize: number, level: number): number {
  return Math.floor(treeSize / TILE_WIDTH ** (level + 1))
}
