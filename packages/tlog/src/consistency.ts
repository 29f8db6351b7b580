/**
 * Consistency proofs: that tree extends this one.
 *
 *     old, 6 leaves   [   a   ][ b ]
 *     new, 7 leaves   [   a   ][ b c ]        proof: b, c, a
 *
 * From the proof both roots can be made, so the new tree begins with the old one.
 *
 * Spec: RFC 9162, sections 2.1.4.1 (proof) and 2.1.4.2 (verification).
 * Pure, but for the reader of tiles that the prover is given.
 */

import { TlogError } from "./error.js"
import { EMPTY_ROOT, equalBytes, HASH_SIZE, nodeHashInto } from "./hash.js"
import { type Side, sidesOfSiblings } from "./siblings.js"
import { isPowerOfTwo, isSize, largestPowerBelow, requireSize } from "./size.js"
import { hashSubtrees, type Subtree, type TileReader } from "./subtree.js"

export type { TileReader } from "./subtree.js"

export interface ConsistencyProof {
  readonly oldSize: number
  /** 32 bytes, from a checkpoint that was believed before. */
  readonly oldRoot: Uint8Array
  readonly newSize: number
  /** 32 bytes, from the checkpoint that is to be believed. */
  readonly newRoot: Uint8Array
  /** 32 bytes each; suspect. */
  readonly proof: readonly Uint8Array[]
}

/**
 * Returns the proof that the tree of `newSize` leaves begins with the tree of `oldSize` leaves.
 * Empty where there is nothing to prove: `oldSize` 0, or equal sizes.
 *
 * @throws `RangeError` unless `oldSize ≤ newSize`
 */
export async function proveConsistency(
  oldSize: number,
  newSize: number,
  readTiles: TileReader,
): Promise<Uint8Array[]> {
  requireSize("oldSize", oldSize)
  requireSize("newSize", newSize)
  if (oldSize > newSize) throw new RangeError(`a tree of ${newSize} leaves cannot extend one of ${oldSize}`)
  if (oldSize === 0 || oldSize === newSize) return []
  const subtrees: Subtree[] = []
  let [start, end] = [0, newSize]
  while (oldSize !== end) {
    const middle = start + largestPowerBelow(end - start)
    if (oldSize <= middle) {
      subtrees.push({ start: middle, end })
      end = middle
    } else {
      subtrees.push({ start, end: middle })
      start = middle
    }
  }
  // The verifier has the old root; only if it is not itself a subtree of the new tree, its last part is sent.
  if (start !== 0) subtrees.push({ start, end })
  return hashSubtrees(subtrees.reverse(), newSize, readTiles)
}

/**
 * Checks that the new tree begins with the old one.
 *
 * Between equal sizes the proof must be empty and the roots equal. From size 0 the proof must be
 * empty and the old root {@link EMPTY_ROOT}; this says nothing about the new tree, as every tree
 * begins with the empty one.
 *
 * @throws {@link TlogError} `TLOG_PROOF_REFUSED` otherwise, with both sizes and roots as evidence
 */
export function checkConsistency({ oldSize, oldRoot, newSize, newRoot, proof }: ConsistencyProof): void {
  const refuse: (why: string) => never = (why) => {
    throw new TlogError("TLOG_PROOF_REFUSED", `consistency of ${oldSize} with ${newSize} leaves: ${why}`, {
      evidence: { oldSize, oldRoot, newSize, newRoot },
    })
  }
  if (!isSize(oldSize) || !isSize(newSize)) refuse("sizes are integers below 2^53")
  if (oldSize > newSize) refuse("the new tree is smaller")
  if ([oldRoot, newRoot, ...proof].some((hash) => hash.length !== HASH_SIZE)) refuse("hashes have 32 bytes")
  if (newSize === 0 && !equalBytes(newRoot, EMPTY_ROOT)) refuse("not the root of the empty tree")
  if (oldSize === 0 || oldSize === newSize) {
    if (proof.length !== 0) refuse("the proof is not empty")
    if (!equalBytes(oldRoot, oldSize === 0 ? EMPTY_ROOT : newRoot)) refuse("the roots differ")
    return
  }
  const sides = sidesFromOldEdge(oldSize, newSize)
  // An old tree that is one perfect subtree of the new one is itself where both roots are made from, and is not sent.
  const [start, ...siblings] = isPowerOfTwo(oldSize) ? [oldRoot, ...proof] : proof
  if (start === undefined || siblings.length !== sides.length) refuse("the proof has another length")
  const oldHash = start.slice()
  const newHash = start.slice()
  for (const [i, sibling] of siblings.entries()) {
    if (sides[i] === "left") {
      nodeHashInto(sibling, 0, oldHash, 0, oldHash, 0)
      nodeHashInto(sibling, 0, newHash, 0, newHash, 0)
    } else {
      nodeHashInto(newHash, 0, sibling, 0, newHash, 0)
    }
  }
  if (!equalBytes(oldHash, oldRoot)) refuse("it leads to another old root")
  if (!equalBytes(newHash, newRoot)) refuse("it leads to another new root")
}

/**
 * The sides of the siblings, in the new tree, of the largest perfect subtree that ends where the old tree ends.
 * Those on the left are in both trees, those on the right in the new one only.
 */
function sidesFromOldEdge(oldSize: number, newSize: number): Side[] {
  let index = oldSize - 1
  let last = newSize - 1
  while (index % 2 === 1) {
    index = (index - 1) / 2
    last = Math.floor(last / 2)
  }
  return sidesOfSiblings(index, last)
}
