import { existsSync, readFileSync } from "node:fs"
import { isDeepStrictEqual } from "node:util"
import { decodeHex, encodeHex } from "@prooflog/tlog/base64"
import { Decoder, Encoder } from "cbor-x"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { arbitraryText, arbitraryValue } from "./arbitrary.js"
import { type CborValue, checkCbor, decodeCbor, encodeCbor } from "./cbor.js"
import { mostContainers } from "./cbor-reader.js"
import { compareEncodedText, MAX_ITEM_BYTES, utf8Length } from "./cbor-writer.js"
import { EventError } from "./error.js"

const bytesOf = (hex: string) => decodeHex(hex) as Uint8Array

const refusal = (run: () => unknown) => {
  try {
    run()
  } catch (error) {
    if (error instanceof EventError) return `${error.code}: ${error.message}`
    throw error
  }
  return "accepted"
}

/** Nested arrays of the given depth. */
const nest = (depth: number): CborValue => (depth === 0 ? 1 : [nest(depth - 1)])

describe("the writer", () => {
  test.each([
    [0, "00"],
    [-0, "00"],
    [23, "17"],
    [24, "1818"],
    [255, "18ff"],
    [256, "190100"],
    [65_536, "1a00010000"],
    [4_294_967_295, "1affffffff"],
    [4_294_967_296, "1b0000000100000000"],
    [Number.MAX_SAFE_INTEGER, "1b001fffffffffffff"],
    [-1, "20"],
    [-24, "37"],
    [-25, "3818"],
    [-Number.MAX_SAFE_INTEGER, "3b001ffffffffffffe"],
    [2 ** 53, "fb4340000000000000"],
    [-(2 ** 53), "fbc340000000000000"],
    [1.5, "fb3ff8000000000000"],
    [1e21, "fb444b1ae4d6e2ef50"],
    [true, "f5"],
    [false, "f4"],
    ["", "60"],
    ["ü", "62c3bc"],
    [new Uint8Array([1, 2]), "420102"],
    [[1, [2, 3]], "8201820203"],
    [{}, "a0"],
    [{ b: 1, a: 2, aa: 3, "": 4 }, "a460046161026162016261610" + "3"],
  ] as [CborValue, string][])("writes %j as %s", (value, hex) => {
    expect(encodeHex(encodeCbor(value))).toBe(hex)
  })

  test.each([
    ["null", null],
    ["undefined", undefined],
    ["NaN", Number.NaN],
    ["an infinity", Number.NEGATIVE_INFINITY],
    ["a bigint", 1n],
    ["a function", () => 1],
    ["a date", new Date(0)],
    ["a map of another class", new Map()],
    ["a lone surrogate", "a\ud800"],
    ["a lone surrogate in a long text", `${"a".repeat(500)}\udc00`],
    ["a lone surrogate in a key", { "\ud800": 1 }],
    ["a null in an array", [1, null]],
    ["an undefined member", { a: undefined }],
    ["a key that reaches into prototypes", { constructor: 1 }],
    ["an own __proto__", JSON.parse('{"__proto__": 1}')],
    ["a hole", new Array(1)],
    ["nine levels", nest(9)],
  ])("refuses %s", (_, value) => {
    expect(refusal(() => encodeCbor(value as CborValue))).toMatch(/^EVENT_NOT_ENCODABLE/)
  })

  test("refuses what holds itself", () => {
    const loop: unknown[] = []
    loop.push(loop)
    expect(refusal(() => encodeCbor(loop as CborValue))).toMatch(/^EVENT_NOT_ENCODABLE/)
  })

  test("writes up to 65,535 bytes and not one more, without working on the rest", () => {
    expect(encodeCbor("a".repeat(MAX_ITEM_BYTES - 3)).length).toBe(MAX_ITEM_BYTES)
    for (const value of [
      "a".repeat(MAX_ITEM_BYTES - 2),
      "é".repeat(40_000),
      new Uint8Array(MAX_ITEM_BYTES),
    ]) {
      expect(refusal(() => encodeCbor(value))).toMatch(/^EVENT_TOO_LARGE/)
    }
    expect(refusal(() => encodeCbor(new Array(10_000_000).fill(1)))).toMatch(/^EVENT_TOO_LARGE/)
    expect(refusal(() => encodeCbor(new Array(40_000).fill("ab")))).toMatch(/^EVENT_TOO_LARGE/)
  })

  test("writes as many items as it said, whatever an array says of itself", () => {
    const liar = Object.assign([1, 2], { *[Symbol.iterator]() {}, more: 3 })
    expect(encodeHex(encodeCbor(liar))).toBe("820102")
  })

  test("leaves nothing behind after a refusal", () => {
    refusal(() => encodeCbor(["a".repeat(100), null as unknown as CborValue]))
    expect(encodeHex(encodeCbor([1]))).toBe("8101")
  })

  test("sorts keys as their encodings sort", () => {
    fc.assert(
      fc.property(arbitraryText, arbitraryText, (a, b) => {
        const [left, right] = [encodeHex(encodeCbor(a)), encodeHex(encodeCbor(b))]
        expect(Math.sign(compareEncodedText(a, b))).toBe(left < right ? -1 : left > right ? 1 : 0)
        expect(utf8Length(a)).toBe(new TextEncoder().encode(a).length)
      }),
      { numRuns: 2000 },
    )
    // UTF-16 would put U+1F600 (d83d de00) before U+FF5E; UTF-8 does not.
    expect(compareEncodedText("\u{1F600}", "\uFF5E\0")).toBeGreaterThan(0)
  })
})

