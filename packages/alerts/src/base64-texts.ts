/**
 * How a text looks inside Base64.
 *
 *     base64         foo  ─►  Zm9v
 *     base64offset   foo  ─►  Zm9v, Zvb, mb2     as it stands after 0, 1 or 2 bytes of something else
 *
 * Characters at the ends that depend on the neighbours are left out.
 *
 * Spec: RFC 4648, section 4; Sigma modifiers 2.1.0, "Encoding".
 * Pure.
 */

/** Returns the Base64 of a text's UTF-8. */
export function base64Text(text: string): string {
  return encode(new TextEncoder().encode(text))
}

/** Returns the three texts of which one is in the Base64 of whatever holds this text. */
export function base64Offsets(text: string): readonly string[] {
  const bytes = new TextEncoder().encode(text)
  return [0, 1, 2].map((before) => {
    const bits = 8 * (before + bytes.length)
    const first = Math.ceil((8 * before) / 6)
    return encode(new Uint8Array([...new Uint8Array(before), ...bytes])).slice(first, Math.floor(bits / 6))
  })
}

function encode(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))
}
