/**
 * Subtrees, and their hashes out of tiles.
 *
 * A proof is a list of subtrees: `[start, end)` with `start` a multiple of the least power of
 * two ≥ `end − start`. Most are perfect; one at the right edge may not be, and is folded from
 * perfect ones:
 *
 *     [8, 15)  =  node([8, 12), node([12, 14), [14, 15)))
 *
 * A perfect subtree of 2^h leaves is a look-up in the tile of level ⌊h / 8⌋.
 * Effects: calls the reader that it is given, once.
 */

import { nodeHash } from "./hash.js"
import { TILE_HEIGHT, TILE_WIDTH, type Tile, tileAt } from "./tile.js"
import type { TileTree } from "./tile-tree.js"

/** The leaves `[start, end)`. */
export interface Subtree {
  readonly start: number
  readonly end: number
}

/**
 * Answers the tiles asked for, in their order. Called at most once for each proof.
 *
 * An answer may be wider than asked, as a cache holds it; its bytes are suspect, its length is not.
 */
export type TileReader = (tiles: readonly Tile[]) => Promise<readonly TileTree[]>

/**
 * Returns the hash of each subtree of a tree of `treeSize` leaves: 32 bytes each, copied out of the tiles.
 *
 * @throws `RangeError` if the reader answers fewer or narrower tiles than it was asked for
 */
export async function hashSubtrees(
  subtrees: readonly Subtree[],
  treeSize: number,
  readTiles: TileReader,
): Promise<Uint8Array[]> {
  const tiles: Tile[] = []
  const places = subtrees.map((subtree) => placesOf(subtree, treeSize, tiles))
  const trees = tiles.length === 0 ? [] : await readTiles(tiles)
  checkAnswer(tiles, trees)
  return places.map((perfect) =>
    fold(perfect.map(({ tile, level, index }) => trees[tile]?.hash(level, index))),
  )
}

/** Where a perfect subtree's hash is: in the `tile`-th tile of the plan, at this level and index inside it. */
interface Place {
  readonly tile: number
  readonly level: number
  readonly index: number
}

/** The places of the perfect subtrees that make up `subtree`, left to right; adds the tiles they need to `tiles`. */
function placesOf({ start, end }: Subtree, treeSize: number, tiles: Tile[]): Place[] {
  const places: Place[] = []
  for (let at = start; at < end; ) {
    let size = 1
    let height = 0
    for (; size * 2 <= end - at; size *= 2) height++
    places.push(placeOf(height, at / size, treeSize, tiles))
    at += size
  }
  return places
}

/** The place of the `index`-th perfect subtree of 2^`height` leaves. */
function placeOf(height: number, index: number, treeSize: number, tiles: Tile[]): Place {
  const level = height % TILE_HEIGHT
  const tileLevel = (height - level) / TILE_HEIGHT
  const perTile = TILE_WIDTH / 2 ** level
  const tileIndex = Math.floor(index / perTile)
  // A proof touches a dozen tiles at most: looking through them is quicker than a map.
  let tile = tiles.findIndex((known) => known.level === tileLevel && known.index === tileIndex)
  if (tile < 0) {
    const asked = tileAt(tileLevel, tileIndex, treeSize)
    if (asked === undefined)
      throw new Error(`bug: no tile ${tileLevel}/${tileIndex} in a tree of ${treeSize}`)
    tile = tiles.push(asked) - 1
  }
  return { tile, level, index: index % perTile }
}

function checkAnswer(tiles: readonly Tile[], trees: readonly TileTree[]): void {
  for (const [i, { level, index, width }] of tiles.entries()) {
    const answered = trees[i]?.width ?? 0
    if (answered < width)
      throw new RangeError(`tile ${level}/${index}: asked for ${width} hashes, got ${answered}`)
  }
}

/** Folds roots of perfect subtrees, left to right and ever smaller, into one hash. */
function fold(hashes: readonly (Uint8Array | undefined)[]): Uint8Array {
  const folded = hashes.reduceRight((right, left) => (right && left ? nodeHash(left, right) : left))
  if (folded === undefined) throw new Error("bug: an empty subtree has no place in a proof")
  // A view would keep its whole tile in memory, and let a proof's owner write into a cached one.
  return folded.slice()
}
