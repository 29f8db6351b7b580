import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  cutBundle,
  forEachPacked,
  formatBundle,
  packedCount,
  packedLeafHashes,
  parseBundle,
} from "./bundle.js"
import { leaf } from "./reference.js"

const malformed = expect.objectContaining({ code: "TLOG_MALFORMED_BUNDLE" })
const entryLists = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 })

describe("entry bundles", () => {
  it("writes length and bytes of each entry", () => {
    const long = new Uint8Array(258).fill(9)
    expect(formatBundle([Uint8Array.of(1, 2), new Uint8Array(0), long])).toEqual(
      new Uint8Array([0, 2, 1, 2, 0, 0, 1, 2, ...long]),
    )
  })

  it("reads back what it writes", () => {
    fc.assert(
      fc.property(entryLists, (entries) => {
        const bytes = formatBundle(entries)
        expect(parseBundle(bytes, entries.length)).toEqual(entries)
        expect(packedCount(bytes)).toBe(entries.length)
      }),
    )
  })

  it("cuts to the bundle that a smaller tree had", () => {
    fc.assert(
      fc.property(entryLists, fc.nat(20), (entries, n) => {
        const width = Math.min(n, entries.length)
        expect(cutBundle(formatBundle(entries), width)).toEqual(formatBundle(entries.slice(0, width)))
      }),
    )
  })

  it("hashes packed entries in order", () => {
    fc.assert(
      fc.property(entryLists, (entries) => {
        expect(packedLeafHashes(formatBundle(entries))).toEqual(
          new Uint8Array(Buffer.concat(entries.map(leaf))),
        )
      }),
    )
  })

  it("visits each entry's place and number", () => {
    const seen: number[][] = []
    forEachPacked(formatBundle([Uint8Array.of(7), new Uint8Array(0), Uint8Array.of(8, 9)]), (...args) => {
      seen.push(args)
    })
    expect(seen).toEqual([
      [2, 3, 0],
      [5, 5, 1],
      [7, 9, 2],
    ])
  })

  it("refuses every truncation, other widths and trailing bytes", () => {
    const bytes = formatBundle([Uint8Array.of(1, 2, 3), Uint8Array.of(4), Uint8Array.of(5, 6)])
    for (let end = 0; end < bytes.length; end++) {
      expect(() => parseBundle(bytes.subarray(0, end), 3)).toThrow(malformed)
    }
    expect(() => parseBundle(bytes, 2)).toThrow(malformed)
    expect(() => parseBundle(bytes, 4)).toThrow(malformed)
    expect(() => parseBundle(new Uint8Array([...bytes, 0]), 3)).toThrow(malformed)
    expect(() => packedCount(bytes.subarray(0, -1))).toThrow(malformed)
    expect(() => cutBundle(bytes, 4)).toThrow(malformed)
  })

  it("reads no further than the entries it was asked for, however many follow", () => {
    let views = 0
    const bytes = new Uint8Array(1_000_000)
    bytes.subarray = (...range) => {
      views++
      return Uint8Array.prototype.subarray.apply(bytes, range) as typeof bytes
    }
    expect(() => parseBundle(bytes, 256)).toThrow(malformed)
    expect(views).toBe(256)
  })

  it("has no bundle of less than no entries, or of a part of one", () => {
    for (const width of [-1, 0.5, Number.NaN]) {
      expect(() => parseBundle(new Uint8Array(2), width)).toThrow(RangeError)
      expect(() => cutBundle(new Uint8Array(2), width)).toThrow(RangeError)
    }
  })

  it("holds entries of 65,535 bytes and no longer ones", () => {
    const longest = new Uint8Array(65_535).map((_, i) => i)
    const entries = parseBundle(formatBundle([longest]), 1)
    expect(entries.map((entry) => Buffer.compare(entry, longest))).toEqual([0])
    expect(() => formatBundle([new Uint8Array(65_536)])).toThrow(RangeError)
  })
})
