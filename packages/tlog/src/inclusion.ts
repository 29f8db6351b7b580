/**
 * Inclusion proofs: this leaf is in that tree.
 *
 *            root                   the proof of leaf 2 in a tree of 7 is
 *          /      \                 the siblings on its way up:
 *        •          ▲               [3], [0, 2), [4, 7)
 *      /   \      /   \
 *     ▲     •    •     •
 *    0 1   2 ▲  4 5    6
 *
 * The root itself is here too: the proof of everything.
 *
 * Spec: RFC 9162, sections 2.1.3.1 (proof) and 2.1.3.2 (verification).
 * Pure, but for the reader of tiles that the prover is given.
 */

import { TlogError } from "./error.js"
import { EMPTY_ROOT, equalBytes, HASH_SIZE, nodeHashInto } from "./hash.js"
import { sidesOfSiblings } from "./siblings.js"
import { isSize, largestPowerBelow, requireSize } from "./size.js"
import { hashSubtrees, type Subtree, type TileReader } from "./subtree.js"

export type { TileReader } from "./subtree.js"

export interface InclusionProof {
  /** 0 … treeSize − 1. */
  readonly leafIndex: number
  /** From a checkpoint that is already believed, never from the proof's sender. */
  readonly treeSize: number
  /** 32 bytes, made from the entry by the one who checks. */
  readonly leafHash: Uint8Array
  /** 32 bytes each, the leaf's sibling first; suspect. */
  readonly path: readonly Uint8Array[]
  /** 32 bytes, from the same checkpoint as `treeSize`. */
  readonly rootHash: Uint8Array
}

/**
 * Returns the path of a leaf: 32 bytes each, the leaf's sibling first. Empty in a tree of one leaf.
 *
 * @throws `RangeError` unless `leafIndex < treeSize`
 */
export async function proveInclusion(
  leafIndex: number,
  treeSize: number,
  readTiles: TileReader,
): Promise<Uint8Array[]> {
  requireSize("treeSize", treeSize)
  requireSize("leafIndex", leafIndex)
  if (leafIndex >= treeSize) throw new RangeError(`no leaf ${leafIndex} in a tree of ${treeSize}`)
  const siblings: Subtree[] = []
  let [start, end] = [0, treeSize]
  while (end - start > 1) {
    const middle = start + largestPowerBelow(end - start)
    if (leafIndex < middle) {
      siblings.push({ start: middle, end })
      end = middle
    } else {
      siblings.push({ start, end: middle })
      start = middle
    }
  }
  return hashSubtrees(siblings.reverse(), treeSize, readTiles)
}

/**
 * Checks that the leaf is in the tree.
 *
 * @throws {@link TlogError} `TLOG_PROOF_REFUSED` if this is not the one path from the leaf to the root
 */
export function checkInclusion({ leafIndex, treeSize, leafHash, path, rootHash }: InclusionProof): void {
  const refuse: (why: string) => never = (why) => {
    throw new TlogError(
      "TLOG_PROOF_REFUSED",
      `inclusion of leaf ${leafIndex} in a tree of ${treeSize}: ${why}`,
      {
        evidence: { leafIndex, treeSize, leafHash, rootHash },
      },
    )
  }
  if (!isSize(treeSize) || !isSize(leafIndex)) refuse("sizes are integers below 2^53")
  if (leafIndex >= treeSize) refuse("no such leaf")
  if (leafHash.length !== HASH_SIZE || path.some((hash) => hash.length !== HASH_SIZE))
    refuse("hashes have 32 bytes")
  const sides = sidesOfSiblings(leafIndex, treeSize - 1)
  if (path.length !== sides.length) refuse("the path has another length")
  const hash = leafHash.slice()
  for (const [i, sibling] of path.entries()) {
    if (sides[i] === "left") nodeHashInto(sibling, 0, hash, 0, hash, 0)
    else nodeHashInto(hash, 0, sibling, 0, hash, 0)
  }
  if (!equalBytes(hash, rootHash)) refuse("it leads to another root")
}

/** Returns the root hash of a tree of `treeSize` leaves, from its tiles; no tile is read for the empty tree. */
export async function rootFromTiles(treeSize: number, readTiles: TileReader): Promise<Uint8Array> {
  requireSize("treeSize", treeSize)
  if (treeSize === 0) return EMPTY_ROOT.slice()
  const [root] = await hashSubtrees([{ start: 0, end: treeSize }], treeSize, readTiles)
  return root as Uint8Array
}
