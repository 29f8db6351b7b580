import { describe, expect, it } from "vitest"
import { equalBytes } from "./hash.js"
import { someLeaves, treeOf } from "./reference.js"
import { TileTree } from "./tile-tree.js"

const leaves = someLeaves(256)
const oracle = treeOf(leaves)

describe("a tile's tree", () => {
  it("has every perfect subtree, for every width", () => {
    for (const width of [1, 2, 3, 5, 7, 8, 100, 128, 255, 256]) {
      const tree = new TileTree(new Uint8Array(Buffer.concat(leaves.slice(0, width))))
      expect(tree.width).toBe(width)
      for (let level = 0; level <= 8; level++) {
        const size = 2 ** level
        for (let index = 0; (index + 1) * size <= width; index++) {
          const expected = oracle.hashOf(index * size, (index + 1) * size)
          if (!equalBytes(tree.hash(level, index), expected)) expect.fail(`${level}, ${index} of ${width}`)
        }
        expect(() => tree.hash(level, Math.floor(width / size))).toThrow(RangeError)
      }
    }
  })

  it("refuses places that do not exist", () => {
    const tree = new TileTree(new Uint8Array(8192))
    for (const [level, index] of [
      [9, 0],
      [-1, 0],
      [0, -1],
      [0, 256],
      [0, 0.5],
      [0.5, 0],
      [0, Number.NaN],
    ] as const) {
      expect(() => tree.hash(level, index)).toThrow(RangeError)
    }
  })

  it("refuses bytes that are not 1 … 256 hashes", () => {
    for (const length of [0, 1, 31, 33, 8191, 8193, 8224]) {
      expect(() => new TileTree(new Uint8Array(length))).toThrow(
        expect.objectContaining({ code: "TLOG_MALFORMED_TILE" }),
      )
    }
  })

  it("keeps a copy of its bytes", () => {
    const bytes = new Uint8Array(64).fill(1)
    const tree = new TileTree(bytes)
    bytes.fill(2)
    expect(tree.hash(0, 1)).toEqual(new Uint8Array(32).fill(1))
  })
})
