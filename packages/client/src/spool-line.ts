/**
 * One line of a spool segment.
 *
 *     5a0d2c91 {"event_id":"…","timestamp":"…",…}\n
 *     └ CRC-32 of the JSON's bytes, eight lower-case hex digits
 *
 * A process can die in the middle of a write and a disk can rot: a line that lacks its newline or
 * does not match its checksum is not an event. JSON written by `JSON.stringify` holds no raw
 * newline, so the next line is always found again.
 *
 * Pure: no I/O.
 */

import { crc32 } from "node:zlib"
import type { CapturedEvent } from "./captured-event.js"

/** Bytes a line has beyond the event's own: checksum, space, newline. */
export const LINE_OVERHEAD = 10

const NEWLINE = 0x0a

/** Returns the lines of these events, one after the other. */
export function formatSpoolLines(events: readonly CapturedEvent[]): Buffer {
  return Buffer.from(events.map(({ text }) => `${checksum(Buffer.from(text))} ${text}\n`).join(""))
}

export interface SpoolLines {
  /** Whole lines in order; `undefined` for one that is damaged. */
  readonly events: (CapturedEvent | undefined)[]
  /** Bytes of the lines above; what follows is the beginning of a further line, or nothing. */
  readonly end: number
}

/**
 * Reads whole lines from the start of `bytes`, until a bound of the batch is reached.
 *
 * @param bytes - suspect: read from disk
 * @param maxEvents - lines to read at most, at least 1
 * @param maxBytes - bytes of events to read at most, a newline each; the first line is read whatever its length
 */
export function parseSpoolLines(bytes: Buffer, maxEvents: number, maxBytes: number): SpoolLines {
  const events: (CapturedEvent | undefined)[] = []
  let start = 0
  let total = 0
  while (events.length < maxEvents) {
    const newline = bytes.indexOf(NEWLINE, start)
    if (newline < 0) break
    total += newline + 1 - start - (LINE_OVERHEAD - 1)
    if (total > maxBytes && events.length > 0) break
    events.push(parseSpoolLine(bytes.subarray(start, newline)))
    start = newline + 1
  }
  return { events, end: start }
}

function parseSpoolLine(line: Buffer): CapturedEvent | undefined {
  const json = line.subarray(LINE_OVERHEAD - 1)
  if (json.length === 0 || line.toString("latin1", 0, LINE_OVERHEAD - 1) !== `${checksum(json)} `)
    return undefined
  return { text: json.toString("utf8"), bytes: json.length }
}

function checksum(bytes: Uint8Array): string {
  return crc32(bytes).toString(16).padStart(8, "0")
}
