/**
 * Records, which open commitments.
 *
 *     record = [1, seed, core, fields]             private, destroyable
 *
 *     seed ─SHA-512─► salt_0 … salt_n
 *     digest_0   = SHA-256(0x02 ‖ salt_0 ‖ CBOR(core))          always shown
 *     digest_i   = SHA-256(0x02 ‖ salt_i ‖ CBOR(value_i))       shown or withheld, one by one
 *     shape      = SHA-256(0x04 ‖ CBOR([name_1 … name_n]))      always shown
 *     commitment = SHA-256(0x03 ‖ shape ‖ digest_0 ‖ … ‖ digest_n)
 *
 * Names are committed as one sorted list, so that no name can be hidden or told
 * twice: one record has one encoding and one meaning.
 *
 * A record is encoded once, into a buffer that is reused, and hashed where it lies:
 * when a value is due, the 17 bytes before it have been hashed and copied out already,
 * and are overwritten with 0x02 and its salt. Hashing takes three quarters of the time.
 *
 * Spec: docs/spec, "Record and commitment".
 * Pure: no I/O, no clock; randomness is given. Buffers are reused between calls, and
 * nothing in here calls back.
 */

import { HASH_SIZE, sha256Into } from "@prooflog/tlog/hash"
import {
  compareBytes,
  decodeChecked,
  headArgument,
  MAX_VALUE_DEPTH,
  readHead,
  skipItem,
} from "./cbor-reader.js"
import { type CborWriter, MAX_ITEM_BYTES, sharedWriter } from "./cbor-writer.js"
import {
  COMMITMENT_PREFIX,
  DIGEST_PREFIX,
  SALT_SIZE,
  SEED_SIZE,
  SHAPE_PREFIX,
  saltsInto,
} from "./commitment.js"
import { REQUIRED_CORE_NAMES, REQUIRED_FIELD_NAMES } from "./core-names.js"
import { checkName, findName } from "./encoded-name.js"
import type { NamedValue, NormalEvent } from "./event.js"
import { MAX_NAMES, malformedRecord, type NameList, noCoreNames, noFieldNames } from "./names.js"

/** Most bytes in a record. */
export const MAX_RECORD_BYTES = MAX_ITEM_BYTES

/** A record and what the log says of it. */
export interface Sealed {
  /** Private. At most 65,535 bytes. */
  readonly record: Uint8Array
  /** Public. 32 bytes. */
  readonly commitment: Uint8Array
}

/** What a record says. */
export interface OpenRecord extends NormalEvent {
  /** 32 bytes. Who has it can open every withheld field by guessing: it is never disclosed. */
  readonly seed: Uint8Array
}

/** Where the seed starts: after the heads of the record, of version 1 and of the seed. */
const SEED_OFFSET = 4

/** Where CBOR(core) starts. */
export const CORE_OFFSET = SEED_OFFSET + SEED_SIZE

/** Bytes put before a value to hash it: 0x02 and the salt. */
const DIGEST_HEAD = 1 + SALT_SIZE

/** Where the parts of the record in hand are. The core is one part. */
let coreEnd = 0
let fieldCount = 0
const nameStart = new Int32Array(MAX_NAMES)
const nameEnd = new Int32Array(MAX_NAMES)
const valueEnd = new Int32Array(MAX_NAMES)

const salts = new Uint8Array((MAX_NAMES + 4) * SALT_SIZE)

/** 0x03 ‖ shape ‖ digest_0 ‖ … ‖ digest_n */
const opening = new Uint8Array(1 + HASH_SIZE * (MAX_NAMES + 2))
opening[0] = COMMITMENT_PREFIX
const openingViews: (Uint8Array | undefined)[] = new Array(MAX_NAMES + 1)

/**
 * Returns the record of an event and its commitment.
 *
 * @param event - as `normalizeEvent` returns it
 * @param seed - 32 random bytes, fresh for this record, used for nothing else
 * @throws {@link EventError} `EVENT_TOO_LARGE` past 65,535 bytes, `EVENT_NOT_ENCODABLE`,
 * `EVENT_MALFORMED_RECORD` if names break the rules
 */
export function sealRecord(event: NormalEvent, seed: Uint8Array): Sealed {
  const writer = sharedWriter()
  const names = writeRecord(writer, event, seed)
  const record = writer.bytes.slice(0, writer.offset)
  const commitment = new Uint8Array(HASH_SIZE)
  commitInPlace(writer.bytes, names.shape, commitment, 0)
  return { record, commitment }
}

/**
 * Writes the record of an event to `out[offset …]` and its commitment to
 * `commitments[commitmentOffset … + 32)`. As {@link sealRecord}, without new arrays.
 *
 * @param out - has room for `MAX_RECORD_BYTES` from `offset` on, or throws RangeError
 * if it is too short for this record
 * @returns the bytes of the record
 */
export function sealRecordInto(
  event: NormalEvent,
  seed: Uint8Array,
  out: Uint8Array,
  offset: number,
  commitments: Uint8Array,
  commitmentOffset: number,
): number {
  const writer = sharedWriter()
  const names = writeRecord(writer, event, seed)
  const size = writer.offset
  out.set(writer.bytes.subarray(0, size), offset)
  commitInPlace(writer.bytes, names.shape, commitments, commitmentOffset)
  return size
}

