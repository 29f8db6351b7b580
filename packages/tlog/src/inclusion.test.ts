import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { decodeBase64 } from "./base64.js"
import { TlogError } from "./error.js"
import { EMPTY_ROOT, nodeHash } from "./hash.js"
import { hugeTree } from "./huge-tree.js"
import { checkInclusion, type InclusionProof, proveInclusion, rootFromTiles } from "./inclusion.js"
import { mutations } from "./mutations.js"
import { sameHashes, someLeaves, treeOf } from "./reference.js"
import type { Tile } from "./tile.js"
import { TileTree } from "./tile-tree.js"
import { listVectors, readVector, vectorsPresent } from "./vectors.js"

const refused = expect.objectContaining({ code: "TLOG_PROOF_REFUSED" })
const MAX = Number.MAX_SAFE_INTEGER

// Refusals are asked for some hundred thousand times, and their stacks would cost more than the hashes.
Error.stackTraceLimit = 0

function isRefused(proof: InclusionProof): boolean {
  try {
    checkInclusion(proof)
    return false
  } catch (error) {
    if (error instanceof TlogError && error.code === "TLOG_PROOF_REFUSED") return true
    throw error
  }
}

describe("inclusion proofs", () => {
  const leaves = someLeaves(131)
  const oracle = treeOf(leaves)
  const other = leaves[130] as Uint8Array

  it("are those of RFC 6962 for every leaf of every tree up to 130, and refused when changed anyhow", async () => {
    for (let treeSize = 1; treeSize <= 130; treeSize++) {
      const rootHash = oracle.root(treeSize)
      const readTiles = oracle.readTiles(treeSize)
      expect(await rootFromTiles(treeSize, readTiles)).toEqual(rootHash)
      for (let leafIndex = 0; leafIndex < treeSize; leafIndex++) {
        const path = await proveInclusion(leafIndex, treeSize, readTiles)
        if (!sameHashes(path, oracle.path(leafIndex, treeSize)))
          expect.fail(`leaf ${leafIndex} of ${treeSize}`)
        const claim = { leafIndex, treeSize, leafHash: leaves[leafIndex] as Uint8Array, path, rootHash }
        checkInclusion(claim)
        for (const [why, changed] of mutations(path, other)) {
          if (!isRefused({ ...claim, path: changed })) expect.fail(`leaf ${leafIndex} of ${treeSize}: ${why}`)
        }
      }
    }
  })

  it("hold for one leaf, one index, one size and one root only", async () => {
    for (const treeSize of [1, 2, 7, 8, 9, 64, 100]) {
      const rootHash = oracle.root(treeSize)
      for (let leafIndex = 0; leafIndex < treeSize; leafIndex++) {
        const path = oracle.path(leafIndex, treeSize)
        const claim = { leafIndex, treeSize, leafHash: leaves[leafIndex] as Uint8Array, path, rootHash }
        for (let index = 0; index < treeSize; index++) {
          if (index !== leafIndex && !isRefused({ ...claim, leafIndex: index })) {
            expect.fail(`leaf ${leafIndex} of ${treeSize} at ${index}`)
          }
        }
        expect(isRefused({ ...claim, leafHash: other })).toBe(true)
        expect(isRefused({ ...claim, rootHash: other })).toBe(true)
        expect(isRefused({ ...claim, treeSize: leafIndex })).toBe(true)
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
    const [h, i, j] = [nodeHash(d[0], d[1]), nodeHash(d[2], d[3]), nodeHash(d[4], d[5])]
    const [k, l] = [nodeHash(h, i), nodeHash(j, d[6])]
    const readTiles = oracle.readTiles(7)
    expect(await proveInclusion(0, 7, readTiles)).toEqual([d[1], i, l])
    expect(await proveInclusion(3, 7, readTiles)).toEqual([d[2], h, l])
    expect(await proveInclusion(4, 7, readTiles)).toEqual([d[5], d[6], k])
    expect(await proveInclusion(6, 7, readTiles)).toEqual([j, k])
  })

  it("are refused for leaves that the tree has not, and for what is no size", () => {
    const root = leaves[0] as Uint8Array
    const claim = { leafIndex: 0, treeSize: 1, leafHash: root, path: [], rootHash: root }
    checkInclusion(claim)
    for (const [leafIndex, treeSize] of [
      [0, 0],
      [1, 1],
      [-1, 1],
      [0.5, 1],
      [0, -1],
      [0, 1.5],
      [Number.NaN, 1],
      [0, 2 ** 53],
    ]) {
      const changed = { ...claim, leafIndex: leafIndex as number, treeSize: treeSize as number }
      expect(() => checkInclusion(changed)).toThrow(refused)
    }
    expect(() => checkInclusion({ ...claim, leafHash: root.subarray(1) })).toThrow(refused)
    expect(() => checkInclusion({ ...claim, rootHash: root.subarray(1) })).toThrow(refused)
  })

  it("carry what they would have proven, when refused", () => {
    const [leafHash, rootHash] = [leaves[0] as Uint8Array, other]
    expect(() => checkInclusion({ leafIndex: 0, treeSize: 1, leafHash, path: [], rootHash })).toThrow(
      expect.objectContaining({ evidence: { leafIndex: 0, treeSize: 1, leafHash, rootHash } }),
    )
  })

  it("are copies, so that what is done to them does not reach the tiles", async () => {
    const tree = new TileTree(new Uint8Array(64).fill(1))
    const [sibling] = await proveInclusion(0, 2, async () => [tree])
    sibling?.fill(2)
    expect(tree.hash(0, 1)).toEqual(new Uint8Array(32).fill(1))
    expect(sibling?.buffer.byteLength).toBe(32)
  })

  it("cannot be made for leaves that the tree has not", async () => {
    const never = async () => expect.fail("read a tile")
    for (const [index, size] of [
      [0, 0],
      [1, 1],
      [-1, 1],
      [0, 2 ** 53],
    ] as const) {
      await expect(proveInclusion(index, size, never)).rejects.toThrow(RangeError)
    }
    expect(await proveInclusion(0, 1, never)).toEqual([])
    expect(await rootFromTiles(0, never)).toEqual(EMPTY_ROOT)
  })

  it("ask for each tile once, all at once, and refuse less than they asked for", async () => {
    const asked: (readonly Tile[])[] = []
    const readTiles = treeOf(someLeaves(600)).readTiles(600)
    await proveInclusion(300, 600, (tiles) => {
      asked.push(tiles)
      return readTiles(tiles)
    })
    expect(asked).toEqual([
      [
        { level: 0, index: 1, width: 256 },
        { level: 1, index: 0, width: 2 },
        { level: 0, index: 2, width: 88 },
      ],
    ])
    const narrow = new TileTree(new Uint8Array(32))
    await expect(proveInclusion(300, 600, async () => [])).rejects.toThrow(RangeError)
    await expect(proveInclusion(300, 600, async (tiles) => tiles.map(() => narrow))).rejects.toThrow(
      RangeError,
    )
  })
})

describe("inclusion proofs over several rows of tiles", () => {
  it("are those of RFC 6962", async () => {
    const oracle = treeOf(someLeaves(1300))
    for (const treeSize of [255, 256, 257, 511, 512, 513, 1023, 1024, 1025, 1300]) {
      const readTiles = oracle.readTiles(treeSize)
      for (const leafIndex of [0, 1, 255, 256, 257, 511, 512, treeSize - 2, treeSize - 1]) {
        if (leafIndex >= treeSize) continue
        expect(await proveInclusion(leafIndex, treeSize, readTiles)).toEqual(oracle.path(leafIndex, treeSize))
      }
    }
  })
})

describe("trees up to 2^53 - 1 leaves", () => {
  const edges = [255, 256, 257, 65_535, 65_536, 65_537, 2 ** 31, 2 ** 32, 2 ** 40, 2 ** 48, 2 ** 52]
    .flatMap((size) => [size - 1, size, size + 1])
    .concat(MAX - 1, MAX)
  const sizes = fc.oneof(
    fc.maxSafeNat().map((n) => Math.max(n, 1)),
    fc.constantFrom(...edges),
  )

  async function provesIt(leafIndex: number, treeSize: number): Promise<void> {
    const tree = hugeTree(leafIndex)
    const rootHash = tree.root(treeSize)
    const name = `leaf ${leafIndex} of ${treeSize}`
    expect(await rootFromTiles(treeSize, tree.readTiles), name).toEqual(rootHash)
    const path = await proveInclusion(leafIndex, treeSize, tree.readTiles)
    if (!sameHashes(path, tree.path(leafIndex, treeSize))) expect.fail(name)
    const claim = { leafIndex, treeSize, leafHash: tree.leafAt(leafIndex), path, rootHash }
    checkInclusion(claim)
    expect(isRefused({ ...claim, leafHash: rootHash }), name).toBe(treeSize > 1)
    if (leafIndex > 0) expect(isRefused({ ...claim, leafIndex: leafIndex - 1 }), name).toBe(true)
    for (const wrong of [leafIndex + 2 ** 32, leafIndex % 2 ** 32]) {
      if (wrong !== leafIndex) expect(isRefused({ ...claim, leafIndex: wrong }), name).toBe(true)
    }
  }

  it("have the paths of RFC 6962, and hold for one leaf only", async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.maxSafeNat(), (treeSize, place) => provesIt(place % treeSize, treeSize)),
      { numRuns: 60 },
    )
  })

  it("have them for the first, the last and the middle leaves, around every size where numbers change", async () => {
    for (const treeSize of edges) {
      const middle = Math.floor(treeSize / 2)
      for (const leafIndex of new Set([0, middle - 1, middle, treeSize - 1]))
        await provesIt(leafIndex, treeSize)
    }
  })
})

