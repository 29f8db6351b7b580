/**
 * One signature of a note, as a line:
 *
 *     — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1E…\n
 *       name            base64(key ID ‖ signature)
 *
 * The dash is U+2014, three bytes in UTF-8.
 *
 * Spec: c2sp.org/signed-note, "Format".
 * Pure: no I/O, no clock, no randomness.
 */

import { decodeBase64, encodeBase64 } from "./base64.js"
import { TlogError } from "./error.js"
import { isKeyName } from "./key.js"

/** A signature that claims to be by the key with this name and key ID. Suspect. */
export interface NoteSignature {
  readonly name: string
  /** Four bytes as an unsigned integer. */
  readonly keyId: number
  /** What follows the key ID, at least one byte, in the form of the key's type. */
  readonly bytes: Uint8Array
}

/**
 * Returns the line with its final line feed.
 *
 * @throws {@link TlogError} `TLOG_MALFORMED_NOTE` if {@link parseSignatureLine} would not give the same signature back
 */
export function formatSignatureLine({ name, keyId, bytes }: NoteSignature): string {
  // A name with a line feed would add signatures, a key ID past 32 bits would become another.
  if (!isKeyName(name) || !isKeyId(keyId) || bytes.length === 0) {
    throw malformed(`not a signature: ${JSON.stringify({ name: name.slice(0, 100), keyId })}`)
  }
  const blob = new Uint8Array(4 + bytes.length)
  new DataView(blob.buffer).setUint32(0, keyId)
  blob.set(bytes, 4)
  return `${DASH}${name} ${encodeBase64(blob)}\n`
}

/**
 * Parses one line with its final line feed.
 *
 * @throws {@link TlogError} `TLOG_MALFORMED_NOTE` for anything that {@link formatSignatureLine} would not write
 */
export function parseSignatureLine(line: string): NoteSignature {
  const space = line.indexOf(" ", DASH.length)
  if (line.startsWith(DASH) && line.endsWith("\n") && space > 0) {
    const name = line.slice(DASH.length, space)
    const blob = decodeBase64(line.slice(space + 1, -1))
    if (isKeyName(name) && blob !== undefined && blob.length > 4) {
      return { name, keyId: new DataView(blob.buffer).getUint32(0), bytes: blob.subarray(4) }
    }
  }
  throw malformed(`not a signature line: ${JSON.stringify(line.slice(0, 100))}`)
}

const DASH = "— "

function isKeyId(keyId: number): boolean {
  return Number.isInteger(keyId) && keyId >= 0 && keyId < 2 ** 32
}

function malformed(what: string): TlogError {
  return new TlogError("TLOG_MALFORMED_NOTE", what)
}
