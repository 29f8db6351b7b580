import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  BUNDLE,
  COMMIT,
  formatCommit,
  formatNumber,
  ID,
  idKey,
  indexKey,
  keyIndex,
  NO_ROWS,
  numberKey,
  parseCommit,
  parseNumber,
  RECORD,
  TO_PURGE,
  TOMBSTONE,
  tileKey,
} from "./rows.js"

const index = fc.oneof(
  fc.integer({ min: 0, max: 1_000 }),
  fc.maxSafeInteger().filter((n) => n >= 0),
  fc.constantFrom(2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 7, Number.MAX_SAFE_INTEGER),
)

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

describe("keys", () => {
  it("are these bytes, for ever", () => {
    expect(hex(indexKey(BUNDLE, 1))).toBe("6200000000000001")
    expect(hex(indexKey(RECORD, 2 ** 32 + 258))).toBe("7200000100000102")
    expect(hex(tileKey(2, 3))).toBe("740200000000000003")
    expect(hex(idKey(0x0102, new Uint8Array(16).fill(0xee)))).toBe(`690102${"ee".repeat(16)}`)
    expect(hex(numberKey("treeSize"))).toBe("6d7472656553697a65")
    expect(hex(formatNumber(Number.MAX_SAFE_INTEGER))).toBe("1fffffffffffff")
    expect(hex(formatCommit(5, new Uint8Array(32).fill(1)))).toBe(`00000000000005${"01".repeat(32)}`)
  })

  it("sort as their indices do, and give them back", () => {
    fc.assert(
      fc.property(index, index, (a, b) => {
        expect(keyIndex(indexKey(RECORD, a))).toBe(a)
        expect(Math.sign(Buffer.compare(indexKey(RECORD, a), indexKey(RECORD, b)))).toBe(Math.sign(a - b))
      }),
    )
  })

  it("leave a range without rows behind all of them", () => {
    for (const prefix of [BUNDLE, COMMIT, ID, RECORD, TO_PURGE, TOMBSTONE]) expect(prefix).toBeLessThan(0xff)
    const keys = [idKey(65_535, new Uint8Array(16).fill(255)), numberKey("format"), tileKey(63, 2 ** 53 - 1)]
    for (const key of keys) expect(Buffer.compare(key, NO_ROWS[0])).toBe(-1)
  })
})

describe("values", () => {
  it("come back as they were", () => {
    fc.assert(
      fc.property(index, fc.uint8Array({ minLength: 32, maxLength: 32 }), (n, rootHash) => {
        expect(parseNumber(formatNumber(n))).toBe(n)
        expect(parseCommit(formatCommit(n, rootHash))).toEqual({ count: n, rootHash })
      }),
    )
  })

  it("of another length are none", () => {
    for (const length of [0, 6, 8]) expect(parseNumber(new Uint8Array(length))).toBeUndefined()
    for (const length of [0, 38, 40]) expect(parseCommit(new Uint8Array(length))).toBeUndefined()
    expect(parseNumber(new Uint8Array(7).fill(255))).toBeUndefined()
  })
})
