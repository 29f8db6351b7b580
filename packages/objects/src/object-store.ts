/**
 * The port to where whole objects are kept: segments of records, and what describes them.
 *
 *     put ──► [ key: bytes ] ──► get, size, list ──► destroy: every version of it
 *
 * An object is put once and never changes. What a store answers is suspect: it is believed by whoever holds it against
 * the digest that was written down when the object was put.
 *
 * A store is trusted to keep what it acknowledged, and with the secrecy of what it keeps.
 */

import { createHash } from "node:crypto"
import { ObjectsError } from "./error.js"

/** What is known of the bytes of an object by the one who put it. */
export interface ObjectDigest {
  /** A safe integer ≥ 0. */
  readonly bytes: number
  /** SHA-256 of the whole, 32 bytes. */
  readonly sha256: Uint8Array
}

/**
 * What a bucket charges for keeping and for reading. Only classes that are read at once: from the others a record
 * could not be proven on demand. A folder has no classes.
 */
export type StorageClass = "STANDARD" | "STANDARD_IA" | "ONEZONE_IA" | "INTELLIGENT_TIERING" | "GLACIER_IR"

export interface NewObject extends ObjectDigest {
  /** The store's own if absent. */
  readonly storageClass?: StorageClass
}

export interface ListedObject {
  readonly key: string
  readonly bytes: number
}

/**
 * Keys are paths: parts of `[a-z0-9_.=-]`, joined by `/`, none of them empty or beginning with a dot, no `..`, at most
 * {@link MAX_KEY_LENGTH} characters. What is kept for the same time should share a prefix, so that the rules of a bucket
 * (`segments/routine/…`) can speak of it. No key goes on where another ends: a folder cannot hold both `a` and `a/b`.
 *
 * Every method throws `ObjectsError`: besides the codes named below `OBJECTS_ACCESS_DENIED`, `OBJECTS_BAD_CREDENTIALS`,
 * `OBJECTS_NO_BUCKET`, `OBJECTS_UNAVAILABLE`, `OBJECTS_UNSAFE_PATH` or `OBJECTS_FAILED`; and a `RangeError` for what is
 * no key.
 */
export interface ObjectStore {
  /**
   * Puts an object. When it resolves, the object would survive a power cut. Until then nobody sees it; if it rejects,
   * or the process dies, either nobody ever sees it or it is there whole. What was written of it and is not seen goes
   * away by itself, and with {@link destroy}.
   *
   * An object that is there already, with these bytes, is put again by doing nothing. Of two who put other bytes under
   * one key at the same time, one is refused.
   *
   * Never holds more of it in memory than a part of an upload.
   *
   * @param source - read at most once, to its end or to the first error, which is passed on as it is
   * @throws ObjectsError `OBJECTS_EXISTS` if other bytes stand there; `OBJECTS_DAMAGED` if the source gives others than
   * `object` says; `OBJECTS_NO_ROOM`
   */
  put(key: string, source: AsyncIterable<Uint8Array> | Uint8Array, object: NewObject): Promise<void>

  /**
   * Answers the bytes of an object, in chunks of any size. Rejects at the first read if there is none.
   *
   * What was read is suspect until the iteration has ended without an error: only then was its length, and its hash as
   * far as it is known, held against what was put. Whoever knows the digest gives it.
   *
   * @throws ObjectsError `OBJECTS_NOT_FOUND`; `OBJECTS_DAMAGED` if the bytes are others; `OBJECTS_COLD`
   */
  get(key: string, expected?: ObjectDigest): AsyncIterable<Uint8Array>

  /** Returns the bytes that an object has, `undefined` if there is none. */
  size(key: string): Promise<number | undefined>

  /**
   * Lists the objects whose keys begin with `prefix`, in the order of their keys. What was not put by such a store,
   * and has no key, is passed over.
   *
   * @param prefix - `""`, or the beginning of a key; it may end anywhere, as `segments/routine/2026-`
   */
  list(prefix: string): AsyncIterable<ListedObject>

  /**
   * Destroys an object: every version of it, what marks them as deleted, and what was begun and never finished. Exactly
   * this key, no other that begins with it. Resolves when none is left. If it rejects, ask again.
   *
   * @returns how many versions with bytes there were; 0 if there was no such object
   * @throws ObjectsError `OBJECTS_LOCKED` if a version must still be kept, and then none was destroyed
   */
  destroy(key: string): Promise<number>
}

/** Leaves room for the prefix of a store in the 1,024 bytes that S3 gives to a key. */
export const MAX_KEY_LENGTH = 800

const PART = /^[a-z0-9_=-][a-z0-9_.=-]*$/

/** File systems give a name no more. */
const MAX_PART_LENGTH = 255

/** Whether this can name an object: see {@link ObjectStore}. */
export function isKey(key: string): boolean {
  if (key.length > MAX_KEY_LENGTH || key.includes("..")) return false
  return key.split("/").every((part) => PART.test(part) && part.length <= MAX_PART_LENGTH)
}

/** @throws `RangeError` if it cannot name an object */
export function requireKey(key: string): void {
  if (!isKey(key)) throw new RangeError(`expected a key of an object, got ${JSON.stringify(key)}`)
}

/** @throws `RangeError` if no key can begin so */
export function requirePrefix(prefix: string): void {
  if (prefix === "" || isKey(prefix) || isKey(`${prefix}x`)) return
  throw new RangeError(`expected the beginning of a key, got ${JSON.stringify(prefix)}`)
}

/** @throws `RangeError` unless it is a digest */
export function requireDigest({ bytes, sha256 }: ObjectDigest): void {
  if (Number.isSafeInteger(bytes) && bytes >= 0 && sha256.length === 32) return
  throw new RangeError(`expected a number of bytes and 32 bytes of hash, got ${bytes} and ${sha256.length}`)
}

/**
 * Passes the bytes of a source on, and ends with an error if they were others than expected.
 *
 * @param expected - without a hash, only the length is looked at
 * @throws ObjectsError `OBJECTS_DAMAGED`, before it passes on more bytes than expected or after the last one
 */
export async function* checked(
  key: string,
  source: AsyncIterable<Uint8Array> | Uint8Array,
  expected: { readonly bytes: number; readonly sha256?: Uint8Array | undefined },
): AsyncGenerator<Uint8Array, void, undefined> {
  const { bytes, sha256 } = expected
  const hash = createHash("sha256")
  let seen = 0
  for await (const chunk of source instanceof Uint8Array ? [source] : source) {
    seen += chunk.length
    if (seen > bytes) throw damaged(key, `there are more than the ${bytes} bytes that it should have`)
    hash.update(chunk)
    yield chunk
  }
  if (seen < bytes) throw damaged(key, `it ends after ${seen} of ${bytes} bytes`)
  if (sha256 !== undefined && !hash.digest().equals(sha256)) {
    throw damaged(key, "its bytes have another SHA-256 than they should have")
  }
}

function damaged(key: string, problem: string): ObjectsError {
  return new ObjectsError("OBJECTS_DAMAGED", problem, { key })
}

/** Whether an object that is found is the one that was to be put. */
export function isSame(found: ObjectDigest, put: ObjectDigest): boolean {
  return found.bytes === put.bytes && Buffer.from(found.sha256).equals(put.sha256)
}

/** What is thrown where other bytes stand under a key. */
export function existsAlready(key: string): ObjectsError {
  return new ObjectsError("OBJECTS_EXISTS", "there is an object with other bytes", { key })
}
