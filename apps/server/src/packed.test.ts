import { packedCount } from "@prooflog/tlog/bundle"
import { describe, expect, it } from "vitest"
import { PackedWriter, unpack } from "./packed.js"

describe("packed byte strings", () => {
  it("come out as they went in, however much room there was", () => {
    const strings = [0, 1, 255, 256, 65_535].map((length) => new Uint8Array(length).fill(length & 0xff))
    for (const capacity of [1, 100, 1_000_000]) {
      const writer = new PackedWriter(capacity)
      for (const bytes of strings) writer.add(bytes)
      expect(packedCount(writer.bytes())).toBe(strings.length)
      expect(unpack(writer.bytes())).toEqual(strings)
    }
  })

  it("are copied when they are added", () => {
    const writer = new PackedWriter(8)
    const scratch = Uint8Array.of(1, 2)
    writer.add(scratch)
    scratch.fill(9)
    expect(unpack(writer.bytes())).toEqual([Uint8Array.of(1, 2)])
  })
})
