/**
 * A body from a peer that may be hostile, read whole.
 *
 *     1 │ 1 │ 1 │ …   chunks as they come        16 bytes ─► 32 ─► 64 ─► …   one array that grows
 *
 * Chunks are copied together as they come: a sender can cut a body into chunks of one byte, and each chunk kept as an
 * object takes 400.
 */

/**
 * Returns the bytes of a body.
 *
 * @throws Error if there are more than `maxBytes`, and reads no further; whatever the body throws
 */
export async function readBody(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  let bytes = new Uint8Array(0)
  let length = 0
  for await (const chunk of body) {
    const end = length + chunk.length
    // Leaving the loop destroys the connection.
    if (end > maxBytes) throw new Error(`an answer of more than ${maxBytes} bytes`)
    if (end > bytes.length) {
      const grown = new Uint8Array(Math.min(maxBytes, Math.max(end, 2 * bytes.length)))
      grown.set(bytes.subarray(0, length))
      bytes = grown
    }
    bytes.set(chunk, length)
    length = end
  }
  return bytes.subarray(0, length)
}
