import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  EMPTY_ROOT,
  equalBytes,
  leafHash,
  leafHashInto,
  leafHashOfRange,
  nodeHash,
  nodeHashInto,
} from "./hash.js"
import * as reference from "./reference.js"
import { hexBytes, readVector, vectorsPresent } from "./vectors.js"

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

describe("hashes", () => {
  it("has the constants of RFC 6962", () => {
    expect(hex(EMPTY_ROOT)).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    expect(hex(leafHash(new Uint8Array(0)))).toBe(
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    )
  })

  it.skipIf(!vectorsPresent)("has the constants of transparency-dev/merkle", () => {
    const { hasher, leaf_inputs_hex, perfect_node_hashes_hex_levels } = JSON.parse(
      readVector("transparency-dev-merkle/rfc6962-tree-constants.json"),
    ) as {
      hasher: Record<"leaf_of_ascii_L123456" | "children_of_ascii_N123_N456", string>
      leaf_inputs_hex: string[]
      perfect_node_hashes_hex_levels: string[][]
    }
    expect(hex(leafHash(new TextEncoder().encode("L123456")))).toBe(hasher.leaf_of_ascii_L123456)
    let row = leaf_inputs_hex.map((entry) => leafHash(hexBytes(entry)))
    for (const level of perfect_node_hashes_hex_levels) {
      expect(row.map(hex)).toEqual(level)
      const parents = Math.floor(row.length / 2)
      row = Array.from({ length: parents }, (_, i) =>
        nodeHash(row[2 * i] as Uint8Array, row[2 * i + 1] as Uint8Array),
      )
    }
  })

  it("hashes entries of every length around the sizes it treats apart", () => {
    for (const length of [0, 1, 53, 127, 128, 129, 2046, 2047, 2048, 2049, 65_535]) {
      const entry = new Uint8Array(length).map((_, i) => i * 7)
      expect(leafHash(entry), `${length} bytes`).toEqual(reference.leaf(entry))
    }
  })

  it("hashes an entry in its place as it would alone", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), fc.nat(300), (bytes, a, b) => {
        const [start, end] = [Math.min(a, b, bytes.length), Math.min(Math.max(a, b), bytes.length)]
        const out = new Uint8Array(40)
        leafHashOfRange(bytes, start, end, out, 5)
        expect(out.subarray(5, 37)).toEqual(reference.leaf(bytes.subarray(start, end)))
      }),
    )
  })

  it("refuses a place that the bytes do not have, and never hashes what an earlier entry left behind", () => {
    const out = new Uint8Array(32)
    for (const [start, end] of [
      [0, 11],
      [0, 300],
      [0, 3000],
      [-1, 5],
      [6, 5],
      [11, 11],
      [Number.NaN, 5],
      [0, Number.NaN],
    ] as const) {
      expect(() => leafHashOfRange(new Uint8Array(10), start, end, out, 0)).toThrow(RangeError)
    }
    expect(out).toEqual(new Uint8Array(32))
  })

  it("reads its inputs before it writes, so one buffer may serve for all", () => {
    const bytes = new Uint8Array(96).map((_, i) => i)
    const expected = reference.node(bytes.slice(0, 32), bytes.slice(32, 64))
    nodeHashInto(bytes, 0, bytes, 32, bytes, 16)
    expect(bytes.subarray(16, 48)).toEqual(expected)
    const entry = new Uint8Array(40).fill(3)
    const leaf = reference.leaf(entry)
    leafHashInto(entry, entry, 8)
    expect(entry.subarray(8)).toEqual(leaf)
  })

  it("refuses children that are not hashes", () => {
    expect(() => nodeHash(new Uint8Array(31), new Uint8Array(32))).toThrow(RangeError)
    expect(() => nodeHash(new Uint8Array(32), new Uint8Array(33))).toThrow(RangeError)
  })

  it("compares bytes, all of them", () => {
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true)
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false)
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1))).toBe(false)
    expect(equalBytes(new Uint8Array(0), new Uint8Array(0))).toBe(true)
  })
})
