import { createHash } from "node:crypto"
import { CompactRange } from "@prooflog/tlog/compact-range"
import { describe, expect, it } from "vitest"
import { secondRoot } from "./cross-check.js"

describe("the second opinion", () => {
  it("agrees with our root for every width a tile can have", () => {
    for (let width = 1; width <= 256; width++) {
      const hashes = new Uint8Array(width * 32)
      for (let i = 0; i < width; i++)
        hashes.set(createHash("sha256").update(`${width} ${i}`).digest(), i * 32)
      const range = CompactRange.empty()
      range.appendLeaves(hashes)
      expect(Buffer.from(secondRoot(hashes)).equals(range.rootHash())).toBe(true)
    }
  })

  it("differs when one bit differs", () => {
    const hashes = new Uint8Array(256 * 32).fill(7)
    const root = secondRoot(hashes)
    hashes[4000] = 6
    expect(Buffer.from(secondRoot(hashes)).equals(root)).toBe(false)
  })
})
