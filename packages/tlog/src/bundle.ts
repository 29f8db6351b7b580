/**
 * Entry bundles, and byte strings packed the same way.
 *
 *     uint16be length ‖ entry ‖ uint16be length ‖ entry ‖ …
 *
 * Bundle n holds entries 256 n … 256 n + 255; entry i hashes to hash i of tile n of level 0.
 * There is no count and no trailer. Rooms hand many entries or records to each other in this
 * same coding ("packed"), so that a thousand of them are one array.
 *
 * Spec: c2sp.org/tlog-tiles, "Log Entries".
 * Pure: no I/O, no clock, no randomness.
 */

import { TlogError } from "./error.js"
import { HASH_SIZE, leafHashOfRange } from "./hash.js"
import { requireSize } from "./size.js"
import { formatPlace, parsePlace } from "./tile.js"

/** The longest entry, in bytes: its length must fit 16 bits. */
export const MAX_ENTRY_SIZE = 65_535

/** Returns the path of a bundle of `width` entries (1 … 256), relative to the log's URL prefix. */
export function bundlePath(index: number, width: number): string {
  return PREFIX + formatPlace(index, width)
}

/**
 * Parses a path written by {@link bundlePath}.
 *
 * @throws {@link TlogError} `TLOG_MALFORMED_TILE_PATH` if the path is not the one
 * that {@link bundlePath} would write
 */
export function parseBundlePath(path: string): { index: number; width: number } {
  const bundle = path.startsWith(PREFIX) ? parsePlace(path.slice(PREFIX.length)) : undefined
  if (bundle !== undefined && bundlePath(bundle.index, bundle.width) === path) return bundle
  throw new TlogError("TLOG_MALFORMED_TILE_PATH", `not a bundle path: ${JSON.stringify(path.slice(0, 100))}`)
}

const PREFIX = "tile/entries/"

/**
 * Returns byte strings packed one after another, as many as there are: a bundle holds at most 256.
 *
 * @throws `RangeError` for one of more than {@link MAX_ENTRY_SIZE} bytes
 */
export function formatBundle(entries: readonly Uint8Array[]): Uint8Array {
  let size = 0
  for (const { length } of entries) {
    if (length > MAX_ENTRY_SIZE)
      throw new RangeError(`entry: expected at most ${MAX_ENTRY_SIZE} bytes, got ${length}`)
    size += 2 + length
  }
  const bytes = new Uint8Array(size)
  let at = 0
  for (const entry of entries) {
    bytes[at] = entry.length >> 8
    bytes[at + 1] = entry.length & 0xff
    bytes.set(entry, at + 2)
    at += 2 + entry.length
  }
  return bytes
}

/**
 * Returns the entries as views of `bytes`, not copies.
 *
 * @param bytes - suspect
 * @throws {@link TlogError} `TLOG_MALFORMED_BUNDLE` unless there are exactly `width` entries and nothing after
 */
export function parseBundle(bytes: Uint8Array, width: number): Uint8Array[] {
  requireSize("width", width)
  const entries: Uint8Array[] = []
  let at = 0
  // No further than asked: a megabyte of zeros would be half a million empty entries, a hundred megabytes of views.
  for (let i = 0; i < width; i++) {
    const end = endOfPacked(bytes, at)
    entries.push(bytes.subarray(at + 2, end))
    at = end
  }
  if (at !== bytes.length) throw malformed(`bytes after ${width} entries`)
  return entries
}

/**
 * Returns the prefix that holds the first `width` entries: a view of `bytes`.
 *
 * @throws {@link TlogError} `TLOG_MALFORMED_BUNDLE` if there are fewer
 */
export function cutBundle(bytes: Uint8Array, width: number): Uint8Array {
  requireSize("width", width)
  let at = 0
  for (let i = 0; i < width; i++) at = endOfPacked(bytes, at)
  return bytes.subarray(0, at)
}

/**
 * Returns how many byte strings are packed in `bytes`; 0 for none.
 *
 * @throws {@link TlogError} `TLOG_MALFORMED_BUNDLE` if the last is cut short
 */
export function packedCount(bytes: Uint8Array): number {
  let count = 0
  for (let at = 0; at < bytes.length; at = endOfPacked(bytes, at)) count++
  return count
}

/**
 * Calls `visit` with the place `[start, end)` in `bytes` of each packed byte string and its number.
 *
 * @throws {@link TlogError} `TLOG_MALFORMED_BUNDLE` if the last is cut short; the earlier ones were visited
 */
export function forEachPacked(
  bytes: Uint8Array,
  visit: (start: number, end: number, i: number) => void,
): void {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const end = endOfPacked(bytes, at)
    visit(at + 2, end, i)
    at = end
  }
}

/**
 * Returns the leaf hashes of packed entries, n × 32 bytes: what `integrate` appends.
 *
 * @throws {@link TlogError} `TLOG_MALFORMED_BUNDLE` if the last is cut short
 */
export function packedLeafHashes(bytes: Uint8Array): Uint8Array {
  const hashes = new Uint8Array(packedCount(bytes) * HASH_SIZE)
  forEachPacked(bytes, (start, end, i) => {
    leafHashOfRange(bytes, start, end, hashes, i * HASH_SIZE)
  })
  return hashes
}

/** Where the byte string ends whose length stands at `at`. */
function endOfPacked(bytes: Uint8Array, at: number): number {
  const end = at + 2 + (bytes[at] as number) * 256 + (bytes[at + 1] as number)
  // NaN, when the length itself is cut short, fails this comparison too.
  if (end <= bytes.length) return end
  throw malformed(`cut short at byte ${at}`)
}

function malformed(what: string): TlogError {
  return new TlogError("TLOG_MALFORMED_BUNDLE", `malformed entry bundle: ${what}`)
}
