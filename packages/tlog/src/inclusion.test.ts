import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { decodeBase64 } from "./base64.js"
import { CompactRange } from "./compact-range.js"
import { TlogError } from "./error.js"
import { EMPTY_ROOT, nodeHash } from "./hash.js"
import { checkInclusion, type InclusionProof, proveInclusion, rootFromTiles } from "./inclusion.js"
import { mutations, path, sameHashes, someLeaves, tileReader, treeHash } from "./reference.js"
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
  const other = leaves[130] as Uint8Array

  it("are those of RFC 6962 for every leaf of every tree up to 130, and refused when changed anyhow", async () => {
    for (let treeSize = 1; treeSize <= 130; treeSize++) {
      const tree = leaves.slice(0, treeSize)
      const rootHash = treeHash(tree)
      const readTiles = tileReader(tree)
      expect(await rootFromTiles(treeSize, readTiles)).toEqual(rootHash)
      for (let leafIndex = 0; leafIndex < treeSize; leafIndex++) {
        const hashes = await proveInclusion(leafIndex, treeSize, readTiles)
        if (!sameHashes(hashes, path(leafIndex, tree))) expect.fail(`leaf ${leafIndex} of ${treeSize}`)
        const claim = { leafIndex, treeSize, leafHash: tree[leafIndex] as Uint8Array, path: hashes, rootHash }
        checkInclusion(claim)
        for (const [why, changed] of mutations(hashes, other)) {
          if (!isRefused({ ...claim, path: changed })) expect.fail(`leaf ${leafIndex} of ${treeSize}: ${why}`)
        }
      }
    }
  })

  it("hold for one leaf, one index, one size and one root only", async () => {
    for (const treeSize of [1, 2, 7, 8, 9, 64, 100]) {
      const tree = leaves.slice(0, treeSize)
      const rootHash = treeHash(tree)
      for (let leafIndex = 0; leafIndex < treeSize; leafIndex++) {
        const hashes = path(leafIndex, tree)
        const claim = { leafIndex, treeSize, leafHash: tree[leafIndex] as Uint8Array, path: hashes, rootHash }
        for (let index = 0; index < treeSize; index++) {
          if (index !== leafIndex) expect(isRefused({ ...claim, leafIndex: index })).toBe(true)
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
    const readTiles = tileReader(d)
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
    const tree = someLeaves(600)
    const asked: (readonly Tile[])[] = []
    const readTiles = tileReader(tree)
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
    const tree = someLeaves(1300)
    for (const treeSize of [255, 256, 257, 511, 512, 513, 1023, 1024, 1025, 1300]) {
      const part = tree.slice(0, treeSize)
      const readTiles = tileReader(part)
      for (const leafIndex of [0, 1, 255, 256, 257, 511, 512, treeSize - 2, treeSize - 1]) {
        if (leafIndex >= treeSize) continue
        expect(await proveInclusion(leafIndex, treeSize, readTiles)).toEqual(path(leafIndex, part))
      }
    }
  })
})

/**
 * A tree as large as they come: all leaves alike but one, so that each perfect subtree has one of two hashes a level.
 */
function lonelyLeaf(place: number) {
  const plain: Uint8Array[] = [new Uint8Array(32).fill(1)]
  const special: Uint8Array[] = [new Uint8Array(32).fill(2)]
  for (let height = 0; height < 53; height++) {
    const [same, odd] = [plain[height] as Uint8Array, special[height] as Uint8Array]
    const isRight = Math.floor(place / 2 ** height) % 2 === 1
    plain.push(nodeHash(same, same))
    special.push(isRight ? nodeHash(same, odd) : nodeHash(odd, same))
  }
  const at = (height: number, index: number) =>
    (index === Math.floor(place / 2 ** height) ? special : plain)[height] as Uint8Array
  const readTiles = async (tiles: readonly Tile[]) =>
    tiles.map(({ level, index, width }) => {
      const hashes = Array.from({ length: width }, (_, i) => at(level * 8, index * 256 + i))
      return new TileTree(new Uint8Array(Buffer.concat(hashes)))
    })
  const rootHash = (treeSize: number) => {
    const hashes: Uint8Array[] = []
    for (let height = 52, start = 0; height >= 0; height--) {
      if (start + 2 ** height > treeSize) continue
      hashes.push(at(height, start / 2 ** height))
      start += 2 ** height
    }
    return CompactRange.fromHashes(treeSize, hashes).rootHash()
  }
  return { leafHash: special[0] as Uint8Array, readTiles, rootHash }
}

describe("trees up to 2^53 - 1 leaves", () => {
  const sizes = fc.oneof(
    fc.maxSafeNat(),
    fc.constantFrom(MAX, 2 ** 52, 2 ** 52 + 1, 2 ** 32 + 5, 2 ** 31 + 1),
  )

  it("prove their leaves", async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.maxSafeNat(), async (size, place) => {
        const treeSize = Math.max(size, 1)
        const leafIndex = place % treeSize
        const { leafHash, readTiles, rootHash } = lonelyLeaf(leafIndex)
        const root = rootHash(treeSize)
        expect(await rootFromTiles(treeSize, readTiles)).toEqual(root)
        const hashes = await proveInclusion(leafIndex, treeSize, readTiles)
        const claim = { leafIndex, treeSize, leafHash, path: hashes, rootHash: root }
        checkInclusion(claim)
        expect(isRefused({ ...claim, leafHash: new Uint8Array(32).fill(1) })).toBe(true)
        if (leafIndex > 0) expect(isRefused({ ...claim, leafIndex: leafIndex - 1 })).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  it("prove the first and the last leaf of the largest", async () => {
    for (const leafIndex of [0, 2 ** 52 - 1, 2 ** 52, MAX - 1]) {
      const { leafHash, readTiles, rootHash } = lonelyLeaf(leafIndex)
      const hashes = await proveInclusion(leafIndex, MAX, readTiles)
      checkInclusion({ leafIndex, treeSize: MAX, leafHash, path: hashes, rootHash: rootHash(MAX) })
      expect(hashes.length).toBe(leafIndex === MAX - 1 ? 52 : 53)
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
