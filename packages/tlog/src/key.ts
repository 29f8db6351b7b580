/**
 * Verifier and signer keys: who may sign notes, as one line of text.
 *
 *     example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k
 *     name            key ID   base64(type ‖ public key)
 *
 *     PRIVATE+KEY+name+key ID+base64(type ‖ seed)
 *
 * The key ID is the first four bytes of SHA-256(name ‖ "\n" ‖ type ‖ public key). Name and key ID
 * together say which key a signature claims to be by.
 *
 * Spec: c2sp.org/signed-note, "Verifier keys" and "Signature types". The signer key's text is that of
 * Go's golang.org/x/mod/sumdb/note.
 * Pure: no I/O, no clock, no randomness.
 */

import { ed25519PublicKey } from "#platform"
import { decodeBase64, decodeHex, encodeBase64 } from "./base64.js"
import { TlogError } from "./error.js"
import { sha256 } from "./hash.js"
import { encodeText, hasControl, hasLoneSurrogate } from "./text.js"

/** Ed25519 over the note's text: how a log signs. */
export const ED25519 = 0x01

/** Ed25519 over time and text: how a witness cosigns. */
export const ED25519_COSIGNATURE = 0x04

/** ECDSA over the text: seen in other logs. Its key ID hashes the key alone, without the name. */
export const ECDSA = 0x02

/** RFC 6962 tree heads: seen in other logs. Its key ID hashes the log ID instead of the key. */
export const RFC6962_TREE_HEAD = 0x05

/** ML-DSA-44 over time and subtree: other witnesses cosign so. */
export const ML_DSA_44_COSIGNATURE = 0x06

/** A key whose signatures can be checked here. */
export interface VerifierKey {
  /** Not empty, without white space and "+". */
  readonly name: string
  /** Four bytes as an unsigned integer. */
  readonly keyId: number
  readonly type: typeof ED25519 | typeof ED25519_COSIGNATURE
  /** 32 bytes. */
  readonly publicKey: Uint8Array
}

/** A key of a type that is not known here: it can be listed, but nothing verifies by it. */
export interface OpaqueKey {
  readonly name: string
  readonly keyId: number
  /** Neither 0x01 nor 0x04. */
  readonly type: number
  /** In the form of its type, at least one byte. */
  readonly publicKey: Uint8Array
}

/** A secret. Whoever has it can sign as `name`. */
export interface SignerKey {
  readonly name: string
  readonly keyId: number
  readonly type: typeof ED25519 | typeof ED25519_COSIGNATURE
  /** 32 secret bytes (RFC 8032's private key). */
  readonly seed: Uint8Array
}

/** Whether signatures by this key can be checked here. */
export function isVerifierKey(key: VerifierKey | OpaqueKey): key is VerifierKey {
  return key.type === ED25519 || key.type === ED25519_COSIGNATURE
}

/**
 * Parses a key that signatures can be checked with.
 *
 * @throws {@link TlogError} `TLOG_MALFORMED_KEY` for anything but the one spelling of a key of
 * type 0x01 or 0x04 with its own key ID
 */
export function parseVerifierKey(text: string): VerifierKey {
  const key = parseAnyKey(text)
  if (isVerifierKey(key)) return key
  throw malformed(`keys of type ${key.type} cannot be checked here`)
}

/**
 * Parses a key of any type. Its key ID must be the one that the specification recommends, or
 * fixes, so that a damaged key is not taken for a key of some future type.
 *
 * @throws {@link TlogError} `TLOG_MALFORMED_KEY`
 */
export function parseAnyKey(text: string): VerifierKey | OpaqueKey {
  const { name, keyId, type, bytes } = parseParts(text)
  const length = KEY_LENGTHS.get(type)
  if (length !== undefined && bytes.length !== length)
    throw malformed(`expected ${length} bytes, got ${bytes.length}`)
  if (bytes.length === 0) throw malformed("no public key")
  if (keyIdOf(name, type, bytes) !== keyId) throw malformed("the key ID is not its own")
  return { name, keyId, type, publicKey: bytes }
}

/** Returns the key as text, the one spelling that {@link parseAnyKey} accepts. */
export function formatVerifierKey({ name, keyId, type, publicKey }: VerifierKey | OpaqueKey): string {
  return `${name}+${formatKeyId(keyId)}+${encodeBase64(typed(type, publicKey))}`
}

