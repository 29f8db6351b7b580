/**
 * Strict JSON: text that has one meaning, or a refusal that says where.
 *
 *     text ─► one scan (depth, members, long integers) ─► JSON.parse ─► one walk (members, keys)
 *                    │ too deep                                │ broken, or the counts differ
 *                    ▼                                         ▼
 *                 refused at once                  read again, slowly, to name the first fault
 *
 * Refused besides what JSON.parse refuses: a key twice in one object, keys that reach
 * into prototypes, text with half of a surrogate pair, integers written in digits
 * that are no safe integers, numbers that overflow, and nesting past a limit. The
 * depth is known before anything is parsed, so a bomb costs no more than its first bytes.
 *
 * Spec: RFC 8259; I-JSON, RFC 7493, section 2.
 * Pure: no I/O, no clock.
 */

import { type JSONVisitor, printParseErrorCode, visit } from "jsonc-parser"
import { isWellFormed } from "./cbor-writer.js"
import { EventError, type EventProblemCode } from "./error.js"
import { FORBIDDEN_KEYS } from "./schema.js"

export interface StrictJsonOptions {
  /** Deepest value allowed: a scalar is 0, an array of scalars 1. 8 if absent. */
  readonly maxDepth?: number
  /** Line number of the first line, for text cut out of a larger one. 1 if absent. */
  readonly firstLine?: number
  /**
   * `"safe"` (if absent) refuses integers written in digits past ±(2⁵³ − 1);
   * `"double"` reads them as the nearest double, as a file of ours that holds large doubles needs.
   */
  readonly integers?: "safe" | "double"
}

/** Deepest JSON that is parsed unless told otherwise. */
export const MAX_JSON_DEPTH = 8

/**
 * Returns the value of a JSON text.
 *
 * @param text - suspect
 * @throws {@link EventError} `EVENT_MALFORMED_JSON` with line, column and a problem:
 * `malformed_json`, `duplicate_key`, `forbidden_key`, `too_deep`, `unsafe_number` or `lone_surrogate`
 */
export function parseStrictJson(text: string, options: StrictJsonOptions = {}): unknown {
  const maxDepth = options.maxDepth ?? MAX_JSON_DEPTH
  const members = scan(text, maxDepth, options.integers === "double")
  if (members === SUSPECT) throw explain(text, options, maxDepth)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw explain(text, options, maxDepth)
  }
  const checkText = text.includes("\\u") || !isWellFormed(text)
  if (countMembers(value, checkText) !== members) throw explain(text, options, maxDepth)
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
 * {@link SUSPECT} if it is too deep or has an unsafe integer.
 *
 * It looks at brackets, colons and digits only; whether the text is JSON is for JSON.parse
 * to say. It looks at UTF-8, because bytes are read twice as fast as characters.
 */
function scan(text: string, maxDepth: number, allowUnsafe: boolean): number {
  const small = text.length * 3 <= scratch.length
  // A large text is looked through for depth before it is copied: its first bytes may do.
  if (!small && firstTooDeep(text, maxDepth) !== undefined) return SUSPECT
  const bytes = small ? scratch : encoder.encode(text)
  const length = small ? encoder.encodeInto(text, scratch).written : bytes.length
  let depth = 0
  let members = 0
  for (let at = 0; at < length; at++) {
    const kind = KINDS[bytes[at] as number]
    if (kind === 0) continue
    if (kind === STRING) {
      at = endOfString(bytes, at + 1, length)
    } else if (kind === MEMBER) {
      members++
    } else if (kind === OPEN) {
      if (++depth > maxDepth) return SUSPECT
    } else if (kind === CLOSE) {
      depth--
    } else {
      const start = at
      while (at + 1 < length && IN_NUMBER[bytes[at + 1] as number] === 1) at++
      if (at + 1 - start >= LONG_INTEGER && !allowUnsafe && isUnsafeInteger(bytes, start, at + 1))
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
    if (key === "__proto__" || key === "constructor" || key === "prototype") return Number.NaN
    if (checkText && !isWellFormed(key)) return Number.NaN
    const member = (value as Record<string, unknown>)[key]
    if (checkText || typeof member !== "string") members += countMembers(member, checkText)
  }
  return members + keys.length
}

/** Returns the error for a text that is known to be refused: reads it again, up to its first fault. */
function explain(text: string, options: StrictJsonOptions, maxDepth: number): EventError {
  const deep = firstTooDeep(text, maxDepth)
  if (deep !== undefined) {
    // The reader below is recursive; it must not see what is too deep.
    return refuse("too_deep", `nested deeper than ${maxDepth} levels`, "", placeOf(text, deep), options)
  }
  const fault = firstFault(text, options.integers === "double")
  if (fault !== undefined) return refuse(fault.code, fault.message, fault.pointer, fault, options)
  return refuse("malformed_json", "no JSON", "", { line: 1, column: 1 }, options)
}

interface Place {
  readonly line: number
  readonly column: number
}

interface Fault extends Place {
  readonly code: EventProblemCode
  readonly message: string
  readonly pointer: string
}

function refuse(
  code: EventProblemCode,
  what: string,
  pointer: string,
  place: Place,
  options: StrictJsonOptions,
): EventError {
  const line = place.line + (options.firstLine ?? 1) - 1
  const message = `line ${line}, column ${place.column}: ${what}`
  const problem = { code, pointer, message }
  return new EventError("EVENT_MALFORMED_JSON", message, { problem, line, column: place.column })
}

/** Returns the offset, in UTF-16 units, of the first bracket past the limit. */
function firstTooDeep(text: string, maxDepth: number): number | undefined {
  let depth = 0
  let inString = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) inString = !inString
    else if (inString) at += code === BACKSLASH ? 1 : 0
    else if (KINDS[code] === OPEN && ++depth > maxDepth) return at
    else if (KINDS[code] === CLOSE) depth--
  }
  return undefined
}

