/**
 * What `GET v1/records` answers, leaf by leaf: a CBOR sequence (RFC 8742).
 *
 *     82 1903e8 58f2 8401…     leaf 1000, a record of 242 bytes
 *     82 1903e9 40             leaf 1001 is no event
 *     84 1903ea f6 01 1907d0   the record of leaf 1002 was destroyed, for reason 1, as leaf 2000 says
 *     82 1903eb f6             … lies in the archive
 *
 * Suspect. Pure.
 */

import { CliError } from "../error.js"

export interface LeafRecord {
  readonly leafIndex: number
  /** Empty for a leaf that is no event; `undefined` if there is none any more. */
  readonly record: Uint8Array | undefined
}

const UNSIGNED = 0
const BYTES = 2
const NULL = 0xf6

/**
 * Yields the leaves of an answer.
 *
 * @throws {@link CliError} `CLI_UNEXPECTED_ANSWER` if it is none
 */
export function* leafRecords(bytes: Uint8Array): Generator<LeafRecord, void, undefined> {
  const reader = new Reader(bytes)
  while (!reader.isAtEnd) {
    const items = reader.byte() - 0x80
    if (items !== 2 && items !== 4) throw unexpected()
    const leafIndex = reader.head(UNSIGNED)
    if (reader.skip(NULL)) {
      if (items === 4) {
        reader.head(UNSIGNED)
        reader.head(UNSIGNED)
      }
      yield { leafIndex, record: undefined }
    } else if (items === 2) {
      yield { leafIndex, record: reader.bytes(reader.head(BYTES)) }
    } else throw unexpected()
  }
}

class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  byte(): number {
    const byte = this.#bytes[this.#at++]
    if (byte === undefined) throw unexpected()
    return byte
  }

  /** Passes over a byte if it is the next. */
  skip(byte: number): boolean {
    if (this.#bytes[this.#at] !== byte) return false
    this.#at++
    return true
  }

  /** Returns the argument of a head of this major type: a safe integer. */
  head(major: number): number {
    const byte = this.byte()
    const short = byte & 0x1f
    if (byte >> 5 !== major || short > 27) throw unexpected()
    if (short < 24) return short
    const size = 2 ** (short - 24)
    const at = this.#at
    this.#at += size
    if (this.#at > this.#bytes.length) throw unexpected()
    if (size === 1) return this.#view.getUint8(at)
    if (size === 2) return this.#view.getUint16(at)
    if (size === 4) return this.#view.getUint32(at)
    const wide = this.#view.getBigUint64(at)
    if (wide > BigInt(Number.MAX_SAFE_INTEGER)) throw unexpected()
    return Number(wide)
  }

  bytes(length: number): Uint8Array {
    const start = this.#at
    this.#at += length
    if (this.#at > this.#bytes.length) throw unexpected()
    return this.#bytes.subarray(start, this.#at)
  }
}

function unexpected(): CliError {
  return new CliError("CLI_UNEXPECTED_ANSWER", "v1/records did not answer as a log does")
}
