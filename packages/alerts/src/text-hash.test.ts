import { expect, it } from "vitest"
import { textHash } from "./text-hash.js"

it("tells texts apart as well as its bits can", () => {
  const hashes = new Set<number>()
  for (let n = 0; n < 300_000; n++) hashes.add(textHash(`/patients/${n}`))
  // Of so many numbers of 31 bits that have nothing to do with each other, 21 pairs are the same.
  expect(hashes.size).toBeGreaterThan(300_000 - 60)
})

it.each(["", "a", "ab", "ba", "\u0000", "\u0000\u0000", "語", "x".repeat(10_000)])(
  "of %j is an integer of 31 bits",
  (text) => {
    expect(textHash(text)).toBe(textHash(text) & 0x7fffffff)
  },
)

it("has every bit set about as often as not", () => {
  const counts = new Array<number>(31).fill(0)
  for (let n = 0; n < 10_000; n++) {
    const hash = textHash(`user${n}`)
    for (let bit = 0; bit < 31; bit++)
      counts[bit] = (counts[bit] as number) + (Math.floor(hash / 2 ** bit) % 2)
  }
  for (const count of counts) expect(Math.abs(count - 5_000)).toBeLessThan(500)
})
