/**
 * Base64 and hex with exactly one spelling for each byte string.
 *
 * The platforms' own decoders drop junk, accept the URL-safe alphabet, missing padding
 * and stray trailing bits. Here what decodes is what {@link encodeBase64} would write, so
 * signed text cannot be respelled.
 *
 * Spec: RFC 4648, section 4 and section 3.5 (canonical encoding).
 * Pure: no I/O, no clock, no randomness.
 */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
const PAD = 0x3d

/** Value of each ASCII character, 255 for those outside the alphabet. */
const VALUES = new Uint8Array(128).fill(255)
const CODES = new Uint8Array(64)
for (let i = 0; i < 64; i++) {
  CODES[i] = ALPHABET.charCodeAt(i)
  VALUES[ALPHABET.charCodeAt(i)] = i
}

const ascii = new TextDecoder("latin1")

/** Returns standard base64 with padding. */
export function encodeBase64(bytes: Uint8Array): string {
  const out = new Uint8Array(Math.ceil(bytes.length / 3) * 4)
  let to = 0
  for (let i = 0; i < bytes.length; i += 3) {
    const [a, b, c] = [bytes[i] as number, bytes[i + 1] ?? 0, bytes[i + 2] ?? 0]
    out[to++] = CODES[a >> 2] as number
    out[to++] = CODES[((a & 3) << 4) | (b >> 4)] as number
    out[to++] = CODES[((b & 15) << 2) | (c >> 6)] as number
    out[to++] = CODES[c & 63] as number
  }
  out.fill(PAD, out.length - ((3 - (bytes.length % 3)) % 3))
  return ascii.decode(out)
}

/** Returns the bytes, or `undefined` unless `text` is exactly what {@link encodeBase64} writes for them. */
export function decodeBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0
  const out = new Uint8Array((text.length / 4) * 3 - padding)
  let to = 0
  for (let i = 0; i < text.length; i += 4) {
    const last = i + 4 === text.length ? padding : 0
    const a = valueAt(text, i)
    const b = valueAt(text, i + 1)
    const c = last === 2 ? 0 : valueAt(text, i + 2)
    const d = last > 0 ? 0 : valueAt(text, i + 3)
    if ((a | b | c | d) > 63) return undefined
    // Bits that padding cuts off must be zero, or there would be other spellings.
    if ((last === 2 && (b & 15) !== 0) || (last === 1 && (c & 3) !== 0)) return undefined
    out[to++] = (a << 2) | (b >> 4)
    if (last < 2) out[to++] = ((b & 15) << 4) | (c >> 2)
    if (last < 1) out[to++] = ((c & 3) << 6) | d
  }
  return out
}

function valueAt(text: string, i: number): number {
  return VALUES[text.charCodeAt(i)] ?? 255
}

/** Returns lower-case hex. */
export function encodeHex(bytes: Uint8Array): string {
  let text = ""
  for (const byte of bytes) text += HEX[byte] as string
  return text
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))

/** Returns the bytes, or `undefined` unless `text` is an even number of lower-case hex digits. */
export function decodeHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) return undefined
  const out = new Uint8Array(text.length / 2)
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)
  return out
}