function placeOf(text: string, offset: number): Place {
  let line = 1
  let start = 0
  for (let at = text.indexOf("\n"); at >= 0 && at < offset; at = text.indexOf("\n", at + 1)) {
    line++
    start = at + 1
  }
  return { line, column: offset - start + 1 }
}

/** Thrown by the visitor to stop at the first fault. */
class Found {
  readonly fault: Fault

  constructor(fault: Fault) {
    this.fault = fault
  }
}

/** Returns the first fault of a text, in the order of its bytes. */
function firstFault(text: string, allowUnsafe: boolean): Fault | undefined {
  try {
    visit(text, faultFinder(text, allowUnsafe), {
      disallowComments: true,
      allowTrailingComma: false,
      allowEmptyContent: false,
    })
  } catch (found) {
    if (found instanceof Found) return found.fault
    throw found
  }
  return undefined
}

function faultFinder(text: string, allowUnsafe: boolean): JSONVisitor {
  const seen: Set<string>[] = []
  const stop = (
    code: EventProblemCode,
    message: string,
    path: readonly (string | number)[],
    line: number,
    column: number,
  ) => {
    throw new Found({ code, message, pointer: pointerOf(path), line: line + 1, column: column + 1 })
  }
  return {
    onObjectBegin: () => {
      seen.push(new Set())
    },
    onObjectEnd: () => {
      seen.pop()
    },
    onObjectProperty: (name, _offset, _length, line, column, path) => {
      const names = seen[seen.length - 1]
      const at = () => [...path(), name]
      if (!isWellFormed(name))
        stop("lone_surrogate", "a key with half of a surrogate pair", path(), line, column)
      if ((FORBIDDEN_KEYS as readonly string[]).includes(name)) {
        stop("forbidden_key", `the key ${name} is not allowed`, at(), line, column)
      }
      if (names?.has(name)) stop("duplicate_key", "a key that the object already has", at(), line, column)
      names?.add(name)
    },
    onLiteralValue: (value, offset, length, line, column, path) => {
      if (typeof value === "string" && !isWellFormed(value)) {
        stop("lone_surrogate", "text with half of a surrogate pair", path(), line, column)
      }
      if (typeof value !== "number") return
      const isInteger = length >= LONG_INTEGER && /^-?[0-9]+$/.test(text.slice(offset, offset + length))
      if (!Number.isFinite(value) || (!allowUnsafe && isInteger && !Number.isSafeInteger(value))) {
        stop("unsafe_number", "a number past what a reader can hold exactly (2^53 - 1)", path(), line, column)
      }
    },
    onError: (error, _offset, _length, line, column) => {
      const words = printParseErrorCode(error).replace(
        /(?<=[a-z])[A-Z]/g,
        (letter) => ` ${letter.toLowerCase()}`,
      )
      stop("malformed_json", `no JSON: ${words.toLowerCase()}`, [], line, column)
    },
  }
}

/** Returns the JSON pointer (RFC 6901) of a path. */
export function pointerOf(path: readonly (string | number)[]): string {
  return path.map((part) => `/${String(part).replace(/~/g, "~0").replace(/\//g, "~1")}`).join("")
}
