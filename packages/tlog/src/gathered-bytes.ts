/**
 * The bytes of a body as they come in, from whoever sends notes, tiles or bundles.
 *
 *     1 │ 1 │ 1 │ …   chunks as they come        16 bytes ─► 32 ─► 64 ─► …   one array that grows
 *
 * Chunks are copied together at once, except for a single one: a sender can cut 16 MB into chunks of one byte, and each
 * chunk kept as an object takes 400.
 *
 * Pure: no I/O.
 */

const NO_BYTES = new Uint8Array(0)

export class GatheredBytes {
  readonly #limit: number
  readonly #take: ((bytes: number) => void) | undefined
  #bytes: Uint8Array = NO_BYTES
  #length = 0

  /**
   * @param limit - bytes that are gathered at most, and that there is ever room for
   * @param take - told of each growth of that room, in bytes, before it grows; what it throws, `add` throws
   */
  constructor(limit: number, take?: (bytes: number) => void) {
    this.#limit = limit
    this.#take = take
  }

  /** What has come so far. A single chunk is handed on as it was, of the sender's own class. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  /** @returns false, and takes no more, if that would be past the limit */
  add(chunk: Uint8Array): boolean {
    const length = this.#length + chunk.length
    if (length > this.#limit) return false
    if (this.#length === 0) {
      this.#take?.(chunk.length)
      this.#bytes = chunk
    } else {
      if (length > this.#bytes.length) this.#grow(length)
      this.#bytes.set(chunk, this.#length)
    }
    this.#length = length
    return true
  }

  /** The first chunk is never written to: it is exactly as long as what is gathered, so that it is grown out of first. */
  #grow(least: number): void {
    const room = Math.min(this.#limit, Math.max(least, 2 * this.#bytes.length))
    this.#take?.(room - this.#bytes.length)
    const bytes = new Uint8Array(room)
    bytes.set(this.bytes)
    this.#bytes = bytes
  }
}
