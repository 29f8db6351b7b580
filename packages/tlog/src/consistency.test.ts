import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { decodeBase64 } from "./base64.js"
import { type ConsistencyProof, checkConsistency, proveConsistency } from "./consistency.js"
import { TlogError } from "./error.js"
import { EMPTY_ROOT, nodeHash } from "./hash.js"
import { hugeTree } from "./huge-tree.js"
import { mutations } from "./mutations.js"
import { sameHashes, someLeaves, treeOf } from "./reference.js"
import { listVectors, readVector, vectorsPresent } from "./vectors.js"

const MAX = Number.MAX_SAFE_INTEGER

// Refusals are asked for some hundred thousand times, and their stacks would cost more than the hashes.
Error.stackTraceLimit = 0

function isRefused(proof: ConsistencyProof): boolean {
  try {
    checkConsistency(proof)
    return false
  } catch (error) {
    if (error instanceof TlogError && error.code === "TLOG_PROOF_REFUSED") return true
    throw error
  }
}

describe("consistency proofs", () => {
  const leaves = someLeaves(131)
  const oracle = treeOf(leaves)
  const other = leaves[130] as Uint8Array
  const rootAt = oracle.root

  it("are those of RFC 6962 for every pair of sizes up to 130, and refused when changed anyhow", async () => {
    for (let newSize = 1; newSize <= 130; newSize++) {
      const readTiles = oracle.readTiles(newSize)
      for (let oldSize = 1; oldSize <= newSize; oldSize++) {
        const proof = await proveConsistency(oldSize, newSize, readTiles)
        if (!sameHashes(proof, oracle.proof(oldSize, newSize))) expect.fail(`${oldSize} to ${newSize}`)
        const claim = { oldSize, oldRoot: rootAt(oldSize), newSize, newRoot: rootAt(newSize), proof }
        checkConsistency(claim)
        for (const [why, changed] of mutations(proof, other)) {
          if (!isRefused({ ...claim, proof: changed })) expect.fail(`${oldSize} to ${newSize}: ${why}`)
        }
        for (const changed of [{ oldRoot: other }, { newRoot: other }, { oldRoot: other, newRoot: other }]) {
          // Equal sizes have equal roots, whatever they are.
          const isFine = oldSize === newSize && changed.oldRoot === changed.newRoot
          if (isRefused({ ...claim, ...changed }) === isFine)
            expect.fail(`${oldSize} to ${newSize}: another root`)
        }
      }
    }
  })

  it("have the shapes of RFC 9162's seven leaves", async () => {
    const d = leaves.slice(0, 7) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ]
    const [g, i, j] = [nodeHash(d[0], d[1]), nodeHash(d[2], d[3]), nodeHash(d[4], d[5])]
    const [k, l] = [nodeHash(g, i), nodeHash(j, d[6])]
    const readTiles = oracle.readTiles(7)
    expect(await proveConsistency(3, 7, readTiles)).toEqual([d[2], d[3], g, l])
    expect(await proveConsistency(4, 7, readTiles)).toEqual([l])
    expect(await proveConsistency(6, 7, readTiles)).toEqual([j, d[6], k])
  })

  it("are empty where there is nothing to prove, and then must be", async () => {
    const never = async () => expect.fail("read a tile")
    expect(await proveConsistency(0, 7, never)).toEqual([])
    expect(await proveConsistency(0, 0, never)).toEqual([])
    expect(await proveConsistency(7, 7, never)).toEqual([])
    const same = { oldSize: 7, oldRoot: rootAt(7), newSize: 7, newRoot: rootAt(7), proof: [] }
    checkConsistency(same)
    expect(isRefused({ ...same, proof: [other] })).toBe(true)
    const first = { ...same, oldSize: 0, oldRoot: EMPTY_ROOT }
    checkConsistency(first)
    expect(isRefused({ ...first, proof: [other] })).toBe(true)
    expect(isRefused({ ...first, oldRoot: other })).toBe(true)
    const none = { oldSize: 0, oldRoot: EMPTY_ROOT, newSize: 0, newRoot: EMPTY_ROOT, proof: [] }
    checkConsistency(none)
    expect(isRefused({ ...none, newRoot: other })).toBe(true)
    expect(isRefused({ ...none, oldRoot: other, newRoot: other })).toBe(true)
  })

  it("find a fork: equal sizes, other roots, and carry both sides", () => {
    const fork = { oldSize: 7, oldRoot: rootAt(7), newSize: 7, newRoot: other, proof: [] }
    expect(() => checkConsistency(fork)).toThrow(
      expect.objectContaining({
        evidence: { oldSize: 7, oldRoot: rootAt(7), newSize: 7, newRoot: other },
      }),
    )
  })

  it("are refused backwards and for what is no size", async () => {
    const claim = { oldSize: 3, oldRoot: rootAt(3), newSize: 7, newRoot: rootAt(7) }
    const proof = oracle.proof(3, 7)
    checkConsistency({ ...claim, proof })
    expect(isRefused({ oldSize: 7, oldRoot: rootAt(7), newSize: 3, newRoot: rootAt(3), proof })).toBe(true)
    for (const wrong of [-1, 0.5, Number.NaN, 2 ** 53]) {
      expect(isRefused({ ...claim, proof, oldSize: wrong })).toBe(true)
      expect(isRefused({ ...claim, proof, newSize: wrong })).toBe(true)
    }
    expect(isRefused({ ...claim, proof, oldRoot: rootAt(3).subarray(1) })).toBe(true)
    expect(isRefused({ ...claim, proof, newRoot: rootAt(7).subarray(1) })).toBe(true)
    const never = async () => expect.fail("read a tile")
    await expect(proveConsistency(8, 7, never)).rejects.toThrow(RangeError)
    await expect(proveConsistency(-1, 7, never)).rejects.toThrow(RangeError)
    await expect(proveConsistency(1, 2 ** 53, never)).rejects.toThrow(RangeError)
  })

  it("are those of RFC 6962 over several rows of tiles", async () => {
    const oracle = treeOf(someLeaves(1030))
    for (const newSize of [256, 257, 512, 1024, 1030]) {
      const readTiles = oracle.readTiles(newSize)
      for (const oldSize of [1, 130, 255, 256, 257, 511, 512, 513, 1023, 1024, 1029]) {
        if (oldSize > newSize) continue
        expect(await proveConsistency(oldSize, newSize, readTiles)).toEqual(oracle.proof(oldSize, newSize))
      }
    }
  })
})

