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
  const refuse = (why: string): never => {
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
  if (proof.length === 0) refuse("the proof is empty")
  const why = replay(oldSize, oldRoot, newSize, newRoot, isPowerOfTwo(oldSize) ? [oldRoot, ...proof] : proof)
  if (why !== undefined) refuse(why)
}

/** The verification of RFC 9162, 0 < `oldSize` < `newSize`, `path` not empty; answers what is wrong. */
function replay(
  oldSize: number,
  oldRoot: Uint8Array,
  newSize: number,
  newRoot: Uint8Array,
  path: readonly Uint8Array[],
): string | undefined {
  let first = oldSize - 1
  let last = newSize - 1
  while (first % 2 === 1) {
    first = (first - 1) / 2
    last = Math.floor(last / 2)
  }
  const oldHash = (path[0] as Uint8Array).slice()
  const newHash = oldHash.slice()
  for (const hash of path.slice(1)) {
    if (last === 0) return "the proof is too long"
    if (first % 2 === 1 || first === last) {
      nodeHashInto(hash, 0, oldHash, 0, oldHash, 0)
      nodeHashInto(hash, 0, newHash, 0, newHash, 0)
      while (first % 2 === 0 && first !== 0) {
        first /= 2
        last = Math.floor(last / 2)
      }
    } else {
      nodeHashInto(newHash, 0, hash, 0, newHash, 0)
    }
    first = Math.floor(first / 2)
    last = Math.floor(last / 2)
  }
  if (last !== 0) return "the proof is too short"
  if (!equalBytes(oldHash, oldRoot)) return "it leads to another old root"
  if (!equalBytes(newHash, newRoot)) return "it leads to another new root"
  return undefined
}
