/**
 * The records of one range of leaves, as a backup keeps them: what the storage had, leaf by leaf.
 *
 *     00 ‖ uint16be n ‖ n bytes              a record; empty of a leaf that is no event
 *     01 ‖ uint16be n ‖ n bytes              the tombstone in its place
 *     02 ‖ uint16be 16 + n ‖ id ‖ n bytes    the same, of an event whose id the backup had seen
 *
 * The id is the short name by which a repeat of the event is recognised: sent again to the restored log, an erased event
 * must not come back as a new one.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { openRecord } from "@prooflog/event/record"
import { REPEAT_ID_SIZE, repeatId } from "@prooflog/event/repeat"
import { CliError } from "../error.js"

/** A leaf's record, or what stands in its place. */
export interface KeptLeaf {
  readonly kind: "record" | "tombstone"
  readonly bytes: Uint8Array
  /** Of a tombstone: 16 bytes, if they were known. */
  readonly id?: Uint8Array | undefined
}

const RECORD = 0
const TOMBSTONE = 1
const TOMBSTONE_WITH_ID = 2

/** @param leaves - of the range, none left out */
export function encodeRange(leaves: readonly KeptLeaf[]): Uint8Array {
  const size = leaves.reduce((sum, { bytes, id }) => sum + 3 + (id?.length ?? 0) + bytes.length, 0)
  const range = Buffer.allocUnsafe(size)
  let at = 0
  for (const { kind, bytes, id } of leaves) {
    range[at] = kind === "record" ? RECORD : id === undefined ? TOMBSTONE : TOMBSTONE_WITH_ID
    at = range.writeUInt16BE((id?.length ?? 0) + bytes.length, at + 1)
    if (id !== undefined) {
      range.set(id, at)
      at += id.length
    }
    range.set(bytes, at)
    at += bytes.length
  }
  return range
}

/**
 * @param count - leaves of the range
 * @returns views of `range`
 * @throws {@link CliError} `CLI_DAMAGED_BACKUP`
 */
export function decodeRange(range: Uint8Array, count: number, path: string): KeptLeaf[] {
  const leaves: KeptLeaf[] = []
  let at = 0
  while (at < range.length) {
    const kind = range[at] as number
    const start = at + 3
    const end = start + (range[at + 1] as number) * 256 + (range[at + 2] as number)
    const bytesAt = kind === TOMBSTONE_WITH_ID ? start + REPEAT_ID_SIZE : start
    // NaN, when the length itself is cut short, fails this comparison too.
    if (!(end <= range.length && bytesAt <= end && kind <= TOMBSTONE_WITH_ID)) throw damaged(path)
    const bytes = range.subarray(bytesAt, end)
    if (kind === RECORD) leaves.push({ kind: "record", bytes })
    else if (kind === TOMBSTONE) leaves.push({ kind: "tombstone", bytes })
    else leaves.push({ kind: "tombstone", bytes, id: range.subarray(start, bytesAt) })
    at = end
  }
  if (leaves.length !== count) throw damaged(path)
  return leaves
}

/** The short name of a record's event; `undefined` of a leaf that is no event. */
export function repeatIdOf(record: Uint8Array): Uint8Array | undefined {
  if (record.length === 0) return undefined
  const { source, event_id } = Object.fromEntries(openRecord(record).core)
  return repeatId(String(source), String(event_id))
}

function damaged(path: string): CliError {
  return new CliError("CLI_DAMAGED_BACKUP", `${path} does not hold the records that it should`)
}
