/**
 * Which leaf showed a commitment first: the memory behind "no commitment twice".
 *
 * An open-addressing table with linear probing. A slot is three 32-bit words:
 *
 *     [ keyed hash, high ][ keyed hash, low ][ leaf index + 1 ]      0 in the last = free
 *
 * Exactness. Equal commitments have equal hashes, so a repeat always meets its twin: none is missed.
 * Two different commitments may share a 64-bit hash (about n² / 2⁶⁵: once in 400,000 logs of ten
 * million events), so a meeting is only a suspicion, which the caller settles by comparing the two
 * entries. With that, the answer is exact in both directions, for 12 bytes a slot instead of 32.
 *
 * The hash is HalfSipHash-1-3 under a key drawn per table: commitments are 32 bytes of the operator's
 * choosing, and without a secret key they could be chosen to pile up in one place.
 *
 * Effects: draws one random key. No I/O, no clock.
 */

import { VerifierError } from "./error.js"

const WORDS_PER_SLOT = 3
const MIN_SLOTS = 1024

/** Slots that may be taken before the table grows: probing is short up to three quarters. */
const MAX_LOAD = 0.75

/** Slots are addressed with 32 bits, and leaf index + 1 is one word. */
const MAX_LEAVES = 2 ** 31

export class CommitmentSet {
  readonly #key: Uint32Array
  #slots: Uint32Array
  #mask: number
  #size = 0

  /**
   * @param expected - how many will be added; the table grows beyond it, at the price of moving
   * everything once
   * @param key - 8 bytes nobody else knows; tests give their own
   * @throws {@link VerifierError} `VERIFIER_LOG_TOO_LARGE` if the memory does not hold as many
   */
  constructor(expected = 0, key: Uint8Array = crypto.getRandomValues(new Uint8Array(8))) {
    const words = new DataView(key.buffer, key.byteOffset, 8)
    this.#key = Uint32Array.of(words.getUint32(0), words.getUint32(4))
    const count = slotsFor(expected)
    this.#slots = newSlots(count)
    this.#mask = count - 1
  }

  /** Commitments in it: two leaves with the same one count twice. */
  get size(): number {
    return this.#size
  }

  /** Bytes the table occupies. */
  get byteLength(): number {
    return this.#slots.byteLength
  }

  /**
   * Adds the 32-byte commitment at `offset` of `bytes`, shown by leaf `leafIndex`.
   *
   * An audit that is repeated after a failure adds its leaves again: what the leaf itself showed before is no
   * twin, and is not added twice.
   *
   * @param onTwin - called with each other leaf whose commitment has the same hash, which means: is
   * the same, all but surely
   * @throws {@link VerifierError} `VERIFIER_LOG_TOO_LARGE` past leaf 2³¹, or what the memory holds
   */
  add(bytes: Uint8Array, offset: number, leafIndex: number, onTwin: (otherLeaf: number) => void): void {
    if (leafIndex >= MAX_LEAVES) {
      throw new VerifierError(
        "VERIFIER_LOG_TOO_LARGE",
        `leaf ${leafIndex}: repeated commitments can be looked for in the first 2^31 leaves only`,
        { leafIndex },
      )
    }
    if (this.#size >= (this.#mask + 1) * MAX_LOAD) this.#grow()
    hash32(this.#key, bytes, offset)
    if (this.#place(high, low, leafIndex + 1, onTwin)) this.#size++
  }

  /** Returns false if that very mark is there already. */
  #place(h: number, l: number, mark: number, onTwin: (otherLeaf: number) => void): boolean {
    const slots = this.#slots
    let slot = h & this.#mask
    for (;;) {
      const at = slot * WORDS_PER_SLOT
      const found = slots[at + 2] as number
      if (found === 0) {
        slots[at] = h
        slots[at + 1] = l
        slots[at + 2] = mark
        return true
      }
      if (slots[at] === h && slots[at + 1] === l) {
        if (found === mark) return false
        onTwin(found - 1)
      }
      slot = (slot + 1) & this.#mask
    }
  }

  #grow(): void {
    const old = this.#slots
    const count = (this.#mask + 1) * 2
    this.#slots = newSlots(count)
    this.#mask = count - 1
    for (let at = 0; at < old.length; at += WORDS_PER_SLOT) {
      const mark = old[at + 2] as number
      if (mark !== 0) this.#place(old[at] as number, old[at + 1] as number, mark, ignore)
    }
  }
}

/** What moves to a larger table met its twins when it was added. */
function ignore(): void {}

function newSlots(count: number): Uint32Array {
  try {
    return new Uint32Array(count * WORDS_PER_SLOT)
  } catch (cause) {
    const message = `no memory for the commitments of more than ${count * MAX_LOAD} leaves`
    throw new VerifierError("VERIFIER_LOG_TOO_LARGE", message, { cause })
  }
}

/** A power of two that stays below three quarters full. */
function slotsFor(expected: number): number {
  let count = MIN_SLOTS
  while (count * MAX_LOAD <= Math.min(expected, MAX_LEAVES)) count *= 2
  return count
}

// The hash's two halves, left here by hash32: a pair of numbers would be garbage, once per event.
let high = 0
let low = 0

/** HalfSipHash-1-3 of 32 bytes, 64 bits of it, into `high` and `low`. */
function hash32(key: Uint32Array, bytes: Uint8Array, offset: number): void {
  const k0 = key[0] as number
  const k1 = key[1] as number
  let v0 = k0
  let v1 = k1 ^ 0xee
  let v2 = k0 ^ 0x6c796765
  let v3 = k1 ^ 0x74656462
  // Eight words, then the length block, then three rounds that finish each half.
  for (let round = 0; round < 15; round++) {
    let word = 0
    if (round < 8) {
      const at = offset + round * 4
      word =
        (bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24)
    } else if (round === 8) word = 32 << 24
    else if (round === 9) v2 ^= 0xee
    else if (round === 12) {
      high = (v1 ^ v3) >>> 0
      v1 ^= 0xdd
    }
    v3 ^= word
    v0 = (v0 + v1) | 0
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
    v0 = (v0 << 16) | (v0 >>> 16)
    v2 = (v2 + v3) | 0
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
    v0 = (v0 + v3) | 0
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
    v2 = (v2 + v1) | 0
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
    v2 = (v2 << 16) | (v2 >>> 16)
    v0 ^= word
  }
  low = (v1 ^ v3) >>> 0
}
