import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { decodeBase64 } from "./base64.js"
import { CompactRange } from "./compact-range.js"
import { type ConsistencyProof, checkConsistency, proveConsistency } from "./consistency.js"
import { TlogError } from "./error.js"
import { EMPTY_ROOT, nodeHash } from "./hash.js"
import {
  mutations,
  proof as referenceProof,
  sameHashes,
  someLeaves,
  tileReader,
  treeHash,
} from "./reference.js"
import type { Tile } from "./tile.js"
import { TileTree } from "./tile-tree.js"
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
  const roots = Array.from({ length: 131 }, (_, n) => treeHash(leaves.slice(0, n)))
  const other = leaves[130] as Uint8Array
  const rootAt = (n: number) => roots[n] as Uint8Array

  it("are those of RFC 6962 for every pair of sizes up to 130, and refused when changed anyhow", async () => {
    for (let newSize = 1; newSize <= 130; newSize++) {
      const tree = leaves.slice(0, newSize)
      const readTiles = tileReader(tree)
      for (let oldSize = 1; oldSize <= newSize; oldSize++) {
        const hashes = await proveConsistency(oldSize, newSize, readTiles)
        if (!sameHashes(hashes, referenceProof(oldSize, tree))) expect.fail(`${oldSize} to ${newSize}`)
        const claim = { oldSize, oldRoot: rootAt(oldSize), newSize, newRoot: rootAt(newSize), proof: hashes }
        checkConsistency(claim)
        for (const [why, changed] of mutations(hashes, other)) {
          if (!isRefused({ ...claim, proof: changed })) expect.fail(`${oldSize} to ${newSize}: ${why}`)
        }
        for (const changed of [{ oldRoot: other }, { newRoot: other }, { oldRoot: other, newRoot: other }]) {
          // Equal sizes have equal roots, whatever they are.
          const isFine = oldSize === newSize && changed.oldRoot === changed.newRoot
          expect(isRefused({ ...claim, ...changed })).toBe(!isFine)
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
    const readTiles = tileReader(d)
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
    const proof = referenceProof(3, leaves.slice(0, 7))
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
    const tree = someLeaves(1030)
    for (const newSize of [256, 257, 512, 1024, 1030]) {
      const part = tree.slice(0, newSize)
      const readTiles = tileReader(part)
      for (const oldSize of [1, 130, 255, 256, 257, 511, 512, 513, 1023, 1024, 1029]) {
        if (oldSize > newSize) continue
        expect(await proveConsistency(oldSize, newSize, readTiles)).toEqual(referenceProof(oldSize, part))
      }
    }
  })
})

describe("trees up to 2^53 - 1 leaves", () => {
  // All leaves alike: each perfect subtree has the one hash of its level.
  const alike: Uint8Array[] = [new Uint8Array(32).fill(1)]
  for (let height = 0; height < 53; height++) {
    alike.push(nodeHash(alike[height] as Uint8Array, alike[height] as Uint8Array))
  }
  const readTiles = async (tiles: readonly Tile[]) =>
    tiles.map(({ level, width }) => {
      const hashes = Array.from({ length: width }, () => alike[level * 8] as Uint8Array)
      return new TileTree(new Uint8Array(Buffer.concat(hashes)))
    })
  const rootOf = (treeSize: number) => {
    const heights = [...treeSize.toString(2)].map((bit, i, bits) => (bit === "1" ? bits.length - 1 - i : -1))
    const hashes = heights.filter((height) => height >= 0).map((height) => alike[height] as Uint8Array)
    return CompactRange.fromHashes(treeSize, hashes).rootHash()
  }

  it("prove that they grow", async () => {
    const sizes = fc.oneof(fc.maxSafeNat(), fc.constantFrom(MAX, MAX - 1, 2 ** 52, 2 ** 52 - 1, 2 ** 32 + 1))
    await fc.assert(
      fc.asyncProperty(sizes, sizes, async (a, b) => {
        const [oldSize, newSize] = [Math.max(1, Math.min(a, b)), Math.max(1, a, b)]
        const claim = { oldSize, oldRoot: rootOf(oldSize), newSize, newRoot: rootOf(newSize) }
        const proof = await proveConsistency(oldSize, newSize, readTiles)
        checkConsistency({ ...claim, proof })
        if (oldSize === newSize) return
        expect(isRefused({ ...claim, proof, oldRoot: EMPTY_ROOT })).toBe(true)
        expect(isRefused({ ...claim, proof, newRoot: EMPTY_ROOT })).toBe(true)
        expect(isRefused({ ...claim, proof: proof.slice(1) })).toBe(true)
      }),
      { numRuns: 60 },
    )
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
