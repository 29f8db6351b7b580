import { describe, expect, it } from "vitest"
import { bundlePath, packedLeafHashes, parseBundle } from "./bundle.js"
import { checkConsistency, proveConsistency } from "./consistency.js"
import { leafHash } from "./hash.js"
import { checkInclusion, proveInclusion, rootFromTiles } from "./inclusion.js"
import { EMPTY_EDGE, integrate } from "./integrate.js"
import { openCheckpoint, parsePolicy } from "./policy.js"
import { type Tile, tilePath, tilesOf } from "./tile.js"
import { TileTree } from "./tile-tree.js"
import { listVectors, readVector, readVectorBytes, vectorsPresent } from "./vectors.js"

const FOLDER = "tessera-testdata-log/testdata/log"
const policy = parsePolicy(
  "log example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx\nquorum none\n",
)
const readTiles = async (tiles: readonly Tile[]) =>
  tiles.map((tile) => new TileTree(readVectorBytes(`${FOLDER}/${tilePath(tile)}`)))
const headAt = (size: number) => openCheckpoint(readVector(`${FOLDER}/checkpoint.${size}`), policy).checkpoint
const bundleAt = (size: number) => readVectorBytes(`${FOLDER}/${bundlePath(0, size)}`)

describe.skipIf(!vectorsPresent)("a log written by Tessera, sizes 0 to 15", () => {
  it("has checkpoints that open, and tiles that hash to their roots", async () => {
    for (let size = 0; size <= 15; size++) {
      const head = headAt(size)
      expect(head.treeSize).toBe(size)
      expect(await rootFromTiles(size, readTiles)).toEqual(head.rootHash)
    }
    expect(openCheckpoint(readVectorBytes(`${FOLDER}/checkpoint`), policy).checkpoint.treeSize).toBe(15)
  })

  it("has exactly the tiles that a log of these sizes has, and we integrate the same", () => {
    const paths = new Set<string>()
    for (let size = 1; size <= 15; size++) {
      for (const tile of tilesOf(size)) paths.add(`${FOLDER}/${tilePath(tile)}`)
      paths.add(`${FOLDER}/${bundlePath(0, size)}`)
      const { rootHash, tiles } = integrate(EMPTY_EDGE, packedLeafHashes(bundleAt(size)))
      expect(rootHash).toEqual(headAt(size).rootHash)
      for (const { tile, bytes } of tiles)
        expect(bytes).toEqual(readVectorBytes(`${FOLDER}/${tilePath(tile)}`))
    }
    expect(listVectors(`${FOLDER}/tile`)).toEqual([...paths].sort())
  })

  it("includes every entry, by proofs made from its tiles", async () => {
    for (let size = 1; size <= 15; size++) {
      const { rootHash } = headAt(size)
      for (const [leafIndex, entry] of parseBundle(bundleAt(size), size).entries()) {
        const path = await proveInclusion(leafIndex, size, readTiles)
        checkInclusion({ leafIndex, treeSize: size, leafHash: leafHash(entry), path, rootHash })
      }
    }
  })

  it("only ever grew, by proofs made from its tiles", async () => {
    for (let newSize = 0; newSize <= 15; newSize++) {
      for (let oldSize = 0; oldSize <= newSize; oldSize++) {
        checkConsistency({
          oldSize,
          oldRoot: headAt(oldSize).rootHash,
          newSize,
          newRoot: headAt(newSize).rootHash,
          proof: await proveConsistency(oldSize, newSize, readTiles),
        })
      }
    }
  })
})