describe("the strict reader", () => {
  test.each([
    ["a null", "f6"],
    ["undefined", "f7"],
    ["a half float", "f93c00"],
    ["a single float", "fa3f800000"],
    ["NaN", "fb7ff8000000000000"],
    ["infinity", "fb7ff0000000000000"],
    ["an integer as a float", "fb3ff0000000000000"],
    ["minus zero", "fb8000000000000000"],
    ["the greatest safe integer as a float", "fb433fffffffffffff"],
    ["another simple value", "e0"],
    ["a two-byte simple value", "f8ff"],
    ["a tag", "c000"],
    ["a shared reference", "d81c80"],
    ["a record definition", "d9dfff83190000816161" + "01"],
    ["a head of 1 byte that fits none", "1817"],
    ["a head of 2 bytes that fits 1", "1900ff"],
    ["a head of 4 bytes that fits 2", "1a0000ffff"],
    ["a head of 8 bytes that fits 4", "1b00000000ffffffff"],
    ["a length that is not the shortest", "580161"],
    ["2^53", "1b0020000000000000"],
    ["-2^53", "3b001fffffffffffff"],
    ["2^64 - 1", "1bffffffffffffffff"],
    ["a reserved head", "1c"],
    ["an indefinite array", "9fff"],
    ["an indefinite map", "bfff"],
    ["an indefinite text", "7fff"],
    ["indefinite bytes", "5fff"],
    ["a break", "ff"],
    ["nothing", ""],
    ["a text cut short", "6261"],
    ["a head cut short", "19ff"],
    ["a float cut short", "fb3ff8"],
    ["an array cut short", "8201"],
    ["a map cut short", "a16161"],
    ["a second item", "0000"],
    ["text that is not UTF-8", "61ff"],
    ["an overlong UTF-8", "62c080"],
    ["a surrogate in UTF-8", "63eda080"],
    ["keys out of order", "a2616201616101"],
    ["a longer key first", "a262616101616201"],
    ["a key twice", "a2616101616102"],
    ["a key that is no text", "a10101"],
    [
      "a key __proto__",
      `a1${encodeHex(new Uint8Array([0x69]))}${encodeHex(new TextEncoder().encode("__proto__"))}01`,
    ],
    ["a key constructor", `a16b${encodeHex(new TextEncoder().encode("constructor"))}01`],
    ["nine levels", `${"81".repeat(9)}01`],
    ["a count past the end", "9a02000000"],
    ["a count of 2^53", "9b001fffffffffffff00"],
    ["a map count past the end", "b90100"],
    ["a length past the end", "7a7fffffff61"],
  ])("refuses %s", (_, hex) => {
    expect(refusal(() => checkCbor(bytesOf(hex)))).toMatch(
      /^EVENT_MALFORMED_CBOR: not CBOR of this log: .* at byte \d+/,
    )
  })

  test.each([
    ["9b001fffffffffffff00", "a count larger than what follows, at byte 0"],
    ["82bb000fffffffffffff00", "a count larger than what follows, at byte 1"],
    ["7a7fffffff61", "a length larger than what follows, at byte 0"],
    ["19ff", "the end came too soon, at byte 0"],
    ["8118", "the end came too soon, at byte 1"],
    ["1a000100", "the end came too soon, at byte 0"],
    ["fb3ff8", "the end came too soon, at byte 0"],
    ["a16161", "the end came too soon, at byte 3"],
    ["8201", "a count larger than what follows, at byte 0"],
  ])("says of %s that it has %s", (hex, what) => {
    expect(refusal(() => checkCbor(bytesOf(hex)))).toBe(`EVENT_MALFORMED_CBOR: not CBOR of this log: ${what}`)
  })

  test("refuses byte strings where none are allowed", () => {
    expect(refusal(() => checkCbor(bytesOf("8141ff"), { byteStrings: false }))).toMatch(/byte string/)
    expect(refusal(() => checkCbor(bytesOf("8141ff")))).toBe("accepted")
  })

  test("counts a scalar as depth 0", () => {
    expect(refusal(() => checkCbor(bytesOf("01"), { maxDepth: 0 }))).toBe("accepted")
    expect(refusal(() => checkCbor(bytesOf("80"), { maxDepth: 0 }))).toMatch(/deeper than 0/)
    expect(refusal(() => checkCbor(bytesOf(`${"81".repeat(8)}01`)))).toBe("accepted")
  })

  test("cannot be told to go deeper than 8", () => {
    expect(() => checkCbor(bytesOf("01"), { maxDepth: 9 })).toThrow(RangeError)
  })

  test("refuses bombs in no time and no memory", () => {
    // 10,000 references to one shared text: 60 kB that another decoder makes 300 MB of.
    const shared = [0x99, 0x27, 0x11, 0xd8, 0x1c, 0x79, 0x75, 0x30, ...new Array(30_000).fill(0x61)]
    for (let i = 0; i < 10_000; i++) shared.push(0xd8, 0x1d, 0x00)
    const bombs = [
      Uint8Array.from(shared),
      new Uint8Array(65_000).fill(0x81),
      new Uint8Array(65_000).fill(0xa1),
      new Uint8Array(10_000_000).fill(0x9f),
      Uint8Array.from([0x9a, 0xff, 0xff, 0xff, 0xff, ...new Array(60_000).fill(0)]),
    ]
    for (const bomb of bombs) {
      const memory = process.memoryUsage().rss
      const start = performance.now()
      expect(refusal(() => decodeCbor(bomb))).toMatch(/^EVENT_MALFORMED_CBOR/)
      expect(performance.now() - start).toBeLessThan(50)
      expect(process.memoryUsage().rss - memory).toBeLessThan(10_000_000)
    }
  })

  test("takes any record's worth of arrays and maps, but not a message made of nothing else", () => {
    const most = new Uint8Array(65_535).fill(0xa0)
    most.set([0x99, 0xff, 0xfc])
    expect(decodeCbor(most)).toHaveLength(65_532)
    // An array of 2,097,147 empty maps, or texts.
    const messageOf = (item: number) => {
      const message = new Uint8Array(2 * 1024 * 1024).fill(item)
      message.set([0x9a, 0x00, 0x1f, 0xff, 0xfb])
      return message
    }
    // The array is one, so the map that is one too many has its place here.
    const last = 5 + mostContainers(messageOf(0xa0).length) - 1
    expect(refusal(() => decodeCbor(messageOf(0xa0)))).toMatch(`too many arrays and maps, at byte ${last}`)
    expect(refusal(() => checkCbor(messageOf(0x60)))).toBe("accepted")
  })

  test("refuses arbitrary bytes with its own error only", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const answer = refusal(() => decodeCbor(bytes))
        if (answer === "accepted") return encodeHex(encodeCbor(decodeCbor(bytes))) === encodeHex(bytes)
        return answer.startsWith("EVENT_MALFORMED_CBOR")
      }),
      { numRuns: 20_000 },
    )
  })
})

