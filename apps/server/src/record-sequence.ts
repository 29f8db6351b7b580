/**
 * Records on the wire: a CBOR sequence (RFC 8742) of `[leaf_index, record]`.
 *
 *     82 1903e8 58f2 8401…   leaf 1000, a record of 242 bytes
 *     82 1903e9 40           leaf 1001 is no event
 *     82 1903ea f6           the record of leaf 1002 was destroyed
 *
 * Pure: no I/O, no clock, no randomness.
 */

import type { StoredRecord, Tombstone } from "@prooflog/ledger/storage"
import { Encoder } from "cbor-x"

/** Where the encoder begins to write integers as floats, unless they come as BigInt. */
const TWO_TO_32 = 2 ** 32

const encoder = new Encoder({ useRecords: false, tagUint8Array: false })

export function encodeRecordSequence(records: readonly (StoredRecord | Tombstone)[]): Uint8Array {
  return Buffer.concat(
    records.map(({ kind, leafIndex, bytes }) =>
      encoder.encode([
        leafIndex < TWO_TO_32 ? leafIndex : BigInt(leafIndex),
        kind === "tombstone" ? null : bytes,
      ]),
    ),
  )
}
