/**
 * Entries: the public bytes of the log, its leaves' data.
 *
 *     84 01 1b tttttttttttttttt 67 726f7574696e65 5820 cc…cc
 *     │  │  │  │                │                 └ commitment, 32 bytes
 *     │  │  │  └ time received, ms, at offset 3   └ class
 *     │  └ type: 0 genesis, 1 event, 2 index, 3 schedule, 4 notice; up to 23
 *     └ array of up to 23 elements
 *
 * A time from 2³² on takes nine bytes in any shortest encoding, so it is always at
 * the same place and can be stamped into an entry when its turn comes.
 *
 * Writers of version 1 write no more elements than shown; readers ignore further
 * ones, and unknown types. All of them are hashed.
 *
 * Spec: docs/spec, "Entry".
 * Pure: no I/O, no clock.
 */

import { type CborValue, checkCbor } from "./cbor.js"
import { decodeChecked, readUint32, skipItem } from "./cbor-reader.js"
import { type CborWriter, MAX_ITEM_BYTES, sharedWriter } from "./cbor-writer.js"
import { EventError } from "./error.js"
import { CLASS_PATTERN, checkSchedule, isClassName, type Schedule, scheduleValue } from "./schedule.js"

/** Most bytes in an entry. */
export const MAX_ENTRY_BYTES = MAX_ITEM_BYTES

/** Smallest time of an entry, in ms: below it the encoding would be shorter. */
export const MIN_TIME_MS = 4_294_967_296

/** Kinds of notice. */
export const NOTICE_KINDS = {
  erasedForPerson: 1,
  erasedOtherwise: 2,
  lost: 3,
  holdPlaced: 16,
  holdLifted: 17,
} as const

interface Timed {
  /** When it was received, by the operator's clock: ms since 1970, 2³² … 2⁵³ − 1. */
  readonly timeMs: number
}

export interface Genesis {
  /** First line of the log's checkpoints. */
  readonly origin: string
  /** 16 random bytes. */
  readonly logId: Uint8Array
  readonly schedule: Schedule
  /** SHA-256(0x05 ‖ label key), 32 bytes. */
  readonly labelKey: Uint8Array
  /** Last checkpoint of a predecessor. */
  readonly after?: string
}

export interface GenesisEntry extends Genesis, Timed {
  readonly type: "genesis"
}

export interface EventEntry extends Timed {
  readonly type: "event"
  /** Retention class. */
  readonly className: string
  /** 32 bytes. */
  readonly commitment: Uint8Array
}

export interface IndexEntry extends Timed {
  readonly type: "index"
  readonly covers: number
  /** 32 bytes. */
  readonly root: Uint8Array
}

export interface ScheduleEntry extends Timed {
  readonly type: "schedule"
  readonly schedule: Schedule
}

export interface NoticeEntry extends Timed {
  readonly type: "notice"
  /** One of {@link NOTICE_KINDS}, or a later kind. */
  readonly kind: number
  /** Records it is about. */
  readonly count: number
  /** RFC 6962 root over the salted leaf indices, 32 bytes. */
  readonly root: Uint8Array
}

export interface UnknownEntry extends Timed {
  readonly type: "unknown"
  /** 5 … 23. */
  readonly typeNumber: number
}

export type Entry = GenesisEntry | EventEntry | IndexEntry | ScheduleEntry | NoticeEntry | UnknownEntry

const GENESIS = 0
const EVENT = 1
const INDEX = 2
const SCHEDULE = 3
const NOTICE = 4

const TIME_OFFSET = 3
/** Head of the array, type, head of the time, time. */
const HEAD_SIZE = 11
const TWO_TO_32 = 4_294_967_296

// ---- writing

/** Everything of an event entry before its commitment, by class. */
const eventHeads = new Map<string, Uint8Array>()

/**
 * Returns an event entry whose time is 2³² until it is stamped.
 *
 * @param commitment - 32 bytes
 */
export function encodeEventEntry(className: string, commitment: Uint8Array): Uint8Array {
  const head = eventHeads.get(className) ?? makeEventHead(className)
  checkHash("commitment", commitment)
  const entry = new Uint8Array(head.length + 32)
  entry.set(head)
  entry.set(commitment, head.length)
  return entry
}

function makeEventHead(className: string): Uint8Array {
  if (!isClassName(className)) throw new RangeError("className: expected [a-z0-9_-]{1,32}")
  const writer = startEntry(EVENT, 4)
  writer.writeText(className)
  writer.writeBytes(new Uint8Array(32))
  const head = writer.take().slice(0, -32)
  if (eventHeads.size >= 1024) eventHeads.clear()
  eventHeads.set(className, head)
  return head
}

