/**
 * Deterministic CBOR: one value, one encoding.
 *
 *     head       shortest, definite length
 *     integer    ±(2⁵³ − 1); −0 is 0
 *     number     any other finite one, always as float64
 *     text       well-formed UTF-8
 *     map        text keys, ascending by their encoded bytes, none twice
 *     true, false, arrays; byte strings where the schema says
 *     refused    null, undefined, NaN, infinities, tags, other simple values
 *
 * The strict reader walks bytes that may come from anyone, in bounded memory and
 * without recursion, and refuses at the first byte that breaks a rule. The decoder
 * reads only what it passed.
 *
 * All three are ours, and cbor-x is their second opinion in tests. On this path it could
 * not stay: it follows shared references in hostile bytes to any size, and from texts
 * past some length it drops a leading U+FEFF, so that a field would not open its digest.
 *
 * Spec: RFC 8949, section 4.2.1, narrowed as in docs/spec, "Deterministic CBOR".
 * Pure: no I/O. State of the walk is reused between calls, and nothing in here calls back.
 */

import { EventError } from "./error.js"
import { FORBIDDEN_KEYS } from "./schema.js"

/** A value of the profile. Objects are read as own, enumerable, text-keyed members. */
export type CborValue =
  | string
  | number
  | boolean
  | Uint8Array
  | readonly CborValue[]
  | { readonly [key: string]: CborValue }

/** Most bytes in one item: a record or an entry must fit a 16-bit length. */
export const MAX_ITEM_BYTES = 65_535

/** Deepest whole item: a scalar is 0, an array of scalars 1. */
export const MAX_ITEM_DEPTH = 8

/** Deepest value of a field. */
export const MAX_VALUE_DEPTH = 4

const UINT = 0
const NEGATIVE = 1
const BYTES = 2
const TEXT = 3
const ARRAY = 4
const MAP = 5
const SIMPLE = 7
const TWO_TO_32 = 4_294_967_296

/** Where encoding text by the platform's encoder begins to be faster than by hand. */
const LONG_TEXT = 128

const textEncoder = new TextEncoder()

// ---- the writer

/**
 * Returns the one encoding of a value.
 *
 * @throws {@link EventError} `EVENT_NOT_ENCODABLE` for what the profile refuses,
 * `EVENT_TOO_LARGE` past 65,535 bytes
 */
export function encodeCbor(value: CborValue): Uint8Array {
  const writer = sharedWriter()
  writer.writeValue(value, MAX_ITEM_DEPTH, true)
  return writer.take()
}

let shared: CborWriter | undefined

/** Returns the writer of this module, emptied. Whoever asks must be done with it before anyone else can ask. */
export function sharedWriter(): CborWriter {
  shared ??= new CborWriter()
  shared.offset = 0
  return shared
}

