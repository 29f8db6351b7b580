/**
 * The leaf hashes of a whole bundle, without garbage.
 *
 * An audit hashes every entry of a log. `leafHashInto` of tlog takes an entry of its own; here entries lie
 * packed in a bundle, and a view of each would cost about as much as a quarter of its hash.
 *
 * Spec: RFC 6962 section 2.1, c2sp.org/tlog-tiles "Log Entries".
 * Pure: no I/O, no clock, no randomness. One scratch buffer is reused between calls.
 */

import { forEachPacked } from "@prooflog/tlog/bundle"
import { HASH_SIZE, leafHashInto, sha256Into } from "@prooflog/tlog/hash"

/** Entries up to this size go through the scratch buffer: every entry that version 1 writes does, but genesis and schedules. */
const MAX_SCRATCH = 128

const scratch = new Uint8Array(1 + MAX_SCRATCH)
const views = Array.from({ length: MAX_SCRATCH + 1 }, (_, length) => scratch.subarray(0, 1 + length))

/**
 * Writes the leaf hash of each packed entry into `out`, and returns how many there are; those that `out` has
 * no room for are only counted.
 *
 * @param bundle - suspect
 * @throws TlogError `TLOG_MALFORMED_BUNDLE` if the last entry is cut short
 */
export function hashLeaves(bundle: Uint8Array, out: Uint8Array): number {
  let count = 0
  forEachPacked(bundle, (start, end, i) => {
    count++
    if ((i + 1) * HASH_SIZE > out.length) return
    const length = end - start
    if (length > MAX_SCRATCH) {
      leafHashInto(bundle.subarray(start, end), out, i * HASH_SIZE)
      return
    }
    for (let at = 0; at < length; at++) scratch[1 + at] = bundle[start + at] as number
    sha256Into(views[length] as Uint8Array, out, i * HASH_SIZE)
  })
  return count
}
