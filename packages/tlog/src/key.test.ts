import { describe, expect, it } from "vitest"
import { encodeBase64 } from "./base64.js"
import {
  createSignerKey,
  formatSignerKey,
  formatVerifierKey,
  isKeyName,
  isVerifierKey,
  parseAnyKey,
  parseSignerKey,
  parseVerifierKey,
  verifierKeyOf,
} from "./key.js"
import { opaqueKey } from "./opaque-key.js"
import { readVector, vectorsPresent } from "./vectors.js"

const malformed = expect.objectContaining({ code: "TLOG_MALFORMED_KEY" })
const EXAMPLE = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
const seed = new Uint8Array(32).map((_, i) => i)

describe("verifier keys", () => {
  it("reads the example of c2sp.org/signed-note", () => {
    const key = parseVerifierKey(EXAMPLE)
    expect(key).toMatchObject({ name: "example.com/foo", keyId: 0x530d903a, type: 1 })
    expect(key.publicKey.length).toBe(32)
    expect(formatVerifierKey(key)).toBe(EXAMPLE)
  })

  it.each([
    ["nothing", ""],
    ["a name alone", "example.com/foo"],
    ["no key", "example.com/foo+530d903a"],
    ["an empty key", "example.com/foo+530d903a+"],
    ["an empty name", EXAMPLE.replace("example.com/foo", "")],
    ["another name", EXAMPLE.replace("foo", "bar")],
    ["another key ID", EXAMPLE.replace("530d903a", "530d903b")],
    ["a key ID in upper case", EXAMPLE.replace("530d903a", "530D903A")],
    ["a short key ID", EXAMPLE.replace("530d903a", "530d903")],
    ["a long key ID", EXAMPLE.replace("530d903a", "530d903a00")],
    ["a space in the name", EXAMPLE.replace("/foo", " foo")],
    ["white space that \\s does not know", EXAMPLE.replace("/foo", "\u0085foo")],
    ["a line feed at the end", `${EXAMPLE}\n`],
    ["a key one byte short", `example.com/foo+530d903a+${encodeBase64(new Uint8Array(32).fill(1))}`],
    ["bits behind the base64", EXAMPLE.replace(/k$/, "l")],
    ["the URL-safe alphabet", EXAMPLE.replaceAll("/", "_")],
    ["a signer key", formatSignerKey(createSignerKey("example.com/foo", seed, 1))],
  ])("refuses %s", (_, text) => {
    expect(() => parseVerifierKey(text)).toThrow(malformed)
    expect(() => parseAnyKey(text)).toThrow(malformed)
  })

  it.each(["", "a b", "a\u0085b", "a\nb", "a\0b"])("refuses the name %j, whatever its key ID", (name) => {
    const key = new Uint8Array(32).fill(7)
    expect(parseVerifierKey(opaqueKey("a", 1, ...key)).publicKey).toEqual(key)
    expect(() => parseAnyKey(opaqueKey(name, 1, ...key))).toThrow(malformed)
  })

  it("says what a key should look like", () => {
    expect(() => parseAnyKey("example.com/foo")).toThrow(/expected name\+keyID\+base64/)
  })

  it.skipIf(!vectorsPresent)("reads the keys of others, and refuses what others refuse", () => {
    const vectors = JSON.parse(readVector("transparency-dev-formats/vkeys.json")) as {
      valid: string[]
      invalid: string[]
      ecdsa_type_02: string
      static_ct_type_05: string
    }
    for (const text of vectors.valid) expect(formatVerifierKey(parseVerifierKey(text))).toBe(text)
    for (const text of vectors.invalid) expect(() => parseAnyKey(text), text).toThrow(malformed)
    for (const text of [vectors.ecdsa_type_02, vectors.static_ct_type_05]) {
      const key = parseAnyKey(text)
      expect(isVerifierKey(key)).toBe(false)
      expect(formatVerifierKey(key)).toBe(text)
      expect(() => parseVerifierKey(text)).toThrow(malformed)
      expect(() => parseAnyKey(text.replace(/\+[0-9a-f]{8}\+/, "+00000000+"))).toThrow(malformed)
    }
  })

  it.skipIf(!vectorsPresent)("knows ML-DSA-44 keys by length and key ID", () => {
    // The file's own key ID is not that of the formula.
    const text = readVector("transparency-dev-formats/mldsa44-vkey.txt").trim()
    expect(text).toContain("+5893dc2c+")
    expect(() => parseAnyKey(text)).toThrow(malformed)
    const right = text.replace("+5893dc2c+", "+31236897+")
    expect(parseAnyKey(right)).toMatchObject({ keyId: 0x31236897, type: 6 })
    expect(parseAnyKey(right).publicKey.length).toBe(1312)
    expect(() => parseAnyKey(right.slice(0, -4))).toThrow(malformed)
    expect(() => parseVerifierKey(right)).toThrow(malformed)
  })

  it("keeps keys of types nobody knows yet, if their key ID is the recommended one", () => {
    const text = opaqueKey("example.com/new", 0xff, 1, 2)
    const key = parseAnyKey(text)
    expect(key).toEqual({
      name: "example.com/new",
      keyId: Number.parseInt(text.split("+")[1] as string, 16),
      type: 0xff,
      publicKey: Uint8Array.of(1, 2),
    })
    expect(formatVerifierKey(key)).toBe(text)
    expect(() => parseAnyKey(opaqueKey("example.com/new", 0xff))).toThrow(malformed)
    expect(() => parseAnyKey(text.replace(/[0-9a-f]{8}/, "01234567"))).toThrow(malformed)
  })
})