/**
 * Writes items one after another into a buffer that is reused.
 *
 * Stores past the end of a typed array are ignored, so nothing is checked on the
 * way: {@link CborWriter.check} and {@link CborWriter.take} see that `offset` ran past the limit.
 */
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
    for (const item of items) this.writeValue(item, depth - 1, byteStrings)
  }

  #writeMap(members: Record<string, unknown>, depth: number, byteStrings: boolean): void {
    const prototype = Object.getPrototypeOf(members)
    if (prototype !== Object.prototype && prototype !== null) {
      throw notEncodable("an object of a class cannot be logged")
    }
    const keys = Object.keys(members)
    this.writeHead(MAP, keys.length)
    this.#refuseLonger(2 * keys.length)
    keys.sort(compareEncodedText)
    for (const key of keys) {
      if ((FORBIDDEN_KEYS as readonly string[]).includes(key))
        throw notEncodable(`the key ${key} is not allowed`)
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

/** Whether every surrogate of the text has its other half. */
export function isWellFormed(text: string): boolean {
  return (text as string & { isWellFormed(): boolean }).isWellFormed()
}

function notEncodable(message: string): EventError {
  return new EventError("EVENT_NOT_ENCODABLE", message)
}

// ---- the strict reader

export interface CborRules {
  /** Deepest item allowed. 8 if absent. */
  readonly maxDepth?: number
  /** Whether byte strings are allowed. True if absent. */
  readonly byteStrings?: boolean
}

/**
 * Checks that suspect bytes are exactly one item of the profile.
 *
 * @throws {@link EventError} `EVENT_MALFORMED_CBOR`, naming the byte
 */
export function checkCbor(bytes: Uint8Array, rules: CborRules = {}): void {
  const end = skipItem(bytes, 0, bytes.length, rules.maxDepth ?? MAX_ITEM_DEPTH, rules.byteStrings ?? true)
  if (end !== bytes.length) throw malformed("bytes after the end of the item", end)
}

/**
 * Returns the value of suspect bytes, once the strict reader has passed them.
 *
 * Maps become plain objects; byte strings become copies.
 *
 * @throws {@link EventError} `EVENT_MALFORMED_CBOR`
 */
export function decodeCbor(bytes: Uint8Array, rules: CborRules = {}): CborValue {
  checkCbor(bytes, rules)
  return decodeChecked(bytes)
}

/** Returns the value of bytes that the strict reader passed; of no others. */
export function decodeChecked(bytes: Uint8Array): CborValue {
  characters = oneByteEach.decode(bytes)
  cursor = 0
  return readValue(bytes)
}

/** One character for each byte. Right for ASCII; what lies above is read again, as UTF-8. */
const oneByteEach = new TextDecoder("latin1")

/** The item in hand, and where in it the decoder is. */
let characters = ""
let cursor = 0

/** Recursive: the strict reader has bounded the depth. */
function readValue(bytes: Uint8Array): CborValue {
  const start = cursor
  const initial = bytes[start] as number
  cursor = readHead(bytes, start, bytes.length)
  const count = argument
  switch (initial >> 5) {
    case UINT:
      return count
    case NEGATIVE:
      return -1 - count
    case BYTES:
      cursor += count
      return bytes.slice(cursor - count, cursor)
    case TEXT:
      return readText(bytes, count)
    case ARRAY: {
      const items: CborValue[] = []
      for (let i = 0; i < count; i++) items.push(readValue(bytes))
      return items
    }
    case MAP: {
      const members: Record<string, CborValue> = {}
      for (let i = 0; i < count; i++) {
        const key = readValue(bytes) as string
        members[key] = readValue(bytes)
      }
      return members
    }
    default:
      return initial === 0xfb ? floatAt(bytes, start + 1) : initial === 0xf5
  }
}

function readText(bytes: Uint8Array, length: number): string {
  const start = cursor
  const end = start + length
  cursor = end
  for (let at = start; at < end; at++) {
    if ((bytes[at] as number) > 0x7f) return strictUtf8.decode(bytes.subarray(start, end))
  }
  return characters.slice(start, end)
}

/** What a head said last: its argument, a safe integer ≥ 0. Set by {@link readHead}. */
let argument = 0

/** One per open container, reused: nothing in here calls back. */
const itemsLeft = new Float64Array(MAX_ITEM_DEPTH + 1)
const openMap = new Uint8Array(MAX_ITEM_DEPTH + 1)
const keyStart = new Float64Array(MAX_ITEM_DEPTH + 1)
const keyEnd = new Float64Array(MAX_ITEM_DEPTH + 1)

/**
 * Returns the offset after the item that starts at `start`, having checked all of it.
 *
 * @param bytes - suspect
 * @param end - nothing at or past it is read
 * @param maxDepth - 0 … 8
 * @throws {@link EventError} `EVENT_MALFORMED_CBOR`, naming the byte
 */
export function skipItem(
  bytes: Uint8Array,
  start: number,
  end: number,
  maxDepth: number,
  byteStrings: boolean,
): number {
  let level = 0
  let at = start
  itemsLeft[0] = 1
  openMap[0] = 0
  for (;;) {
    while (itemsLeft[level] === 0) {
      if (level === 0) return at
      level--
    }
    const left = (itemsLeft[level] as number) - 1
    itemsLeft[level] = left
    const isKey = openMap[level] === 1 && (left & 1) === 1
    const itemStart = at
    at = readHead(bytes, at, end)
    const major = (bytes[itemStart] as number) >> 5
    if (isKey && major !== TEXT) throw malformed("a map key that is no text", itemStart)
    switch (major) {
      case UINT:
        break
      case NEGATIVE:
        if (argument === Number.MAX_SAFE_INTEGER) throw malformed("an integer below -(2^53 - 1)", itemStart)
        break
      case BYTES:
        if (!byteStrings) throw malformed("a byte string where none is allowed", itemStart)
        at = skipString(at, end, itemStart)
        break
      case TEXT: {
        const textStart = at
        at = skipString(at, end, itemStart)
        checkUtf8(bytes, textStart, at)
        if (isKey) checkKey(bytes, level, itemStart, textStart, at)
        break
      }
      case SIMPLE:
        if (bytes[itemStart] === 0xfb) checkFloat(bytes, itemStart)
        break
      default: {
        const items = major === MAP ? argument * 2 : argument
        if (items > end - at) throw malformed("a count larger than what follows", itemStart)
        if (level === maxDepth) throw malformed(`deeper than ${maxDepth}`, itemStart)
        level++
        itemsLeft[level] = items
        openMap[level] = major === MAP ? 1 : 0
        keyStart[level] = -1
      }
    }
  }
}

/**
 * Reads one head into {@link argument} and returns the offset after it; for a float64,
 * after its eight bytes.
 */
export function readHead(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) throw malformed("the end came too soon", at)
  const initial = bytes[at] as number
  const major = initial >> 5
  const info = initial & 0x1f
  if (major === SIMPLE) return readSimple(info, at, end)
  if (major === 6) throw malformed("a tag", at)
  if (info < 24) {
    argument = info
    return at + 1
  }
  const size = info === 24 ? 1 : info === 25 ? 2 : info === 26 ? 4 : info === 27 ? 8 : 0
  if (size === 0) throw malformed("an indefinite or reserved length", at)
  if (end - at <= size) throw malformed("the end came too soon", at)
  if (size === 1) {
    argument = bytes[at + 1] as number
    if (argument < 24) throw malformed("a head that is not the shortest", at)
  } else if (size === 2) {
    argument = (bytes[at + 1] as number) * 256 + (bytes[at + 2] as number)
    if (argument < 0x100) throw malformed("a head that is not the shortest", at)
  } else if (size === 4) {
    argument = readUint32(bytes, at + 1)
    if (argument < 0x10000) throw malformed("a head that is not the shortest", at)
  } else {
    const high = readUint32(bytes, at + 1)
    if (high === 0) throw malformed("a head that is not the shortest", at)
    if (high > 0x1fffff) throw malformed("a number past 2^53 - 1", at)
    argument = high * TWO_TO_32 + readUint32(bytes, at + 5)
  }
  return at + 1 + size
}

