/**
 * From sent events to what the ledger takes: entries and records in two packed byte arrays.
 *
 *     value ─► check ─► normalise ─► class ─► seal ─┬─► record  ─► records │ length ‖ record │ …
 *                │                                  └─► entry   ─► entries │ length ‖ entry  │ …
 *                └─► refusal, in the event's place among the results
 *
 * What it gives are bytes, so that it could run in a worker. 256 events are done a turn; between turns other
 * requests are answered.
 */

import { setImmediate as nextTurn } from "node:timers/promises"
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
import type { Caller } from "./key-ring.js"
import { PackedWriter } from "./packed.js"

/** Events prepared before other requests have their turn; about 3 ms. */
const TURN = 256

/** An event that the ledger may be given. */
export interface PreparedEvent {
  readonly eventId: string
  /** Its number among the prepared ones: place in `entries`, `records`, `ids`. */
  readonly place: number
}

export type Result = PreparedEvent | { readonly refused: unknown }

export interface Prepared {
  /** Packed; their times are not set yet. */
  readonly entries: Uint8Array
  /** Packed. */
  readonly records: Uint8Array
  readonly count: number
  /** 16 bytes for each event whose producer named it, `undefined` for one that cannot be a repeat. */
  readonly ids: readonly (Uint8Array | undefined)[]
  /** One for each sent event, in order. */
  readonly results: readonly Result[]
}

export interface PrepareOptions {
  readonly caller: Caller
  readonly classOf: ClassOf
  readonly seeds: SeedPool
  /** What a timestamp may not be far ahead of. */
  readonly nowMs: number
}

/**
 * @param events - suspect values; an `EventError` stands for one that could not be read
 */
export async function prepare(events: Iterable<unknown>, options: PrepareOptions): Promise<Prepared> {
  const batch = new Batch(options)
  for (const event of events) {
    batch.add(event)
    if (batch.results.length % TURN === 0) await nextTurn()
  }
  return batch
}

/** Bytes set aside for an entry, and for a record of a usual event, with their lengths. */
const ENTRY_ROOM = 64
const RECORD_ROOM = 512

/** The record and the commitment in hand: copied before the next are made. */
const sealed = new Uint8Array(MAX_RECORD_BYTES)
const commitment = new Uint8Array(HASH_SIZE)

class Batch implements Prepared {
  readonly ids: (Uint8Array | undefined)[] = []
  readonly results: Result[] = []
  readonly #options: PrepareOptions
  readonly #entries = new PackedWriter(ENTRY_ROOM)
  readonly #records = new PackedWriter(RECORD_ROOM)

  constructor(options: PrepareOptions) {
    this.#options = options
  }

  get entries(): Uint8Array {
    return this.#entries.bytes()
  }

  get records(): Uint8Array {
    return this.#records.bytes()
  }

  get count(): number {
    return this.ids.length
  }

  add(sent: unknown): void {
    try {
      if (sent instanceof EventError) throw sent
      this.results.push(this.#prepare(checked(sent, this.#options.nowMs)))
    } catch (error) {
      if (!(error instanceof EventError || error instanceof ServerError)) throw error
      this.results.push({ refused: error })
    }
  }

  #prepare(event: AccessEvent): PreparedEvent {
    const { caller, classOf, seeds, nowMs } = this.#options
    // A null member counts as absent.
    const given = event.event_id ?? undefined
    const eventId = given ?? uuidV7({ msecs: nowMs, random: seeds.next() })
    const normal = normalizeEvent(event, {
      source: caller.source,
      source_key_id: caller.keyId,
      event_id: eventId,
    })
    const size = sealRecordInto(normal, seeds.next(), sealed, 0, commitment, 0)
    this.#entries.add(encodeEventEntry(classOf(normal), commitment))
    this.#records.add(sealed.subarray(0, size))
    const place = this.ids.push(given === undefined ? undefined : repeatId(caller.source, given)) - 1
    return { eventId, place }
  }
}

function checked(value: unknown, nowMs: number): AccessEvent {
  const problems = checkEvent(value, nowMs)
  if (problems.length === 0) return value as AccessEvent
  throw new ServerError("SERVER_REFUSED_EVENT", "the event breaks rules of its schema", { problems })
}