/**
 * Parses a signer key.
 *
 * @param text - without a final line feed
 * @throws {@link TlogError} `TLOG_MALFORMED_KEY`, with nothing of the secret in its message
 */
export function parseSignerKey(text: string): SignerKey {
  if (!text.startsWith(SIGNER_PREFIX)) throw malformed("a signer key begins with PRIVATE+KEY+")
  const { name, keyId, type, bytes } = parseParts(text.slice(SIGNER_PREFIX.length))
  if ((type !== ED25519 && type !== ED25519_COSIGNATURE) || bytes.length !== 32) {
    throw malformed("expected 32 bytes of type 1 or 4")
  }
  const key = createSignerKey(name, bytes, type)
  if (key.keyId !== keyId) throw malformed("the key ID is not its own")
  return key
}

/** Returns the secret as text. */
export function formatSignerKey({ name, keyId, type, seed }: SignerKey): string {
  return `${SIGNER_PREFIX}${name}+${formatKeyId(keyId)}+${encodeBase64(typed(type, seed))}`
}

const SIGNER_PREFIX = "PRIVATE+KEY+"

/**
 * Makes a signer key out of a name and 32 bytes of randomness. One seed must not serve two types or two names.
 *
 * @throws `RangeError` if the name cannot stand in a note, or the seed has not 32 bytes
 */
export function createSignerKey(name: string, seed: Uint8Array, type: SignerKey["type"]): SignerKey {
  if (!isKeyName(name)) throw new RangeError(`not a key name: ${JSON.stringify(name)}`)
  return { name, keyId: keyIdOf(name, type, ed25519PublicKey(seed)), type, seed: seed.slice() }
}

/** Returns the public half. */
export function verifierKeyOf({ name, keyId, type, seed }: SignerKey): VerifierKey {
  return { name, keyId, type, publicKey: ed25519PublicKey(seed) }
}

/** Whether `name` can name a key: not empty, well-formed, without white space, control characters and "+". */
export function isKeyName(name: string): boolean {
  return name !== "" && !NOT_IN_NAMES.test(name) && !hasControl(name) && !hasLoneSurrogate(name)
}

/** Unicode's White_Space, written out because `\s` is another set (it has U+FEFF and lacks U+0085), and "+". */
const NOT_IN_NAMES = /[\u0009-\u000d \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000+]/

/** Bytes in a public key, for the types that fix it. */
const KEY_LENGTHS: ReadonlyMap<number, number> = new Map([
  [ED25519, 32],
  [ED25519_COSIGNATURE, 32],
  [ML_DSA_44_COSIGNATURE, 1312],
])

function typed(type: number, bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(1 + bytes.length)
  out[0] = type
  out.set(bytes, 1)
  return out
}

function keyIdOf(name: string, type: number, publicKey: Uint8Array): number {
  if (type === ECDSA) return firstFour(sha256(publicKey))
  const hashed = type === RFC6962_TREE_HEAD ? sha256(publicKey) : publicKey
  const prefix = encodeText(`${name}\n`)
  const bytes = new Uint8Array(prefix.length + 1 + hashed.length)
  bytes.set(prefix)
  bytes.set(typed(type, hashed), prefix.length)
  return firstFour(sha256(bytes))
}

function firstFour(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
}

function formatKeyId(keyId: number): string {
  return keyId.toString(16).padStart(8, "0")
}

/** Splits at the first two "+": base64 has more of them. */
function parseParts(text: string): { name: string; keyId: number; type: number; bytes: Uint8Array } {
  const first = text.indexOf("+")
  const second = text.indexOf("+", first + 1)
  if (first < 0 || second < 0) throw malformed("expected name+keyID+base64")
  const name = text.slice(0, first)
  const keyId = second - first === 9 ? decodeHex(text.slice(first + 1, second)) : undefined
  const key = decodeBase64(text.slice(second + 1))
  if (!isKeyName(name)) throw malformed("not a name")
  if (keyId === undefined) throw malformed("a key ID is 8 lower-case hex digits")
  const type = key?.[0]
  if (key === undefined || type === undefined) throw malformed("not canonical base64")
  return { name, keyId: firstFour(keyId), type, bytes: key.slice(1) }
}

function malformed(why: string): TlogError {
  return new TlogError("TLOG_MALFORMED_KEY", `malformed key: ${why}`)
}