/** Returns the argument of the last head that {@link readHead} read. */
export function headArgument(): number {
  return argument
}

/** Returns four bytes, big-endian, as 0 … 2³² − 1. */
export function readUint32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) * 0x1000000 +
    (((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number))
  )
}

function readSimple(info: number, at: number, end: number): number {
  if (info === 20 || info === 21) return at + 1
  if (info !== 27) throw malformed(info === 22 ? "a null" : "a simple value or short float", at)
  if (end - at <= 8) throw malformed("the end came too soon", at)
  return at + 9
}

function skipString(at: number, end: number, itemStart: number): number {
  if (argument > end - at) throw malformed("a length larger than what follows", itemStart)
  return at + argument
}

const floatBytes = new DataView(new ArrayBuffer(8))

function floatAt(bytes: Uint8Array, at: number): number {
  for (let i = 0; i < 8; i++) floatBytes.setUint8(i, bytes[at + i] as number)
  return floatBytes.getFloat64(0)
}

/** Refuses NaN, the infinities and what must be written as an integer, −0 among it. */
function checkFloat(bytes: Uint8Array, itemStart: number): void {
  const value = floatAt(bytes, itemStart + 1)
  if (!Number.isFinite(value)) throw malformed("a number that is not finite", itemStart)
  if (Number.isSafeInteger(value)) throw malformed("an integer written as a float", itemStart)
}

/** Refuses a key that is not after the last one, or that reaches into prototypes. */
function checkKey(bytes: Uint8Array, level: number, start: number, textStart: number, end: number): void {
  const previous = keyStart[level] as number
  if (previous >= 0 && compareBytes(bytes, previous, keyEnd[level] as number, start, end) >= 0) {
    throw malformed("map keys out of order or twice", start)
  }
  keyStart[level] = start
  keyEnd[level] = end
  if (end - textStart === 9 || end - textStart === 11) {
    for (const key of FORBIDDEN_KEYS) {
      if (equalsAscii(bytes, textStart, end, key)) throw malformed("a key that is not allowed", start)
    }
  }
}

function equalsAscii(bytes: Uint8Array, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false
  return true
}

/** Compares two ranges of the same bytes, bytewise; a prefix is less. */
export function compareBytes(
  bytes: Uint8Array,
  aStart: number,
  aEnd: number,
  bStart: number,
  bEnd: number,
): number {
  let a = aStart
  let b = bStart
  while (a < aEnd && b < bEnd) {
    const difference = (bytes[a++] as number) - (bytes[b++] as number)
    if (difference !== 0) return difference
  }
  return aEnd - aStart - (bEnd - bStart)
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

function checkUtf8(bytes: Uint8Array, start: number, end: number): void {
  let at = start
  while (at < end && (bytes[at] as number) < 0x80) at++
  if (at === end) return
  try {
    strictUtf8.decode(bytes.subarray(at, end))
  } catch (cause) {
    throw new EventError(
      "EVENT_MALFORMED_CBOR",
      `not CBOR of this log: text that is not UTF-8 in the string at byte ${start}`,
      {
        cause,
      },
    )
  }
}

function malformed(what: string, at: number): EventError {
  return new EventError("EVENT_MALFORMED_CBOR", `not CBOR of this log: ${what}, at byte ${at}`)
}