/** Writes `84 01 5820 seed core fields` and notes where its parts are. Returns the names of the fields. */
function writeRecord(writer: CborWriter, event: NormalEvent, seed: Uint8Array): NameList {
  if (seed.length !== SEED_SIZE) throw new RangeError(`seed: expected ${SEED_SIZE} bytes, got ${seed.length}`)
  const bytes = writer.bytes
  bytes[0] = 0x84
  bytes[1] = 0x01
  bytes[2] = 0x58
  bytes[3] = SEED_SIZE
  for (let i = 0; i < SEED_SIZE; i++) bytes[SEED_OFFSET + i] = seed[i] as number
  writer.offset = CORE_OFFSET
  writeCore(writer, event.core)
  coreEnd = writer.offset
  const names = writeFields(writer, event.fields)
  writer.check()
  return names
}

function writeCore(writer: CborWriter, core: readonly NamedValue[]): void {
  let names = noCoreNames()
  writer.writeArrayHead(core.length)
  for (let i = 0; i < core.length; i++) {
    const pair = core[i] as NamedValue
    names = names.append(pair[0])
    writer.writeArrayHead(2)
    writer.writeText(pair[0])
    writer.writeValue(pair[1], MAX_VALUE_DEPTH, false)
  }
  names.requireComplete()
}

function writeFields(writer: CborWriter, fields: readonly NamedValue[]): NameList {
  let names = noFieldNames()
  fieldCount = fields.length
  writer.writeArrayHead(fields.length)
  for (let i = 0; i < fields.length; i++) {
    const pair = fields[i] as NamedValue
    names = names.append(pair[0])
    writer.writeArrayHead(2)
    writer.writeText(pair[0])
    nameEnd[i] = writer.offset
    writer.writeValue(pair[1], MAX_VALUE_DEPTH, false)
    valueEnd[i] = writer.offset
  }
  names.requireComplete()
  return names
}

/**
 * Writes the commitment of the record in `bytes`, whose parts were noted, to `out`.
 * What lies in `bytes` is overwritten.
 */
function commitInPlace(bytes: Uint8Array, shape: Uint8Array, out: Uint8Array, offset: number): void {
  const count = fieldCount
  saltsInto(bytes, SEED_OFFSET, count + 1, salts)
  for (let i = 0; i < HASH_SIZE; i++) opening[1 + i] = shape[i] as number
  digestInPlace(bytes, CORE_OFFSET, coreEnd, 0)
  for (let i = 0; i < count; i++) digestInPlace(bytes, nameEnd[i] as number, valueEnd[i] as number, i + 1)
  let view = openingViews[count]
  if (view === undefined) {
    view = opening.subarray(0, 1 + HASH_SIZE * (count + 2))
    openingViews[count] = view
  }
  sha256Into(view, out, offset)
}

/** Puts digest number `index`, over `bytes[start … end)`, where the commitment hashes it. */
function digestInPlace(bytes: Uint8Array, start: number, end: number, index: number): void {
  const head = start - DIGEST_HEAD
  const salt = index * SALT_SIZE
  bytes[head] = DIGEST_PREFIX
  for (let i = 0; i < SALT_SIZE; i++) bytes[head + 1 + i] = salts[salt + i] as number
  sha256Into(bytes.subarray(head, end), opening, 1 + HASH_SIZE * (index + 1))
}

/**
 * Returns what a record says.
 *
 * @param bytes - suspect
 * @throws {@link EventError} `EVENT_MALFORMED_RECORD` or `EVENT_MALFORMED_CBOR` unless
 * this is the one encoding of a record that keeps every rule
 */
export function openRecord(bytes: Uint8Array): OpenRecord {
  checkRecord(bytes)
  return {
    seed: bytes.slice(SEED_OFFSET, CORE_OFFSET),
    core: decodeChecked(bytes.subarray(CORE_OFFSET, coreEnd)) as unknown as NamedValue[],
    fields: decodeChecked(bytes.subarray(coreEnd)) as unknown as NamedValue[],
  }
}

/**
 * Returns the 32-byte commitment that a record opens, and to which it is the only opening.
 *
 * @param record - suspect
 * @throws {@link EventError} as {@link openRecord}
 */
export function commitmentOf(record: Uint8Array): Uint8Array {
  const commitment = new Uint8Array(HASH_SIZE)
  commitmentOfInto(record, commitment, 0)
  return commitment
}

/** As {@link commitmentOf}; writes to `out[offset … offset + 32)`. */
export function commitmentOfInto(record: Uint8Array, out: Uint8Array, offset: number): void {
  checkRecord(record)
  const shape = shapeInPlace(record)
  const scratch = sharedWriter().bytes
  scratch.set(record)
  commitInPlace(scratch, shape, out, offset)
}

/** The names that were hashed last, as they were, and their shape: the next record often has the same. */
let names = new Uint8Array(4 + MAX_NAMES * 66)
let otherNames = new Uint8Array(names.length)
let namesEnd = 0
const shapeScratch = new Uint8Array(HASH_SIZE)

