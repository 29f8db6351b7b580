import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { CompactRange } from "./compact-range.js"
import { EMPTY_ROOT } from "./hash.js"
import { someLeaves, treeOf } from "./reference.js"

const leaves = someLeaves(300)
const oracle = treeOf(leaves)
const concat = (hashes: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(hashes))

describe("a compact range", () => {
  it("has the root of RFC 6962 at every size up to 300, appended one by one", () => {
    const range = CompactRange.empty()
    expect(range.rootHash()).toEqual(EMPTY_ROOT)
    for (const [i, leaf] of leaves.entries()) {
      range.append(leaf)
      expect(range.treeSize).toBe(i + 1)
      expect(range.rootHash()).toEqual(oracle.root(i + 1))
    }
  })

  it("has the same hashes, however the leaves are cut into batches", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(100), { maxLength: 6 }), (counts) => {
        const [one, many] = [CompactRange.empty(), CompactRange.empty()]
        for (const count of counts) {
          const batch = leaves.slice(many.treeSize, many.treeSize + count)
          many.appendLeaves(concat(batch))
          for (const leaf of batch) one.append(leaf)
        }
        expect(many.treeSize).toBe(one.treeSize)
        expect(many.hashes()).toEqual(one.hashes())
        expect(many.rootHash()).toEqual(oracle.root(many.treeSize))
      }),
    )
  })

  it("is made again from its hashes", () => {
    for (let size = 0; size <= 130; size++) {
      const range = CompactRange.empty()
      range.appendLeaves(concat(leaves.slice(0, size)))
      const hashes = range.hashes()
      expect(hashes.length).toBe([...size.toString(2)].filter((bit) => bit === "1").length)
      const again = CompactRange.fromHashes(size, hashes)
      again.append(leaves[size] as Uint8Array)
      expect(again.rootHash()).toEqual(oracle.root(size + 1))
      expect(() => CompactRange.fromHashes(size, [...hashes, new Uint8Array(32)])).toThrow(RangeError)
      if (size > 0) expect(() => CompactRange.fromHashes(size, hashes.slice(1))).toThrow(RangeError)
    }
  })

  it("tells every perfect subtree once, when it is complete", () => {
    const range = CompactRange.empty()
    const told = new Map<number, Uint8Array[]>()
    for (const count of [3, 0, 5, 1, 60, 31]) {
      const start = range.treeSize
      range.appendLeaves(concat(leaves.slice(start, start + count)), (level, hashes) => {
        const row = told.get(level) ?? []
        for (let at = 0; at < hashes.length; at += 32) row.push(hashes.slice(at, at + 32))
        told.set(level, row)
      })
    }
    for (let level = 0; 2 ** level <= 100; level++) {
      const size = 2 ** level
      const expected = Array.from({ length: Math.floor(100 / size) }, (_, i) =>
        oracle.hashOf(i * size, (i + 1) * size),
      )
      expect(told.get(level)).toEqual(expected)
    }
  })

  it("grows apart from its clone", () => {
    const range = CompactRange.empty()
    range.append(leaves[0] as Uint8Array)
    const clone = range.clone()
    clone.append(leaves[1] as Uint8Array)
    expect(range.treeSize).toBe(1)
    expect(range.rootHash()).toEqual(leaves[0])
  })

  it("refuses to outgrow 2^53 - 1 leaves and stays as it was", () => {
    const hashes = Array.from({ length: 53 }, () => new Uint8Array(32))
    const range = CompactRange.fromHashes(Number.MAX_SAFE_INTEGER, hashes)
    const root = range.rootHash()
    expect(() => range.append(new Uint8Array(32))).toThrow(RangeError)
    expect(range.rootHash()).toEqual(root)
    expect(range.treeSize).toBe(Number.MAX_SAFE_INTEGER)
  })

  it("refuses what are not hashes", () => {
    expect(() => CompactRange.empty().append(new Uint8Array(31))).toThrow(RangeError)
    expect(() => CompactRange.empty().append(new Uint8Array(64))).toThrow(RangeError)
    expect(() => CompactRange.empty().appendLeaves(new Uint8Array(33))).toThrow(RangeError)
    expect(() => CompactRange.fromHashes(1, [new Uint8Array(31)])).toThrow(RangeError)
    expect(() => CompactRange.fromHashes(-1, [])).toThrow(RangeError)
  })
})
