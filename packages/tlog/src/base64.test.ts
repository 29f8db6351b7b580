import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { decodeBase64, decodeHex, encodeBase64, encodeHex } from "./base64.js"

describe("base64", () => {
  it("writes what Node writes, and reads it back", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const text = encodeBase64(bytes)
        expect(text).toBe(Buffer.from(bytes).toString("base64"))
        expect(decodeBase64(text)).toEqual(bytes)
      }),
    )
  })

  it("reads only the one spelling of what it reads", () => {
    const pieces = fc.array(fc.constantFrom(..."AQgw/+-_= \n\tZz09é".split("")), { maxLength: 12 })
    fc.assert(
      fc.property(pieces, (characters) => {
        const text = characters.join("")
        const bytes = decodeBase64(text)
        if (bytes !== undefined) expect(encodeBase64(bytes)).toBe(text)
        else expect(Buffer.from(text, "base64").toString("base64")).not.toBe(text)
      }),
      { numRuns: 5000 },
    )
  })

  it.each([
    ["missing padding", "AA"],
    ["too much padding", "AAAA===="],
    ["only padding", "===="],
    ["padding inside", "AA==AAAA"],
    ["bits after the end, one byte", "AB=="],
    ["bits after the end, two bytes", "AAB="],
    ["the URL-safe alphabet", "-_-_"],
    ["a line feed", "AAAA\n"],
    ["a space", "AA A"],
    ["characters past ASCII", "AAAé"],
    ["a full-width letter", "AAAＡ"],
    ["a NUL", "AAA\0"],
  ])("refuses %s", (_, text) => {
    expect(decodeBase64(text)).toBeUndefined()
  })
})

describe("hex", () => {
  it("writes lower case and reads it back", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(encodeHex(bytes)).toBe(Buffer.from(bytes).toString("hex"))
        expect(decodeHex(encodeHex(bytes))).toEqual(bytes)
      }),
    )
  })

  it.each(["0", "0G", "AA", " 00", "00\n", "0x00"])("refuses %j", (text) => {
    expect(decodeHex(text)).toBeUndefined()
  })
})
