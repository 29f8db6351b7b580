/**
 * The small tree inside one tile: every perfect subtree over its hashes.
 *
 *     level 2   |       0       |                     a tile of width 5:
 *     level 1   |   0   |   1   |                     5 + 2 + 1 hashes
 *     level 0   | 0 | 1 | 2 | 3 | 4 |
 *
 * Made once, about 0.1 ms for a full tile; then a proof is a handful of look-ups.
 * Pure: no I/O, no clock, no randomness.
 */

import { TlogError } from "./error.js"
import { HASH_SIZE, nodeHashInto } from "./hash.js"
import { TILE_WIDTH } from "./tile.js"

export class TileTree {
  /** Hashes in the tile: 1 … 256. */
  readonly width: number
  /** All levels, one after another, left to right. */
  readonly #hashes: Uint8Array
  /** Where each level begins in `#hashes`, in hashes. */
  readonly #starts: readonly number[]

  /**
   * @param bytes - the tile's hashes, 32 bytes each, left to right; suspect. Copied.
   * @throws {@link TlogError} `TLOG_MALFORMED_TILE` unless these are 1 … 256 whole hashes
   */
  constructor(bytes: Uint8Array) {
    const width = bytes.length / HASH_SIZE
    if (!Number.isInteger(width) || width < 1 || width > TILE_WIDTH) {
      throw new TlogError("TLOG_MALFORMED_TILE", `a tile cannot have ${bytes.length} bytes`)
    }
    this.width = width
    const starts: number[] = []
    let size = 0
    for (let length = width; length > 0; length >>= 1) {
      starts.push(size)
      size += length
    }
    const hashes = new Uint8Array(size * HASH_SIZE)
    hashes.set(bytes)
    fillLevels(hashes, starts, width)
    this.#hashes = hashes
    this.#starts = starts
  }

  /**
   * Returns the root of the `index`-th subtree of 2^`level` hashes: a 32-byte view, not to be written to.
   *
   * @param level - 0 … 8, counted from the tile's own hashes
   * @throws `RangeError` if the tile does not hold all of that subtree
   */
  hash(level: number, index: number): Uint8Array {
    const start = this.#starts[level]
    if (start === undefined || !Number.isInteger(index) || index < 0 || index >= this.width >> level) {
      throw new RangeError(
        `no perfect subtree at level ${level}, index ${index} in a tile of width ${this.width}`,
      )
    }
    const at = (start + index) * HASH_SIZE
    return this.#hashes.subarray(at, at + HASH_SIZE)
  }
}

function fillLevels(hashes: Uint8Array, starts: readonly number[], width: number): void {
  for (let level = 1; level < starts.length; level++) {
    let from = (starts[level - 1] as number) * HASH_SIZE
    let to = (starts[level] as number) * HASH_SIZE
    for (let i = 0; i < width >> level; i++, from += 2 * HASH_SIZE, to += HASH_SIZE) {
      nodeHashInto(hashes, from, hashes, from + HASH_SIZE, hashes, to)
    }
  }
}
