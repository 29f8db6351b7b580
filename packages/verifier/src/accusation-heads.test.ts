import type { Checkpoint } from "@prooflog/tlog/checkpoint"
import { nodeHash, sha256 } from "@prooflog/tlog/hash"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { defined } from "../fixtures/small-log.js"
import { checkConflict, isPerfect } from "./accusation-heads.js"
import { VerifierError } from "./error.js"

/**
 * RFC 9162 section 2.1.4.2, to the letter and in whole numbers of any size: what a list of hashes makes of the first
 * m of n leaves (`fr`) and of all n (`sr`). Takes as many hashes as it needs.
 */
function rfc9162(m: bigint, n: bigint, next: () => Uint8Array): { fr: Uint8Array; sr: Uint8Array } {
  let fn = m - 1n
  let sn = n - 1n
  while (fn % 2n === 1n) {
    fn >>= 1n
    sn >>= 1n
  }
  let fr = next()
  let sr = fr
  while (sn !== 0n) {
    if (fn % 2n === 1n || fn === sn) {
      const c = next()
      fr = nodeHash(c, fr)
      sr = nodeHash(c, sr)
      while (fn % 2n === 0n && fn !== 0n) {
        fn >>= 1n
        sn >>= 1n
      }
    } else {
      sr = nodeHash(sr, next())
    }
    fn >>= 1n
    sn >>= 1n
  }
  return { fr, sr }
}

const numbered = (n: number) => sha256(new TextEncoder().encode(String(n)))

const headOf = (treeSize: number, rootHash: Uint8Array): Checkpoint => ({
  origin: "log.example",
  treeSize,
  rootHash,
  extensions: [],
})

function conflicts(smaller: Checkpoint, larger: Checkpoint, hashes: readonly Uint8Array[]): boolean {
  try {
    checkConflict(smaller, larger, hashes)
    return true
  } catch (error) {
    if (error instanceof VerifierError && error.code === "VERIFIER_ACCUSATION_REFUSED") return false
    throw error
  }
}

/** Both roots that some list of hashes makes, and the list. */
function madeOf(m: number, n: number) {
  const hashes: Uint8Array[] = []
  const roots = rfc9162(BigInt(m), BigInt(n), () => {
    hashes.push(numbered(hashes.length))
    return defined(hashes.at(-1))
  })
  return { ...roots, hashes }
}

function agrees(m: number, n: number): void {
  const { fr, sr, hashes } = madeOf(m, n)
  const other = numbered(-1)
  expect(conflicts(headOf(m, other), headOf(n, sr), hashes)).toBe(true)
  expect(conflicts(headOf(m, fr), headOf(n, sr), hashes)).toBe(false)
  expect(conflicts(headOf(m, other), headOf(n, other), hashes)).toBe(false)
  expect(conflicts(headOf(m, other), headOf(n, sr), hashes.slice(0, -1))).toBe(false)
  expect(conflicts(headOf(m, other), headOf(n, sr), [...hashes, other])).toBe(false)
}

describe("two heads that contradict each other", () => {
  it("are those of RFC 9162, at every small size", () => {
    for (let n = 2; n <= 70; n++) for (let m = 1; m < n; m++) agrees(m, n)
  })

  it("are those of RFC 9162, at sizes past 32 bits", () => {
    const size = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
    const power = fc.integer({ min: 0, max: 52 }).map((height) => 2 ** height)
    const near = fc.tuple(power, fc.constantFrom(-1, 0, 1)).map(([at, step]) => Math.max(1, at + step))
    const any = fc.oneof(size, power, near)
    fc.assert(
      fc.property(any, any, (a, b) => {
        if (a !== b) agrees(Math.min(a, b), Math.max(a, b))
      }),
      { numRuns: 500 },
    )
  })

  it("are of one log, the smaller first, and of one size only without hashes", () => {
    const [one, other] = [numbered(1), numbered(2)]
    expect(conflicts(headOf(5, one), headOf(5, other), [])).toBe(true)
    expect(conflicts(headOf(5, one), headOf(5, one), [])).toBe(false)
    expect(conflicts(headOf(5, one), headOf(5, other), [one])).toBe(false)
    expect(conflicts(headOf(5, one), { ...headOf(5, other), origin: "x" }, [])).toBe(false)
    expect(conflicts(headOf(0, one), headOf(5, other), [])).toBe(false)
    expect(conflicts(headOf(4, one), headOf(5, other), [])).toBe(false)
    const { sr, hashes } = madeOf(4, 5)
    expect(conflicts(headOf(5, sr), headOf(4, one), hashes)).toBe(false)
  })

  it("know a perfect tree at any size", () => {
    for (let height = 0; height <= 52; height++) expect(isPerfect(2 ** height)).toBe(true)
    for (const size of [3, 6, 2 ** 31 + 1, 2 ** 52 + 1, 2 ** 53 - 1, 3 * 2 ** 51])
      expect(isPerfect(size)).toBe(false)
  })
})
