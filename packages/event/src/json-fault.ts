/**
 * Where a text breaks the rules of strict JSON: its first fault, in the order of its characters.
 *
 *     {"a":1,"b":{"c":[0,1,x …        open   { names a, b   at b }
 *                          │                 { names c      at c }
 *                          └ fault           [              at 2 ]   ─►  path  b, c, 2
 *
 * Only texts that were refused come here, and only to be told where. It is one pass, with one row for each open
 * bracket and no recursion, so that a text sent to be costly costs no more to explain than to read.
 *
 * Spec: RFC 8259; I-JSON, RFC 7493, section 2.
 * Pure: no I/O, no clock.
 */

import { isWellFormed } from "./cbor-writer.js"
import type { EventProblemCode } from "./error.js"
import { isForbiddenKey } from "./forbidden-keys.js"

/** What strict JSON allows besides its grammar. */
export interface JsonLimits {
  /** Deepest value: a scalar is 0. */
  readonly maxDepth: number
  /** Most arrays and objects. */
  readonly maxContainers: number
  /** Whether integers written in digits past ±(2⁵³ − 1) are refused. */
  readonly safeIntegers: boolean
}

/** One broken rule of a text. */
export interface JsonFault {
  readonly code: EventProblemCode
  /** For people; repeats nothing of the text. */
  readonly message: string
  /** Names and indices that lead to the value. */
  readonly path: readonly (string | number)[]
  /** Of the token at fault, in UTF-16 units. */
  readonly offset: number
}

/**
 * Returns the first fault of a text, or `undefined` if it has none.
 *
 * @param text - suspect
 */
export function firstFault(text: string, limits: JsonLimits): JsonFault | undefined {
  try {
    new Reader(text, limits).read()
    return undefined
  } catch (found) {
    if (found instanceof Found) return found.fault
    throw found
  }
}

/** Thrown, and caught, in this file only: the rest of the text need not be read. */
class Found {
  readonly fault: JsonFault

  constructor(fault: JsonFault) {
    this.fault = fault
  }
}

/** An array or object whose end is still to come. */
interface Container {
  /** Names so far; `undefined` in an array. */
  readonly names: Set<string> | undefined
  /** Where in it the reader is. */
  step: string | number
}

/** What may come next. */
type Due = "value" | "item or end" | "name" | "name or end" | "comma or end"

const QUOTE = 0x22
const BACKSLASH = 0x5c
const MINUS = 0x2d
const PLUS = 0x2b
const DOT = 0x2e
const ZERO = 0x30

class Reader {
  readonly #text: string
  readonly #limits: JsonLimits
  /** Whether the text has no half of a surrogate pair but what an escape may put there. */
  readonly #isWellFormed: boolean
  readonly #open: Container[] = []
  #containers = 0
  #at = 0

  constructor(text: string, limits: JsonLimits) {
    this.#text = text
    this.#limits = limits
    this.#isWellFormed = isWellFormed(text)
  }

  read(): void {
    let due: Due | undefined = "value"
    while (due !== undefined) {
      this.#skipSpace()
      if (due === "name" || due === "name or end") due = this.#readName(due)
      else if (due === "comma or end") due = this.#readNext()
      else due = this.#readValue(due)
    }
  }

  #readValue(due: Due): Due {
    const at = this.#at
    switch (this.#text[at]) {
      case "{":
        return this.#openContainer({ names: new Set(), step: "" }, "name or end")
      case "[":
        return this.#openContainer({ names: undefined, step: 0 }, "item or end")
      case "]":
        if (due === "item or end") return this.#close()
        break
      case '"':
        this.#checkText(at, this.#skipString())
        return "comma or end"
    }
    if (!this.#skipNumber() && !this.#skipLiteral()) this.#refuseText("expected a value")
    return "comma or end"
  }

