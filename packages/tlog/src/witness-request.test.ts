import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { signCheckpoint } from "./checkpoint.js"
import { cosign } from "./cosignature.js"
import { TlogError } from "./error.js"
import { createSignerKey } from "./key.js"
import { formatSignatureLine } from "./note.js"
import { readVector, readVectorBytes, vectorsPresent } from "./vectors.js"
import {
  type AddCheckpoint,
  formatAddCheckpoint,
  formatCosignatureLines,
  formatSizeConflict,
  MAX_ADD_CHECKPOINT_BYTES,
  originHash,
  parseAddCheckpoint,
  parseCosignatureLines,
  parseSizeConflict,
} from "./witness-request.js"

const FOLDER = "torchwood-litewitness"
const malformed = expect.objectContaining({ code: "TLOG_MALFORMED_WITNESS_REQUEST" })
const malformedLines = expect.objectContaining({ code: "TLOG_MALFORMED_NOTE" })

const log = createSignerKey("example.com/log", new Uint8Array(32).fill(1), 0x01)
const witness = createSignerKey("w.example", new Uint8Array(32).fill(2), 0x04)
const head = { origin: log.name, treeSize: 7, rootHash: new Uint8Array(32).fill(3), extensions: [] }
const checkpoint = signCheckpoint(head, log)
const HASH = `${"A".repeat(43)}=`

describe("the name of a log at a witness", () => {
  it("is the hash of its origin, as sha256sum prints it", () => {
    expect(originHash("rome2026h1.example.org")).toMatch(/^000de184[0-9a-f]{52}9706$/)
    expect(originHash("")).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    expect(originHash("größe.example/log")).toHaveLength(64)
  })
})

describe("a request", () => {
  it("reads as the specification writes it", () => {
    const body = `old 5\n${HASH}\n${HASH}\n\n${checkpoint}`
    const zero = new Uint8Array(32)
    expect(parseAddCheckpoint(body)).toEqual({ oldSize: 5, proof: [zero, zero], checkpoint })
    expect(formatAddCheckpoint({ oldSize: 5, proof: [zero, zero], checkpoint })).toBe(body)
  })

  it("comes back as it was, from text and from bytes", () => {
    const request = fc.record({
      oldSize: fc.maxSafeNat(),
      proof: fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { maxLength: 63 }),
      checkpoint: fc.oneof(fc.constant(checkpoint), fc.string({ unit: "binary" })),
    })
    fc.assert(
      fc.property(request, (request: AddCheckpoint) => {
        const body = formatAddCheckpoint(request)
        expect(parseAddCheckpoint(body)).toEqual(request)
        expect(parseAddCheckpoint(new TextEncoder().encode(body))).toEqual(request)
      }),
    )
  })

  it("has one spelling: whatever is read, is written so", () => {
    const bytes = new TextEncoder().encode(`old 5\n${HASH}\n${HASH}\n\n${checkpoint}`)
    const mutation = fc.tuple(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(bytes.length), fc.boolean())
    let read = 0
    fc.assert(
      fc.property(mutation, ([at, byte, end, isCut]) => {
        const mutated = isCut ? bytes.slice(0, end) : bytes.with(at, byte)
        let request: AddCheckpoint
        try {
          request = parseAddCheckpoint(mutated)
        } catch (error) {
          expect(error).toBeInstanceOf(TlogError)
          expect(error).toEqual(malformed)
          return
        }
        read++
        expect(new TextEncoder().encode(formatAddCheckpoint(request))).toEqual(mutated)
      }),
      { numRuns: 2_000 },
    )
    expect(read).toBeGreaterThan(0)
  })

  it.each<[string, string]>([
    ["nothing", ""],
    ["no blank line", `old 0\n${HASH}\n`],
    ["no old line", `\n\n${checkpoint}`],
    ["another first word", `new 0\n\n${checkpoint}`],
    ["a word in capitals", `Old 0\n\n${checkpoint}`],
    ["no size", `old \n\n${checkpoint}`],
    ["a leading zero", `old 00\n\n${checkpoint}`],
    ["a leading zero before a size", `old 05\n\n${checkpoint}`],
    ["a sign", `old +5\n\n${checkpoint}`],
    ["a negative size", `old -5\n\n${checkpoint}`],
    ["a size past 2^53", `old 9007199254740992\n\n${checkpoint}`],
    ["a size of a hundred digits", `old ${"9".repeat(100)}\n\n${checkpoint}`],
    ["two spaces", `old  5\n\n${checkpoint}`],
    ["a space at the end", `old 5 \n\n${checkpoint}`],
    ["carriage returns", `old 5\r\n\r\n${checkpoint}`],
    ["a short hash", `old 5\n${HASH.slice(4)}\n\n${checkpoint}`],
    ["a hash without padding", `old 5\n${HASH.slice(0, 43)}\n\n${checkpoint}`],
    ["a hash with stray bits", `old 5\n${"A".repeat(42)}B=\n\n${checkpoint}`],
    ["a hash in the URL-safe alphabet", `old 5\n${"_".repeat(43)}=\n\n${checkpoint}`],
    ["64 hashes", `old 5\n${`${HASH}\n`.repeat(64)}\n${checkpoint}`],
    ["a byte order mark", `\ufeffold 5\n\n${checkpoint}`],
    ["a lone surrogate", `old 5\n\n\ud800`],
    ["a byte too many", `old 5\n\n${"x".repeat(MAX_ADD_CHECKPOINT_BYTES - 6)}`],
  ])("is refused with %s", (_, body) => {
    expect(() => parseAddCheckpoint(body)).toThrow(malformed)
  })

  it("is refused if it is not UTF-8", () => {
    expect(() => parseAddCheckpoint(Uint8Array.of(0x6f, 0x6c, 0x64, 0x20, 0x30, 0x0a, 0x0a, 0xff))).toThrow(
      malformed,
    )
  })

  it("is not written if it could not be read", () => {
    const write = (change: Partial<AddCheckpoint>) => () =>
      formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint, ...change })
    expect(write({ oldSize: -1 })).toThrow(RangeError)
    expect(write({ oldSize: 2 ** 53 })).toThrow(RangeError)
    expect(write({ proof: [new Uint8Array(31)] })).toThrow(RangeError)
    expect(write({ proof: Array.from({ length: 64 }, () => new Uint8Array(32)) })).toThrow(RangeError)
    expect(write({ checkpoint: "x".repeat(MAX_ADD_CHECKPOINT_BYTES) })).toThrow(RangeError)
    expect(write({ checkpoint: "\ud800" })).toThrow(RangeError)
  })

  it("may be as long as the limit", () => {
    const longest = "x".repeat(MAX_ADD_CHECKPOINT_BYTES - "old 5\n\n".length)
    expect(parseAddCheckpoint(`old 5\n\n${longest}`).checkpoint).toBe(longest)
    expect(formatAddCheckpoint({ oldSize: 5, proof: [], checkpoint: longest })).toHaveLength(
      MAX_ADD_CHECKPOINT_BYTES,
    )
  })

  it.skipIf(!vectorsPresent)("reads as others recorded it, and is written back byte for byte", () => {
    const { cases } = JSON.parse(readVector(`${FOLDER}/cases.json`)) as { cases: { request: string }[] }
    const names = [...cases.map(({ request }) => request), "sumdb-request.txt"]
    for (const name of names) {
      const body = readVectorBytes(`${FOLDER}/${name}`)
      expect(new TextEncoder().encode(formatAddCheckpoint(parseAddCheckpoint(body))), name).toEqual(body)
    }
    expect(parseAddCheckpoint(readVector(`${FOLDER}/07-request.txt`))).toMatchObject({ oldSize: 3 })
    expect(parseAddCheckpoint(readVector(`${FOLDER}/07-request.txt`)).proof).toHaveLength(4)
  })
})

