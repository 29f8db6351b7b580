/**
 * A second opinion on tiles, by code that is not ours.
 *
 * merkletreejs promotes the lonely last node of an odd level, which is RFC 6962's shape; with leaves hashed
 * already and a node hash that puts 0x01 in front, its root of the hashes of a tile must be the hash
 * that stands for that tile in the row above. It costs 3–8 µs a leaf, so it is asked for, not always there.
 *
 * Pure but for the native SHA-256.
 */

import { createHash } from "node:crypto"
import { MerkleTree } from "merkletreejs"

const HASH_BYTES = 32
const NODE_PREFIX = Buffer.of(0x01)

/**
 * Returns the root that merkletreejs finds over a row of hashes.
 *
 * @param hashes - n × 32 bytes, n ≥ 1, left to right
 * @returns 32 bytes
 */
export function secondRoot(hashes: Uint8Array): Uint8Array {
  const leaves: Buffer[] = []
  for (let at = 0; at < hashes.length; at += HASH_BYTES)
    leaves.push(Buffer.from(hashes.subarray(at, at + HASH_BYTES)))
  return new MerkleTree(leaves, hashNode).getRoot()
}

/** @param pair - left ‖ right */
function hashNode(pair: Buffer): Buffer {
  return createHash("sha256").update(NODE_PREFIX).update(pair).digest()
}