describe("writer and reader", () => {
  const secondWriter = new Encoder({
    useRecords: false,
    variableMapSize: true,
    tagUint8Array: false,
    useTag259ForMaps: false,
    mapsAsObjects: false,
  } as object)
  const secondReader = new Decoder({ useRecords: false, mapsAsObjects: true, int64AsNumber: true } as object)

  /** The same value in the form that makes cbor-x write deterministic bytes. */
  const forSecond = (value: CborValue): unknown => {
    if (typeof value === "number" && Number.isSafeInteger(value))
      return Math.abs(value) < 2 ** 32 ? value + 0 : BigInt(value)
    if (Array.isArray(value)) return value.map(forSecond)
    if (typeof value !== "object" || value instanceof Uint8Array) return value
    const members = Object.entries(value).sort(([a], [b]) => compareEncodedText(a, b))
    return new Map(members.map(([key, member]) => [key, forSecond(member)]))
  }

  /** −0 is written as 0. */
  const withoutMinusZero = (value: CborValue): CborValue => {
    if (typeof value === "number") return value + 0
    if (Array.isArray(value)) return value.map(withoutMinusZero)
    if (typeof value !== "object" || value instanceof Uint8Array) return value
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withoutMinusZero(member)]))
  }

  /** As `toEqual`, but quick where it holds. */
  const expectEqual = (value: unknown, expected: unknown) => {
    if (!isDeepStrictEqual(value, expected)) expect(value).toEqual(expected)
  }

  /** With each Buffer as the bytes it has. */
  const plainBytes = (value: unknown): unknown => {
    if (value instanceof Uint8Array) return new Uint8Array(value)
    if (Array.isArray(value)) return value.map(plainBytes)
    if (typeof value !== "object" || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plainBytes(member)]))
  }

  test("agree on every value, and cbor-x agrees with both", () => {
    fc.assert(
      fc.property(arbitraryValue(4, true), (value) => {
        const bytes = encodeCbor(value)
        const hex = encodeHex(bytes)
        const expected = withoutMinusZero(value)
        expectEqual(decodeCbor(bytes), expected)
        expect(encodeHex(encodeCbor(decodeCbor(bytes)))).toBe(hex)
        expect(encodeHex(new Uint8Array(secondWriter.encode(forSecond(value))))).toBe(hex)
        // A text that starts with U+FEFF is where cbor-x is wrong.
        if (!JSON.stringify(value).includes("\uFEFF")) {
          expectEqual(plainBytes(secondReader.decode(bytes)), expected)
        }
      }),
      { numRuns: 3000 },
    )
  })

  test("keep a text that starts with U+FEFF whole", () => {
    for (const text of ["\uFEFF", `\uFEFF${"é".repeat(100)}`, `\uFEFF${"a".repeat(5000)}`]) {
      expect(decodeCbor(encodeCbor(text))).toBe(text)
    }
  })

  test("allow one encoding: every byte that is changed changes the value or is refused", () => {
    const value = { a: [1, -500, 1.5, true, "täxt"], bb: { c: 70_000 }, cc: new Uint8Array(3) }
    const bytes = encodeCbor(value)
    for (let at = 0; at < bytes.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const mutated = bytes.slice()
        mutated[at] = (bytes[at] as number) ^ (1 << bit)
        if (refusal(() => decodeCbor(mutated)) === "accepted") expect(decodeCbor(mutated)).not.toEqual(value)
      }
    }
  })
})

