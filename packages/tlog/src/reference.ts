/**
 * The tree as RFC 6962 defines it: recursion, slow and obvious. Test-only: the oracle, never the implementation.
 *
 * Spec: RFC 6962, sections 2.1, 2.1.1 and 2.1.2; tiles by c2sp.org/tlog-tiles, "Merkle Tree".
 */

import { hash as digest } from "node:crypto"
import type { Tile } from "./tile.js"
import { TileTree } from "./tile-tree.js"

const hash = (...parts: Uint8Array[]) => new Uint8Array(digest("sha256", Buffer.concat(parts), "buffer"))

export const leaf = (entry: Uint8Array) => hash(Uint8Array.of(0), entry)
export const node = (left: Uint8Array, right: Uint8Array) => hash(Uint8Array.of(1), left, right)

/** The largest power of two smaller than n. */
function split(n: number): number {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}

/** A tree over leaf hashes. What is asked for often is hashed once; nothing else is clever. */
export function treeOf(leaves: readonly Uint8Array[]) {
  const known = new Map<number, Uint8Array>()

  /** MTH(D[start:end]). */
  function hashOf(start: number, end: number): Uint8Array {
    if (start === end) return hash()
    if (end - start === 1) return leaves[start] as Uint8Array
    const key = start * (leaves.length + 1) + end
    const k = split(end - start)
    const found = known.get(key) ?? node(hashOf(start, start + k), hashOf(start + k, end))
    known.set(key, found)
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

  return {
    /** MTH(D[n]). */
    root: (n: number) => hashOf(0, n),
    hashOf,
    path,
    /** PROOF(m, D[n]), 0 < m ≤ n. */
    proof: (m: number, n: number) => subproof(m, n, 0, true),
  }
}

/** MTH(D[n]), over leaf hashes. */
export function treeHash(leaves: readonly Uint8Array[]): Uint8Array {
  return treeOf(leaves).root(leaves.length)
}

/** The bytes of a tile: hash i is MTH(D[(256 n + i) · 256^l : (256 n + i + 1) · 256^l]). */
export function tileBytes({ level, index, width }: Tile, leaves: readonly Uint8Array[]): Uint8Array {
  const size = 256 ** level
  const hashes = Array.from({ length: width }, (_, i) => {
    const start = (index * 256 + i) * size
    return treeHash(leaves.slice(start, start + size))
  })
  return new Uint8Array(Buffer.concat(hashes))
}

/** Answers tiles made by {@link tileBytes}, each once. */
export function tileReader(leaves: readonly Uint8Array[]) {
  const made = new Map<string, TileTree>()
  return async (tiles: readonly Tile[]) =>
    tiles.map((tile) => {
      const key = JSON.stringify(tile)
      const tree = made.get(key) ?? new TileTree(tileBytes(tile, leaves))
      made.set(key, tree)
      return tree
    })
}

/** `n` different leaf hashes: those of the entries "0", "1", … */
export function someLeaves(n: number): Uint8Array[] {
  return Array.from({ length: n }, (_, i) => leaf(new TextEncoder().encode(String(i))))
}

/** Whether two proofs are the same, asked often: a matcher compares arrays of bytes a thousand times slower. */
export function sameHashes(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length && Buffer.concat(a).equals(Buffer.concat(b))
}

/** Every way a list of hashes can be wrong by one step: a bit flipped, one missing, extra, swapped, cut, grown. */
export function* mutations(
  hashes: readonly Uint8Array[],
  extra: Uint8Array,
): Generator<[why: string, hashes: Uint8Array[]]> {
  for (const [i, hash] of hashes.entries()) {
    const flipped = hash.slice()
    const bit = (i * 37 + hashes.length * 11) % 256
    flipped[Math.floor(bit / 8)] = (flipped[Math.floor(bit / 8)] as number) ^ (1 << (bit % 8))
    yield [`bit ${bit} of hash ${i} flipped`, hashes.with(i, flipped)]
    yield [`hash ${i} missing`, hashes.toSpliced(i, 1)]
    if (i % 2 === 0) yield [`hash ${i} cut`, hashes.with(i, hash.subarray(0, 31))]
    else yield [`hash ${i} grown`, hashes.with(i, new Uint8Array(33))]
    const next = hashes[i + 1]
    if (next !== undefined) yield [`hashes ${i} and ${i + 1} swapped`, hashes.toSpliced(i, 2, next, hash)]
  }
  yield ["an extra hash first", [extra, ...hashes]]
  yield ["an extra hash last", [...hashes, extra]]
  if (hashes.length > 1) yield ["none left", []]
}

/** A verifier key of any type, with the key ID that c2sp.org/signed-note recommends. */
export function opaqueKey(name: string, ...typed: number[]): string {
  const id = hash(Buffer.from(`${name}\n`), Uint8Array.from(typed)).subarray(0, 4)
  return `${name}+${Buffer.from(id).toString("hex")}+${Buffer.from(typed).toString("base64")}`
}
