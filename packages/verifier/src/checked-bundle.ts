/**
 * Entries under the hashes of their tile.
 *
 *     tile     [ h0  h1  h2  … ]      checked before, from the signed root down
 *     bundle   [ e0  e1  e2  … ]      hash of entry i = hash i
 *
 * Spec: c2sp.org/tlog-tiles, "Log Entries".
 * Pure: no I/O, no clock.
 */

import { bundlePath, cutBundle, packedCount, packedLeafHashes } from "@prooflog/tlog/bundle"
import { equalBytes, HASH_SIZE } from "@prooflog/tlog/hash"
import { TILE_WIDTH } from "@prooflog/tlog/tile"
import { refusalBy, VerifierError } from "./error.js"

/** A bundle as it was read, and the tile that it must match. */
export interface ReadBundle {
  readonly index: number
  /** Entries it must hold: 1 … 256. */
  readonly width: number
  /** Packed entries; suspect. */
  readonly bundle: Uint8Array
  /** `width` × 32 bytes, checked. */
  readonly hashes: Uint8Array
}

/**
 * Checks that the entries of a bundle are the ones that were signed.
 *
 * @param skip - entries at its beginning that the caller does not read: they are counted, not hashed
 * @returns the offset in `bundle` of the first entry that was not skipped
 * @throws {@link VerifierError} `VERIFIER_BUNDLE_REFUSED`, with the leaf where one can be named
 */
export function checkBundle({ index, width, bundle, hashes }: ReadBundle, skip = 0): number {
  const path = bundlePath(index, width)
  const start = startOfEntry(path, bundle, width, skip)
  const computed = packedLeafHashes(start === 0 ? bundle : bundle.subarray(start))
  const expected = skip === 0 ? hashes : hashes.subarray(skip * HASH_SIZE)
  if (equalBytes(computed, expected)) return start
  let i = 0
  while (equalBytes(hashAt(computed, i), hashAt(expected, i))) i++
  const leafIndex = index * TILE_WIDTH + skip + i
  const message = `leaf ${leafIndex}: its entry in ${path} is not the one that was signed`
  throw new VerifierError("VERIFIER_BUNDLE_REFUSED", message, { path, leafIndex })
}

function startOfEntry(path: string, bundle: Uint8Array, width: number, skip: number): number {
  try {
    const count = packedCount(bundle)
    if (count === width) return skip === 0 ? 0 : cutBundle(bundle, skip).length
    const message = `${path} holds ${count} entries, not ${width}`
    throw new VerifierError("VERIFIER_BUNDLE_REFUSED", message, { path })
  } catch (cause) {
    throw refusalBy(cause, "VERIFIER_BUNDLE_REFUSED", path, { path })
  }
}

function hashAt(hashes: Uint8Array, i: number): Uint8Array {
  return hashes.subarray(i * HASH_SIZE, (i + 1) * HASH_SIZE)
}