describe("RFC 8949, appendix A", () => {
  const file = new URL("../../../../shared/vectors/cbor-rfc8949-appendix-a/appendix_a.json", import.meta.url)
  const present = existsSync(file)
  if (!present && process.env.CI === "true") throw new Error(`${file.pathname} is absent`)
  if (!present) console.log("skipped: RFC 8949 vectors are not in ../shared/vectors")

  interface Vector {
    readonly hex: string
    readonly roundtrip: boolean
    readonly decoded?: CborValue
    readonly diagnostic?: string
  }

  test.skipIf(!present)("is read and written back, or refused for a reason of the profile", () => {
    const vectors = JSON.parse(readFileSync(file, "utf8")) as Vector[]
    const answers: Record<string, number> = {}
    for (const { hex, decoded, diagnostic } of vectors) {
      const bytes = bytesOf(hex)
      const answer = refusal(() => decodeCbor(bytes)).replace(/^.*log: (.*), at byte \d+$/, "$1")
      answers[answer] = (answers[answer] ?? 0) + 1
      if (answer !== "accepted") continue
      const value = decodeCbor(bytes)
      if (decoded !== undefined) expect(value, hex).toEqual(decoded)
      else expect(diagnostic, hex).toBe(`h'${encodeHex(value as Uint8Array)}'`)
      expect(encodeHex(encodeCbor(value))).toBe(hex)
    }
    expect(answers).toEqual({
      accepted: 36,
      "a number past 2^53 - 1": 2,
      "a tag": 8,
      "a simple value or short float": 20,
      "a number that is not finite": 3,
      "a null": 1,
      "a map key that is no text": 1,
      "an indefinite or reserved length": 11,
    })
  })
})
