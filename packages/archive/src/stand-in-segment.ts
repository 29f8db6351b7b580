/** For tests only: a form of segments that is quickly written and easily spoilt. */

import type { SegmentRow } from "./ports.js"

/** salt, then leaf, length and bytes of each record. */
export function encodeRows(rows: readonly SegmentRow[], salt = 0): Uint8Array {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(salt)
  return new Uint8Array(
    Buffer.concat([
      head,
      ...rows.map(({ leafIndex, record }) => {
        const row = Buffer.alloc(10)
        row.writeBigUInt64BE(BigInt(leafIndex))
        row.writeUInt16BE(record.length, 8)
        return Buffer.concat([row, record])
      }),
    ]),
  )
}

export function decodeRows(file: Uint8Array): readonly SegmentRow[] {
  const bytes = Buffer.from(file)
  const rows: SegmentRow[] = []
  for (let at = 4; at < bytes.length; ) {
    const end = at + 10 + bytes.readUInt16BE(at + 8)
    if (end > bytes.length) throw new Error("cut short")
    rows.push({ leafIndex: Number(bytes.readBigUInt64BE(at)), record: bytes.subarray(at + 10, end) })
    at = end
  }
  return rows
}

/** The items of a packed sequence. */
export function unpack(packed: Uint8Array): readonly Uint8Array[] {
  const items: Uint8Array[] = []
  for (let at = 0; at < packed.length; ) {
    const from = at + 2
    at = from + (packed[at] as number) * 256 + (packed[at + 1] as number)
    items.push(packed.subarray(from, at))
  }
  return items
}
