/**
 * The writer of deterministic CBOR: a head and six cases.
 *
 *     writer ── head, text, number, bytes, any value ──► one buffer, reused ──► take()
 *
 * It is ours because its bytes are hashed. Stores past the end of a typed array are
 * ignored, so that only what could run long is checked on the way: {@link CborWriter.check}
 * and {@link CborWriter.take} see that `offset` ran past the limit.
 *
 * Spec: RFC 8949, section 4.2.1, narrowed as in docs/spec, "Deterministic CBOR".
 * Pure: no I/O.
 */

import { EventError } from "./error.js"
import { isForbiddenKey } from "./forbidden-keys.js"
import { isPlainObject } from "./plain-object.js"

/** Most bytes in one item: a record or an entry must fit a 16-bit length. */
export const MAX_ITEM_BYTES = 65_535

const UINT = 0
const NEGATIVE = 1
const BYTES = 2
const TEXT = 3
const ARRAY = 4
const MAP = 5
const SIMPLE = 7
const TWO_TO_32 = 4_294_967_296

/** From this many characters on, the platform's encoder is faster than a loop over them. */
const LONG_TEXT = 128

const textEncoder = new TextEncoder()

let shared: CborWriter | undefined

/** Returns the writer of this module, emptied. Whoever asks must be done with it before anyone else can ask. */
export function sharedWriter(): CborWriter {
  shared ??= new CborWriter()
  shared.offset = 0
  return shared
}

/** Writes items one after another into a buffer of its own. */
export class CborWriter {
  /** Large enough for an item and for the head that passes the limit. */
  readonly bytes = new Uint8Array(MAX_ITEM_BYTES + 16)
  readonly #view = new DataView(this.bytes.buffer)
  offset = 0

  /** Writes the shortest head. `argument` is a safe integer ≥ 0. */
  writeHead(major: number, argument: number): void {
    const bytes = this.bytes
    const at = this.offset
    const top = major << 5
    if (argument < 24) {
      bytes[at] = top | argument
      this.offset = at + 1
    } else if (argument < 0x100) {
      bytes[at] = top | 24
      bytes[at + 1] = argument
      this.offset = at + 2
    } else if (argument < 0x10000) {
      bytes[at] = top | 25
      bytes[at + 1] = argument >> 8
      bytes[at + 2] = argument
      this.offset = at + 3
    } else if (argument < TWO_TO_32) {
      bytes[at] = top | 26
      this.#writeUint32(at + 1, argument)
      this.offset = at + 5
    } else {
      bytes[at] = top | 27
      this.#writeUint32(at + 1, Math.floor(argument / TWO_TO_32))
      this.#writeUint32(at + 5, argument % TWO_TO_32)
      this.offset = at + 9
    }
  }

  writeArrayHead(count: number): void {
    this.writeHead(ARRAY, count)
  }

  writeMapHead(count: number): void {
    this.writeHead(MAP, count)
  }

  writeBytes(value: Uint8Array): void {
    this.writeHead(BYTES, value.length)
    this.#refuseLonger(value.length)
    this.bytes.set(value, this.offset)
    this.offset += value.length
  }