/** Returns a genesis entry with its time. @throws {@link EventError} `EVENT_BAD_SCHEDULE`, `EVENT_TOO_LARGE` */
export function encodeGenesis(genesis: Genesis, timeMs = MIN_TIME_MS): Uint8Array {
  if (genesis.logId.length !== 16)
    throw new RangeError(`logId: expected 16 bytes, got ${genesis.logId.length}`)
  checkHash("labelKey", genesis.labelKey)
  if (genesis.origin === "") throw new RangeError("origin: expected text, got none")
  const members: Record<string, CborValue> = {
    format: 1,
    origin: genesis.origin,
    log_id: genesis.logId,
    schedule: scheduleValue(genesis.schedule),
    label_key: genesis.labelKey,
  }
  if (genesis.after !== undefined) members.after = genesis.after
  return encodeWith(GENESIS, [members], timeMs)
}

/** Returns a schedule entry. @throws {@link EventError} `EVENT_BAD_SCHEDULE` */
export function encodeScheduleEntry(schedule: Schedule, timeMs = MIN_TIME_MS): Uint8Array {
  return encodeWith(SCHEDULE, [scheduleValue(schedule)], timeMs)
}

/** Returns a notice entry. @param notice - `root` is 32 bytes */
export function encodeNotice(
  notice: { readonly kind: number; readonly count: number; readonly root: Uint8Array },
  timeMs = MIN_TIME_MS,
): Uint8Array {
  checkHash("root", notice.root)
  if (!isCount(notice.kind) || !isCount(notice.count))
    throw new RangeError("kind, count: expected integers >= 0")
  return encodeWith(NOTICE, [notice.kind, notice.count, notice.root], timeMs)
}

/** Returns an index entry. @param root - 32 bytes */
export function encodeIndex(covers: number, root: Uint8Array, timeMs = MIN_TIME_MS): Uint8Array {
  checkHash("root", root)
  if (!isCount(covers)) throw new RangeError("covers: expected an integer >= 0")
  return encodeWith(INDEX, [covers, root], timeMs)
}

function encodeWith(type: number, elements: readonly CborValue[], timeMs: number): Uint8Array {
  const writer = startEntry(type, 2 + elements.length)
  for (const element of elements) writer.writeValue(element, 7, true)
  const entry = writer.take()
  stampEntryTime(entry, 0, timeMs)
  return entry
}

function startEntry(type: number, count: number): CborWriter {
  const writer = sharedWriter()
  writer.writeArrayHead(count)
  writer.writeNumber(type)
  writer.writeNumber(MIN_TIME_MS)
  return writer
}

/**
 * Writes the time into an entry: its bytes 3 … 10.
 *
 * @param bytes - holds an entry from `entryOffset` on
 * @param timeMs - an integer, 2³² … 2⁵³ − 1, or RangeError
 */
export function stampEntryTime(bytes: Uint8Array, entryOffset: number, timeMs: number): void {
  if (!Number.isSafeInteger(timeMs) || timeMs < MIN_TIME_MS) {
    throw new RangeError(`timeMs: expected an integer, 2^32 ... 2^53 - 1, got ${timeMs}`)
  }
  const at = entryOffset + TIME_OFFSET
  const high = Math.floor(timeMs / TWO_TO_32)
  bytes[at] = high >>> 24
  bytes[at + 1] = high >>> 16
  bytes[at + 2] = high >>> 8
  bytes[at + 3] = high
  bytes[at + 4] = timeMs >>> 24
  bytes[at + 5] = timeMs >>> 16
  bytes[at + 6] = timeMs >>> 8
  bytes[at + 7] = timeMs
}

/** Returns the time of an entry that has been checked, in ms. */
export function entryTimeMs(bytes: Uint8Array, entryOffset: number): number {
  const at = entryOffset + TIME_OFFSET
  return readUint32(bytes, at) * TWO_TO_32 + readUint32(bytes, at + 4)
}

// ---- reading

/**
 * Returns what an entry means.
 *
 * @param bytes - suspect
 * @throws {@link EventError} `EVENT_MALFORMED_ENTRY`, `EVENT_MALFORMED_CBOR` or
 * `EVENT_BAD_SCHEDULE` unless this is the one encoding of an entry
 */
export function decodeEntry(bytes: Uint8Array): Entry {
  checkHead(bytes, 0, bytes.length)
  checkCbor(bytes)
  const timeMs = entryTimeMs(bytes, 0)
  const typeNumber = bytes[1] as number
  if (typeNumber > NOTICE) return { type: "unknown", typeNumber, timeMs }
  const [, , ...elements] = decodeChecked(bytes) as readonly CborValue[]
  switch (typeNumber) {
    case GENESIS:
      return { type: "genesis", timeMs, ...readGenesis(elements) }
    case EVENT:
      return { type: "event", timeMs, ...readEvent(elements) }
    case INDEX:
      return {
        type: "index",
        timeMs,
        covers: countOf(elements[0], "covers"),
        root: hashOf(elements[1], "root"),
      }
    case SCHEDULE:
      return { type: "schedule", timeMs, schedule: checkSchedule(elements[0]) }
    default:
      return {
        type: "notice",
        timeMs,
        kind: countOf(elements[0], "kind"),
        count: countOf(elements[1], "count"),
        root: hashOf(elements[2], "root"),
      }
  }
}

