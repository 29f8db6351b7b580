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

const UNSIGNED = 0x00
const BYTES = 0x40
const PAIR = 0x82
const NULL = 0xf6

/** Bytes that a pair takes beside its record, at most. */
const ROOM = 1 + 9 + 5

export function encodeRecordSequence(records: readonly (StoredRecord | Tombstone)[]): Uint8Array {
  const size = records.reduce((sum, { bytes }) => sum + ROOM + bytes.length, 0)
  const out = Buffer.allocUnsafe(size)
  let at = 0
  for (const { kind, leafIndex, bytes } of records) {
    at = out.writeUInt8(PAIR, at)
    at = writeHead(out, at, UNSIGNED, leafIndex)
    if (kind === "tombstone") {
      at = out.writeUInt8(NULL, at)
    } else {
      at = writeHead(out, at, BYTES, bytes.length)
      out.set(bytes, at)
      at += bytes.length
    }
  }
  return out.subarray(0, at)
}

/** Writes the shortest head of a major type with its argument. Returns where it ends. */
function writeHead(out: Buffer, at: number, major: number, argument: number): number {
  if (argument < 24) return out.writeUInt8(major + argument, at)
  if (argument < 2 ** 8) return out.writeUInt8(argument, out.writeUInt8(major + 24, at))
  if (argument < 2 ** 16) return out.writeUInt16BE(argument, out.writeUInt8(major + 25, at))
  if (argument < 2 ** 32) return out.writeUInt32BE(argument, out.writeUInt8(major + 26, at))
  return out.writeBigUInt64BE(BigInt(argument), out.writeUInt8(major + 27, at))
}
