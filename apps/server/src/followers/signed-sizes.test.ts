import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { SignedSizes } from "./signed-sizes.js"

describe("how long leaves have been signed and not seen", () => {
  it("is told from the head that first held the oldest of them", () => {
    const sizes = new SignedSizes()
    sizes.signed(100, 1_000)
    sizes.signed(300, 3_000)
    sizes.signed(350, 4_000)
    expect(sizes.lagSeconds(0, 5_000)).toBe(4)
    sizes.seen(100, 5_000)
    expect(sizes.lagSeconds(100, 5_000)).toBe(2)
    sizes.seen(250, 5_000)
    expect(sizes.lagSeconds(250, 5_000)).toBe(2)
    sizes.seen(300, 5_000)
    expect(sizes.lagSeconds(300, 5_000)).toBe(1)
    sizes.seen(350, 5_000)
    expect(sizes.lagSeconds(350, 5_000)).toBe(0)
  })

  it("begins anew when rows are lost, and ends when they are there again", () => {
    const sizes = new SignedSizes()
    sizes.signed(100, 1_000)
    sizes.seen(100, 2_000)
    expect(sizes.lagSeconds(100, 10_000)).toBe(0)
    sizes.seen(0, 10_000)
    expect(sizes.lagSeconds(0, 25_000)).toBe(15)
    // The head that was signed before is no news, and changes nothing.
    sizes.signed(100, 26_000)
    sizes.seen(60, 27_000)
    expect(sizes.lagSeconds(60, 30_000)).toBe(20)
    sizes.signed(120, 31_000)
    sizes.seen(100, 32_000)
    expect(sizes.lagSeconds(100, 33_000)).toBe(2)
    // What is lost beside older unseen leaves waits with them.
    sizes.seen(0, 34_000)
    expect(sizes.lagSeconds(0, 35_000)).toBe(4)
    sizes.seen(120, 36_000)
    expect(sizes.lagSeconds(120, 37_000)).toBe(0)
  })

  it("is what a table of every head says, as long as there are few", () => {
    const heads = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })), {
      minLength: 1,
      maxLength: 50,
    })
    fc.assert(
      fc.property(heads, fc.array(fc.nat(400)), (steps, seen) => {
        const sizes = new SignedSizes()
        let [treeSize, timeMs] = [0, 0]
        const table = steps.map(([more, later]) => {
          treeSize += more
          timeMs += later
          sizes.signed(treeSize, timeMs)
          return { treeSize, timeMs }
        })
        for (const through of seen.sort((a, b) => a - b)) {
          sizes.seen(through, timeMs)
          const oldest = table.find((head) => head.treeSize > through)
          expect(sizes.lagSeconds(through, timeMs)).toBe(oldest ? (timeMs - oldest.timeMs) / 1_000 : 0)
        }
      }),
    )
  })

  it("is never told shorter than it is, and hardly longer, of heads past counting", () => {
    const sizes = new SignedSizes()
    for (let i = 1; i <= 100_000; i++) sizes.signed(i, i * 200)
    for (const through of [0, 1, 777, 50_000, 99_000, 99_999]) {
      const lag = sizes.lagSeconds(through, 100_000 * 200)
      const exact = ((100_000 - (through + 1)) * 200) / 1_000
      expect(lag).toBeGreaterThanOrEqual(exact)
      expect(lag).toBeLessThanOrEqual(exact + (100_000 * 0.2) / 64)
    }
  })
})
