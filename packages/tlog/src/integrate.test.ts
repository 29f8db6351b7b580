import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { EMPTY_ROOT, nodeHash } from "./hash.js"
import { type Edge, EMPTY_EDGE, edgeRoot, integrate, loadEdge } from "./integrate.js"
import { someLeaves, treeOf } from "./reference.js"
import { parseTilePath, type Tile, tilePath, tilesOf } from "./tile.js"

const leaves = someLeaves(1400)
const oracle = treeOf(leaves)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
/** An edge as text: a matcher compares arrays of bytes a thousand times slower. */
const textOf = ({ treeSize, tiles }: Edge) => [treeSize, ...tiles.map(hex)].join(" ")
const concat = (hashes: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(hashes))

/** What a storage would hold after these batches: the latest bytes at each tile's place. */
class Storage {
  edge: Edge = EMPTY_EDGE
  rootHash = EMPTY_ROOT
  readonly tiles = new Map<string, Uint8Array>()

  append(hashes: readonly Uint8Array[]): Tile[] {
    const { edge, rootHash, tiles } = integrate(this.edge, concat(hashes))
    for (const { tile, bytes } of tiles) this.tiles.set(tilePath({ ...tile, width: 256 }), bytes)
    this.edge = edge
    this.rootHash = rootHash
    return tiles.map(({ tile }) => tile)
  }

  read(tile: Tile): Uint8Array {
    return (this.tiles.get(tilePath({ ...tile, width: 256 })) as Uint8Array).subarray(0, tile.width * 32)
  }
}

