import { createHash } from "node:crypto"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { jsonMutations } from "../fixtures/json-mutations.js"
import { mangled, opaqueLog } from "../fixtures/small-log.js"
import {
  type Challenge,
  confidence,
  drawLeaves,
  formatChallenge,
  leavesFor,
  MAX_LEAVES,
  parseChallenge,
} from "./challenge.js"
import { VerifierError } from "./error.js"

const CHALLENGE: Challenge = {
  checkpoint: opaqueLog(5).checkpoint,
  nonce: Uint8Array.from({ length: 16 }, (_, i) => 0xc0 + i),
  leaves: 3,
}

const ROOT = new Uint8Array(32).fill(7)

const malformed = expect.objectContaining({ name: "VerifierError", code: "VERIFIER_MALFORMED_EVIDENCE" })

/** The draw as docs/spec/challenge.md has it, in other means: big integers out of hexadecimal. */
function naiveDraw(root: Uint8Array, nonce: Uint8Array, treeSize: number, leaves: number): number[] {
  const drawn = new Set<number>()
  for (let i = 0; drawn.size < leaves; i++) {
    const counter = i.toString(16).padStart(16, "0")
    const hex = createHash("sha256").update(root).update(nonce).update(counter, "hex").digest("hex")
    const number = BigInt(`0x${hex.slice(0, 16)}`)
    if (number >= (2n ** 64n / BigInt(treeSize)) * BigInt(treeSize)) continue
    drawn.add(Number(number % BigInt(treeSize)))
  }
  return [...drawn]
}

describe("drawing leaves", () => {
  it("agrees with the naive one, for any root, nonce and size", () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
    const size = fc.oneof(
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 2 ** 31 }),
      fc.maxSafeNat(),
    )
    fc.assert(
      fc.property(
        bytes(32),
        bytes(16),
        size,
        fc.integer({ min: 1, max: 60 }),
        (rootHash, nonce, n, wanted) => {
          const treeSize = Math.max(1, n)
          const leaves = Math.min(wanted, treeSize)
          const drawn = drawLeaves({ treeSize, rootHash }, { nonce, leaves })
          expect(drawn).toEqual(naiveDraw(rootHash, nonce, treeSize, leaves))
          expect(new Set(drawn).size).toBe(leaves)
          expect(drawn.every((leaf) => Number.isSafeInteger(leaf) && leaf >= 0 && leaf < treeSize)).toBe(true)
        },
      ),
    )
  })

  it("draws all leaves of a small tree, if asked for", () => {
    const drawn = drawLeaves({ treeSize: 500, rootHash: ROOT }, { nonce: CHALLENGE.nonce, leaves: 500 })
    expect(drawn.sort((a, b) => a - b)).toEqual(Array.from({ length: 500 }, (_, i) => i))
  })

  it("draws more out of the same challenge by going on", () => {
    const tree = { treeSize: 100_000, rootHash: ROOT }
    const more = drawLeaves(tree, { nonce: CHALLENGE.nonce, leaves: 300 })
    expect(drawLeaves(tree, { nonce: CHALLENGE.nonce, leaves: 20 })).toEqual(more.slice(0, 20))
  })

  it("draws nothing with the numbers past the last whole multiple of the size, which would favour some", () => {
    // Here one number in 2,069 is such a one.
    const tree = { treeSize: 2 ** 53 - Math.floor(0.99 * 2 ** 42), rootHash: ROOT }
    const drawn = drawLeaves(tree, { nonce: CHALLENGE.nonce, leaves: MAX_LEAVES })
    expect(drawn).toEqual(naiveDraw(ROOT, CHALLENGE.nonce, tree.treeSize, MAX_LEAVES))
    const numbers = Array.from({ length: MAX_LEAVES }, (_, i) => {
      const counter = i.toString(16).padStart(16, "0")
      const hash = createHash("sha256").update(ROOT).update(CHALLENGE.nonce).update(counter, "hex")
      return BigInt(`0x${hash.digest("hex").slice(0, 16)}`)
    })
    const last = (2n ** 64n / BigInt(tree.treeSize)) * BigInt(tree.treeSize)
    expect(numbers.filter((number) => number >= last).length).toBeGreaterThan(0)
  })

  it("depends on root and nonce alike", () => {
    const tree = { treeSize: 1_000_000, rootHash: ROOT }
    const drawn = drawLeaves(tree, { nonce: CHALLENGE.nonce, leaves: 50 })
    expect(drawLeaves(tree, { nonce: new Uint8Array(16), leaves: 50 })).not.toEqual(drawn)
    expect(drawLeaves({ ...tree, rootHash: new Uint8Array(32) }, { ...CHALLENGE, leaves: 50 })).not.toEqual(
      drawn,
    )
  })

  it.each([0, 6, 1.5, Number.NaN, MAX_LEAVES + 1])("is asked for %d leaves of five by mistake", (leaves) => {
    expect(() => drawLeaves({ treeSize: 5, rootHash: ROOT }, { nonce: CHALLENGE.nonce, leaves })).toThrow(
      RangeError,
    )
  })
})

