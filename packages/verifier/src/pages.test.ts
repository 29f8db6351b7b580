import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Pages } from "./pages.js"

describe("the pages of a follower", () => {
  it("cover a range once, in order, and end with bundles", () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1 })
    fc.assert(
      fc.property(fc.nat(100_000), fc.nat(30_000), sizes, (start, length, bytesPerLeaf) => {
        const pages = new Pages()
        let next = start
        let i = 0
        for (const page of pages.of(start, start + length)) {
          expect(page.start).toBe(next)
          expect(page.end === start + length || page.end % 256 === 0).toBe(true)
          const leaves = page.end - page.start
          expect(leaves).toBeGreaterThan(0)
          expect(leaves).toBeLessThanOrEqual(4096)
          pages.saw(leaves, leaves * (bytesPerLeaf[i++ % bytesPerLeaf.length] as number))
          next = page.end
        }
        expect(next).toBe(start + length)
      }),
    )
  })

  it.each([
    ["of 450 bytes, as records mostly have", 450, 4096],
    ["of nothing", 0, 4096],
    ["of 4 KiB", 4096, 1024],
    ["of 65,535 bytes", 65_535, 256],
  ])("begin with a bundle, and are as large as leaves %s allow", (_, bytesPerLeaf, expected) => {
    const pages = new Pages()
    const counts: number[] = []
    for (const { start, end } of pages.of(0, 20_000)) {
      counts.push(end - start)
      pages.saw(end - start, (end - start) * bytesPerLeaf)
    }
    expect(counts.slice(0, 3)).toEqual([256, expected, expected])
  })
})