  /** @throws {@link EventError} `EVENT_NOT_ENCODABLE` for a lone surrogate */
  writeText(text: string): void {
    const length = text.length
    if (length > LONG_TEXT) {
      this.#writeLongText(text)
      return
    }
    const start = this.offset
    this.writeHead(TEXT, length)
    const bytes = this.bytes
    const at = this.offset
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i)
      if (code > 0x7f) {
        this.offset = start
        this.#writeLongText(text)
        return
      }
      bytes[at + i] = code
    }
    this.offset = at + length
  }

  writeNumber(value: number): void {
    if (Number.isSafeInteger(value)) {
      if (value < 0) this.writeHead(NEGATIVE, -1 - value)
      else this.writeHead(UINT, value)
      return
    }
    if (!Number.isFinite(value)) throw notEncodable(`${value} is no number that can be logged`)
    this.#refuseLonger(9)
    this.bytes[this.offset] = (SIMPLE << 5) | 27
    this.#view.setFloat64(this.offset + 1, value)
    this.offset += 9
  }

  /**
   * Writes any value of the profile.
   *
   * @param depth - how deep it may be; 0 allows scalars only
   * @param byteStrings - whether a `Uint8Array` is allowed in it
   * @throws {@link EventError} `EVENT_NOT_ENCODABLE`, `EVENT_TOO_LARGE`
   */
  writeValue(value: unknown, depth: number, byteStrings: boolean): void {
    if (typeof value === "string") this.writeText(value)
    else if (typeof value === "number") this.writeNumber(value)
    else if (typeof value === "boolean") this.#writeBoolean(value)
    else if (typeof value !== "object" || value === null) {
      throw notEncodable(`${value === null ? "null" : `a value of type ${typeof value}`} cannot be logged`)
    } else if (value instanceof Uint8Array) {
      if (!byteStrings) throw notEncodable("a byte string is not allowed here")
      this.writeBytes(value)
    } else {
      if (depth === 0) throw notEncodable("a value is too deep")
      if (Array.isArray(value)) this.#writeArray(value, depth, byteStrings)
      else this.#writeMap(value as Record<string, unknown>, depth, byteStrings)
    }
  }

  /** @throws {@link EventError} `EVENT_TOO_LARGE` if what was written passes 65,535 bytes */
  check(): void {
    if (this.offset > MAX_ITEM_BYTES) {
      throw new EventError(
        "EVENT_TOO_LARGE",
        `more than ${MAX_ITEM_BYTES} bytes: what is logged must fit one entry`,
      )
    }
  }

  /** Returns a copy of what was written. @throws {@link EventError} `EVENT_TOO_LARGE` */
  take(): Uint8Array {
    this.check()
    return this.bytes.slice(0, this.offset)
  }

  #writeBoolean(value: boolean): void {
    this.bytes[this.offset++] = value ? 0xf5 : 0xf4
  }

  #writeArray(items: readonly unknown[], depth: number, byteStrings: boolean): void {
    this.writeHead(ARRAY, items.length)
    this.#refuseLonger(items.length)
    // By index: an iterator of the program's own could give more than the head says.
    for (let i = 0; i < items.length; i++) this.writeValue(items[i], depth - 1, byteStrings)
  }

  #writeMap(members: Record<string, unknown>, depth: number, byteStrings: boolean): void {
    if (!isPlainObject(members)) throw notEncodable("an object of a class cannot be logged")
    const keys = Object.keys(members)
    this.writeHead(MAP, keys.length)
    this.#refuseLonger(2 * keys.length)
    keys.sort(compareEncodedText)
    for (const key of keys) {
      if (isForbiddenKey(key)) {
        throw notEncodable(`the key ${key} is not allowed`)
      }
      this.writeText(key)
      this.writeValue(members[key], depth - 1, byteStrings)
    }
  }

  #writeLongText(text: string): void {
    this.#refuseLonger(text.length)
    if (!isWellFormed(text)) throw notEncodable("text with half of a surrogate pair cannot be logged")
    const length = utf8Length(text)
    this.writeHead(TEXT, length)
    this.#refuseLonger(length)
    textEncoder.encodeInto(text, this.bytes.subarray(this.offset))
    this.offset += length
  }

  #writeUint32(at: number, value: number): void {
    const bytes = this.bytes
    bytes[at] = value >>> 24
    bytes[at + 1] = value >>> 16
    bytes[at + 2] = value >>> 8
    bytes[at + 3] = value
  }

  /** Stops before work is done for bytes that cannot fit. */
  #refuseLonger(length: number): void {
    if (this.offset + length > MAX_ITEM_BYTES) {
      this.offset = MAX_ITEM_BYTES + 1
      this.check()
    }
  }
}

/**
 * Compares two texts as their encodings compare byte by byte: the shorter (in UTF-8)
 * first, then by code point.
 */
export function compareEncodedText(a: string, b: string): number {
  const lengths = utf8Length(a) - utf8Length(b)
  if (lengths !== 0) return lengths
  let i = 0
  while (i < a.length && a.charCodeAt(i) === b.charCodeAt(i)) i++
  if (i === a.length || i === b.length) return a.length - b.length
  return rank(a.charCodeAt(i)) - rank(b.charCodeAt(i))
}

/** UTF-16 code units in the order of their code points: surrogates stand for what is above U+FFFF. */
function rank(unit: number): number {
  return (unit & 0xf800) === 0xd800 ? unit + 0x10000 : unit
}

/** Returns the bytes that this text takes in UTF-8. A lone surrogate counts 3. */
export function utf8Length(text: string): number {
  let length = text.length
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x80) continue
    if (code < 0x800) length += 1
    else if ((code & 0xfc00) === 0xd800 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      length += 2
      i++
    } else length += 2
  }
  return length
}

/** Returns the bytes of the head with this argument, a safe integer ≥ 0. */
export function headSize(argument: number): number {
  if (argument < 24) return 1
  if (argument < 0x100) return 2
  if (argument < 0x10000) return 3
  return argument < 0x100000000 ? 5 : 9
}

/** Returns the bytes that a text takes, its head included. */
export function textSize(text: string): number {
  const length = utf8Length(text)
  return headSize(length) + length
}

/** Whether every surrogate of the text has its other half. */
export function isWellFormed(text: string): boolean {
  return (text as string & { isWellFormed(): boolean }).isWellFormed()
}

function notEncodable(message: string): EventError {
  return new EventError("EVENT_NOT_ENCODABLE", message)
}
