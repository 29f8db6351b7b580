/**
 * CRC-32C (Castagnoli), the checksum of LevelDB's journal.
 *
 * Eight bytes a step over eight tables: about 1 GB/s, where one byte a step does 0.4.
 *
 * Spec: RFC 3720, appendix B.4. Pure.
 */

const POLYNOMIAL = 0x82f63b78
const LANES = 8

const TABLE = makeTable()

/** Lane n, byte b: the checksum of b with n zero bytes behind it. */
function makeTable(): Uint32Array {
  const table = new Uint32Array(LANES * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    table[byte] = crc
  }
  for (let at = 256; at < table.length; at++) {
    const before = table[at - 256] as number
    table[at] = (before >>> 8) ^ (table[before & 0xff] as number)
  }
  return table
}

/** Returns the checksum of `bytes[start … end)`, as an unsigned integer. */
export function crc32c(bytes: Uint8Array, start: number, end: number): number {
  const t = TABLE as { readonly [at: number]: number }
  const b = bytes as { readonly [at: number]: number }
  let crc = 0xffffffff
  let at = start
  for (; at + LANES <= end; at += LANES) {
    const x = crc ^ (n(b[at]) | (n(b[at + 1]) << 8) | (n(b[at + 2]) << 16) | (n(b[at + 3]) << 24))
    crc =
      n(t[0x700 + (x & 0xff)]) ^
      n(t[0x600 + ((x >>> 8) & 0xff)]) ^
      n(t[0x500 + ((x >>> 16) & 0xff)]) ^
      n(t[0x400 + (x >>> 24)]) ^
      n(t[0x300 + n(b[at + 4])]) ^
      n(t[0x200 + n(b[at + 5])]) ^
      n(t[0x100 + n(b[at + 6])]) ^
      n(t[n(b[at + 7])])
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ n(t[(crc ^ n(b[at])) & 0xff])
  return (crc ^ 0xffffffff) >>> 0
}

/** The checksums of `bytes[start … i)` for every i up to `end`, shortest first. */
export function* crc32cPrefixes(bytes: Uint8Array, start: number, end: number): Generator<number> {
  let crc = 0xffffffff
  for (let at = start; at < end; at++) {
    crc = (crc >>> 8) ^ n(TABLE[(crc ^ n(bytes[at])) & 0xff])
    yield (crc ^ 0xffffffff) >>> 0
  }
}

/** Every index above is within its array. */
function n(value: number | undefined): number {
  return value as number
}
