/**
 * Deterministic CBOR: one value, one encoding.
 *
 *     head       shortest, definite length
 *     integer    ±(2⁵³ − 1); −0 is 0
 *     number     any other finite one, always as float64
 *     text       well-formed UTF-8
 *     map        text keys, ascending by their encoded bytes, none twice
 *     true, false, arrays; byte strings where the schema says
 *     refused    null, undefined, NaN, infinities, tags, other simple values
 *
 * The strict reader walks bytes that may come from anyone, in bounded memory and
 * without recursion, and refuses at the first byte that breaks a rule. The decoder
 * reads only what it passed.
 *
 * All three are ours, and cbor-x is their second opinion in tests. On this path it could
 * not stay: it follows shared references in hostile bytes to any size, and from texts
 * past some length it drops a leading U+FEFF, so that a field would not open its digest.
 *
 * Spec: RFC 8949, section 4.2.1, narrowed as in docs/spec, "Deterministic CBOR".
 * Pure: no I/O.
 */

import { decodeChecked, MAX_ITEM_DEPTH, skipItem } from "./cbor-reader.js"
import { sharedWriter } from "./cbor-writer.js"
import { EventError } from "./error.js"

/** A value of the profile. Objects are read as own, enumerable, text-keyed members. */
export type CborValue =
  | string
  | number
  | boolean
  | Uint8Array
  | readonly CborValue[]
  | { readonly [key: string]: CborValue }

/**
 * Returns the one encoding of a value.
 *
 * @throws {@link EventError} `EVENT_NOT_ENCODABLE` for what the profile refuses,
 * `EVENT_TOO_LARGE` past 65,535 bytes
 */
export function encodeCbor(value: CborValue): Uint8Array {
  const writer = sharedWriter()
  writer.writeValue(value, MAX_ITEM_DEPTH, true)
  return writer.take()
}

export interface CborRules {
  /** Deepest item allowed, 0 … 8. 8 if absent. */
  readonly maxDepth?: number
  /** Whether byte strings are allowed. True if absent. */
  readonly byteStrings?: boolean
}

/**
 * Checks that suspect bytes are exactly one item of the profile.
 *
 * @throws {@link EventError} `EVENT_MALFORMED_CBOR`, naming the byte
 */
export function checkCbor(bytes: Uint8Array, rules: CborRules = {}): void {
  const { maxDepth = MAX_ITEM_DEPTH, byteStrings = true } = rules
  if (!(maxDepth >= 0 && maxDepth <= MAX_ITEM_DEPTH)) {
    throw new RangeError(`maxDepth: expected 0 to ${MAX_ITEM_DEPTH}, got ${maxDepth}`)
  }
  const end = skipItem(bytes, 0, bytes.length, maxDepth, byteStrings)
  if (end !== bytes.length) {
    throw new EventError("EVENT_MALFORMED_CBOR", `not CBOR of this log: bytes after the end, at byte ${end}`)
  }
}

/**
 * Returns the value of suspect bytes, once the strict reader has passed them.
 *
 * Maps become plain objects; byte strings become copies.
 *
 * @throws {@link EventError} `EVENT_MALFORMED_CBOR`
 */
export function decodeCbor(bytes: Uint8Array, rules: CborRules = {}): CborValue {
  checkCbor(bytes, rules)
  return decodeChecked(bytes)
}
