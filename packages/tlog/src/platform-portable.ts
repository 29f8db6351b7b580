/**
 * Hashes and Ed25519 where there is no Node: browsers and anything else that runs JavaScript.
 *
 * Chosen by the `#platform` entry of package.json; its twin is platform-node.ts, and both
 * sit the same tests. Synchronous, so WebCrypto is no choice.
 */

import { sha256 as nobleSha256, sha512 as nobleSha512 } from "@noble/hashes/sha2.js"
import nacl from "tweetnacl"

export function sha256(bytes: Uint8Array): Uint8Array {
  return nobleSha256(bytes)
}

export function sha256Into(bytes: Uint8Array, out: Uint8Array, offset: number): void {
  out.set(nobleSha256(bytes), offset)
}

export function sha512(bytes: Uint8Array): Uint8Array {
  return nobleSha512(bytes)
}

export function sha512Into(bytes: Uint8Array, out: Uint8Array, offset: number): void {
  out.set(nobleSha512(bytes), offset)
}

export function ed25519PublicKey(seed: Uint8Array): Uint8Array {
  return keyPair(seed).publicKey
}

export function ed25519Sign(seed: Uint8Array, message: Uint8Array): Uint8Array {
  return nacl.sign.detached(message, keyPair(seed).secretKey)
}

export function ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false
  // tweetnacl reduces S, so without this S + L would be a second signature of the same message.
  if (!isBelowGroupOrder(signature)) return false
  return nacl.sign.detached.verify(message, signature, publicKey)
}

function keyPair(seed: Uint8Array): nacl.SignKeyPair {
  // tweetnacl would throw a plain Error.
  if (seed.length !== 32) throw new RangeError(`seed: expected 32 bytes, got ${seed.length}`)
  return nacl.sign.keyPair.fromSeed(seed)
}

/** L = 2²⁵² + 27742317777372353535851937790883648493, little-endian (RFC 8032, section 5.1). */
const GROUP_ORDER = Uint8Array.of(
  ...[0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14],
  ...[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10],
)

/** Whether S, the last 32 bytes of a signature, little-endian, is below L. */
function isBelowGroupOrder(signature: Uint8Array): boolean {
  for (let i = 31; i >= 0; i--) {
    const s = signature[32 + i] as number
    const l = GROUP_ORDER[i] as number
    if (s !== l) return s < l
  }
  return false
}