/** Returns the shape of the record whose parts were noted. The array is reused. */
function shapeInPlace(record: Uint8Array): Uint8Array {
  const known = names
  names = otherNames
  otherNames = known
  names[0] = SHAPE_PREFIX
  let at = 1
  if (fieldCount < 24) names[at++] = 0x80 | fieldCount
  else {
    names[at++] = 0x98
    names[at++] = fieldCount
  }
  for (let i = 0; i < fieldCount; i++) {
    for (let from = nameStart[i] as number; from < (nameEnd[i] as number); from++)
      names[at++] = record[from] as number
  }
  const isKnown = at === namesEnd && isSame(names, known, at)
  namesEnd = at
  if (!isKnown) sha256Into(names.subarray(0, at), shapeScratch, 0)
  return shapeScratch
}

function isSame(a: Uint8Array, b: Uint8Array, length: number): boolean {
  let at = 0
  while (at < length && a[at] === b[at]) at++
  return at === length
}

/** Checks every rule of a record, and notes where its parts are. */
function checkRecord(bytes: Uint8Array): void {
  const end = bytes.length
  if (end > MAX_RECORD_BYTES) throw malformedRecord(`more than ${MAX_RECORD_BYTES} bytes`)
  if (
    end < CORE_OFFSET ||
    bytes[0] !== 0x84 ||
    bytes[1] !== 1 ||
    bytes[2] !== 0x58 ||
    bytes[3] !== SEED_SIZE
  ) {
    throw malformedRecord("no array of version 1, a seed of 32 bytes, core and fields")
  }
  coreEnd = checkPairs(bytes, CORE_OFFSET, true)
  if (checkPairs(bytes, coreEnd, false) !== end) throw malformedRecord("bytes after its end")
}

/** Checks an array of `[name, value]` and returns the offset after it. Notes the parts of the fields. */
function checkPairs(bytes: Uint8Array, start: number, core: boolean): number {
  const end = bytes.length
  let at = readHead(bytes, start, end)
  const count = headArgument()
  if ((bytes[start] as number) >> 5 !== 4 || count > MAX_NAMES)
    throw malformedRecord(`no array of at most ${MAX_NAMES} names`)
  let required = 0
  let previous = -1
  let previousEnd = -1
  for (let i = 0; i < count; i++) {
    if (bytes[at] !== 0x82) throw malformedRecord(`no [name, value] at byte ${at}`)
    const name = at + 1
    const value = checkName(bytes, name)
    const known = findName(bytes, name, value)
    if ((known?.core ?? false) !== core) throw malformedRecord(`a name on the wrong side, at byte ${name}`)
    if (previous >= 0 && compareBytes(bytes, previous, previousEnd, name, value) >= 0) {
      throw malformedRecord(`names out of order or twice, at byte ${name}`)
    }
    if (known?.required === true) required++
    at = skipItem(bytes, value, end, MAX_VALUE_DEPTH, false)
    previous = name
    previousEnd = value
    if (!core) {
      nameStart[i] = name
      nameEnd[i] = value
      valueEnd[i] = at
    }
  }
  if (required !== (core ? REQUIRED_CORE_NAMES.length : REQUIRED_FIELD_NAMES.length)) {
    throw malformedRecord("a required name is missing")
  }
  if (!core) fieldCount = count
  return at
}

/**
 * Random seeds, drawn from the system in large pieces and wiped as they are used.
 *
 * One call for 64 KiB costs, per seed, about a hundredth of what a call for each does.
 */
export class SeedPool {
  readonly #fill: (bytes: Uint8Array<ArrayBuffer>) => void
  readonly #pool: Uint8Array<ArrayBuffer>
  #used: number

  /**
   * @param fill - fills the given array, at most 65,536 bytes, from the system's
   * generator: `(bytes) => crypto.getRandomValues(bytes)`
   */
  constructor(fill: (bytes: Uint8Array<ArrayBuffer>) => void, seeds = 2048) {
    if (!Number.isInteger(seeds) || seeds < 1 || seeds > 2048) {
      throw new RangeError(`seeds: expected 1 to 2048, got ${seeds}`)
    }
    this.#fill = fill
    this.#pool = new Uint8Array(seeds * SEED_SIZE)
    this.#used = this.#pool.length
  }

  /** Returns 32 bytes that were never returned before. The caller's own. */
  next(): Uint8Array {
    if (this.#used === this.#pool.length) {
      this.#fill(this.#pool)
      this.#used = 0
    }
    const seed = new Uint8Array(SEED_SIZE)
    const pool = this.#pool
    const start = this.#used
    for (let i = 0; i < SEED_SIZE; i++) {
      seed[i] = pool[start + i] as number
      pool[start + i] = 0
    }
    this.#used = start + SEED_SIZE
    return seed
  }
}

/** Returns one fresh seed, without a pool. */
export function randomSeed(fill: (bytes: Uint8Array<ArrayBuffer>) => void): Uint8Array {
  const seed = new Uint8Array(SEED_SIZE)
  fill(seed)
  return seed
}
