/**
 * Tombstones: what stands in storage where a record was. Private, like the record.
 *
 *     83 00 00 rr…            destroyed by schedule: the leaf of the genesis or schedule entry that promised it
 *     84 00 kk rr… 50 ss…     destroyed or lost after a notice of kind kk: the leaf of the notice, the salt of its item
 *     82 01 tt…               moved: the key of the segment that holds the record now
 *
 * The second byte tells the two apart, so a storage that knows no CBOR can keep the rule of their succession: a
 * destroyed one stays for ever; a moved one may become a destroyed one, one of another segment, or the record again.
 *
 * Spec: docs/spec/tombstone.md.
 * Pure.
 */

import { type CborValue, decodeCbor, encodeCbor } from "./cbor.js"
import { EventError } from "./error.js"

/** Why a record is no more. From 1 on the kinds of notice of the same numbers. */
export const TOMBSTONE_REASONS = {
  bySchedule: 0,
  erasedForPerson: 1,
  erasedOtherwise: 2,
  lost: 3,
} as const

/** Its time was over. */
export interface ExpiredTombstone {
  readonly state: "destroyed"
  readonly reason: typeof TOMBSTONE_REASONS.bySchedule
  /** Leaf of the genesis or schedule entry that promised its destruction. */
  readonly reference: number
}

/** It went before its time, and a notice said so first. */
export interface NoticedTombstone {
  readonly state: "destroyed"
  readonly reason: Exclude<
    (typeof TOMBSTONE_REASONS)[keyof typeof TOMBSTONE_REASONS],
    typeof TOMBSTONE_REASONS.bySchedule
  >
  /** Leaf of the notice, 1 or more. */
  readonly reference: number
  /** That of its item under the notice's root: 16 bytes. */
  readonly salt: Uint8Array
}

/** It lies in a segment of the archive. */
export interface MovedTombstone {
  readonly state: "moved"
  /** Key of an object, 1 … 1,024 characters; see {@link isSegmentKey}. */
  readonly segment: string
}

export type Tombstone = ExpiredTombstone | NoticedTombstone | MovedTombstone

/** Characters of the longest key of a segment. */
const MAX_SEGMENT = 1024

/** Bytes of the longest tombstone: its array, its state, the head of its text, its text. */
export const MAX_TOMBSTONE_BYTES = 1 + 1 + 3 + MAX_SEGMENT

const DESTROYED = 0
const MOVED = 1
const SALT_SIZE = 16

/**
 * Whether a text may be the key of a segment: names of `a-z 0-9 _ . = -` between single slashes, none of which begins
 * with a dot. So it never leads out of the folder that it is taken to be in.
 */
export function isSegmentKey(text: string): boolean {
  return text.length <= MAX_SEGMENT && SEGMENT.test(text)
}

const SEGMENT = /^(?!\.)[a-z0-9_.=-]+(?:\/(?!\.)[a-z0-9_.=-]+)*$/

/** Returns the bytes of a tombstone. @throws RangeError for one that {@link decodeTombstone} would refuse */
export function encodeTombstone(tombstone: Tombstone): Uint8Array {
  const why = faultOf(tombstone)
  if (why !== undefined) throw new RangeError(`tombstone: ${why}`)
  return encodeCbor(elementsOf(tombstone))
}

function elementsOf(tombstone: Tombstone): CborValue {
  if (tombstone.state === "moved") return [MOVED, tombstone.segment]
  const { reason, reference } = tombstone
  return reason === TOMBSTONE_REASONS.bySchedule
    ? [DESTROYED, reason, reference]
    : [DESTROYED, reason, reference, tombstone.salt]
}

/**
 * Returns what a tombstone says.
 *
 * @param bytes - suspect
 * @throws {@link EventError} `EVENT_MALFORMED_RECORD`, `EVENT_MALFORMED_CBOR` unless this is the one encoding of a
 * tombstone
 */
export function decodeTombstone(bytes: Uint8Array): Tombstone {
  if (bytes.length > MAX_TOMBSTONE_BYTES) throw malformed(`more than ${MAX_TOMBSTONE_BYTES} bytes`)
  const value = decodeCbor(bytes, { maxDepth: 1 })
  if (!Array.isArray(value)) throw malformed("no array")
  const tombstone = tombstoneOf(value)
  const why = faultOf(tombstone)
  if (why !== undefined) throw malformed(why)
  return tombstone
}

/** The members where they belong; of their types, but not yet of their ranges. */
function tombstoneOf(value: readonly CborValue[]): Tombstone {
  const [state, ...members] = value
  if (state === MOVED) {
    const [segment] = members
    if (members.length !== 1 || typeof segment !== "string") throw malformed("a moved one has one text")
    return { state: "moved", segment }
  }
  if (state !== DESTROYED) throw malformed("neither destroyed nor moved")
  const [reason, reference, salt] = members
  if (typeof reference !== "number") throw malformed("its reference is no leaf")
  switch (reason) {
    case TOMBSTONE_REASONS.bySchedule:
      if (members.length !== 2) throw malformed("by schedule, and not of three elements")
      return { state: "destroyed", reason, reference }
    case TOMBSTONE_REASONS.erasedForPerson:
    case TOMBSTONE_REASONS.erasedOtherwise:
    case TOMBSTONE_REASONS.lost:
      if (members.length !== 3 || !(salt instanceof Uint8Array))
        throw malformed("by notice, without one salt")
      return { state: "destroyed", reason, reference, salt }
    default:
      throw malformed("its reason is unknown")
  }
}

/** Which range it leaves; `undefined` if none. */
function faultOf(tombstone: Tombstone): string | undefined {
  if (tombstone.state === "moved") {
    return isSegmentKey(tombstone.segment) ? undefined : "its segment is no key"
  }
  const { reason, reference } = tombstone
  const byNotice = reason !== TOMBSTONE_REASONS.bySchedule
  // Leaf 0 is the genesis, and no notice.
  if (!Number.isSafeInteger(reference) || reference < (byNotice ? 1 : 0)) return "its reference is no leaf"
  if (byNotice && tombstone.salt.length !== SALT_SIZE) return "its salt is not of 16 bytes"
  return undefined
}

function malformed(what: string): EventError {
  return new EventError("EVENT_MALFORMED_RECORD", `not a tombstone: ${what}`)
}
