import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { bundlePath, parseBundlePath } from "./bundle.js"
import { parseTilePath, type Tile, tileAt, tilePath, tilesOf } from "./tile.js"
import { readVector, vectorsPresent } from "./vectors.js"

const MAX = Number.MAX_SAFE_INTEGER

const names: [path: string, tile: Tile][] = [
  ["tile/0/000", { level: 0, index: 0, width: 256 }],
  ["tile/0/000.p/1", { level: 0, index: 0, width: 1 }],
  ["tile/0/999.p/255", { level: 0, index: 999, width: 255 }],
  ["tile/0/x001/000", { level: 0, index: 1000, width: 256 }],
  ["tile/0/x001/x234/067.p/8", { level: 0, index: 1_234_067, width: 8 }],
  ["tile/63/x001/x234/067", { level: 63, index: 1_234_067, width: 256 }],
  ["tile/7/x009/x007/x199/x254/x740/991", { level: 7, index: MAX, width: 256 }],
]

const refusals: [why: string, path: string][] = [
  ["nothing", ""],
  ["a leading slash", "/tile/0/000"],
  ["a trailing slash", "tile/0/000/"],
  ["a width of a full tile", "tile/0/000.p/256"],
  ["a width of zero", "tile/0/000.p/0"],
  ["a width with a leading zero", "tile/0/000.p/01"],
  ["an empty width", "tile/0/000.p/"],
  ["a width past 256", "tile/0/000.p/257"],
  ["a level with a leading zero", "tile/00/000"],
  ["a level past 63", "tile/64/000"],
  ["a negative level", "tile/-1/000"],
  ["a short group", "tile/0/00"],
  ["a long group", "tile/0/0000"],
  ["a group too many", "tile/0/x000/123"],
  ["a group without x", "tile/0/001/000"],
  ["a last group with x", "tile/0/x001"],
  ["a short group with x", "tile/0/x1/002"],
  ["an index past 2^53 - 1", "tile/0/x009/x007/x199/x254/x740/992"],
  ["seven groups", "tile/0/x001/x000/x000/x000/x000/x000/000"],
  ["a percent escape", "tile/0/%30%30%30"],
  ["upper case", "TILE/0/000"],
  ["digits of another script", "tile/0/٠٠٠"],
  ["a line feed", "tile/0/000\n"],
  ["an entry bundle", "tile/entries/000"],
]

describe("tile paths", () => {
  it.each(names)("%s is the name of one tile", (path, tile) => {
    expect(tilePath(tile)).toBe(path)
    expect(parseTilePath(path)).toEqual(tile)
  })

  it.each(refusals)("refuses %s", (_, path) => {
    expect(() => parseTilePath(path)).toThrow(expect.objectContaining({ code: "TLOG_MALFORMED_TILE_PATH" }))
    const bundle = path.replace(/^tile\/[0-9-]+/, "tile/entries")
    if (!/level|an entry bundle/.test(_)) {
      expect(() => parseBundlePath(bundle)).toThrow(
        expect.objectContaining({ code: "TLOG_MALFORMED_TILE_PATH" }),
      )
    }
  })

  it("names every tile and bundle once, and reads the name back", () => {
    const widths = fc.integer({ min: 1, max: 256 })
    fc.assert(
      fc.property(fc.nat(63), fc.maxSafeNat(), widths, (level, index, width) => {
        expect(parseTilePath(tilePath({ level, index, width }))).toEqual({ level, index, width })
        expect(parseBundlePath(bundlePath(index, width))).toEqual({ index, width })
      }),
    )
  })

  it("refuses to name what is no tile", () => {
    expect(() => tilePath({ level: 0, index: -1, width: 1 })).toThrow(RangeError)
    expect(() => tilePath({ level: 64, index: 0, width: 1 })).toThrow(RangeError)
    expect(() => tilePath({ level: -1, index: 0, width: 1 })).toThrow(RangeError)
    expect(() => tilePath({ level: 0, index: 0, width: 257 })).toThrow(RangeError)
    expect(() => bundlePath(2 ** 53, 1)).toThrow(RangeError)
    expect(() => bundlePath(0, 0)).toThrow(RangeError)
  })

  it.skipIf(!vectorsPresent)("agrees with the examples of c2sp.org/tlog-tiles", () => {
    const examples = JSON.parse(readVector("c2sp-spec-examples/examples.json")) as {
      "tlog-tiles path": { index: number; N: string }[]
    }
    for (const { index, N } of examples["tlog-tiles path"]) {
      expect(tilePath({ level: 0, index, width: 256 })).toBe(`tile/0/${N}`)
      expect(bundlePath(index, 256)).toBe(`tile/entries/${N}`)
    }
  })
})

describe("tiles of a tree", () => {
  it("has the tiles that c2sp.org/tlog-tiles counts for 256 and 70,000 leaves", () => {
    expect([...tilesOf(256)]).toEqual([
      { level: 0, index: 0, width: 256 },
      { level: 1, index: 0, width: 1 },
    ])
    const tiles = [...tilesOf(70_000)]
    const count = (level: number, full: boolean) =>
      tiles.filter((tile) => tile.level === level && (tile.width === 256) === full).map(({ width }) => width)
    expect([count(0, true).length, count(0, false)]).toEqual([273, [112]])
    expect([count(1, true).length, count(1, false)]).toEqual([1, [17]])
    expect([count(2, true).length, count(2, false)]).toEqual([0, [1]])
    expect(tiles.length).toBe(277)
  })

  it("lists exactly the tiles that tileAt finds", () => {
    for (const treeSize of [0, 1, 255, 256, 257, 65_535, 65_536, 65_537]) {
      const listed = [...tilesOf(treeSize)]
      for (const tile of listed) expect(tileAt(tile.level, tile.index, treeSize)).toEqual(tile)
      for (let level = 0; level < 4; level++) {
        const row = listed.filter((tile) => tile.level === level)
        expect(row.map(({ index }) => index)).toEqual(row.map((_, i) => i))
        expect(tileAt(level, row.length, treeSize)).toBeUndefined()
      }
    }
  })

  it("holds every hash of a row exactly once, up to 2^53 - 1 leaves", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.nat(7), (treeSize, level) => {
        const rowLength = Number(BigInt(treeSize) / 256n ** BigInt(level))
        const last = Math.ceil(rowLength / 256) - 1
        expect(tileAt(level, last + 1, treeSize)).toBeUndefined()
        if (last >= 0) expect(tileAt(level, last, treeSize)?.width).toBe(rowLength - last * 256)
        if (last >= 1) expect(tileAt(level, last - 1, treeSize)?.width).toBe(256)
      }),
    )
  })

  it("refuses sizes past 2^53 - 1, and places left of the first", () => {
    expect(() => tileAt(0, 0, 2 ** 53)).toThrow(RangeError)
    expect(() => tileAt(0, -1, 1000)).toThrow(RangeError)
    expect(() => tileAt(-1, 0, 1000)).toThrow(RangeError)
    expect(() => [...tilesOf(-1)]).toThrow(RangeError)
  })
})
