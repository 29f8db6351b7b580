/**
 * The rows of an answer as JSON text: written where they are found, so that nobody else has to hold them as objects.
 *
 * Effects: those of the rows it is given.
 */

import type { Rows } from "@prooflog/query/store"

export interface RowsText {
  /** A JSON array, UTF-8. */
  readonly json: Uint8Array
  readonly count: number
  /** Whether there were more rows than `limit`, or than fit. */
  readonly truncated: boolean
}

/** Bytes of an answer's rows. A larger answer is an export. */
export const MAX_ANSWER_BYTES = 32 * 1024 * 1024

const utf8 = new TextEncoder()

/**
 * Reads rows up to a limit; closes them.
 *
 * @param limit - rows, ≥ 1
 */
export async function writeRows(
  { batches, close }: Pick<Rows, "batches" | "close">,
  limit: number,
  maxBytes: number = MAX_ANSWER_BYTES,
): Promise<RowsText> {
  const parts: Uint8Array[] = []
  let bytes = "[]".length
  let count = 0
  try {
    for await (const batch of batches) {
      for (const row of batch) {
        const text = `${count === 0 ? "" : ","}${JSON.stringify(row)}`
        const part = utf8.encode(text)
        if (count === limit || bytes + part.length > maxBytes)
          return { json: arrayOf(parts), count, truncated: true }
        parts.push(part)
        bytes += part.length
        count++
      }
    }
    return { json: arrayOf(parts), count, truncated: false }
  } finally {
    await close()
  }
}

function arrayOf(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat([utf8.encode("["), ...parts, utf8.encode("]")]))
}
