/**
 * Salts, digests and the commitment over them: the arithmetic that records and
 * disclosures share.
 *
 *     salt_i     = SHA-512(seed ‖ uint32be(⌊i/4⌋)) [16·(i mod 4) … +16]
 *     digest_i   = SHA-256(0x02 ‖ salt_i ‖ encoded_i)
 *     commitment = SHA-256(0x03 ‖ shape ‖ digest_0 ‖ … ‖ digest_n)
 *
 * Spec: docs/spec, "Record and commitment" and "Prefixes".
 * Pure.
 */

import { HASH_SIZE, sha256, sha512Into } from "@prooflog/tlog/hash"

/** First byte of what a digest hashes. */
export const DIGEST_PREFIX = 0x02

/** First byte of what a commitment hashes. */
export const COMMITMENT_PREFIX = 0x03

/** First byte of what a shape hashes. */
export const SHAPE_PREFIX = 0x04

/** Bytes in the seed of a record. */
export const SEED_SIZE = 32

/** Bytes in a salt. */
export const SALT_SIZE = 16

/** Bytes that one SHA-512 gives: four salts. */
const BLOCK_SIZE = 64

const saltInput = new Uint8Array(SEED_SIZE + 4)

/**
 * Writes the salts 0 … `count` − 1 of a seed to `out`, one after another.
 *
 * @param bytes - holds the 32-byte seed at `seedOffset`
 * @param out - has room for `count` salts, rounded up to four
 */
export function saltsInto(bytes: Uint8Array, seedOffset: number, count: number, out: Uint8Array): void {
  for (let i = 0; i < SEED_SIZE; i++) saltInput[i] = bytes[seedOffset + i] as number
  // At most 256 salts: the upper three bytes of the block number are 0.
  for (let block = 0; block * 4 < count; block++) {
    saltInput[SEED_SIZE + 3] = block
    sha512Into(saltInput, out, block * BLOCK_SIZE)
  }
}

/** Returns the 32-byte digest of an encoded value under its 16-byte salt. */
export function digestOf(salt: Uint8Array, encoded: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + SALT_SIZE + encoded.length)
  bytes[0] = DIGEST_PREFIX
  bytes.set(salt, 1)
  bytes.set(encoded, 1 + SALT_SIZE)
  return sha256(bytes)
}

/** Returns the 32-byte commitment over a shape and the digests of core and fields, in their order. */
export function commitmentOver(shape: Uint8Array, digests: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(1 + HASH_SIZE * (1 + digests.length))
  bytes[0] = COMMITMENT_PREFIX
  bytes.set(shape, 1)
  for (const [i, digest] of digests.entries()) bytes.set(digest, 1 + HASH_SIZE * (1 + i))
  return sha256(bytes)
}
