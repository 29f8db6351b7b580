/**
 * Integration: the right edge of the tree and new leaf hashes give the changed tiles, the new edge and the root.
 *
 *     level 1   [ ••••  ──► ••••••          ]        ─ the edge: the partial tile of each level
 *     level 0   [full][full][ ••• ──► ••••• ]        ─ new hashes fill it and open the next
 *
 * Nothing but the edge is read: what lies left of it is final. Costs about one node hash for each leaf.
 *
 * Spec: c2sp.org/tlog-tiles, "Merkle Tree" and "Partial Tiles".
 * Pure: no I/O, no clock, no randomness. Edges and tiles handed out are not to be written to.
 */

import { CompactRange } from "./compact-range.js"
import { TlogError } from "./error.js"
import { HASH_SIZE } from "./hash.js"
import { requireSize } from "./size.js"
import { TILE_HEIGHT, TILE_WIDTH, type Tile, tileAt } from "./tile.js"
import { TileTree } from "./tile-tree.js"

/** The right edge of a tree: all that is needed to make it grow. */
export interface Edge {
  readonly treeSize: number
  /** By tile level: the bytes of its partial tile, n × 32, n ≤ 255; empty where the last tile is full. */
  readonly tiles: readonly Uint8Array[]
}

/** The edge of the tree without leaves. */
export const EMPTY_EDGE: Edge = { treeSize: 0, tiles: [] }

export interface Integrated {
  readonly edge: Edge
  readonly rootHash: Uint8Array
  /** Every tile that changed or is new, by level from the leaves up, left to right, at its width now. Full ones of a level are views of one array. */
  readonly tiles: { readonly tile: Tile; readonly bytes: Uint8Array }[]
}

/**
 * Appends leaves to the tree of which `edge` is the right edge. The old edge stays usable.
 *
 * @param leafHashes - n × 32 bytes, left to right; copied
 * @throws `RangeError` if the tree would outgrow 2⁵³ − 1 leaves, or `edge` is not an edge
 */
export function integrate(edge: Edge, leafHashes: Uint8Array): Integrated {
  const range = rangeOf(edge).clone()
  const edgeTiles = [...edge.tiles]
  const tiles: Integrated["tiles"] = []
  range.appendLeaves(leafHashes, (level, hashes) => {
    if (level % TILE_HEIGHT !== 0) return
    const tileLevel = level / TILE_HEIGHT
    const rowLength = Math.floor(edge.treeSize / TILE_WIDTH ** tileLevel)
    const first = Math.floor(rowLength / TILE_WIDTH)
    edgeTiles[tileLevel] = cutTiles(tileLevel, first, edge.tiles[tileLevel], hashes, tiles)
  })
  const grown = { treeSize: range.treeSize, tiles: edgeTiles }
  ranges.set(grown, range)
  return { edge: grown, rootHash: range.rootHash(), tiles }
}

/** Cuts one row's new hashes, set behind its old partial tile, into tiles; returns the new partial tile's bytes. */
function cutTiles(
  level: number,
  first: number,
  partial: Uint8Array | undefined,
  hashes: Uint8Array,
  tiles: Integrated["tiles"],
): Uint8Array {
  const old = partial?.length ?? 0
  const row = new Uint8Array(old + hashes.length)
  if (partial !== undefined) row.set(partial)
  row.set(hashes, old)
  let index = first
  let start = 0
  for (; start + FULL <= row.length; start += FULL, index++) {
    tiles.push({ tile: { level, index, width: TILE_WIDTH }, bytes: row.subarray(start, start + FULL) })
  }
  // Copied, so that the edge does not hold on to the whole row.
  const rest = row.slice(start)
  if (rest.length > 0) tiles.push({ tile: { level, index, width: rest.length / HASH_SIZE }, bytes: rest })
  return rest
}

const FULL = TILE_WIDTH * HASH_SIZE

/** Returns the root hash of the tree of which this is the right edge. */
export function edgeRoot(edge: Edge): Uint8Array {
  return rangeOf(edge).rootHash()
}

/**
 * Reads the right edge of a tree of `treeSize` leaves.
 *
 * @param readTiles - answers each partial tile's bytes, in order; called once, not at all if there are none
 * @throws {@link TlogError} `TLOG_MALFORMED_TILE` if an answer has not the tile's length
 */
export async function loadEdge(
  treeSize: number,
  readTiles: (tiles: readonly Tile[]) => Promise<readonly Uint8Array[]>,
): Promise<Edge> {
  requireSize("treeSize", treeSize)
  const partials: Tile[] = []
  let levels = 0
  for (let rowLength = treeSize; rowLength > 0; rowLength = Math.floor(rowLength / TILE_WIDTH)) {
    const tile = tileAt(levels, Math.floor(rowLength / TILE_WIDTH), treeSize)
    if (tile !== undefined) partials.push(tile)
    levels++
  }
  const answers = partials.length === 0 ? [] : await readTiles(partials)
  const tiles: Uint8Array[] = Array.from({ length: levels }, () => new Uint8Array(0))
  for (const [i, tile] of partials.entries()) {
    const bytes = answers[i]
    if (bytes?.length !== tile.width * HASH_SIZE) {
      throw new TlogError(
        "TLOG_MALFORMED_TILE",
        `tile ${tile.level}/${tile.index}: expected ${tile.width} hashes`,
      )
    }
    tiles[tile.level] = bytes.slice()
  }
  return { treeSize, tiles }
}

/**
 * The compact range of each edge that was made here. An edge is never written to, so this only saves work:
 * up to 255 node hashes for each level, 0.1 ms, which a commit of few leaves would feel.
 */
const ranges = new WeakMap<Edge, CompactRange>()

function rangeOf(edge: Edge): CompactRange {
  let range = ranges.get(edge)
  if (range === undefined) {
    range = CompactRange.fromHashes(edge.treeSize, edgeHashes(edge))
    ranges.set(edge, range)
  }
  return range
}

/** The hashes of the compact range, left to right, out of the partial tiles. */
function edgeHashes(edge: Edge): Uint8Array[] {
  requireSize("treeSize", edge.treeSize)
  const hashes: Uint8Array[] = []
  for (let level = edge.tiles.length - 1; level >= 0; level--) {
    const bytes = edge.tiles[level] as Uint8Array
    const width = Math.floor(edge.treeSize / TILE_WIDTH ** level) % TILE_WIDTH
    if (bytes.length !== width * HASH_SIZE) {
      throw new RangeError(`edge: expected ${width} hashes at tile level ${level}, got ${bytes.length} bytes`)
    }
    if (width === 0) continue
    const tree = new TileTree(bytes)
    for (let height = TILE_HEIGHT - 1, done = 0; height >= 0; height--) {
      if (((width >> height) & 1) === 0) continue
      hashes.push(tree.hash(height, done >> height))
      done += 2 ** height
    }
  }
  return hashes
}
