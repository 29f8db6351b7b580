/**
 * The strict reader of CBOR, and the decoder of what it passed.
 *
 *     suspect bytes ─► skipItem: every head, length, text, key and depth ─► readValue
 *                          │
 *                          └─► refused at the first byte that breaks a rule
 *
 * The walk is iterative and its memory fixed: one row per open container, of which
 * there are at most eight. Counts are held against what is left before they are
 * believed. The decoder recurses, as deep as the walk allowed.
 *
 * Spec: RFC 8949, sections 3 and 4.2.1, narrowed as in docs/spec, "Deterministic CBOR".
 * Pure: no I/O. State is reused between calls, and nothing in here calls back.
 */

import type { CborValue } from "./cbor.js"
import { EventError } from "./error.js"
import { FORBIDDEN_KEYS } from "./forbidden-keys.js"

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

/**
 * Returns the most arrays and maps that a message of `length` bytes or characters may have.
 *
 * No record or entry is long enough to have more. A longer message of `[{},{},…` would take
 * twenty times its size in memory.
 */
export function mostContainers(length: number): number {
  return 65_536 + Math.floor(length / 16)
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
  let containers = 0
  const maxContainers = mostContainers(end - start)
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
        if (++containers > maxContainers) throw malformed("too many arrays and maps", itemStart)
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

/** Returns the float64 whose eight bytes, the most significant first, begin at `at`. */
export function floatAt(bytes: Uint8Array, at: number): number {
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
    const message = `not CBOR of this log: text that is not UTF-8, in the string at byte ${start}`
    throw new EventError("EVENT_MALFORMED_CBOR", message, { cause })
  }
}

function malformed(what: string, at: number): EventError {
  return new EventError("EVENT_MALFORMED_CBOR", `not CBOR of this log: ${what}, at byte ${at}`)
}

// ---- the decoder

/** Returns the value of bytes that the strict reader passed; of no others. */
export function decodeChecked(bytes: Uint8Array): CborValue {
  characters = oneByteEach.decode(bytes)
  cursor = 0
  const value = readValue(bytes)
  characters = ""
  return value
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
