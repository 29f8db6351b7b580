/**
 * Byte strings packed as in an entry bundle, written one after another.
 *
 *     uint16be length ‖ bytes ‖ uint16be length ‖ bytes ‖ …
 *
 * Pure: no I/O, no clock, no randomness.
 */

const LENGTH_SIZE = 2

export class PackedWriter {
  /** From Node's pool as long as it is short: memory of its own costs more than all that is written to it. */
  #bytes: Buffer
  #length = 0

  /** @param capacity - bytes expected; more are made room for */
  constructor(capacity: number) {
    this.#bytes = Buffer.allocUnsafe(capacity)
  }

  /** @param bytes - copied; at most 65,535 */
  add(bytes: Uint8Array): void {
    const at = this.#length
    const end = at + LENGTH_SIZE + bytes.length
    if (end > this.#bytes.length) this.#grow(end)
    this.#bytes[at] = bytes.length >> 8
    this.#bytes[at + 1] = bytes.length & 0xff
    this.#bytes.set(bytes, at + LENGTH_SIZE)
    this.#length = end
  }

  /** What was written so far; a view, not a copy. */
  bytes(): Uint8Array {
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset, this.#length)
  }

  #grow(needed: number): void {
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }
}

/** Returns the byte strings of a packed array: views, in order. */
export function unpack(packed: Uint8Array): Uint8Array[] {
  const strings: Uint8Array[] = []
  for (let at = 0; at < packed.length; ) {
    const start = at + LENGTH_SIZE
    at = start + (packed[at] as number) * 256 + (packed[at + 1] as number)
    strings.push(packed.subarray(start, at))
  }
  return strings
}
