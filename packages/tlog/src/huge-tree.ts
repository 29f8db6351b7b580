/**
 * Trees of up to 2⁵³ − 1 leaves, by RFC 6962's recursion. Test-only: an oracle like reference.ts, for sizes nobody can hold.
 *
 * All leaves are alike but one, so every perfect subtree has one of two hashes for its height. Counts in BigInt, so that
 * nothing here can round.
 */

import { leaf, node } from "./reference.js"
import type { TileReader } from "./subtree.js"
import { TileTree } from "./tile-tree.js"

/** The tree whose `place`-th leaf is unlike all others. Both proofs are lists of 32-byte hashes, as RFC 6962 orders them. */
export function hugeTree(place: number) {
  const odd = BigInt(place)
  const alike: Uint8Array[] = []
  const unlike: Uint8Array[] = []

  /** MTH of the `index`-th 2^height leaves. */
  function perfect(height: number, index: bigint): Uint8Array {
    const isOdd = odd >> BigInt(height) === index
    const known = isOdd ? unlike : alike
    const found = known[height] ?? (height === 0 ? leaf(Uint8Array.of(isOdd ? 2 : 1)) : parent(height, index))
    known[height] = found
    return found
  }

  function parent(height: number, index: bigint): Uint8Array {
    return node(perfect(height - 1, index * 2n), perfect(height - 1, index * 2n + 1n))
  }

  /** MTH(D[start:start + n]), `start` a multiple of the least power of two ≥ n. */
  function hashOf(start: bigint, n: bigint): Uint8Array {
    const [k, height] = split(n)
    if (n === 2n * k || n === 1n) return perfect(n === 1n ? 0 : height + 1, start / n)
    return node(hashOf(start, k), hashOf(start + k, n - k))
  }

  function path(m: bigint, n: bigint, start: bigint): Uint8Array[] {
    if (n === 1n) return []
    const [k] = split(n)
    return m < k
      ? [...path(m, k, start), hashOf(start + k, n - k)]
      : [...path(m - k, n - k, start + k), hashOf(start, k)]
  }

  function subproof(m: bigint, n: bigint, start: bigint, complete: boolean): Uint8Array[] {
    if (m === n) return complete ? [] : [hashOf(start, n)]
    const [k] = split(n)
    return m <= k
      ? [...subproof(m, k, start, complete), hashOf(start + k, n - k)]
      : [...subproof(m - k, n - k, start + k, false), hashOf(start, k)]
  }

  const readTiles: TileReader = async (tiles) =>
    tiles.map(({ level, index, width }) => {
      const first = BigInt(index) * 256n
      const hashes = Array.from({ length: width }, (_, i) => perfect(level * 8, first + BigInt(i)))
      return new TileTree(new Uint8Array(Buffer.concat(hashes)))
    })

  return {
    readTiles,
    leafAt: (leafIndex: number) => perfect(0, BigInt(leafIndex)),
    root: (n: number) => hashOf(0n, BigInt(n)),
    path: (m: number, n: number) => path(BigInt(m), BigInt(n), 0n),
    proof: (m: number, n: number) => subproof(BigInt(m), BigInt(n), 0n, true),
  }
}

/** The largest power of two smaller than n, and its exponent; [1, 0] for n = 1. */
function split(n: bigint): [k: bigint, height: number] {
  let [k, height] = [1n, 0]
  for (; k * 2n < n; k *= 2n) height++
  return [k, height]
}