  #openContainer(container: Container, due: Due): Due {
    if (this.#open.length === this.#limits.maxDepth) {
      this.#refuse("too_deep", `nested deeper than ${this.#limits.maxDepth} levels`, this.#at, [])
    }
    if (++this.#containers > this.#limits.maxContainers) {
      this.#refuse("too_many", "more arrays and objects than a text of this length may have", this.#at, [])
    }
    this.#open.push(container)
    this.#at++
    return due
  }

  #close(): Due {
    this.#open.pop()
    this.#at++
    return "comma or end"
  }

  #readName(due: Due): Due {
    const at = this.#at
    const first = this.#text[at]
    if (first === "}" && due === "name or end") return this.#close()
    if (first !== '"') this.#refuseText("expected a key in double quotes")
    this.#enter(at, this.#skipString())
    this.#skipSpace()
    if (this.#text[this.#at] !== ":") this.#refuseText("expected a colon")
    this.#at++
    return "value"
  }

  /** Goes into the member whose key is the string at `at`. */
  #enter(at: number, escapes: Escapes): void {
    const literal = this.#text.slice(at, this.#at)
    const name = escapes === "none" ? literal.slice(1, -1) : (JSON.parse(literal) as string)
    if (!this.#isSurelyWhole(escapes) && !isWellFormed(name)) {
      // No pointer can hold it: the object is named.
      this.#refuse("lone_surrogate", "a key with half of a surrogate pair", at, this.#path().slice(0, -1))
    }
    const container = this.#open[this.#open.length - 1] as Container
    container.step = name
    if (isForbiddenKey(name)) {
      this.#refuse("forbidden_key", `the key ${name} is not allowed`, at)
    }
    const names = container.names as Set<string>
    const before = names.size
    names.add(name)
    if (names.size === before) this.#refuse("duplicate_key", "a key that the object already has", at)
  }

  #readNext(): Due | undefined {
    const container = this.#open[this.#open.length - 1]
    const next = this.#text[this.#at]
    if (container === undefined) {
      if (next !== undefined) this.#refuseText("more text after its end")
      return undefined
    }
    const isObject = container.names !== undefined
    if (next === (isObject ? "}" : "]")) return this.#close()
    if (next !== ",") this.#refuseText("expected a comma or the end")
    this.#at++
    if (typeof container.step === "number") container.step++
    return isObject ? "name" : "value"
  }

  #skipSpace(): void {
    const text = this.#text
    let at = this.#at
    for (;;) {
      const code = text.charCodeAt(at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) break
      at++
    }
    this.#at = at
  }

  /** Goes past the string at hand, whose quote has been seen, and says what was escaped in it. */
  #skipString(): Escapes {
    const text = this.#text
    let escapes: Escapes = "none"
    for (let at = this.#at + 1; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code === QUOTE) {
        this.#at = at + 1
        return escapes
      }
      if (code < 0x20) this.#refuseText("a control character in a string")
      if (code !== BACKSLASH) continue
      const escaped = text[++at] ?? ""
      if (escaped === "u") {
        if (!FOUR_HEX.test(text.slice(at + 1, at + 5))) this.#refuseText(BAD_ESCAPE)
        at += 4
        escapes = "units"
      } else {
        if (escaped === "" || !'"\\/bfnrt'.includes(escaped)) this.#refuseText(BAD_ESCAPE)
        if (escapes === "none") escapes = "characters"
      }
    }
    return this.#refuseText("a string without end")
  }

  /** Whether a string with these escapes cannot hold half of a surrogate pair. */
  #isSurelyWhole(escapes: Escapes): boolean {
    return this.#isWellFormed && escapes !== "units"
  }

  /** Looks for half of a surrogate pair in the string from `at` to here. */
  #checkText(at: number, escapes: Escapes): void {
    if (this.#isSurelyWhole(escapes)) return
    const literal = this.#text.slice(at, this.#at)
    if (!isWellFormed(escapes === "units" ? (JSON.parse(literal) as string) : literal)) {
      this.#refuse("lone_surrogate", "text with half of a surrogate pair", at)
    }
  }

  #skipLiteral(): boolean {
    for (const literal of LITERALS) {
      if (!this.#text.startsWith(literal, this.#at)) continue
      this.#at += literal.length
      return true
    }
    return false
  }

  #skipNumber(): boolean {
    const start = this.#at
    const end = endOfNumber(this.#text, start)
    if (end < 0) return false
    // A single digit is fine; most numbers of a text that is made of numbers are one.
    if (end > start + 1) {
      const literal = this.#text.slice(start, end)
      const value = Number(literal)
      const unsafe = this.#limits.safeIntegers && isUnsafeInteger(literal, value)
      if (unsafe || !Number.isFinite(value)) {
        this.#refuse("unsafe_number", "a number past what a reader can hold exactly (2^53 - 1)")
      }
    }
    this.#at = end
    return true
  }

  /** Names and indices that lead to the value at hand. */
  #path(): (string | number)[] {
    return this.#open.map(({ step }) => step)
  }

  #refuse(code: EventProblemCode, message: string, offset = this.#at, path = this.#path()): never {
    throw new Found({ code, message, path, offset })
  }

  /** It is no JSON from here on, so that no place in its value can be named. */
  #refuseText(what: string): never {
    return this.#refuse("malformed_json", `no JSON: ${what}`, this.#at, [])
  }
}

/** What is escaped in a string: nothing, single characters, or UTF-16 units by their number. */
type Escapes = "none" | "characters" | "units"

const LITERALS = ["true", "false", "null"]
const BAD_ESCAPE = "an escape that JSON does not have"
const FOUR_HEX = /^[0-9A-Fa-f]{4}$/

function isUnsafeInteger(literal: string, value: number): boolean {
  return !Number.isSafeInteger(value) && /^-?[0-9]+$/.test(literal)
}

/** Returns the offset after the number at `start`, or −1 if there is none. */
function endOfNumber(text: string, start: number): number {
  const first = text.charCodeAt(start) === MINUS ? start + 1 : start
  // A zero stands alone before the dot.
  let at = text.charCodeAt(first) === ZERO ? first + 1 : endOfDigits(text, first)
  if (at === first) return -1
  if (text.charCodeAt(at) === DOT) {
    const fraction = at + 1
    at = endOfDigits(text, fraction)
    if (at === fraction) return -1
  }
  if ((text.charCodeAt(at) | 0x20) === 0x65) {
    const sign = text.charCodeAt(at + 1)
    const exponent = at + (sign === PLUS || sign === MINUS ? 2 : 1)
    at = endOfDigits(text, exponent)
    if (at === exponent) return -1
  }
  return at
}

function endOfDigits(text: string, start: number): number {
  let at = start
  for (;;) {
    const digit = text.charCodeAt(at) - ZERO
    if (!(digit >= 0 && digit <= 9)) return at
    at++
  }
}
