/**
 * The hashes of the tree.
 *
 *     leaf   SHA-256(0x00 ‖ entry)
 *     node   SHA-256(0x01 ‖ left ‖ right)
 *     empty  SHA-256("")
 *
 * The prefix keeps a leaf from being passed off as a node.
 *
 * Spec: RFC 6962, section 2.1 (the same tree as RFC 9162, section 2.1.1).
 * Pure: no I/O, no clock, no randomness. Scratch buffers are reused between calls.
 */

import { sha256, sha256Into } from "#platform"

export { sha256, sha256Into, sha512, sha512Into } from "#platform"

/** Bytes in a hash. */
export const HASH_SIZE = 32

/** Root hash of the tree without leaves. Not to be written to. */
export const EMPTY_ROOT: Uint8Array = sha256(new Uint8Array(0))

/** Entries of at most this size are hashed through a reused buffer, without a new array. */
const MAX_REUSED = 2048

/** Below this, copying byte by byte is quicker than making a view to copy from. */
const SHORT = 128

const leafScratch = new Uint8Array(1 + MAX_REUSED)
/** `leafScratch` cut to each length, made when first used: a view costs more than the copy. */
const leafViews: (Uint8Array | undefined)[] = new Array(1 + MAX_REUSED)

const nodeScratch = new Uint8Array(1 + 2 * HASH_SIZE)
nodeScratch[0] = 0x01

/** Returns the 32-byte leaf hash of an entry. The empty entry is a legal leaf. */
export function leafHash(entry: Uint8Array): Uint8Array {
  const out = new Uint8Array(HASH_SIZE)
  leafHashInto(entry, out, 0)
  return out
}

/** Writes the leaf hash of `entry` to `out[offset … offset + 32)`; `out` may be `entry`'s own buffer. */
export function leafHashInto(entry: Uint8Array, out: Uint8Array, offset: number): void {
  leafHashOfRange(entry, 0, entry.length, out, offset)
}

/**
 * The same for the entry that lies in `bytes[start … end)`, without a view of it.
 *
 * @throws `RangeError` if `bytes` does not reach so far
 */
export function leafHashOfRange(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  offset: number,
): void {
  // Unchecked, what an earlier entry left in the scratch would be hashed as the rest of this one.
  if (!(start >= 0 && start <= end && end <= bytes.length)) {
    throw new RangeError(`no entry at [${start}, ${end}) in ${bytes.length} bytes`)
  }
  const length = end - start
  if (length > MAX_REUSED) {
    const prefixed = new Uint8Array(1 + length)
    prefixed.set(bytes.subarray(start, end), 1)
    sha256Into(prefixed, out, offset)
    return
  }
  if (length < SHORT) for (let i = 0; i < length; i++) leafScratch[1 + i] = bytes[start + i] as number
  else leafScratch.set(bytes.subarray(start, end), 1)
  let view = leafViews[length]
  if (view === undefined) {
    view = leafScratch.subarray(0, 1 + length)
    leafViews[length] = view
  }
  sha256Into(view, out, offset)
}

/** Returns the 32-byte hash of a node over its children, 32 bytes each. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  if (left.length !== HASH_SIZE || right.length !== HASH_SIZE) {
    throw new RangeError(`nodeHash: expected two hashes of 32 bytes, got ${left.length} and ${right.length}`)
  }
  const out = new Uint8Array(HASH_SIZE)
  nodeHashInto(left, 0, right, 0, out, 0)
  return out
}

/**
 * Writes the hash of a node to `out[outOffset … outOffset + 32)`.
 *
 * The children are read before anything is written, so all three may be one buffer.
 * Offsets are not checked: they are the caller's.
 */
export function nodeHashInto(
  left: Uint8Array,
  leftOffset: number,
  right: Uint8Array,
  rightOffset: number,
  out: Uint8Array,
  outOffset: number,
): void {
  for (let i = 0; i < HASH_SIZE; i++) {
    nodeScratch[1 + i] = left[leftOffset + i] as number
    nodeScratch[33 + i] = right[rightOffset + i] as number
  }
  sha256Into(nodeScratch, out, outOffset)
}

/** Whether two byte strings are the same. Not constant in time: hashes and roots are no secrets. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
