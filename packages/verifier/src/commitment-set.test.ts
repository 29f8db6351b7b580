import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { CommitmentSet } from "./commitment-set.js"

const KEY = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)

function commitment(n: number): Uint8Array {
  const bytes = new Uint8Array(32)
  new DataView(bytes.buffer).setUint32(28, n)
  return bytes
}

/** The earlier leaves that adding reported. */
function twinsOf(set: CommitmentSet, bytes: Uint8Array, leafIndex: number, offset = 0): number[] {
  const twins: number[] = []
  set.add(bytes, offset, leafIndex, (earlier) => twins.push(earlier))
  return twins
}

describe("the commitment set", () => {
  it("reports every earlier leaf with the same commitment, and no other", () => {
    const set = new CommitmentSet(0, KEY)
    const seen = new Map<number, number[]>()
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5_000 }), (n) => {
        const leafIndex = set.size
        const earlier = seen.get(n) ?? []
        expect(twinsOf(set, commitment(n), leafIndex).sort((a, b) => a - b)).toEqual(earlier)
        seen.set(n, [...earlier, leafIndex])
      }),
      { numRuns: 5_000 },
    )
  })

  it("finds the repeat of each of 100,000 commitments after growing many times", () => {
    const set = new CommitmentSet(0, KEY)
    let twins = 0
    for (let n = 0; n < 100_000; n++) set.add(commitment(n), 0, n, () => twins++)
    expect(twins).toBe(0)
    for (let n = 0; n < 100_000; n += 997) expect(twinsOf(set, commitment(n), 100_000 + n)).toEqual([n])
  })

  it("holds what it was told to expect without growing, in about 24 bytes each", () => {
    const set = new CommitmentSet(100_000)
    const { byteLength } = set
    for (let n = 0; n < 100_000; n++) set.add(commitment(n), 0, n, () => {})
    expect(set.byteLength).toBe(byteLength)
    expect(byteLength / 100_000).toBeLessThan(32)
  })

  it("spreads commitments that were chosen to share all but one byte", () => {
    const set = new CommitmentSet(100_000)
    const started = performance.now()
    for (let n = 0; n < 100_000; n++) set.add(commitment(n * 256), 0, n, () => {})
    // Piled up in one place this would be five billion steps.
    expect(performance.now() - started).toBeLessThan(3000)
  })

  it("takes a leaf that is added again for no twin, and for no second one", () => {
    const set = new CommitmentSet(0, KEY)
    let twins = 0
    for (let round = 0; round < 50; round++) {
      for (let n = 0; n < 700; n++) set.add(commitment(n), 0, n, () => twins++)
    }
    expect(twins).toBe(0)
    expect(set.size).toBe(700)
    expect(twinsOf(set, commitment(5), 700)).toEqual([5])
    expect(twinsOf(set, commitment(5), 5)).toEqual([])
  })

  it("says so when there is no memory for it", () => {
    expect(() => new CommitmentSet(2 ** 31)).toThrow(
      expect.objectContaining({ code: "VERIFIER_LOG_TOO_LARGE", cause: expect.any(RangeError) }),
    )
  })

  it("reads the commitment at its offset", () => {
    const set = new CommitmentSet(0, KEY)
    const bytes = new Uint8Array(100).fill(255)
    bytes.set(commitment(7), 30)
    expect(twinsOf(set, bytes, 0, 30)).toEqual([])
    expect(twinsOf(set, commitment(7), 1)).toEqual([0])
  })

  it("tells no twin apart by any of the 256 bits", () => {
    const set = new CommitmentSet(0, KEY)
    for (let bit = 0; bit < 256; bit++) {
      const bytes = commitment(0)
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(twinsOf(set, bytes, bit)).toEqual([])
    }
  })

  it("refuses leaves it cannot address", () => {
    expect(() => twinsOf(new CommitmentSet(0, KEY), commitment(0), 2 ** 31)).toThrow(
      expect.objectContaining({ code: "VERIFIER_LOG_TOO_LARGE" }),
    )
  })
})