describe("signer keys", () => {
  it.each([1, 4] as const)("of type %i read back what they write", (type) => {
    const key = createSignerKey("example.com/log", seed, type)
    const text = formatSignerKey(key)
    expect(text).toMatch(/^PRIVATE\+KEY\+example\.com\/log\+[0-9a-f]{8}\+/)
    expect(parseSignerKey(text)).toEqual(key)
    expect(parseVerifierKey(formatVerifierKey(verifierKeyOf(key)))).toEqual(verifierKeyOf(key))
  })

  it("have other key IDs for other names and types", () => {
    const ids = [
      createSignerKey("a", seed, 1),
      createSignerKey("b", seed, 1),
      createSignerKey("a", seed, 4),
      createSignerKey("b", seed, 4),
    ].map(({ keyId }) => keyId)
    expect(new Set(ids).size).toBe(4)
  })

  it("keep their seed from the caller's array", () => {
    const mine = seed.slice()
    const key = createSignerKey("a", mine, 1)
    mine.fill(0)
    expect(key.seed).toEqual(seed)
  })

  const text = formatSignerKey(createSignerKey("example.com/log", seed, 1))
  it.each([
    ["a verifier key", EXAMPLE],
    ["another key ID", text.replace(/\+[0-9a-f]{8}\+/, "+00000000+")],
    ["another name", text.replace("log", "lag")],
    ["a line feed", `${text}\n`],
    ["another beginning of the same length", text.replace("PRIVATE+KEY+", "private-key+")],
    ["a type that cannot sign", `PRIVATE+KEY+a+00000000+${encodeBase64(Uint8Array.of(2, ...seed))}`],
    ["a short seed", `PRIVATE+KEY+a+00000000+${encodeBase64(Uint8Array.of(1, ...seed.subarray(1)))}`],
  ])("refuse %s without showing the secret", (_, wrong) => {
    expect(() => parseSignerKey(wrong)).toThrow(malformed)
    try {
      parseSignerKey(wrong)
    } catch (error) {
      expect(String(error)).not.toContain(encodeBase64(seed).slice(2, 10))
    }
  })

  it("refuse names that cannot stand in a note, and seeds of other lengths", () => {
    for (const name of ["", "a b", "a+b", "a\nb", "a\u0001b", "\ud800"]) {
      expect(() => createSignerKey(name, seed, 1), JSON.stringify(name)).toThrow(RangeError)
    }
    expect(() => createSignerKey("a", seed.subarray(1), 1)).toThrow(RangeError)
  })
})

describe("key names", () => {
  it("may hold anything but white space, control characters and plus", () => {
    const spaces = [9, 10, 11, 12, 13, 0x20, 0x85, 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000]
    for (let code = 0x2000; code <= 0x200a; code++) spaces.push(code)
    for (let code = 0; code < 0x1_0000; code++) {
      const isSurrogate = code >= 0xd800 && code <= 0xdfff
      const isFine = !spaces.includes(code) && code >= 0x20 && code !== 0x2b && !isSurrogate
      if (isKeyName(`a${String.fromCharCode(code)}b`) !== isFine) expect.fail(`U+${code.toString(16)}`)
    }
    expect(isKeyName("log.example/😀")).toBe(true)
    expect(isKeyName("\ufeff")).toBe(true)
    expect(isKeyName("")).toBe(false)
  })
})
