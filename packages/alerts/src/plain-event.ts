/**
 * Events that are in no log, as rules see them: those of a file, when rules are tried out.
 *
 * Pure, if what enriches is.
 */

import type { CborValue } from "@prooflog/event/cbor"
import type { NormalEvent } from "@prooflog/event/event"
import { type Enrich, EventFields, type SlotReader, slotReaders } from "./event-fields.js"
import { FIELD_NAMES } from "./field-places.js"
import type { FieldSlots, SeenEvent } from "./seen-event.js"

export interface PlainEventOptions {
  /** Its number among the others: 0 unless given. */
  readonly leafIndex?: number
  /** When it was received: when it happened, unless given. */
  readonly receivedMs?: number
  readonly className?: string
  readonly enrich?: Enrich
}

/** Makes events for one set of rules. */
export class PlainEvents {
  readonly #readers: readonly SlotReader[]

  /** @param slots - of rules that were compiled before */
  constructor(slots: FieldSlots) {
    this.#readers = slotReaders(slots)
  }

  /** Returns what rules see of an event. */
  seenEventOf(event: NormalEvent, options: PlainEventOptions = {}): SeenEvent {
    return new PlainEvent(event, options, this.#readers)
  }
}

class PlainEvent extends EventFields {
  readonly leafIndex: number
  readonly timestampMs: number
  readonly receivedMs: number
  readonly className: string | undefined
  readonly #values: ReadonlyMap<string, CborValue>

  constructor({ core, fields }: NormalEvent, options: PlainEventOptions, readers: readonly SlotReader[]) {
    super(readers, options.enrich ?? (() => ({})))
    this.#values = new Map([...core, ...fields])
    const micros = this.#values.get("timestamp")
    this.timestampMs = typeof micros === "number" ? Math.floor(micros / 1000) : 0
    this.leafIndex = options.leafIndex ?? 0
    this.receivedMs = options.receivedMs ?? this.timestampMs
    this.className = options.className
  }

  override field(place: number): CborValue | undefined {
    return this.#values.get(FIELD_NAMES[place] as string)
  }
}
