/**
 * The text of an evidence file, cut into its events before any of it is parsed.
 *
 *     {"format":…,"checkpoint":…,"events":[  {…}  ,  {…}  ,  {…}  ]}
 *     └──────────── around ──────────────┘   one     one     one   └┘ around
 *
 * So whoever reads it holds one event at a time and stops at the first that is false. Parsed whole, a hostile
 * file of 250 MB takes two minutes and 7 GB before its first event is looked at.
 *
 * The cuts decide nothing about what the text means. Each piece is parsed strictly by itself, and so is what is
 * around them with nothing between its brackets: where all of that is JSON, so is the whole, and says the same.
 *
 * Numbers are held to one reading as well. A parser takes 9007199254740993 for ...992 and 200.00000000000000001
 * for 200; people and other programs read what stands there. So a number must be the shortest decimal of the
 * double it stands for, spelled as it may be (1.0, 1e0), and no digit of it is dropped.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { parseStrictJson } from "@prooflog/event/json"
import { refusalBy, VerifierError } from "./error.js"

/** Characters around the events: a checkpoint of a megabyte, each byte of it escaped. */
const MAX_AROUND = 8 * 1024 * 1024

/** Characters of one event: a record of 64 KiB, each byte of it escaped or on a line of its own. */
const MAX_EVENT = 4 * 1024 * 1024

/** Arrays and objects around a value in an event (3), and the depth of a value (4), with one to spare for both to be checked where they belong. */
const MAX_EVENT_DEPTH = 8

/** Characters of one number: the largest double with all its digits has 309. */
const MAX_NUMBER = 400

export interface CutEvidence {
  /** The file with an empty array in place of its events; parsed, suspect. */
  readonly around: unknown
  /** Each event, cut and parsed when its turn comes; suspect. Throws as {@link cutEvidence}. */
  readonly events: Iterable<unknown>
}

/**
 * Cuts the text of an evidence file.
 *
 * The first array in it is taken for the events. Where it is something else, `around` shows it: it has arrays
 * or objects in it that no evidence file has.
 *
 * @param text - suspect
 * @param name - what its events are called, in the words of a refusal
 * @throws {@link VerifierError} `VERIFIER_MALFORMED_EVIDENCE` for what is no strict JSON, too long, or a number
 * with two readings
 */
export function cutEvidence(text: string, name = "events"): CutEvidence {
  const start = startOfFirstArray(text)
  let end = start
  for (const piece of piecesOf(text, start)) end = piece.end
  if (text.length - (end - start) > MAX_AROUND) throw malformedEvidence(`too much around its ${name}`)
  const around = parse(text.slice(0, start) + text.slice(end), 2, `around its ${name}`)
  return { around, events: /[^ \t\r\n]/.test(text.slice(start, end)) ? eventsOf(text, start, name) : [] }
}

/** Returns the refusal of an evidence file for its form. */
export function malformedEvidence(why: string): VerifierError {
  return new VerifierError("VERIFIER_MALFORMED_EVIDENCE", `malformed evidence: ${why}`)
}

function* eventsOf(text: string, start: number, name: string): Generator<unknown, void, undefined> {
  let i = 0
  for (const piece of piecesOf(text, start)) {
    const where = `${name}[${i++}]`
    if (piece.end - piece.start > MAX_EVENT) throw malformedEvidence(`${where} is longer than any event`)
    const event = text.slice(piece.start, piece.end)
    const value = parse(event, MAX_EVENT_DEPTH, `in ${where}`)
    requireOneReading(event, where)
    yield value
  }
}

function parse(text: string, maxDepth: number, where: string): unknown {
  try {
    return parseStrictJson(text, { maxDepth, integers: "double" })
  } catch (cause) {
    throw refusalBy(cause, "VERIFIER_MALFORMED_EVIDENCE", `malformed evidence: ${where}`)
  }
}

const QUOTE = 0x22
const COMMA = 0x2c
const MINUS = 0x2d
const BACKSLASH = 0x5c
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d

/** Returns the place after the first `[` outside of strings, or the end of the text. */
function startOfFirstArray(text: string): number {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === OPEN_ARRAY) return at + 1
    if (code === QUOTE) at = endOfString(text, at)
  }
  return text.length
}

/** Yields what lies between the commas from `start` to the bracket that closes what was opened before it. */
function* piecesOf(text: string, start: number): Generator<{ start: number; end: number }, void, undefined> {
  for (let at = start; ; ) {
    const end = endOfPiece(text, at)
    yield { start: at, end }
    if (text.charCodeAt(end) !== COMMA) return
    at = end + 1
  }
}

/** Returns where the first comma or closing bracket stands that nothing opened since `start` encloses, or the end. */
function endOfPiece(text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = endOfString(text, at)
    else if (code === COMMA && depth === 0) return at
    else if (isBracket(code, OPEN_ARRAY)) depth++
    else if (isBracket(code, CLOSE_ARRAY) && depth-- === 0) return at
  }
  return text.length
}

/** Whether it is this square bracket or the curly one that looks the same way, 32 further on. */
function isBracket(code: number, square: number): boolean {
  return code === square || code === square + 32
}

/** Returns where the closing quote is of the string that opens at `start`, or the end of the text. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) return at
    if (code === BACKSLASH) at++
  }
  return text.length
}

/**
 * Refuses a number that is not the shortest decimal of the double it is read as.
 *
 * @param json - passed the strict parser
 */
function requireOneReading(json: string, where: string): void {
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at)
    if (code === QUOTE) at = endOfString(json, at)
    else if (code === MINUS || isDigit(code)) {
      const start = at
      while (at < json.length && IN_NUMBER.has(json.charCodeAt(at))) at++
      const number = json.slice(start, at)
      if (!hasOneReading(number)) {
        throw malformedEvidence(`${where} has a number that can be read in two ways: ${number.slice(0, 40)}`)
      }
    }
  }
}

function hasOneReading(number: string): boolean {
  if (number.length > MAX_NUMBER) return false
  const shortest = String(Number(number))
  return number === shortest || decimalOf(number) === decimalOf(shortest)
}

const IN_NUMBER: ReadonlySet<number> = new Set([..."0123456789+-.eE"].map((c) => c.charCodeAt(0)))

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

/** One spelling for each decimal: 1e2, 100.0 and 100 are "1e2"; −0 is "0". At most {@link MAX_NUMBER} characters. */
function decimalOf(number: string): string {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = NUMBER.exec(number) ?? []
  const digits = `${whole}${fraction}`.replace(/^0+/, "")
  const significant = digits.replace(/0+$/, "")
  if (significant === "") return "0"
  return `${sign}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`
}

const NUMBER = /^(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/
