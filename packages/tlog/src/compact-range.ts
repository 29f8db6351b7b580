/**
 * The running state of a tree that only grows: one hash for each set bit of its size.
 *
 *     7 leaves = 4 + 2 + 1          [    a    ][  b  ][c]
 *
 * Each is the root of a perfect subtree and never changes; appending merges equal ones,
 * and the root hash folds them from the right.
 *
 * Spec: RFC 6962, section 2.1, grown from the left instead of split from the top.
 * Pure: no I/O, no clock, no randomness.
 */

import { EMPTY_ROOT, HASH_SIZE, nodeHashInto } from "./hash.js"
import { isSize, requireSize } from "./size.js"

/** Levels a tree of up to 2⁵³ − 1 leaves can have. */
const LEVELS = 53

export class CompactRange {
  #treeSize: number
  /** Hash of the perfect subtree of 2^level leaves at `level × 32`; meaningful where that bit of the size is set. */
  readonly #hashes: Uint8Array

  private constructor(treeSize: number, hashes: Uint8Array) {
    this.#treeSize = treeSize
    this.#hashes = hashes
  }

  static empty(): CompactRange {
    return new CompactRange(0, new Uint8Array(LEVELS * HASH_SIZE))
  }

  /**
   * @param hashes - 32 bytes each, left to right, that is, from the largest subtree to the smallest
   * @throws `RangeError` unless there is exactly one hash for each set bit of `treeSize`
   */
  static fromHashes(treeSize: number, hashes: readonly Uint8Array[]): CompactRange {
    requireSize("treeSize", treeSize)
    const range = new CompactRange(treeSize, new Uint8Array(LEVELS * HASH_SIZE))
    let next = hashes.length
    forEachSetBit(treeSize, (level) => {
      const hash = hashes[--next]
      if (hash?.length !== HASH_SIZE)
        throw new RangeError(`expected one 32-byte hash for each set bit of ${treeSize}`)
      range.#hashes.set(hash, level * HASH_SIZE)
    })
    if (next !== 0) throw new RangeError(`expected one 32-byte hash for each set bit of ${treeSize}`)
    return range
  }

  /** Leaves in the tree. */
  get treeSize(): number {
    return this.#treeSize
  }

  /** Returns the hashes, left to right, as {@link CompactRange.fromHashes} takes them: copies. */
  hashes(): Uint8Array[] {
    const hashes: Uint8Array[] = []
    forEachSetBit(this.#treeSize, (level) => {
      hashes.push(this.#hashes.slice(level * HASH_SIZE, (level + 1) * HASH_SIZE))
    })
    return hashes.reverse()
  }

  /** Returns one that grows on its own. */
  clone(): CompactRange {
    return new CompactRange(this.#treeSize, this.#hashes.slice())
  }

  /** Appends one leaf by its 32-byte leaf hash. */
  append(leafHash: Uint8Array): void {
    if (leafHash.length !== HASH_SIZE)
      throw new RangeError(`leafHash: expected 32 bytes, got ${leafHash.length}`)
    this.appendLeaves(leafHash)
  }

  /**
   * Appends leaves, left to right: about one node hash for each.
   *
   * @param hashes - their leaf hashes, n × 32 bytes
   * @param onLevel - is told, from the leaves up, each level that gained hashes and these hashes, n × 32 bytes,
   * left to right: all roots of perfect subtrees of 2^level leaves that are now complete and were not before.
   * Must not throw, nor keep or write to what it is told
   * @throws `RangeError` if the tree would outgrow 2⁵³ − 1 leaves
   */
  appendLeaves(hashes: Uint8Array, onLevel?: (level: number, hashes: Uint8Array) => void): void {
    const added = hashes.length / HASH_SIZE
    if (!Number.isInteger(added)) throw new RangeError(`hashes: expected n × 32 bytes, got ${hashes.length}`)
    if (!isSize(this.#treeSize + added)) throw new RangeError("a tree has at most 2^53-1 leaves")
    let before = this.#treeSize
    let row = hashes
    for (let level = 0; row.length > 0; level++) {
      onLevel?.(level, row)
      row = this.#pairUp(level, row, before % 2 === 1)
      before = Math.floor(before / 2)
    }
    this.#treeSize += added
  }

  /** Returns the parents that a level's new hashes complete; keeps the one that is left over. */
  #pairUp(level: number, row: Uint8Array, waiting: boolean): Uint8Array {
    const kept = level * HASH_SIZE
    const count = row.length / HASH_SIZE + (waiting ? 1 : 0)
    const parents = new Uint8Array(Math.floor(count / 2) * HASH_SIZE)
    let from = 0
    let to = 0
    if (waiting) {
      nodeHashInto(this.#hashes, kept, row, 0, parents, 0)
      from = HASH_SIZE
      to = HASH_SIZE
    }
    for (; to < parents.length; to += HASH_SIZE, from += 2 * HASH_SIZE) {
      nodeHashInto(row, from, row, from + HASH_SIZE, parents, to)
    }
    if (from < row.length) this.#hashes.set(row.subarray(from), kept)
    return parents
  }

  /** Returns the root hash of the tree, {@link EMPTY_ROOT} for none: at most 52 node hashes. */
  rootHash(): Uint8Array {
    const root = EMPTY_ROOT.slice()
    let seen = false
    forEachSetBit(this.#treeSize, (level) => {
      const at = level * HASH_SIZE
      if (seen) nodeHashInto(this.#hashes, at, root, 0, root, 0)
      else root.set(this.#hashes.subarray(at, at + HASH_SIZE))
      seen = true
    })
    return root
  }
}

/** Calls `visit` with each set bit's number, lowest first. */
function forEachSetBit(n: number, visit: (bit: number) => void): void {
  for (let bit = 0, rest = n; rest > 0; bit++, rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) visit(bit)
  }
}
