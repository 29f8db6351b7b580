/**
 * The tree as RFC 6962 defines it: recursion, slow and obvious. Test-only: the oracle, never the implementation.
 *
 * Spec: RFC 6962, sections 2.1, 2.1.1 and 2.1.2; tiles by c2sp.org/tlog-tiles, "Merkle Tree".
 */

import { hash as digest } from "node:crypto"
import type { TileReader } from "./subtree.js"
import { type Tile, tilePath } from "./tile.js"
import { TileTree } from "./tile-tree.js"

const hash = (...parts: Uint8Array[]) => new Uint8Array(digest("sha256", Buffer.concat(parts), "buffer"))

export const leaf = (entry: Uint8Array) => hash(Uint8Array.of(0), entry)
export const node = (left: Uint8Array, right: Uint8Array) => hash(Uint8Array.of(1), left, right)

/** `n` different leaf hashes: those of the entries "0", "1", … */
export function someLeaves(n: number): Uint8Array[] {
  return Array.from({ length: n }, (_, i) => leaf(new TextEncoder().encode(String(i))))
}

/** The largest power of two smaller than n. */
function split(n: number): number {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}

/** A tree over leaf hashes, and every smaller tree that it grew from. A range is hashed once; nothing else is clever. */
export function treeOf(leaves: readonly Uint8Array[]) {
  const known = new Map<number, Uint8Array>()
  const trees = new Map<string, TileTree>()

  /** MTH(D[start:end]). */
  function hashOf(start: number, end: number): Uint8Array {
    if (end > leaves.length) throw new Error(`asked for leaf ${end} of ${leaves.length}`)
    if (start === end) return hash()
    if (end - start === 1) return leaves[start] as Uint8Array
    const range = start * (leaves.length + 1) + end
    const k = split(end - start)
    const found = known.get(range) ?? node(hashOf(start, start + k), hashOf(start + k, end))
    known.set(range, found)
    return found
  }

  /** PATH(m, D[start:start + n]). */
  function path(m: number, n: number, start = 0): Uint8Array[] {
    if (n === 1) return []
    const k = split(n)
    return m < k
      ? [...path(m, k, start), hashOf(start + k, start + n)]
      : [...path(m - k, n - k, start + k), hashOf(start, start + k)]
  }

  /** SUBPROOF(m, D[start:start + n], complete). */
  function subproof(m: number, n: number, start: number, complete: boolean): Uint8Array[] {
    if (m === n) return complete ? [] : [hashOf(start, start + n)]
    const k = split(n)
    return m <= k
      ? [...subproof(m, k, start, complete), hashOf(start + k, start + n)]
      : [...subproof(m - k, n - k, start + k, false), hashOf(start, start + k)]
  }

  /** The bytes of a tile: hash i is MTH(D[(256 n + i) · 256^l : (256 n + i + 1) · 256^l]). */
  function tileBytes({ level, index, width }: Tile): Uint8Array {
    const size = 256 ** level
    const hashes = Array.from({ length: width }, (_, i) => {
      const start = (index * 256 + i) * size
      return hashOf(start, start + size)
    })
    return new Uint8Array(Buffer.concat(hashes))
  }

  /** Answers the tiles of the tree of n leaves, and no others. */
  function readTiles(n: number): TileReader {
    return async (tiles) =>
      tiles.map((tile) => {
        if ((tile.index * 256 + tile.width) * 256 ** tile.level > n) throw new Error(`past the tree of ${n}`)
        const path = tilePath(tile)
        const tree = trees.get(path) ?? new TileTree(tileBytes(tile))
        trees.set(path, tree)
        return tree
      })
  }

  return {
    hashOf,
    /** MTH(D[n]). */
    root: (n: number) => hashOf(0, n),
    /** PATH(m, D[n]). */
    path: (m: number, n: number) => path(m, n),
    /** PROOF(m, D[n]), 0 < m ≤ n. */
    proof: (m: number, n: number) => subproof(m, n, 0, true),
    tileBytes,
    readTiles,
  }
}

/** Whether two lists of hashes are the same, asked often: a matcher compares arrays of bytes a thousand times slower. */
export function sameHashes(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length && Buffer.concat(a).equals(Buffer.concat(b))
}