describe.skipIf(!vectorsPresent)("transparency-dev/merkle's inclusion vectors", () => {
  it("get the verdicts they want; sizes past 2^53 - 1 are refused, never rounded", () => {
    const files = listVectors("transparency-dev-merkle/testdata/inclusion")
    let past = 0
    for (const file of files) {
      // JSON.parse would round: sizes go up to 2^64 - 1.
      const vector = JSON.parse(
        readVector(file).replace(/("(?:leafIdx|treeSize)": *)(\d+)/g, '$1"$2"'),
      ) as Vector
      const bytes = (text: string) => decodeBase64(text) ?? expect.fail(`${file}: not base64`)
      const [leafIndex, treeSize] = [Number(vector.leafIdx), Number(vector.treeSize)]
      const isPast = BigInt(vector.leafIdx) > MAX || BigInt(vector.treeSize) > MAX
      if (isPast) past++
      const wrong = isRefused({
        leafIndex,
        treeSize,
        leafHash: bytes(vector.leafHash ?? ""),
        path: (vector.proof ?? []).map(bytes),
        rootHash: bytes(vector.root ?? ""),
      })
      expect(wrong, file).toBe(vector.wantErr || isPast)
    }
    expect(files.length).toBe(98)
    expect(past).toBeGreaterThan(0)
  })

  interface Vector {
    leafIdx: string
    treeSize: string
    root: string | null
    leafHash: string | null
    proof: string[] | null
    wantErr: boolean
  }
})
