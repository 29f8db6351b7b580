import { describe, expect, it } from "vitest"
import { indexKey, RECORD } from "./rows.js"
import { deepestLevel, parseTables } from "./tables.js"

const PRINTED = String.raw`--- level 0 ---
 9:1200['b\x00\x00\x00\x00\x00\x00\x00' @ 12 : 1 .. 'x\x00\x00\x00\x00\x00\x00\x05' @ 3 : 0]
--- level 1 ---
--- level 2 ---
 17:8389012['r\x00\x00\x00\x00\x00\x00\x10' @ 91 : 1 .. 'r\x00\x00\x00\x00\x00\x00 ' @ 77 : 1]
 18:40['r\x00\x00\x00\x00\x00\x00!' @ 91 : 1 .. 'r\x00\x00\x00\x00\x00''' @ 77 : 1]
--- level 3 ---
--- level 4 ---
 5:8389012['r\x00\x00\x00\x00\x01\x00\x00' @ 2 : 1 .. 'r\x00\x00\x00\x00\x01\x02\xff' @ 1 : 1]
--- level 5 ---
--- level 6 ---
`

const record = (leafIndex: number) => indexKey(RECORD, leafIndex)

describe("LevelDB's list of tables", () => {
  it("is read with its levels and keys", () => {
    const tables = parseTables(PRINTED)
    expect(tables.map(({ level }) => level)).toEqual([0, 2, 2, 4])
    expect(Buffer.from(tables[1]?.smallest as Uint8Array)).toEqual(Buffer.from(record(0x10)))
    expect(Buffer.from(tables[1]?.largest as Uint8Array)).toEqual(Buffer.from(record(0x20)))
    expect(Buffer.from(tables[2]?.largest as Uint8Array)).toEqual(Buffer.from(record(0x2727)))
    expect(Buffer.from(tables[3]?.largest as Uint8Array)).toEqual(Buffer.from(record(0x102ff)))
  })

  it("is refused where it reads otherwise", () => {
    expect(() => parseTables("--- level 0 ---\n something\n")).toThrow("not a line")
  })

  it.each([
    [0, 0x0f, 0],
    [0, 0x10, 2],
    [0x20, 0x20, 2],
    [0, 0xff, 2],
    [0, 0x10000, 4],
    [0x102ff, 0x50000, 4],
    [0x10300, 0x50000, 0],
    [0x2727, 0x5000, 2],
    [0x2728, 0x5000, 0],
  ])("says how deep leaves %i to %i lie", (first, last, level) => {
    expect(deepestLevel(parseTables(PRINTED), record(first), record(last))).toBe(level)
  })
})
