/**
 * Two heads that cannot both be of one log.
 *
 *     smaller    m leaves, root A      [  a  ][ b ]
 *     larger     n leaves, root N      [  a' ][ b' c' ]      hashes: b', c', a'
 *
 * Of one size they contradict each other by their roots alone. Otherwise `hashes` is the consistency proof that the
 * larger tree really has: from it follow root N and the root of the first m leaves *of that tree*. If that is not A,
 * no list of hashes can ever join the two, for the place of each hash under N is fixed by m and n, and finding
 * another one for the same place is a collision of SHA-256.
 *
 * Where m is a power of two an honest proof leaves the first hash out, for it would be A. Here it is what differs.
 *
 * Spec: docs/spec/accusation.md; RFC 9162 section 2.1.4.2.
 * Pure: no I/O, no clock, no randomness.
 */

import type { Checkpoint } from "@prooflog/tlog/checkpoint"
import { checkConsistency } from "@prooflog/tlog/consistency"
import { TlogError } from "@prooflog/tlog/error"
import { equalBytes, nodeHash } from "@prooflog/tlog/hash"
import { VerifierError } from "./error.js"

/**
 * Checks that two heads contradict each other.
 *
 * @param hashes - 32 bytes each, suspect; none where the sizes are equal
 * @throws {@link VerifierError} `VERIFIER_ACCUSATION_REFUSED`
 */
export function checkConflict(smaller: Checkpoint, larger: Checkpoint, hashes: readonly Uint8Array[]): void {
  const { treeSize: oldSize, rootHash: oldRoot } = smaller
  const { treeSize: newSize, rootHash: newRoot } = larger
  if (smaller.origin !== larger.origin) throw doesNotConvict("its heads are of two logs")
  if (oldSize > newSize) throw doesNotConvict("the head of the smaller tree does not come first")
  if (oldSize === newSize) {
    if (equalBytes(oldRoot, newRoot)) throw doesNotConvict("both heads have the same root")
    if (hashes.length > 0) throw doesNotConvict("between equal sizes there is nothing to be hashed")
    return
  }
  if (oldSize === 0) throw doesNotConvict("every tree begins with the empty one")
  const impliedRoot = firstLeavesOf(oldSize, newSize, hashes)
  // This decides: both the root found here and the signed one must follow from the hashes.
  try {
    const proof = isPerfect(oldSize) ? hashes.slice(1) : hashes
    checkConsistency({ oldSize, oldRoot: impliedRoot, newSize, newRoot, proof })
  } catch (cause) {
    if (!(cause instanceof TlogError)) throw cause
    throw doesNotConvict("its hashes do not make the root of the larger tree", cause)
  }
  if (equalBytes(impliedRoot, oldRoot)) throw doesNotConvict("the larger tree begins with the smaller one")
}

/** Whether a tree of so many leaves, 1 or more, is one perfect subtree of every larger one. */
export function isPerfect(size: number): boolean {
  let rest = size
  while (rest % 2 === 0) rest /= 2
  return rest === 1
}

/** Returns the root that a consistency proof gives the first `oldSize` leaves, from its first hash and those on the left. */
function firstLeavesOf(oldSize: number, newSize: number, hashes: readonly Uint8Array[]): Uint8Array {
  const [first, ...siblings] = hashes
  if (first === undefined) throw doesNotConvict("it shows no hashes of the larger tree")
  let root = first
  let next = 0
  // No bit operators: sizes outgrow 32 bits.
  let [at, last] = [oldSize - 1, newSize - 1]
  while (at % 2 === 1) [at, last] = [(at - 1) / 2, Math.floor(last / 2)]
  for (; last > 0; at = Math.floor(at / 2), last = Math.floor(last / 2)) {
    const isLeft = at % 2 === 1
    if (!isLeft && at === last) continue
    const sibling = siblings[next++]
    if (sibling === undefined) throw doesNotConvict("it shows too few hashes of the larger tree")
    if (isLeft) root = nodeHash(sibling, root)
  }
  return root
}

/** Returns the refusal of an accusation. */
export function doesNotConvict(why: string, cause?: unknown): VerifierError {
  const details = cause === undefined ? {} : { cause }
  return new VerifierError("VERIFIER_ACCUSATION_REFUSED", `the accusation does not convict: ${why}`, details)
}