/**
 * Returns where the 32 bytes of the commitment start, if `bytes[start … end)` is an
 * event entry, or −1 if it is an entry of another type. Makes no objects.
 *
 * @param bytes - suspect
 * @throws {@link EventError} as {@link decodeEntry}, for what is no entry at all; an
 * entry of another type has been checked no further than its head
 */
export function findCommitment(bytes: Uint8Array, start: number, end: number): number {
  checkHead(bytes, start, end)
  if (bytes[start + 1] !== EVENT) return -1
  const count = (bytes[start] as number) & 0x1f
  let at = skipItem(bytes, start + HEAD_SIZE, end, 0, false)
  if (!isClassAt(bytes, start + HEAD_SIZE, at)) throw malformed("its class is none")
  const commitment = at + 2
  if (count < 4 || end - at < 34 || bytes[at] !== 0x58 || bytes[at + 1] !== 32)
    throw malformed("it has no commitment")
  at += 34
  for (let i = 4; i < count; i++) at = skipItem(bytes, at, end, 7, true)
  if (at !== end) throw malformed("bytes after its end")
  return commitment
}

/** Checks that a text item has the form of a class, whatever its head. */
function isClassAt(bytes: Uint8Array, start: number, end: number): boolean {
  const head = bytes[start] as number
  if (head >> 5 !== 3) return false
  const textStart = head < 0x78 ? start + 1 : start + 2
  const length = end - textStart
  if (length < 1 || length > 32) return false
  for (let i = textStart; i < end; i++) {
    const code = bytes[i] as number
    const isLetter = code >= 0x61 && code <= 0x7a
    if (!isLetter && !(code >= 0x30 && code <= 0x39) && code !== 0x5f && code !== 0x2d) return false
  }
  return true
}

/** Checks the array's head, the type and the time; not what follows. */
function checkHead(bytes: Uint8Array, start: number, end: number): void {
  const size = end - start
  if (size > MAX_ENTRY_BYTES) throw malformed(`more than ${MAX_ENTRY_BYTES} bytes`)
  const head = bytes[start] as number
  if (size < HEAD_SIZE || head >> 5 !== 4 || (head & 0x1f) < 2 || (head & 0x1f) > 23) {
    throw malformed("no array of 2 to 23 elements")
  }
  if ((bytes[start + 1] as number) > 23) throw malformed("its type is none of 0 to 23")
  if (bytes[start + 2] !== 0x1b) throw malformed("its time is not at its place")
  const high = readUint32(bytes, start + TIME_OFFSET)
  if (high < 1 || high > 0x1fffff) throw malformed("its time is out of range")
}

function readGenesis(elements: readonly CborValue[]): Genesis {
  const value = elements[0]
  if (typeof value !== "object" || Array.isArray(value) || value instanceof Uint8Array)
    throw malformed("no genesis map")
  const { format, origin, log_id, schedule, label_key, after, ...others } = value as Record<string, CborValue>
  if (format !== 1) throw malformed("a genesis of another format than 1")
  if (typeof origin !== "string" || origin === "") throw malformed("its origin is none")
  if (!(log_id instanceof Uint8Array) || log_id.length !== 16) throw malformed("its log_id is not 16 bytes")
  if (after !== undefined && typeof after !== "string") throw malformed("its after is no text")
  if (Object.keys(others).length > 0) throw malformed("its genesis has a member that format 1 does not know")
  const genesis = {
    origin,
    logId: log_id,
    schedule: checkSchedule(schedule),
    labelKey: hashOf(label_key, "label_key"),
  }
  return after === undefined ? genesis : { ...genesis, after }
}

function readEvent(elements: readonly CborValue[]): { className: string; commitment: Uint8Array } {
  const className = elements[0]
  if (typeof className !== "string" || !CLASS_PATTERN.test(className)) throw malformed("its class is none")
  return { className, commitment: hashOf(elements[1], "commitment") }
}

function hashOf(value: CborValue | undefined, name: string): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length !== 32)
    throw malformed(`its ${name} is no hash of 32 bytes`)
  return value
}

function countOf(value: CborValue | undefined, name: string): number {
  if (typeof value !== "number" || !isCount(value)) throw malformed(`its ${name} is no count`)
  return value
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function checkHash(label: string, hash: Uint8Array): void {
  if (hash.length !== 32) throw new RangeError(`${label}: expected 32 bytes, got ${hash.length}`)
}

function malformed(what: string): EventError {
  return new EventError("EVENT_MALFORMED_ENTRY", `not an entry: ${what}`)
}
