/**
 * The rows of a log in LevelDB: what stands under which key.
 *
 *     62 ‖ index          bundle      b   entries, packed; the right edge is overwritten as it grows
 *     63 ‖ first leaf     commit      c   uint56be count ‖ root after it
 *     69 ‖ gen16 ‖ id16   id          i   uint56be leaf index
 *     6d ‖ name           number      m   uint56be: format, treeSize, settledSize, verifiedSize
 *     70 ‖ leaf index     to purge    p   empty: a withdrawn record whose bytes may still be on disk
 *     72 ‖ leaf index     record      r
 *     74 ‖ level ‖ index  tile        t   hashes; the right edge is overwritten as it grows
 *     78 ‖ leaf index     tombstone   x   stands in place of the record row
 *
 * Indices are uint56be, so that keys sort as numbers do: 2⁵⁶ is more than any safe integer.
 *
 * Pure. The format is frozen: a change gets a new number under `format`.
 */

/** Value of the number `format`. */
export const FORMAT = 1

export const BUNDLE = 0x62
export const COMMIT = 0x63
export const ID = 0x69
const NUMBER = 0x6d
export const TO_PURGE = 0x70
export const RECORD = 0x72
const TILE = 0x74
export const TOMBSTONE = 0x78

/**
 * Past every row, and so past every table: compacting this range only moves what is in memory into a table.
 * (A range between rows would lie within most tables, and rewrite them.)
 */
export const NO_ROWS = [new Uint8Array([0xff]), new Uint8Array([0xff, 0xff])] as const

/** Bytes of an index. */
const INDEX_SIZE = 7

export type NumberName = "format" | "treeSize" | "settledSize" | "verifiedSize"

export function indexKey(
  prefix: typeof BUNDLE | typeof COMMIT | typeof RECORD | typeof TOMBSTONE | typeof TO_PURGE,
  index: number,
): Uint8Array {
  const key = new Uint8Array(1 + INDEX_SIZE)
  key[0] = prefix
  writeIndex(key, 1, index)
  return key
}

export function tileKey(level: number, index: number): Uint8Array {
  const key = new Uint8Array(2 + INDEX_SIZE)
  key[0] = TILE
  key[1] = level
  writeIndex(key, 2, index)
  return key
}

/** @param id - 16 bytes */
export function idKey(generation: number, id: Uint8Array): Uint8Array {
  const key = new Uint8Array(3 + id.length)
  key[0] = ID
  key[1] = generation >> 8
  key[2] = generation & 0xff
  key.set(id, 3)
  return key
}

/** Returns the generation in the key of an id. */
export function keyGeneration(key: Uint8Array): number {
  return (key[1] as number) * 256 + (key[2] as number)
}

export function numberKey(name: NumberName): Uint8Array {
  return Buffer.from(`${String.fromCharCode(NUMBER)}${name}`, "latin1")
}

/** Returns the index at the end of a key. */
export function keyIndex(key: Uint8Array): number {
  return readIndex(key, key.length - INDEX_SIZE)
}

export function formatNumber(n: number): Uint8Array {
  const value = new Uint8Array(INDEX_SIZE)
  writeIndex(value, 0, n)
  return value
}

/** Returns `undefined` for a value that {@link formatNumber} cannot have written. */
export function parseNumber(value: Uint8Array): number | undefined {
  if (value.length !== INDEX_SIZE) return undefined
  const n = readIndex(value, 0)
  return Number.isSafeInteger(n) ? n : undefined
}

export function formatCommit(count: number, rootHash: Uint8Array): Uint8Array {
  const value = new Uint8Array(INDEX_SIZE + rootHash.length)
  writeIndex(value, 0, count)
  value.set(rootHash, INDEX_SIZE)
  return value
}

/** Returns `undefined` for a value that {@link formatCommit} cannot have written. */
export function parseCommit(value: Uint8Array): { count: number; rootHash: Uint8Array } | undefined {
  if (value.length !== INDEX_SIZE + 32) return undefined
  return { count: readIndex(value, 0), rootHash: value.subarray(INDEX_SIZE) }
}

/** Writes uint56be in two parts, as bit operators stop at 32 bits. */
export function writeIndex(out: Uint8Array, at: number, index: number): void {
  const high = Math.floor(index / 2 ** 32)
  const low = index >>> 0
  out[at] = high >>> 16
  out[at + 1] = high >>> 8
  out[at + 2] = high
  out[at + 3] = low >>> 24
  out[at + 4] = low >>> 16
  out[at + 5] = low >>> 8
  out[at + 6] = low
}

function readIndex(bytes: Uint8Array, at: number): number {
  let index = 0
  for (let i = 0; i < INDEX_SIZE; i++) index = index * 256 + (bytes[at + i] as number)
  return index
}