describe("confidence", () => {
  it("is what the spec says of 300 and 3,000 leaves", () => {
    expect(confidence(300, 0.01)).toBeGreaterThan(0.95)
    expect(confidence(298, 0.01)).toBeLessThan(0.95)
    expect(confidence(3000, 0.001)).toBeGreaterThan(0.95)
    expect(leavesFor(0.01, 0.95)).toBe(299)
    expect(leavesFor(0.001, 0.95)).toBe(2995)
  })

  it("is 1 − (1 − p)^n, also where that is small", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 60 }), fc.double({ min: 0, max: 1, noNaN: true }), (n, p) => {
        expect(confidence(n, p)).toBeCloseTo(1 - (1 - p) ** n, 12)
      }),
    )
    expect(confidence(10_000, 1e-15)).toBeCloseTo(1e-11, 20)
    expect(confidence(0, 1)).toBe(0)
    expect(confidence(1, 1)).toBe(1)
  })

  it("finds as many leaves as are needed, and not one more", () => {
    const part = fc.double({ min: 0.0001, max: 0.9999, noNaN: true })
    fc.assert(
      fc.property(part, part, (p, wanted) => {
        const leaves = leavesFor(p, wanted)
        expect(confidence(leaves, p)).toBeGreaterThanOrEqual(wanted - 1e-12)
        if (leaves > 1) expect(confidence(leaves - 1, p)).toBeLessThan(wanted + 1e-12)
      }),
    )
  })

  it("is below what is so when no leaf is drawn twice", () => {
    // Of 50 leaves 5 are lost; of all ways to draw n of them, the part that meets none of the lost.
    let missed = 1
    for (let n = 1; n <= 45; n++) {
      missed *= (45 - (n - 1)) / (50 - (n - 1))
      expect(confidence(n, 0.1)).toBeLessThanOrEqual(1 - missed + 1e-12)
    }
  })
})

describe("a challenge as a file", () => {
  it("is read as it was written", () => {
    expect(parseChallenge(formatChallenge(CHALLENGE))).toEqual(CHALLENGE)
    expect(parseChallenge(new TextEncoder().encode(formatChallenge(CHALLENGE)))).toEqual(CHALLENGE)
  })

  /** What a file says, or that it was refused. Without expect, which would take longer than what it checks. */
  function outcome(file: Uint8Array | string): Challenge | "refused" {
    try {
      return parseChallenge(file)
    } catch (error) {
      if (error instanceof VerifierError && error.code === "VERIFIER_MALFORMED_EVIDENCE") return "refused"
      throw error
    }
  }

  it("is refused, or means another, for every byte changed, dropped or doubled", () => {
    const bytes = new TextEncoder().encode(formatChallenge(CHALLENGE))
    const idle = [...mangled(bytes, 0x20)].filter(({ bytes: changed }) => {
      const result = outcome(changed)
      return result !== "refused" && formatChallenge(result) === formatChallenge(CHALLENGE)
    })
    // The line feed at the end, dropped, doubled, or as a space; and a space that was one.
    const elsewhere = idle.filter(({ at, middle }) => at < bytes.length - 1 && middle[0] !== bytes[at])
    expect(elsewhere).toEqual([])
  })

  it("is refused, or means another, for every member dropped, doubled, added, or of another type", () => {
    const file = JSON.parse(formatChallenge(CHALLENGE))
    let variants = 0
    for (const variant of jsonMutations(file)) {
      variants++
      const result = outcome(variant)
      if (result === "refused" || formatChallenge(result) !== formatChallenge(CHALLENGE)) continue
      // Members may stand in any order, and nothing else may differ.
      expect(JSON.parse(variant)).toEqual(file)
    }
    expect(variants).toBeGreaterThan(40)
  })

  it.each<[string, Partial<Record<string, unknown>>]>([
    ["no leaf", { leaves: 0 }],
    ["too many leaves", { leaves: MAX_LEAVES + 1 }],
    ["half a leaf", { leaves: 1.5 }],
    ["a short nonce", { nonce: "AAAA" }],
    ["another spelling of the nonce", { nonce: "AAAAAAAAAAAAAAAAAAAAAB==" }],
    ["a longer nonce", { nonce: "AAAAAAAAAAAAAAAAAAAAAAA=" }],
    ["another format", { format: "prooflog-challenge/2" }],
    ["a list of notes", { checkpoint: [] }],
    ["a member more", { seed: "1" }],
  ])("is refused: %s", (_, members) => {
    const file = { ...JSON.parse(formatChallenge(CHALLENGE)), ...members }
    expect(() => parseChallenge(JSON.stringify(file))).toThrow(malformed)
  })

  it("is refused for its length, before it is parsed, and for what is no UTF-8", () => {
    expect(() => parseChallenge(" ".repeat(3_000_000))).toThrow(malformed)
    expect(() => parseChallenge(Uint8Array.of(0xff))).toThrow(malformed)
  })

  it("is not written with another nonce, or for no leaves", () => {
    expect(() => formatChallenge({ ...CHALLENGE, nonce: new Uint8Array(15) })).toThrow(RangeError)
    expect(() => formatChallenge({ ...CHALLENGE, leaves: 0 })).toThrow(RangeError)
  })
})