describe("a size conflict", () => {
  it.each([0, 1, 5, 20852163, Number.MAX_SAFE_INTEGER])("tells the size, %i", (size) => {
    expect(parseSizeConflict(formatSizeConflict(size))).toBe(size)
  })

  it.each([
    "",
    "\n",
    "5",
    "05\n",
    "5\n\n",
    "5\r\n",
    " 5\n",
    "-5\n",
    "5.0\n",
    "9007199254740992\n",
    "<html>\n",
  ])("tells no size in %j", (text) => {
    expect(parseSizeConflict(text)).toBeUndefined()
  })

  it("is of a size", () => {
    expect(() => formatSizeConflict(-1)).toThrow(RangeError)
  })
})

describe("an answer with cosignatures", () => {
  const cosignature = cosign("example.com/log\n", witness, 1)

  it("comes back as it was", () => {
    for (const signatures of [[cosignature], Array.from({ length: 100 }, () => cosignature)]) {
      expect(parseCosignatureLines(formatCosignatureLines(signatures))).toEqual(signatures)
    }
  })

  it.each<[string, string]>([
    ["nothing", ""],
    ["an empty line", "\n"],
    ["no final line feed", formatSignatureLine(cosignature).slice(0, -1)],
    ["an empty line behind", `${formatSignatureLine(cosignature)}\n`],
    ["a line before", `\n${formatSignatureLine(cosignature)}`],
    ["a whole note", checkpoint],
    ["101 lines", formatSignatureLine(cosignature).repeat(101)],
    ["more bytes than are read", formatSignatureLine(cosignature).repeat(10_000)],
    ["a page of HTML", "<html><body>502</body></html>\n"],
  ])("is refused if it is %s", (_, body) => {
    expect(() => parseCosignatureLines(body)).toThrow(malformedLines)
  })
})
