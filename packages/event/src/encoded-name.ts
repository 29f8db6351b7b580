/**
 * Names as they lie in the bytes of a record: read in place, so that whoever checks records by the million
 * makes no text of them.
 *
 *     67 757365725f6964   ─►  its end; user_id, in the fields, required
 *
 * Spec: docs/spec, "Record and commitment".
 * Pure.
 */

import { headArgument, readHead } from "./cbor-reader.js"
import { CORE_NAMES, REQUIRED_CORE_NAMES, REQUIRED_FIELD_NAMES } from "./core-names.js"
import { malformedRecord } from "./names.js"

/** A name about which there are rules. */
export interface KnownName {
  readonly encoded: Uint8Array
  readonly core: boolean
  readonly required: boolean
}

/**
 * Returns the offset after the name at `start`, having checked its form.
 *
 * @param bytes - suspect
 * @throws {@link EventError} `EVENT_MALFORMED_RECORD`, `EVENT_MALFORMED_CBOR`
 */
export function checkName(bytes: Uint8Array, start: number): number {
  const at = readHead(bytes, start, bytes.length)
  const length = headArgument()
  const end = at + length
  if ((bytes[start] as number) >> 5 !== 3 || length < 1 || length > 64 || end > bytes.length) {
    throw malformedRecord(`no name at byte ${start}`)
  }
  for (let i = at; i < end; i++) {
    const code = bytes[i] as number
    const isLetter = code >= 0x61 && code <= 0x7a
    if (!isLetter && (i === at || (code !== 0x5f && !(code >= 0x30 && code <= 0x39)))) {
      throw malformedRecord(`a name of another form than [a-z][a-z0-9_]{0,63}, at byte ${start}`)
    }
  }
  return end
}

/** Returns what is known of the name at `bytes[start … end)`, its head included; `undefined` for any other name. */
export function findName(bytes: Uint8Array, start: number, end: number): KnownName | undefined {
  const candidates = knownNames.get(keyOfName(bytes, start, end))
  if (candidates === undefined) return undefined
  for (const known of candidates) {
    // Of the same length: it is in the head.
    const encoded = known.encoded
    let i = 0
    while (i < encoded.length && encoded[i] === bytes[start + i]) i++
    if (i === encoded.length) return known
  }
  return undefined
}

/** The names about which there are rules, by their head, first and last byte. */
const knownNames = new Map<number, KnownName[]>()

for (const name of [...CORE_NAMES, ...REQUIRED_FIELD_NAMES]) {
  const encoded = Uint8Array.of(0x60 | name.length, ...new TextEncoder().encode(name))
  const required = ([...REQUIRED_CORE_NAMES, ...REQUIRED_FIELD_NAMES] as string[]).includes(name)
  const known = { encoded, core: (CORE_NAMES as readonly string[]).includes(name), required }
  const key = keyOfName(encoded, 0, encoded.length)
  knownNames.set(key, [...(knownNames.get(key) ?? []), known])
}

function keyOfName(bytes: Uint8Array, start: number, end: number): number {
  return ((bytes[start] as number) << 16) | ((bytes[start + 1] as number) << 8) | (bytes[end - 1] as number)
}
