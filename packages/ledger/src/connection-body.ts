/** A body from a peer that may be hostile, read whole, and no further than it may be long. */

import { GatheredBytes } from "@prooflog/tlog/gathered-bytes"

/**
 * Returns the bytes of a body.
 *
 * @throws Error if there are more than `maxBytes`, and reads no further; whatever the body throws
 */
export async function readBody(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const gathered = new GatheredBytes(maxBytes)
  for await (const chunk of body) {
    // Leaving the loop destroys the connection.
    if (!gathered.add(chunk)) throw new Error(`an answer of more than ${maxBytes} bytes`)
  }
  return gathered.bytes
}
