/**
 * Strict JSON: text that has one meaning, or a refusal that says where.
 *
 *     text ─► one scan (depth, members, long integers) ─► JSON.parse ─► one walk (members, keys)
 *                    │ too deep, too many                      │ broken, or the counts differ
 *                    └──────────────────┬──────────────────────┘
 *                                       ▼
 *                  read again, by json-fault, to name the first fault
 *
 * Refused besides what JSON.parse refuses: a key twice in one object, keys that reach
 * into prototypes, text with half of a surrogate pair, integers written in digits
 * that are no safe integers, numbers that overflow, and nesting past a limit. Depth and
 * number of arrays and objects are known before anything is parsed, so no bomb goes off.
 *
 * Spec: RFC 8259; I-JSON, RFC 7493, section 2.
 * Pure: no I/O, no clock.
 */

import { mostContainers } from "./cbor-reader.js"
import { isWellFormed } from "./cbor-writer.js"
import { EventError } from "./error.js"
import { isForbiddenKey } from "./forbidden-keys.js"
import { firstFault, type JsonLimits } from "./json-fault.js"

export interface StrictJsonOptions {
  /** Deepest value allowed: a scalar is 0, an array of scalars 1. 8 if absent. */
  readonly maxDepth?: number
  /** Line number of the first line, for text cut out of a larger one. 1 if absent. */
  readonly firstLine?: number
  /**
   * `"safe"` (if absent) refuses integers written in digits past ±(2⁵³ − 1), and more arrays and
   * objects than {@link mostContainers}. `"double"` is for files made of our own records: it reads such
   * integers as the nearest double, as large doubles need, and takes whatever records may hold.
   */
  readonly integers?: "safe" | "double"
}

/** Deepest JSON that is parsed unless told otherwise. */
export const MAX_JSON_DEPTH = 8

/**
 * Returns the value of a JSON text.
 *
 * @param text - suspect
 * @throws {@link EventError} `EVENT_MALFORMED_JSON` with line, column and a problem: `malformed_json`,
 * `duplicate_key`, `forbidden_key`, `too_deep`, `too_many`, `unsafe_number` or `lone_surrogate`
 */
export function parseStrictJson(text: string, options: StrictJsonOptions = {}): unknown {
  const maxDepth = options.maxDepth ?? MAX_JSON_DEPTH
  const safeIntegers = options.integers !== "double"
  const maxContainers = safeIntegers ? mostContainers(text.length) : Number.POSITIVE_INFINITY
  const refuse = () => explain(text, { maxDepth, maxContainers, safeIntegers }, options.firstLine ?? 1)
  const members = scan(text, maxDepth, maxContainers, safeIntegers)
  if (members === SUSPECT) throw refuse()
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw refuse()
  }
  const checkText = text.includes("\\u") || !isWellFormed(text)
  if (countMembers(value, checkText) !== members) throw refuse()
  return value
}

/** What {@link scan} returns if the text must be refused. */
const SUSPECT = -1

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** Digits of the smallest integer that is not safe: 9007199254740992. */
const LONG_INTEGER = 16

/** What a byte outside strings starts. Bytes that matter to nothing here are 0. */
const KINDS = new Uint8Array(256)
const STRING = 1
const MEMBER = 2
const OPEN = 3
const CLOSE = 4
const NUMBER = 5
KINDS[QUOTE] = STRING
KINDS[0x3a] = MEMBER
for (const bracket of "{[") KINDS[bracket.charCodeAt(0)] = OPEN
for (const bracket of "}]") KINDS[bracket.charCodeAt(0)] = CLOSE
for (let digit = 0x30; digit <= 0x39; digit++) KINDS[digit] = NUMBER

/** Whether a byte can go on in a number: digits, `.`, `e`, `E`, `+`, `-`. */
const IN_NUMBER = new Uint8Array(256)
for (const character of "0123456789.eE+-") IN_NUMBER[character.charCodeAt(0)] = 1

const encoder = new TextEncoder()
const scratch = new Uint8Array(64 * 1024)

/**
 * Returns the number of members that the objects of a well-formed text have, or
 * {@link SUSPECT} if it is too deep, has too many arrays and objects, or an unsafe integer.
 *
 * It looks at brackets, colons and digits only; whether the text is JSON is for JSON.parse
 * to say. It looks at UTF-8, because bytes are read twice as fast as characters.
 */
