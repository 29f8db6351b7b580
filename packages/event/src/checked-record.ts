/**
 * Records that were checked before, read where they lie, by the million.
 *
 *     names       [ user_id, timestamp, mfa ]
 *     record      … ["mfa", true] … ["timestamp", 1697902320000000] … ["user_id", "U12345"] …
 *     kinds       [ TEXT, UNSIGNED, OTHER ]      by the index of the name
 *     starts      [ at U,    –,     at f5 ]      and where each ends
 *
 * Nothing is checked again, and nothing is made of a value before somebody asks for it. Of bytes that nobody
 * checked it may say anything, and may throw.
 *
 * Spec: docs/spec, "Record and commitment".
 * Pure.
 */

import { type CborValue, encodeCbor } from "./cbor.js"
import { decodeChecked, floatAt, headArgument, MAX_VALUE_DEPTH, readHead, skipItem } from "./cbor-reader.js"
import { CORE_OFFSET } from "./record.js"

/** What a record has under a name. */
export const ABSENT = 0
/** UTF-8. */
export const TEXT = 1
/** An integer from 0 on. */
export const UNSIGNED = 2
/** A number that is no integer within ±(2⁵³ − 1). */
export const FLOAT = 3
/** Anything else. */
export const OTHER = 4

const NAME_SLOTS = 1024

const FLOAT_HEAD = 0xfb

/** Reads the values of the names it was made for. Trusts every byte: see above. */
export class CheckedRecordReader {
  /** {@link ABSENT} … {@link OTHER}, by the index of the name. These four are of the last record read, and reused. */
  readonly kinds: Uint8Array
  /** Where the bytes of a text begin; of another value, its item. */
  readonly starts: Int32Array
  /** After them. */
  readonly ends: Int32Array
  /** The value of an {@link UNSIGNED} or {@link FLOAT}. */
  readonly numbers: Float64Array
  readonly #names: readonly Uint8Array[]
  /** Index of a name by {@link slotOf}, with those that share its slot; −1 for none. */
  readonly #slots = new Int16Array(NAME_SLOTS).fill(-1)
  readonly #others: Int16Array
  #bytes: Uint8Array = new Uint8Array(0)

  /** @param names - of the fields wanted, each once */
  constructor(names: readonly string[]) {
    this.#names = names.map((name) => encodeCbor(name))
    this.#others = new Int16Array(names.length).fill(-1)
    this.kinds = new Uint8Array(names.length)
    this.starts = new Int32Array(names.length)
    this.ends = new Int32Array(names.length)
    this.numbers = new Float64Array(names.length)
    for (const [index, name] of this.#names.entries()) {
      const slot = slotOf(name, 0, name.length)
      this.#others[index] = this.#slots[slot] as number
      this.#slots[slot] = index
    }
  }

  /** Reads the record at `[start, end)` of `bytes`, which are not copied. */
  read(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes
    this.kinds.fill(ABSENT)
    const fields = this.#readPairs(start + CORE_OFFSET, end)
    this.#readPairs(fields, end)
  }

  /** The value under a name of the last record read; `undefined` for a name it does not have. */
  valueOf(index: number): CborValue | undefined {
    const start = this.starts[index] as number
    const end = this.ends[index] as number
    switch (this.kinds[index]) {
      case ABSENT:
        return undefined
      case TEXT:
        return utf8.decode(this.#bytes.subarray(start, end))
      case UNSIGNED:
      case FLOAT:
        return this.numbers[index]
      default:
        return decodeChecked(this.#bytes.subarray(start, end))
    }
  }

  #readPairs(start: number, end: number): number {
    const bytes = this.#bytes
    let at = readHead(bytes, start, end)
    for (let left = headArgument(); left > 0; left--) {
      const name = at + 1
      const value = readHead(bytes, name, end) + headArgument()
      const index = this.#find(name, value)
      at =
        index < 0 ? skipItem(bytes, value, end, MAX_VALUE_DEPTH, false) : this.#readValue(index, value, end)
    }
    return at
  }

  #find(start: number, end: number): number {
    let index = this.#slots[slotOf(this.#bytes, start, end)] as number
    while (index >= 0 && !isAt(this.#names[index] as Uint8Array, this.#bytes, start)) {
      index = this.#others[index] as number
    }
    return index
  }

  /** Notes where a value is, and returns the offset after it. */
  #readValue(index: number, start: number, end: number): number {
    const bytes = this.#bytes
    const major = (bytes[start] as number) >> 5
    let from = start
    let after: number
    if (major === 3) {
      this.kinds[index] = TEXT
      from = readHead(bytes, start, end)
      after = from + headArgument()
    } else if (major === 0) {
      this.kinds[index] = UNSIGNED
      after = readHead(bytes, start, end)
      this.numbers[index] = headArgument()
    } else if (bytes[start] === FLOAT_HEAD) {
      this.kinds[index] = FLOAT
      after = start + 9
      this.numbers[index] = floatAt(bytes, start + 1)
    } else {
      this.kinds[index] = OTHER
      after = skipItem(bytes, start, end, MAX_VALUE_DEPTH, false)
    }
    this.starts[index] = from
    this.ends[index] = after
    return after
  }
}

/** A small number made of the head and the last two bytes of an encoded name. */
function slotOf(bytes: Uint8Array, start: number, end: number): number {
  return (
    ((bytes[start] as number) * 5 + (bytes[end - 1] as number) * 37 + (bytes[end - 2] as number) * 11) &
    (NAME_SLOTS - 1)
  )
}

/** Whether `bytes` has the encoded name at `start`; its length is in its head. */
function isAt(name: Uint8Array, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < name.length; i++) if (name[i] !== bytes[start + i]) return false
  return true
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true })
