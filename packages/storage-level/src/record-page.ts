/**
 * A page of records and tombstones, read in one snapshot.
 *
 *     records      r r   r   r r r        every leaf has a row in one of the two, and one batch moves it
 *     tombstones       x   x
 *
 * So where there are as many records as leaves none has a tombstone, and where the two make up the page no record's key
 * is needed: a page without keys costs half.
 */

import { LedgerError } from "@prooflog/ledger/error"
import type { StoredRecord, Tombstone } from "@prooflog/ledger/storage"
import type { Db } from "./level-db.js"
import { indexKey, keyIndex, RECORD, TOMBSTONE } from "./rows.js"

/** Bytes that an iterator fetches at once. */
export const PAGE_BYTES = 4 * 2 ** 20

/**
 * Returns what stands at the leaves `[start, end)`, in order.
 *
 * @throws LedgerError `LEDGER_MISSING_RECORD` with the first leaf that has neither
 */
export async function readRecordPage(
  db: Db,
  start: number,
  end: number,
): Promise<(StoredRecord | Tombstone)[]> {
  const count = end - start
  const snapshot = db.snapshot()
  const rows = (prefix: typeof RECORD | typeof TOMBSTONE) => ({
    gte: indexKey(prefix, start),
    lt: indexKey(prefix, end),
    limit: count,
    highWaterMarkBytes: PAGE_BYTES,
    snapshot,
  })
  try {
    const records = await readAll(db.values(rows(RECORD)), count)
    if (records.length === count) {
      return records.map((bytes, i) => ({ kind: "record", leafIndex: start + i, bytes }))
    }
    const tombstones = await readAll(db.iterator(rows(TOMBSTONE)), count)
    if (records.length + tombstones.length === count) return merge(start, records, tombstones)
    const keys = await readAll(db.keys(rows(RECORD)), count)
    throw missing(start, [...keys, ...tombstones.map(([key]) => key)])
  } finally {
    await snapshot.close()
  }
}

function merge(
  start: number,
  records: readonly Uint8Array[],
  tombstones: readonly (readonly [Uint8Array, Uint8Array])[],
): (StoredRecord | Tombstone)[] {
  let passed = 0
  return Array.from({ length: records.length + tombstones.length }, (_, i) => {
    const leafIndex = start + i
    const tombstone = tombstones[passed]
    if (tombstone === undefined || keyIndex(tombstone[0]) !== leafIndex) {
      return { kind: "record", leafIndex, bytes: records[i - passed] as Uint8Array }
    }
    passed++
    return { kind: "tombstone", leafIndex, bytes: tombstone[1] }
  })
}

function missing(start: number, keys: readonly Uint8Array[]): LedgerError {
  const present = new Set(keys.map(keyIndex))
  let leafIndex = start
  while (present.has(leafIndex)) leafIndex++
  return missingRecord(leafIndex)
}

export function missingRecord(leafIndex: number): LedgerError {
  return new LedgerError("LEDGER_MISSING_RECORD", `leaf ${leafIndex} has no record`, { leafIndex })
}

/** Up to `limit` rows of an iterator, which is closed then. */
export async function readAll<T>(
  iterator: { nextv(size: number): Promise<T[]>; close(): Promise<void> },
  limit: number,
): Promise<T[]> {
  try {
    let rows = await iterator.nextv(limit)
    while (rows.length < limit) {
      const more = await iterator.nextv(limit - rows.length)
      if (more.length === 0) break
      rows = rows.concat(more)
    }
    return rows
  } finally {
    await iterator.close()
  }
}