describe("trees up to 2^53 - 1 leaves", () => {
  const edges = [256, 65_536, 2 ** 31, 2 ** 32, 2 ** 40, 2 ** 52]
    .flatMap((size) => [size - 1, size, size + 1])
    .concat(MAX - 1, MAX)
  const sizes = fc.oneof(
    fc.maxSafeNat().map((n) => Math.max(n, 1)),
    fc.constantFrom(...edges),
  )

  async function provesIt(oldSize: number, newSize: number): Promise<void> {
    // The first new leaf is the odd one, so that the old tree is unlike any other part of the new one.
    const tree = hugeTree(oldSize)
    const [oldRoot, newRoot] = [tree.root(oldSize), tree.root(newSize)]
    const proof = await proveConsistency(oldSize, newSize, tree.readTiles)
    const name = `${oldSize} to ${newSize}`
    if (!sameHashes(proof, tree.proof(oldSize, newSize))) expect.fail(name)
    const claim = { oldSize, oldRoot, newSize, newRoot, proof }
    checkConsistency(claim)
    if (oldSize === newSize) return
    expect(isRefused({ ...claim, oldRoot: newRoot }), name).toBe(true)
    expect(isRefused({ ...claim, newRoot: oldRoot }), name).toBe(true)
    expect(isRefused({ ...claim, proof: proof.slice(1) }), name).toBe(true)
    expect(isRefused({ ...claim, proof: proof.slice(0, -1) }), name).toBe(true)
  }

  it("have the proofs of RFC 6962", async () => {
    await fc.assert(
      fc.asyncProperty(sizes, sizes, (a, b) => provesIt(Math.min(a, b), Math.max(a, b))),
      { numRuns: 60 },
    )
  })

  it("have them between all sizes where numbers change", async () => {
    for (const newSize of edges) {
      for (const oldSize of edges) if (oldSize <= newSize) await provesIt(oldSize, newSize)
    }
  })
})

describe.skipIf(!vectorsPresent)("transparency-dev/merkle's consistency vectors", () => {
  it("get the verdicts they want; sizes past 2^53 - 1 would be refused", () => {
    const files = listVectors("transparency-dev-merkle/testdata/consistency")
    for (const file of files) {
      // JSON.parse would round: sizes go up to 2^64 - 1.
      const vector = JSON.parse(readVector(file).replace(/("size[12]": *)(\d+)/g, '$1"$2"')) as Vector
      const bytes = (text: string) => decodeBase64(text) ?? expect.fail(`${file}: not base64`)
      const isPast = BigInt(vector.size1) > MAX || BigInt(vector.size2) > MAX
      const wrong = isRefused({
        oldSize: Number(vector.size1),
        newSize: Number(vector.size2),
        oldRoot: bytes(vector.root1 ?? ""),
        newRoot: bytes(vector.root2 ?? ""),
        proof: (vector.proof ?? []).map(bytes),
      })
      expect(wrong, file).toBe(vector.wantErr || isPast || file.endsWith(ROOTS_OF_12_BYTES))
    }
    expect(files.length).toBe(98)
  })

  /** Wanted because its roots are equal; refused here because they are no hashes. */
  const ROOTS_OF_12_BYTES = "/sizes-are-equal-one-and-proof-is-empty.json"

  interface Vector {
    size1: string
    size2: string
    root1: string | null
    root2: string | null
    proof: string[] | null
    wantErr: boolean
  }
})