function scan(text: string, maxDepth: number, maxContainers: number, safeIntegers: boolean): number {
  const small = text.length * 3 <= scratch.length
  const bytes = small ? scratch : encoder.encode(text)
  const length = small ? encoder.encodeInto(text, scratch).written : bytes.length
  let depth = 0
  let containers = 0
  let members = 0
  for (let at = 0; at < length; at++) {
    const kind = KINDS[bytes[at] as number]
    if (kind === 0) continue
    if (kind === STRING) {
      at = endOfString(bytes, at + 1, length)
    } else if (kind === MEMBER) {
      members++
    } else if (kind === OPEN) {
      if (++depth > maxDepth || ++containers > maxContainers) return SUSPECT
    } else if (kind === CLOSE) {
      depth--
    } else {
      const start = at
      while (at + 1 < length && IN_NUMBER[bytes[at + 1] as number] === 1) at++
      if (at + 1 - start >= LONG_INTEGER && safeIntegers && isUnsafeInteger(bytes, start, at + 1))
        return SUSPECT
    }
  }
  return members
}

/** Returns where the closing quote is, or the end of the text. */
function endOfString(bytes: Uint8Array, start: number, length: number): number {
  for (let at = start; at < length; at++) {
    const byte = bytes[at]
    if (byte === QUOTE) return at
    if (byte === BACKSLASH) at++
  }
  return length
}

/** Whether these bytes are digits only, and past 2⁵³ − 1. */
function isUnsafeInteger(bytes: Uint8Array, start: number, end: number): boolean {
  let value = 0
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] as number) - 0x30
    if (digit < 0 || digit > 9) return false
    value = value * 10 + digit
  }
  return !(value <= Number.MAX_SAFE_INTEGER)
}

/**
 * Returns the number of members in a value, or NaN if it holds a forbidden key, a
 * number that overflowed or, where `checkText` asks, half of a surrogate pair.
 */
function countMembers(value: unknown, checkText: boolean): number {
  if (typeof value === "string") return checkText && !isWellFormed(value) ? Number.NaN : 0
  if (typeof value === "number") return Number.isFinite(value) ? 0 : Number.NaN
  if (typeof value !== "object" || value === null) return 0
  let members = 0
  if (Array.isArray(value)) {
    for (const item of value) members += countMembers(item, checkText)
    return members
  }
  const keys = Object.keys(value)
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string
    if (isForbiddenKey(key) || (checkText && !isWellFormed(key))) return Number.NaN
    const member = (value as Record<string, unknown>)[key]
    if (checkText || typeof member !== "string") members += countMembers(member, checkText)
  }
  return members + keys.length
}

/** Returns the error for a text that is known to be refused: reads it again, up to its first fault. */
function explain(text: string, limits: JsonLimits, firstLine: number): EventError {
  const fault = firstFault(text, limits)
  if (fault === undefined) throw new Error("bug: no fault in a text that was refused")
  const { line, column } = placeOf(text, fault.offset, firstLine)
  const message = `line ${line}, column ${column}: ${fault.message}`
  const problem = { code: fault.code, pointer: pointerOf(fault.path), message }
  return new EventError("EVENT_MALFORMED_JSON", message, { problem, line, column })
}

function placeOf(text: string, offset: number, firstLine: number): { line: number; column: number } {
  let line = firstLine
  let start = 0
  for (let at = text.indexOf("\n"); at >= 0 && at < offset; at = text.indexOf("\n", at + 1)) {
    line++
    start = at + 1
  }
  return { line, column: offset - start + 1 }
}

/** Longest name that a pointer repeats: no name that is allowed anywhere is longer. */
const MAX_POINTED = 128

/**
 * Returns the JSON pointer (RFC 6901) of a path.
 *
 * A name of more than 128 characters is cut there and ends in `…`: the answer to a hostile text
 * stays small, and such a name needs no more to be found.
 */
export function pointerOf(path: readonly (string | number)[]): string {
  return path.map((step) => `/${pointedOf(step).replace(/~/g, "~0").replace(/\//g, "~1")}`).join("")
}

function pointedOf(step: string | number): string {
  const text = String(step)
  if (text.length <= MAX_POINTED) return text
  const cut = text.slice(0, MAX_POINTED)
  return `${isWellFormed(cut) ? cut : cut.slice(0, -1)}…`
}