describe("integration", () => {
  it("gives every tile and root of RFC 6962, however the leaves are cut into batches", () => {
    const batches = fc.array(fc.oneof(fc.nat(3), fc.nat(300), fc.constantFrom(255, 256, 257)), {
      maxLength: 5,
    })
    fc.assert(
      fc.property(batches, (counts) => {
        const storage = new Storage()
        for (const count of counts) {
          const before = storage.edge.treeSize
          const after = Math.min(before + count, leaves.length)
          const changed = storage.append(leaves.slice(before, after))
          const old = new Set([...tilesOf(before)].map(tilePath))
          const expected = [...tilesOf(after)].map(tilePath).filter((path) => !old.has(path))
          expect(changed.map(tilePath)).toEqual(expected)
        }
        const { treeSize } = storage.edge
        expect(storage.rootHash).toEqual(oracle.root(treeSize))
        expect(edgeRoot(storage.edge)).toEqual(storage.rootHash)
        const tiles = [...tilesOf(treeSize)]
        expect(storage.tiles.size).toBe(tiles.length)
        for (const tile of tiles) expect(hex(storage.read(tile))).toBe(hex(oracle.tileBytes(tile)))
      }),
      { numRuns: 25 },
    )
  })

  it("has the root of RFC 6962 at every size up to 130, grown one by one and loaded anew", async () => {
    const storage = new Storage()
    for (let size = 1; size <= 130; size++) {
      storage.append(leaves.slice(size - 1, size))
      expect(storage.rootHash).toEqual(oracle.root(size))
      const loaded = await loadEdge(size, async (tiles) => tiles.map((tile) => storage.read(tile)))
      expect(textOf(loaded)).toBe(textOf(storage.edge))
      expect(edgeRoot(loaded)).toEqual(storage.rootHash)
    }
  })

  it("loads the edge at every row's border and goes on as if it had never stopped", async () => {
    for (const size of [0, 1, 255, 256, 257, 511, 512, 1024, 1300]) {
      const storage = new Storage()
      storage.append(leaves.slice(0, size))
      const asked: Tile[] = []
      const loaded = await loadEdge(size, async (tiles) => {
        asked.push(...tiles)
        return tiles.map((tile) => storage.read(tile))
      })
      expect(textOf(loaded)).toBe(textOf(storage.edge))
      expect(asked).toEqual([...tilesOf(size)].filter(({ width }) => width < 256))
      const more = concat(leaves.slice(size, size + 70))
      expect(integrate(loaded, more)).toEqual(integrate(storage.edge, more))
    }
  })

  it("grows three rows of tiles", () => {
    // Leaves alike keep the oracle cheap: a full subtree has one hash for its height.
    const alike: Uint8Array[] = [new Uint8Array(32).fill(5)]
    for (let height = 0; height < 17; height++) {
      alike.push(nodeHash(alike[height] as Uint8Array, alike[height] as Uint8Array))
    }
    let edge = EMPTY_EDGE
    const batch = new Uint8Array(32 * 10_000).fill(5)
    for (let i = 0; i < 7; i++) edge = integrate(edge, batch).edge
    expect(edge.tiles.map(({ length }) => length / 32)).toEqual([112, 17, 1])
    expect(edge.tiles[2]).toEqual(alike[16])
    expect(edge.tiles[1]?.subarray(0, 32)).toEqual(alike[8])
    const grown = integrate(edge, new Uint8Array(32 * 61_072).fill(5))
    expect(grown.edge.treeSize).toBe(2 ** 17)
    expect(grown.rootHash).toEqual(alike[17])
    expect(grown.edge.tiles.map(({ length }) => length / 32)).toEqual([0, 0, 2])
    expect(grown.tiles.at(-1)?.tile).toEqual(parseTilePath("tile/2/000.p/2"))
  })

  it("leaves the old edge usable", () => {
    const { edge } = integrate(EMPTY_EDGE, concat(leaves.slice(0, 300)))
    const first = integrate(edge, concat(leaves.slice(300, 310)))
    integrate(edge, concat(leaves.slice(600, 900)))
    expect(integrate(edge, concat(leaves.slice(300, 310)))).toEqual(first)
    expect(edgeRoot(edge)).toEqual(oracle.root(300))
  })

  it("changes nothing when nothing is appended", () => {
    const { edge, rootHash } = integrate(EMPTY_EDGE, concat(leaves.slice(0, 300)))
    expect(integrate(edge, new Uint8Array(0))).toEqual({ edge, rootHash, tiles: [] })
    expect(integrate(EMPTY_EDGE, new Uint8Array(0))).toEqual({
      edge: EMPTY_EDGE,
      rootHash: EMPTY_ROOT,
      tiles: [],
    })
  })

  it("does not hold on to the caller's bytes", () => {
    const hashes = concat(leaves.slice(0, 300))
    const { edge, tiles } = integrate(EMPTY_EDGE, hashes)
    hashes.fill(0)
    expect(edge.tiles[0]).toEqual(concat(leaves.slice(256, 300)))
    expect(tiles[0]?.bytes).toEqual(concat(leaves.slice(0, 256)))
  })

  it("refuses what is no edge, and leaves that are not hashes", () => {
    const { edge } = integrate(EMPTY_EDGE, concat(leaves.slice(0, 300)))
    expect(() => integrate(EMPTY_EDGE, new Uint8Array(33))).toThrow(RangeError)
    expect(() => edgeRoot({ ...edge, treeSize: 301 })).toThrow(RangeError)
    expect(() => edgeRoot({ ...edge, tiles: edge.tiles.slice(1) })).toThrow(RangeError)
    expect(() => edgeRoot({ ...edge, tiles: edge.tiles.slice(0, 1) })).toThrow(RangeError)
    expect(() => edgeRoot({ treeSize: -1, tiles: [] })).toThrow(RangeError)
    const full = { treeSize: Number.MAX_SAFE_INTEGER, tiles: Array.from({ length: 7 }, () => 255) }
    const tiles = [...full.tiles.slice(0, 6), 31].map((width) => new Uint8Array(width * 32))
    expect(() => integrate({ treeSize: full.treeSize, tiles }, new Uint8Array(32))).toThrow(RangeError)
  })

  it("refuses stored tiles that have not the tile's length", async () => {
    const malformed = expect.objectContaining({ code: "TLOG_MALFORMED_TILE" })
    for (const answers of [[], [new Uint8Array(31)], [new Uint8Array(64)]]) {
      await expect(loadEdge(1, async () => answers)).rejects.toThrow(malformed)
    }
  })
})
