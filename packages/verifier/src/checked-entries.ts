/**
 * Entries of any leaves under one head, each held against what was signed.
 *
 *     head ─► right edge ─► tiles ─► bundles ─► entries [start, end)
 *
 * For whoever goes to and fro in a log. Bundles that were read last are kept: neighbours are asked for next.
 *
 * Spec: c2sp.org/tlog-tiles.
 * Effects: reads the source.
 */

import { cutBundle } from "@prooflog/tlog/bundle"
import type { Checkpoint } from "@prooflog/tlog/checkpoint"
import { TILE_WIDTH } from "@prooflog/tlog/tile"
import { checkBundle } from "./checked-bundle.js"
import { CheckedTiles } from "./checked-tiles.js"
import { type LogSource, readBundle } from "./source.js"

/** Bytes of checked bundles that are kept unless told otherwise: those of 32,768 entries of the usual size. */
const KEPT_BYTES = 2 * 1024 * 1024

interface Kept {
  readonly bundle: Promise<Uint8Array>
  /** Bytes of the bundle, once it was read. */
  length: number
}

export class CheckedEntries {
  /** Leaves of the head. */
  readonly treeSize: number
  readonly #source: LogSource
  readonly #tiles: CheckedTiles
  readonly #maxBytes: number
  /** By index; two who ask at once wait for one reading. */
  readonly #kept = new Map<number, Kept>()
  #keptBytes = 0

  private constructor(source: LogSource, treeSize: number, tiles: CheckedTiles, maxBytes: number) {
    this.#source = source
    this.treeSize = treeSize
    this.#tiles = tiles
    this.#maxBytes = maxBytes
  }

  /**
   * Reads the right edge of a log and checks that it makes the root of a head.
   *
   * @param source - suspect
   * @param head - of a checkpoint that was opened, and is believed
   * @param maxBytes - of bundles that are kept
   * @throws {@link VerifierError} `VERIFIER_ROOT_REFUSED`, and what reading throws
   */
  static async open(
    source: LogSource,
    { treeSize, rootHash }: Pick<Checkpoint, "treeSize" | "rootHash">,
    maxBytes = KEPT_BYTES,
  ): Promise<CheckedEntries> {
    const tiles = await CheckedTiles.open(source, treeSize, rootHash)
    return new CheckedEntries(source, treeSize, tiles, maxBytes)
  }

  /**
   * Returns the entries of the leaves `[start, end)`, packed (uint16be length ‖ bytes), not to be changed.
   *
   * @param end - few enough leaves behind `start` for their entries to be in memory
   * @throws {@link VerifierError} `VERIFIER_TILE_REFUSED`, `VERIFIER_BUNDLE_REFUSED`, and what reading throws
   * @throws RangeError unless `0 ≤ start < end ≤` {@link treeSize}
   */
  async entries(start: number, end: number): Promise<Uint8Array> {
    if (!(Number.isSafeInteger(start) && start >= 0 && start < end && end <= this.treeSize)) {
      throw new RangeError(`entries: expected some of [0, ${this.treeSize}), got [${start}, ${end})`)
    }
    const first = Math.floor(start / TILE_WIDTH)
    const count = Math.floor((end - 1) / TILE_WIDTH) - first + 1
    const bundles = await Promise.all(Array.from({ length: count }, (_, i) => this.#bundle(first + i)))
    const last = first + count - 1
    // The end first: of one bundle the beginning is cut off what is left.
    bundles[count - 1] = cutBundle(bundles[count - 1] as Uint8Array, end - last * TILE_WIDTH)
    const [head = new Uint8Array(0), ...others] = bundles
    bundles[0] = head.subarray(cutBundle(head, start - first * TILE_WIDTH).length)
    return others.length === 0 ? bundles[0] : joined(bundles)
  }

  #bundle(index: number): Promise<Uint8Array> {
    const kept = this.#kept.get(index)
    if (kept !== undefined) return kept.bundle
    const reading: Kept = { bundle: this.#read(index), length: 0 }
    this.#kept.set(index, reading)
    reading.bundle.then(
      (bundle) => this.#count(reading, bundle.length),
      // Whoever asked is told; the next one reads it again.
      () => this.#kept.delete(index),
    )
    return reading.bundle
  }

  async #read(index: number): Promise<Uint8Array> {
    const width = Math.min(TILE_WIDTH, this.treeSize - index * TILE_WIDTH)
    const [bundle, hashes] = await Promise.all([
      readBundle(this.#source, index, width),
      this.#tiles.hashes(0, index),
    ])
    checkBundle({ index, width, bundle, hashes })
    // A source may give a view of something larger, which would be kept with it.
    return bundle.slice()
  }

  /** Counts a bundle that was read, and forgets those that were asked for first if there are too many bytes. */
  #count(read: Kept, length: number): void {
    read.length = length
    this.#keptBytes += length
    for (const [oldest, { length }] of this.#kept) {
      if (this.#keptBytes <= this.#maxBytes) return
      this.#kept.delete(oldest)
      this.#keptBytes -= length
    }
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((size, { length }) => size + length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
