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

/** MTH(D[n]), over leaf hashes. */
export function treeHash(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return hash()
  if (leaves.length === 1) return leaves[0] as Uint8Array
  const k = split(leaves.length)
  return node(treeHash(leaves.slice(0, k)), treeHash(leaves.slice(k)))
}

/** PATH(m, D[n]). */
export function path(m: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length === 1) return []
  const k = split(leaves.length)
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)]
  return m < k ? [...path(m, left), treeHash(right)] : [...path(m - k, right), treeHash(left)]
}

/** PROOF(m, D[n]), 0 < m ≤ n. */
export function proof(m: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  return subproof(m, leaves, true)
}

function subproof(m: number, leaves: readonly Uint8Array[], complete: boolean): Uint8Array[] {
  if (m === leaves.length) return complete ? [] : [treeHash(leaves)]
  const k = split(leaves.length)
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)]
  return m <= k
    ? [...subproof(m, left, complete), treeHash(right)]
    : [...subproof(m - k, right, false), treeHash(left)]
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
