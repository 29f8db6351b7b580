/**
 * Records on the wire: a CBOR sequence (RFC 8742) of `[leaf_index, record]`.
 *
 *     82 1903e8 58f2 8401…   leaf 1000, a record of 242 bytes
 *     82 1903e9 40           leaf 1001 is no event
 *     84 1903ea f6 01 1907d0 the record of leaf 1002 was destroyed, for reason 1, as leaf 2000 says (tombstone.md)
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { decodeTombstone } from "@prooflog/event/tombstone"
import type { StoredRecord, Tombstone } from "@prooflog/ledger/storage"
import { Encoder } from "cbor-x"

/** Where the encoder begins to write integers as floats, unless they come as BigInt. */
const TWO_TO_32 = 2 ** 32

const encoder = new Encoder({ useRecords: false, tagUint8Array: false })

/** @throws EventError if a tombstone is damaged */
export function encodeRecordSequence(records: readonly (StoredRecord | Tombstone)[]): Uint8Array {
  return Buffer.concat(
    records.map((stored) => {
      const leafIndex = wide(stored.leafIndex)
      if (stored.kind === "record") return encoder.encode([leafIndex, stored.bytes])
      const tombstone = decodeTombstone(stored.bytes)
      // Where a moved one lies is nobody's business here.
      if (tombstone.state === "moved") return encoder.encode([leafIndex, null])
      return encoder.encode([leafIndex, null, tombstone.reason, wide(tombstone.reference)])
    }),
  )
}

function wide(leafIndex: number): number | bigint {
  return leafIndex < TWO_TO_32 ? leafIndex : BigInt(leafIndex)
}
