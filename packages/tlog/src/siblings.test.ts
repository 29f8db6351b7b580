import { describe, expect, it } from "vitest"
import { sidesOfSiblings } from "./siblings.js"

/** RFC 6962's recursion for PATH(m, D[n]), with the sides of the hashes instead of the hashes. */
function sides(m: bigint, n: bigint): string[] {
  if (n === 1n) return []
  let k = 1n
  while (k * 2n < n) k *= 2n
  return m < k ? [...sides(m, k), "right"] : [...sides(m - k, n - k), "left"]
}

describe("siblings", () => {
  it("lie where RFC 6962 splits, for every leaf of every tree up to 130", () => {
    for (let n = 1; n <= 130; n++) {
      for (let m = 0; m < n; m++) {
        const expected = sides(BigInt(m), BigInt(n)).join()
        if (sidesOfSiblings(m, n - 1).join() !== expected) expect.fail(`${m} of ${n}: expected ${expected}`)
      }
    }
  })

  it("lie there in trees of up to 2^53 - 1 leaves", () => {
    for (const power of [8, 31, 32, 33, 40, 52, 53]) {
      for (const n of [2 ** power - 1, 2 ** power, 2 ** power + 1]) {
        if (!Number.isSafeInteger(n)) continue
        for (const m of [0, 1, 2 ** (power - 1) - 1, 2 ** (power - 1), n - 2, n - 1]) {
          expect(sidesOfSiblings(m, n - 1).join(), `${m} of ${n}`).toBe(sides(BigInt(m), BigInt(n)).join())
        }
      }
    }
  })
})
