import { formatBundle } from "@prooflog/tlog/bundle"
import { leafHash } from "@prooflog/tlog/hash"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { hashLeaves } from "./leaf-hashes.js"

describe("the leaf hashes of a bundle", () => {
  it("are the leaf hashes of its entries, of every length", () => {
    const entries = [0, 1, 53, 54, 127, 128, 129, 130, 2048, 2049, 65_535, 3].map((n) =>
      new Uint8Array(n).fill(n),
    )
    const out = new Uint8Array(entries.length * 32)
    expect(hashLeaves(formatBundle(entries), out)).toBe(entries.length)
    for (const [i, entry] of entries.entries()) {
      expect(out.slice(i * 32, i * 32 + 32)).toEqual(new Uint8Array(leafHash(entry)))
    }
  })

  it("counts what there is no room for, and writes none of it", () => {
    const entries = [1, 2, 3].map((n) => new Uint8Array(n))
    const out = new Uint8Array(64)
    expect(hashLeaves(formatBundle(entries), out)).toBe(3)
    expect(out.slice(32)).toEqual(new Uint8Array(leafHash(new Uint8Array(2))))
  })

  it("refuses a last entry that is cut short", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), (cut) => {
        const bundle = formatBundle([new Uint8Array(5), new Uint8Array(40)])
        expect(() => hashLeaves(bundle.subarray(0, bundle.length - cut), new Uint8Array(64))).toThrow()
      }),
    )
  })
})
