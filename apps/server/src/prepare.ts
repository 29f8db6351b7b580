/**
 * From a body to what the ledger takes: entries and records in two packed byte arrays.
 *
 *     bytes ─► values ─► check ─► normalise ─► class ─► seal ─┬─► record ─► records │ length ‖ record │ …
 *                          │                                  └─► entry  ─► entries │ length ‖ entry  │ …
 *                          └─► refusal, in the event's place among the results
 *
 * Takes bytes and gives bytes and plain data, so that it can run in another thread (`prepare-elsewhere.ts`).
 * About 10 µs an event, nearly all of it hashing.
 */

import { encodeEventEntry } from "@prooflog/event/entry"
import { EventError } from "@prooflog/event/error"
import { normalizeEvent } from "@prooflog/event/event"
import { MAX_RECORD_BYTES, type SeedPool, sealRecordInto } from "@prooflog/event/record"
import { repeatId } from "@prooflog/event/repeat"
import type { AccessEvent } from "@prooflog/event/schema"
import { checkEvent } from "@prooflog/event/validate"
import { HASH_SIZE } from "@prooflog/tlog/hash"
import { v7 as uuidV7 } from "uuid"
import type { ClassOf } from "./class-of.js"
import { ServerError } from "./error.js"
import { PackedWriter } from "./packed.js"
import { type Refusal, refusalOf } from "./refusal.js"
import { readEvents } from "./sent-events.js"

export interface Body {
  /** Suspect. */
  readonly bytes: Uint8Array
  /** The Content-Type header, if there was one. */
  readonly mediaType: string | undefined
  /** Source and id of the key that it came with: what the server adds to each event. */
  readonly source: string
  readonly keyId: string
  /** When it came; what a timestamp may not be far ahead of. */
  readonly nowMs: number
}

export interface Prepared {
  /** Whether the events came as a list: then there is one result for each. */
  readonly many: boolean
  /** Packed; their times are not set yet. */
  readonly entries: Uint8Array
  /** Packed, one for each entry. */
  readonly records: Uint8Array
  readonly count: number
  /** For each entry 16 bytes if its producer named the event, `undefined` if it cannot be a repeat. */
  readonly ids: readonly (Uint8Array | undefined)[]
  /** For each sent event, in order, its `event_id`, or why it was refused; those not refused have the entries. */
  readonly results: readonly (string | Refusal)[]
}

/** A body that could not be read at all. */
export interface Unreadable {
  readonly refused: Refusal
}

export interface PrepareOptions {
  readonly classOf: ClassOf
  readonly seeds: SeedPool
}

/** Never throws for what is in the body: what is wrong with it is in what it returns. */
export function prepare(body: Body, options: PrepareOptions): Prepared | Unreadable {
  try {
    const { many, events } = readEvents(body.bytes, body.mediaType)
    const batch = new Batch(many, body, options)
    for (const event of events) batch.add(event)
    return batch.prepared()
  } catch (error) {
    return { refused: refusalOfSender(error) }
  }
}

/** Bytes set aside for an entry, and for a record of a usual event, with their lengths. */
const ENTRY_ROOM = 64
const RECORD_ROOM = 512

/** The record and the commitment in hand: copied before the next are made. */
const sealed = new Uint8Array(MAX_RECORD_BYTES)
const commitment = new Uint8Array(HASH_SIZE)

class Batch {
  readonly #many: boolean
  readonly #body: Body
  readonly #options: PrepareOptions
  readonly #entries = new PackedWriter(ENTRY_ROOM)
  readonly #records = new PackedWriter(RECORD_ROOM)
  readonly #ids: (Uint8Array | undefined)[] = []
  readonly #results: (string | Refusal)[] = []

  constructor(many: boolean, body: Body, options: PrepareOptions) {
    this.#many = many
    this.#body = body
    this.#options = options
  }

  /** @param sent - a suspect value; an `EventError` stands for one that could not be read */
  add(sent: unknown): void {
    try {
      if (sent instanceof EventError) throw sent
      this.#results.push(this.#prepare(checked(sent, this.#body.nowMs)))
    } catch (error) {
      this.#results.push(refusalOfSender(error))
    }
  }

  prepared(): Prepared {
    return {
      many: this.#many,
      entries: this.#entries.bytes(),
      records: this.#records.bytes(),
      count: this.#ids.length,
      ids: this.#ids,
      results: this.#results,
    }
  }

  #prepare(event: AccessEvent): string {
    const { source, keyId, nowMs } = this.#body
    const { classOf, seeds } = this.#options
    // A null member counts as absent.
    const given = event.event_id ?? undefined
    const eventId = given ?? uuidV7({ msecs: nowMs, random: seeds.next() })
    const normal = normalizeEvent(event, { source, source_key_id: keyId, event_id: eventId })
    const size = sealRecordInto(normal, seeds.next(), sealed, 0, commitment, 0)
    this.#entries.add(encodeEventEntry(classOf(normal), commitment))
    this.#records.add(sealed.subarray(0, size))
    this.#ids.push(given === undefined ? undefined : repeatId(source, given))
    return eventId
  }
}

function checked(value: unknown, nowMs: number): AccessEvent {
  const problems = checkEvent(value, nowMs)
  if (problems.length === 0) return value as AccessEvent
  throw new ServerError("SERVER_REFUSED_EVENT", "the event breaks rules of its schema", { problems })
}

/** What is not the sender's doing is thrown on: it is a bug of ours, and not to be hidden in a result. */
function refusalOfSender(error: unknown): Refusal {
  if (error instanceof EventError || error instanceof ServerError) return refusalOf(error)
  throw error
}
