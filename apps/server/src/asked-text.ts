/**
 * What an own event says of a question: `attributes` that keep their limits, however long the question is.
 *
 *     { sql: "SELECT …", rows: 12 }   ─►   { sql: "SELECT …", sql_sha256: "9f86…", rows: 12 }
 *
 * A text that is too long is cut, and the hash of all of it stands beside what is left; SQL is hashed always.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { encodeHex } from "@prooflog/tlog/base64"
import { sha256 } from "@prooflog/tlog/hash"

/** By name: a text, a number, or nothing. Names are ours, a dozen at most. */
export type Said = Readonly<Record<string, string | number | boolean | undefined>>

/** Bytes of the texts that may be long; together with all the others less than the 16 KiB of `attributes`. */
const LONG_TEXTS: ReadonlyMap<string, number> = new Map([
  ["sql", 7_168],
  ["filter", 4_096],
  ["parameters", 2_048],
  ["leaf_index", 1_024],
  ["alerts", 1_280],
  ["withhold", 512],
])

const TEXT_BYTES = 256

export function sayAttributes(said: Said): Record<string, string | number | boolean> {
  const attributes: Record<string, string | number | boolean> = {}
  for (const [name, value] of Object.entries(said)) {
    if (value === undefined) continue
    if (typeof value !== "string") {
      attributes[name] = value
      continue
    }
    const bytes = Buffer.from(value)
    const most = LONG_TEXTS.get(name) ?? TEXT_BYTES
    // A stream decoder holds back the character that the cut went through.
    attributes[name] =
      bytes.length <= most
        ? bytes.toString()
        : new TextDecoder().decode(bytes.subarray(0, most), { stream: true })
    if (name === "sql" || bytes.length > most) attributes[`${name}_sha256`] = encodeHex(sha256(bytes))
  }
  return attributes
}
