/**
 * For tests only: leaves of a log as a reader would have checked them, and pages of them.
 *
 *     genesis, event, event, tombstone, schedule, event, …
 */

import { encodeEventEntry, encodeScheduleEntry, stampEntryTime } from "@prooflog/event/entry"
import { normalizeEvent } from "@prooflog/event/event"
import { sealRecord } from "@prooflog/event/record"
import { DEFAULT_SCHEDULE } from "@prooflog/event/schedule"
import type { AccessEvent } from "@prooflog/event/schema"
import type { JsonValue, LeafPage, QueryStore, SqlQuestion } from "./store.js"

/** One leaf: its entry, and its record, of 0 bytes if it is no event or was withdrawn. */
export interface Leaf {
  readonly entry: Uint8Array
  readonly record: Uint8Array
}

/** Time of leaf 0, in ms. Each leaf comes one later. */
export const START_MS = 1_697_902_320_000

export function eventLeaf(leaf: number, event: Partial<AccessEvent> = {}, className = "routine"): Leaf {
  const said = {
    timestamp: START_MS + leaf * 1000,
    user_id: `U${leaf % 7}`,
    resource_accessed: `/r/${leaf}`,
    result: "success",
    ...event,
  } as AccessEvent
  const added = { source: "api", source_key_id: "k_01", event_id: `e-${leaf}` }
  const seed = Uint8Array.from({ length: 32 }, (_, i) => (leaf * 31 + i * 7) & 255)
  const { record, commitment } = sealRecord(normalizeEvent(said, added), seed)
  const entry = encodeEventEntry(className, commitment)
  stampEntryTime(entry, 0, START_MS + leaf)
  return { entry, record }
}

/** An event whose record was withdrawn. */
export function tombstoneLeaf(leaf: number): Leaf {
  return { entry: eventLeaf(leaf).entry, record: new Uint8Array(0) }
}

/** A leaf that is no event. */
export function scheduleLeaf(leaf: number): Leaf {
  return { entry: encodeScheduleEntry(DEFAULT_SCHEDULE, START_MS + leaf), record: new Uint8Array(0) }
}

/** Whether {@link sampleLeaf} makes an event with a record here. */
export function isSampleRow(leaf: number): boolean {
  return leaf % 11 !== 0 && leaf % 13 !== 5
}

/** A leaf of a log in which some are no events and some are withdrawn. */
export function sampleLeaf(leaf: number): Leaf {
  if (leaf % 11 === 0) return scheduleLeaf(leaf)
  if (leaf % 13 === 5) return tombstoneLeaf(leaf)
  return eventLeaf(leaf, leaf % 3 === 0 ? { ip_address: `10.0.0.${leaf % 256}`, http_status: 200 } : {})
}

export function pageOf(
  leaves: readonly Leaf[],
  firstLeaf: number,
  leafIndices?: readonly number[],
): LeafPage {
  const page = {
    firstLeaf,
    count: leaves.length,
    entries: pack(leaves.map(({ entry }) => entry)),
    records: pack(leaves.map(({ record }) => record)),
    cursor: `after ${firstLeaf + leaves.length}`,
  }
  return leafIndices === undefined ? page : { ...page, leafIndices }
}

/** The leaves `[start, end)` of the sample log. */
export function samplePage(start: number, end: number): LeafPage {
  return pageOf(
    Array.from({ length: end - start }, (_, i) => sampleLeaf(start + i)),
    start,
  )
}

function pack(items: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(
    Buffer.concat(items.flatMap((item) => [Buffer.of(item.length >> 8, item.length & 255), item])),
  )
}

/** All rows of an answer. */
export async function rowsOf(
  store: QueryStore,
  question: SqlQuestion | string,
): Promise<(readonly JsonValue[])[]> {
  const answer = await store.run(typeof question === "string" ? { sql: question } : question)
  const rows: (readonly JsonValue[])[] = []
  for await (const batch of answer.batches) rows.push(...batch)
  return rows
}

/** The error of a question, which must fail. */
export async function errorOf(store: QueryStore, question: SqlQuestion | string): Promise<unknown> {
  try {
    await rowsOf(store, question)
  } catch (error) {
    return error
  }
  throw new Error(`answered: ${typeof question === "string" ? question : question.sql}`)
}
