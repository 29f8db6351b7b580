import { createHash } from "node:crypto"
import { encodeHex } from "@prooflog/tlog/base64"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { repeatId } from "./repeat.js"

const hashOf = (source: string, id: string) => createHash("sha256").update(`${source}\0${id}`).digest("hex")

describe("a repeat ID", () => {
  test("of a UUIDv7 keeps its time in front, and its source apart", () => {
    const id = "01891a2b-4c5d-7abc-8def-000000000001"
    expect(encodeHex(repeatId("api", id))).toBe(`01891a2b4c5d${hashOf("api", id).slice(0, 20)}`)
    expect(encodeHex(repeatId("k8s", id)).slice(12)).not.toBe(encodeHex(repeatId("api", id)).slice(12))
    expect(repeatId("api", "0189AF2B-4C5D-7ABC-8DEF-000000000001").slice(0, 6)).toEqual(
      Uint8Array.of(0x01, 0x89, 0xaf, 0x2b, 0x4c, 0x5d),
    )
    const next = "01891a2b-4c5d-7abc-8def-000000000002"
    expect(encodeHex(repeatId("api", next)).slice(12)).not.toBe(encodeHex(repeatId("api", id)).slice(12))
  })

  test.each([
    "x",
    "f:00ff",
    "01891a2b-4c5d-4abc-8def-000000000001",
    "01891a2b-4c5d-7abc-cdef-000000000001",
    "é",
  ])("of %s is a hash", (id) => {
    expect(encodeHex(repeatId("api", id))).toBe(hashOf("api", id).slice(0, 32))
  })

  test("is 16 bytes of a hash, and not one for two", () => {
    const text = fc.string({ maxLength: 20, unit: fc.constantFrom(..."aZ09-.:/ é語😀") })
    fc.assert(
      fc.property(text, text, text, text, (a, b, c, d) => {
        const [first, second] = [repeatId(a, b), repeatId(c, d)]
        expect(first.length).toBe(16)
        expect(encodeHex(first)).toBe(hashOf(a, b).slice(0, 32))
        expect(encodeHex(first) === encodeHex(second)).toBe(a === c && b === d)
      }),
    )
    expect(() => repeatId("a\0b", "c")).toThrow(RangeError)
    expect(() => repeatId("a", "c".repeat(2000))).toThrow(RangeError)
  })
})
