/**
 * Text from outside, read strictly: well-formed UTF-8, one line feed between lines, bounded.
 *
 * `trim`, `\s` and `split(/\r?\n/)` would hide malformed notes, and the usual decoder
 * replaces bad bytes and swallows a byte order mark.
 */

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

/** Returns the text, or `undefined` if it is ill-formed or longer than `maxBytes` in UTF-8. */
export function readText(source: Uint8Array | string, maxBytes: number): string | undefined {
  if (typeof source === "string") {
    if (source.length > maxBytes || LONE_SURROGATE.test(source)) return undefined
    // A UTF-16 unit is at most three bytes.
    return source.length * 3 > maxBytes && encodeText(source).length > maxBytes ? undefined : source
  }
  if (source.length > maxBytes) return undefined
  try {
    return strict.decode(source)
  } catch {
    return undefined
  }
}

/** Returns the UTF-8 of a well-formed text. */
export function encodeText(text: string): Uint8Array {
  return encoder.encode(text)
}

/** Whether `text` has a control character below U+0020 other than the line feed. */
export function hasControl(text: string): boolean {
  return CONTROL.test(text)
}

export function hasLoneSurrogate(text: string): boolean {
  return LONE_SURROGATE.test(text)
}

/**
 * @throws `RangeError` unless a note can have this text: well-formed, without control characters, a line feed at its end.
 * Texts that differ in a lone surrogate alone would have one signature, as both are encoded as U+FFFD.
 */
export function requireNoteText(label: string, text: string): void {
  if (!text.endsWith("\n")) throw new RangeError(`${label}: expected a final line feed`)
  if (hasControl(text)) throw new RangeError(`${label}: expected no control characters`)
  if (hasLoneSurrogate(text)) throw new RangeError(`${label}: expected no lone surrogates`)
}

const CONTROL = /[\u0000-\u0009\u000b-\u001f]/
const LONE_SURROGATE = /\p{Surrogate}/u
