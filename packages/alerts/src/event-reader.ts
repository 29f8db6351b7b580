/**
 * Pages of leaves, as followers get them, read as the events that rules see.
 *
 *     page     entries  [ 1, time, class, … ] [ … ]      records  [ 1, seed, core, fields ] [ ] [ … ]
 *                                    │                                │            │
 *     event    receivedMs, class  ◄──┘        timestampMs, value(slot) ◄──┘        └─ no event, or destroyed: passed over
 *
 * Of a record only the places of its fields are noted. A value is decoded when a rule asks for it, and what nobody asks
 * for costs nothing. An event stays right when the next one is read: it reads its record again.
 *
 * Spec: docs/spec, "Entry" and "Record and commitment".
 * Trusts what it is given: entries and records were checked by whoever read them from the log. Not trusted is what they
 * say: any value may be of any type, and `raw` may be anything.
 * Pure, if what enriches is.
 */

import type { CborValue } from "@prooflog/event/cbor"
import { CheckedRecordReader, UNSIGNED } from "@prooflog/event/checked-record"
import { entryTimeMs } from "@prooflog/event/entry"
import { type Enrich, EventFields, type SlotReader, slotReaders } from "./event-fields.js"
import { FIELD_NAMES, placeOfField } from "./field-places.js"
import type { FieldSlots, SeenEvent } from "./seen-event.js"

const ENTRY_TYPE_OFFSET = 1
const ENTRY_CLASS_OFFSET = 11
const EVENT_TYPE = 1

const TIMESTAMP = placeOfField("timestamp")

/** Leaves of a page, one after another. */
export interface Leaves {
  readonly firstLeaf: number
  readonly count: number
  /** Packed, `uint16be length ‖ entry`, one for each leaf. */
  readonly entries: Uint8Array
  /** Packed, one for each leaf; 0 bytes for what is no event and for what was destroyed. */
  readonly records: Uint8Array
  /** Of each leaf, if they do not follow each other. */
  readonly leafIndices?: readonly number[]
}

/** Reads events for one set of rules. */
export class EventReader {
  readonly #readers: readonly SlotReader[]
  readonly #enrich: Enrich
  readonly #record = new RecordInHand()

  /** @param slots - of rules that were compiled before: a slot that is given out later has no value here */
  constructor(slots: FieldSlots, enrich: Enrich = () => ({})) {
    this.#readers = slotReaders(slots)
    this.#enrich = enrich
  }

  /**
   * Yields the events of a page, in the order of their leaves.
   *
   * @param from - leaves before it are passed over
   * @throws RangeError if the page is not packed as it says
   */
  *eventsOf(leaves: Leaves, from = 0): Generator<SeenEvent> {
    const { entries, records, count } = leaves
    let entry = 0
    let record = 0
    for (let i = 0; i < count; i++) {
      const entryStart = entry + 2
      const recordStart = record + 2
      entry = entryStart + lengthAt(entries, entry)
      record = recordStart + lengthAt(records, record)
      // Of NaN, where a length was missing, no comparison is true.
      if (!(entry <= entries.length && record <= records.length)) throw new RangeError("leaves: cut short")
      const leaf = leaves.leafIndices?.[i] ?? leaves.firstLeaf + i
      if (leaf < from) continue
      if (record === recordStart || entries[entryStart + ENTRY_TYPE_OFFSET] !== EVENT_TYPE) continue
      const place = { bytes: records, start: recordStart, end: record }
      yield new RecordEvent(leaf, entries, entryStart, place, this.#record, this.#readers, this.#enrich)
    }
    if (entry !== entries.length || record !== records.length) {
      throw new RangeError("leaves: more than `count`")
    }
  }
}

interface RecordPlace {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

/** The one record that is read, whoever asks. */
class RecordInHand {
  readonly #reader = new CheckedRecordReader(FIELD_NAMES)
  #place: RecordPlace | undefined

  of(place: RecordPlace): CheckedRecordReader {
    if (this.#place !== place) {
      this.#reader.read(place.bytes, place.start, place.end)
      this.#place = place
    }
    return this.#reader
  }
}

class RecordEvent extends EventFields {
  readonly leafIndex: number
  readonly timestampMs: number
  readonly receivedMs: number
  readonly #entries: Uint8Array
  readonly #entry: number
  readonly #place: RecordPlace
  readonly #record: RecordInHand

  constructor(
    leafIndex: number,
    entries: Uint8Array,
    entry: number,
    place: RecordPlace,
    record: RecordInHand,
    readers: readonly SlotReader[],
    enrich: Enrich,
  ) {
    super(readers, enrich)
    this.leafIndex = leafIndex
    this.#entries = entries
    this.#entry = entry
    this.#place = place
    this.#record = record
    this.receivedMs = entryTimeMs(entries, entry)
    const { kinds, numbers } = record.of(place)
    this.timestampMs =
      kinds[TIMESTAMP] === UNSIGNED ? Math.floor((numbers[TIMESTAMP] as number) / 1000) : this.receivedMs
  }

  override field(place: number): CborValue | undefined {
    return this.#record.of(this.#place).valueOf(place)
  }

  override get className(): string {
    const start = this.#entry + ENTRY_CLASS_OFFSET
    const head = this.#entries[start] as number
    const name = start + (head < 0x78 ? 1 : 2)
    const length = head < 0x78 ? head & 0x1f : (this.#entries[name - 1] as number)
    return ascii.decode(this.#entries.subarray(name, name + length))
  }
}

const ascii = new TextDecoder()

function lengthAt(packed: Uint8Array, at: number): number {
  return (packed[at] as number) * 256 + (packed[at + 1] as number)
}
