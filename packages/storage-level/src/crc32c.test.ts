import { expect, it } from "vitest"
import { crc32c, crc32cPrefixes } from "./crc32c.js"

/** RFC 3720, appendix B.4, and the check value of the algorithm. */
it.each([
  ["32 zeros", Buffer.alloc(32), 0x8a9136aa],
  ["32 ones", Buffer.alloc(32, 0xff), 0x62a8ab43],
  ["32 ascending", Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
  ["32 descending", Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c],
  ["the check text", Buffer.from("123456789"), 0xe3069283],
  ["nothing", Buffer.alloc(0), 0],
])("the checksum of %s is the published one", (_, bytes, expected) => {
  expect(crc32c(bytes, 0, bytes.length)).toBe(expected)
})

it("agrees with itself for every length and every start", () => {
  const bytes = Buffer.from(Array.from({ length: 70 }, (_, i) => (i * 73) & 0xff))
  for (let start = 0; start < 12; start++) {
    let end = start
    for (const crc of crc32cPrefixes(bytes, start, bytes.length))
      expect(crc32c(bytes, start, ++end)).toBe(crc)
    expect(end).toBe(bytes.length)
  }
})
