/**
 * Rows as one JSON object a line. What is NULL is left out.
 *
 *     {"leaf_index":17,"user_id":"U12345","tags":["vip","eu"],"mfa":true}
 *
 * Spec: github.com/ndjson/ndjson-spec; lines end in U+000A.
 * Pure.
 */

import { distinctNames, type Encoder, NO_BYTES, type Row } from "./export-encoder.js"
import type { OutputColumn } from "./store.js"

/** Returns the encoder of NDJSON. */
export function ndjsonEncoder(columns: readonly OutputColumn[]): Encoder {
  // Written, not built as objects: a column may be called __proto__.
  const keys = distinctNames(columns).map((name) => `${JSON.stringify(name)}:`)
  const line = (row: Row) => {
    const members: string[] = []
    for (const [at, value] of row.entries()) {
      if (value !== null) members.push(`${keys[at]}${JSON.stringify(value)}`)
    }
    return `{${members.join(",")}}\n`
  }
  const encoder = new TextEncoder()
  return {
    begin: () => NO_BYTES,
    encode: (rows) => encoder.encode(rows.map(line).join("")),
    end: () => NO_BYTES,
  }
}
