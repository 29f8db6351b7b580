/**
 * What an event says, in the one form that is hashed.
 *
 *     AccessEvent ─► timestamp in microseconds, address as RFC 5952 text, −0 as 0, nulls dropped
 *                 ─► + source, source_key_id, and event_id and action if absent
 *                 ─► core and fields, each ascending by encoded name
 *
 * Nothing else is added: what is hashed is what was said.
 *
 * Spec: docs/spec, "Event".
 * Pure: no I/O, no clock, no randomness.
 */

import type { CborValue } from "./cbor.js"
import { compareEncodedText } from "./cbor-writer.js"
import { EventError } from "./error.js"
import { FIELDS, MAX_SOURCE_LENGTH } from "./fields.js"
import { normalizeIpAddress } from "./ip-address.js"
import type { AccessEvent } from "./schema.js"
import { parseTimestamp } from "./timestamp.js"

/** One `[name, value]` of a record. */
export type NamedValue = readonly [name: string, value: CborValue]

/** An event, normalised: what a record holds besides its seed. */
export interface NormalEvent {
  /** Ascending by encoded name: shorter first, then bytewise. */
  readonly core: readonly NamedValue[]
  /** As `core`. */
  readonly fields: readonly NamedValue[]
}

/** What the server adds to an event. */
export interface Added {
  /** The source of the writer's key: 1 … 128 printable ASCII characters without spaces. */
  readonly source: string
  /** The identifier of the writer's key, of the same form. */
  readonly source_key_id: string
  /** Used if the producer gave none. */
  readonly event_id?: string
}

/** Action of an event whose producer named none. */
export const DEFAULT_ACTION = "access"

/** Names in the order of a record: first the core's, then the others, each ascending. */
const ORDERED_NAMES: readonly string[] = [
  ...FIELDS.filter((field) => field.core)
    .map((field) => field.name)
    .sort(compareEncodedText),
  ...FIELDS.filter((field) => !field.core)
    .map((field) => field.name)
    .sort(compareEncodedText),
]

const CORE_COUNT = FIELDS.filter((field) => field.core).length

/** Place of each name in {@link ORDERED_NAMES}. */
const RANKS: ReadonlyMap<string, number> = new Map(ORDERED_NAMES.map((name, rank) => [name, rank]))

const ACTION = rankOf("action")
const EVENT_ID = rankOf("event_id")
const IP_ADDRESS = rankOf("ip_address")
const SOURCE = rankOf("source")
const SOURCE_KEY_ID = rankOf("source_key_id")
const TIMESTAMP = rankOf("timestamp")

function rankOf(name: string): number {
  const rank = RANKS.get(name)
  if (rank === undefined) throw new Error(`bug: ${name} is no field`)
  return rank
}

/** Ranks of the names in hand, ascending; and their values. Reused: nothing in here calls back. */
const ranks = new Uint8Array(ORDERED_NAMES.length)
const values: CborValue[] = []

/**
 * Returns an event in the form that is hashed.
 *
 * @param event - has passed `checkEvent`; members that are null are dropped
 * @throws {@link EventError} `EVENT_INVALID_EVENT` for what `checkEvent` would have
 * refused and this cannot pass over: an unknown name, a bad timestamp or address
 */
export function normalizeEvent(event: AccessEvent, added: Added): NormalEvent {
  checkAdded(added)
  let count = 0
  for (const name of Object.keys(event)) {
    const value = (event as Record<string, unknown>)[name]
    if (value === null || value === undefined) continue
    const rank = RANKS.get(name)
    if (rank === undefined || rank === SOURCE || rank === SOURCE_KEY_ID) {
      throw new EventError("EVENT_INVALID_EVENT", "an event has a name that no producer may use")
    }
    count = insert(count, rank, normalizeValue(rank, value))
  }
  count = insert(count, SOURCE, added.source)
  count = insert(count, SOURCE_KEY_ID, added.source_key_id)
  if (!has(count, ACTION)) count = insert(count, ACTION, DEFAULT_ACTION)
  if (!has(count, EVENT_ID)) count = insert(count, EVENT_ID, givenEventId(added))
  return takeInserted(count)
}

function normalizeValue(rank: number, value: unknown): CborValue {
  // + 0 turns −0 into 0; what is deeper is turned by the writer.
  if (typeof value === "number" && rank !== TIMESTAMP) return value + 0
  if (rank === TIMESTAMP) {
    const timestamp = parseTimestamp(value as string | number)
    if (timestamp === undefined || !Number.isSafeInteger(timestamp)) {
      throw new EventError("EVENT_INVALID_EVENT", "timestamp is no time that can be logged")
    }
    return timestamp
  }
  if (rank === IP_ADDRESS) {
    const address = normalizeIpAddress(value as string)
    if (address === undefined) throw new EventError("EVENT_INVALID_EVENT", "ip_address is no IP address")
    return address
  }
  return value as CborValue
}

/** Puts a value in its place. Returns how many there are now. */
function insert(count: number, rank: number, value: CborValue): number {
  let at = count
  while (at > 0 && (ranks[at - 1] as number) > rank) {
    ranks[at] = ranks[at - 1] as number
    values[at] = values[at - 1] as CborValue
    at--
  }
  ranks[at] = rank
  values[at] = value
  return count + 1
}

function has(count: number, rank: number): boolean {
  for (let at = 0; at < count; at++) if (ranks[at] === rank) return true
  return false
}

function takeInserted(count: number): NormalEvent {
  const core: NamedValue[] = []
  const fields: NamedValue[] = []
  for (let at = 0; at < count; at++) {
    const rank = ranks[at] as number
    const pair: NamedValue = [ORDERED_NAMES[rank] as string, values[at] as CborValue]
    if (rank < CORE_COUNT) core.push(pair)
    else fields.push(pair)
  }
  return { core, fields }
}

function givenEventId(added: Added): string {
  if (added.event_id === undefined) throw new TypeError("event_id: the event has none and none was given")
  return added.event_id
}

function checkAdded(added: Added): void {
  checkSource("source", added.source)
  checkSource("source_key_id", added.source_key_id)
}

/** The last texts that passed: a server says the same few again and again. */
const checkedSources = new Set<string>()

function checkSource(label: string, text: string): void {
  if (checkedSources.has(text)) return
  if (text.length > MAX_SOURCE_LENGTH || !/^[\x21-\x7e]+$/.test(text)) {
    throw new RangeError(
      `${label}: expected 1 to ${MAX_SOURCE_LENGTH} printable ASCII characters without spaces`,
    )
  }
  if (checkedSources.size >= 1024) checkedSources.clear()
  checkedSources.add(text)
}
