/**
 * Hashes and Ed25519 by node:crypto. The only file of this package that may import from Node.
 *
 * Chosen by the `#platform` entry of package.json; its twin is platform-portable.ts.
 */

import { createPrivateKey, createPublicKey, hash, type KeyObject, sign, verify } from "node:crypto"

// A one-shot hash with a string result ("binary" is the typed name of latin1), written with one native call, measured 0.36 µs per node hash;
// the same with a Buffer result took 0.68 µs, most of it the Buffer.
const latin1Write = (
  Buffer.prototype as unknown as {
    latin1Write(this: Uint8Array, text: string, offset: number, length: number): number
  }
).latin1Write

function writeHash(text: string, out: Uint8Array, offset: number, length: number): void {
  // The native call would write as much as fits and say nothing.
  if (!(offset >= 0 && offset + length <= out.length)) {
    throw new RangeError(`no room for ${length} bytes at ${offset} in ${out.length}`)
  }
  latin1Write.call(out, text, offset, length)
}

export function sha256(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(32)
  sha256Into(bytes, out, 0)
  return out
}

export function sha256Into(bytes: Uint8Array, out: Uint8Array, offset: number): void {
  writeHash(hash("sha256", bytes, "binary"), out, offset, 32)
}

export function sha512(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(64)
  sha512Into(bytes, out, 0)
  return out
}

export function sha512Into(bytes: Uint8Array, out: Uint8Array, offset: number): void {
  writeHash(hash("sha512", bytes, "binary"), out, offset, 64)
}

export function ed25519PublicKey(seed: Uint8Array): Uint8Array {
  const spki = createPublicKey(privateKey(seed)).export({ format: "der", type: "spki" })
  return new Uint8Array(spki.subarray(SPKI_PREFIX.length))
}

export function ed25519Sign(seed: Uint8Array, message: Uint8Array): Uint8Array {
  return new Uint8Array(sign(null, message, privateKey(seed)))
}

export function ed25519Verify(
  publicKeyBytes: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (publicKeyBytes.length !== 32 || signature.length !== 64) return false
  return verify(null, message, publicKey(publicKeyBytes), signature)
}

/** DER that stands before 32 raw bytes (RFC 8410). */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex")
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex")

/** Making a KeyObject costs more than a verification; a process knows few keys. */
const MAX_CACHED = 256
const publicKeys = new Map<string, KeyObject>()
const privateKeys = new Map<string, KeyObject>()

function publicKey(bytes: Uint8Array): KeyObject {
  return cached(publicKeys, bytes, () =>
    createPublicKey({ key: Buffer.concat([SPKI_PREFIX, bytes]), format: "der", type: "spki" }),
  )
}

function privateKey(seed: Uint8Array): KeyObject {
  if (seed.length !== 32) throw new RangeError(`seed: expected 32 bytes, got ${seed.length}`)
  return cached(privateKeys, seed, () =>
    createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: "der", type: "pkcs8" }),
  )
}

function cached(keys: Map<string, KeyObject>, bytes: Uint8Array, make: () => KeyObject): KeyObject {
  // By content, not by identity: the caller may reuse its array.
  const id = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1")
  let key = keys.get(id)
  if (key === undefined) {
    key = make()
    if (keys.size >= MAX_CACHED) keys.clear()
    keys.set(id, key)
  }
  return key
}
