import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Checkpoint, formatCheckpoint, parseCheckpoint, signCheckpoint } from "./checkpoint.js"
import { EMPTY_ROOT } from "./hash.js"
import { createSignerKey, verifierKeyOf } from "./key.js"
import { openNote, parseNote } from "./note.js"
import { readVector, vectorsPresent } from "./vectors.js"

const malformed = expect.objectContaining({ code: "TLOG_MALFORMED_CHECKPOINT" })
const ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
const TEXT = `example.com/behind-the-sofa\n20852163\n${ROOT}\n`
const EMPTY = "example.com/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"

describe("checkpoints", () => {
  it("reads the example of c2sp.org/tlog-checkpoint", () => {
    const checkpoint = parseCheckpoint(TEXT)
    expect(checkpoint).toMatchObject({
      origin: "example.com/behind-the-sofa",
      treeSize: 20852163,
      extensions: [],
    })
    expect(checkpoint.rootHash.length).toBe(32)
    expect(formatCheckpoint(checkpoint)).toBe(TEXT)
  })

  it("reads the checkpoint of a tree without leaves", () => {
    expect(parseCheckpoint(EMPTY)).toEqual({
      origin: "example.com/log",
      treeSize: 0,
      rootHash: EMPTY_ROOT,
      extensions: [],
    })
  })

  it("keeps extension lines", () => {
    const text = `${TEXT}Timestamp: 1\n — even this\n`
    expect(parseCheckpoint(text).extensions).toEqual(["Timestamp: 1", " — even this"])
    expect(formatCheckpoint(parseCheckpoint(text))).toBe(text)
  })

  it("reads back what it writes", () => {
    const origins = fc
      .string({ minLength: 1, maxLength: 60, unit: "grapheme" })
      .filter((s) => !/\p{Cc}/u.test(s))
    const roots = fc.uint8Array({ minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(origins, fc.maxSafeNat(), roots, fc.array(origins), (origin, size, root, extensions) => {
        const checkpoint = { origin, treeSize: size, rootHash: size === 0 ? EMPTY_ROOT : root, extensions }
        expect(parseCheckpoint(formatCheckpoint(checkpoint))).toEqual(checkpoint)
      }),
    )
  })

  it.each([
    ["nothing", ""],
    ["two lines", "a\n1\n"],
    ["no final line feed", TEXT.slice(0, -1)],
    ["a blank line", `a\n1\n${ROOT}\n\n`],
    ["no origin", `\n1\n${ROOT}\n`],
    ["an origin of 256 bytes", `${"é".repeat(128)}\n1\n${ROOT}\n`],
    ["an origin with a control character", `a\u0001\n1\n${ROOT}\n`],
    ["an origin with a lone surrogate", `\udc00\n1\n${ROOT}\n`],
    ["a leading zero", `a\n01\n${ROOT}\n`],
    ["a sign", `a\n+1\n${ROOT}\n`],
    ["a negative size", `a\n-1\n${ROOT}\n`],
    ["a fraction", `a\n1.0\n${ROOT}\n`],
    ["an exponent", `a\n1e3\n${ROOT}\n`],
    ["hex", `a\n0x10\n${ROOT}\n`],
    ["a space before the size", `a\n 1\n${ROOT}\n`],
    ["digits of another script", `a\n١\n${ROOT}\n`],
    ["size 2^53, which is never rounded", `a\n9007199254740992\n${ROOT}\n`],
    ["size 2^53 + 1, which is never rounded", `a\n9007199254740993\n${ROOT}\n`],
    ["size 2^64", `a\n18446744073709551616\n${ROOT}\n`],
    ["a root of 31 bytes", `a\n1\n${ROOT.slice(4)}\n`],
    ["a root without padding", `a\n1\n${ROOT.slice(0, -1)}\n`],
    ["a root with bits behind it", `a\n1\n${ROOT.replace("I=", "J=")}\n`],
    ["size 0 with another root", `a\n0\n${ROOT}\n`],
    ["a carriage return", TEXT.replaceAll("\n", "\r\n")],
  ])("refuses %s", (_, text) => {
    expect(() => parseCheckpoint(text)).toThrow(malformed)
  })

  it("reads an origin of 255 bytes", () => {
    for (const origin of ["a".repeat(255), `${"é".repeat(127)}a`]) {
      expect(parseCheckpoint(`${origin}\n1\n${ROOT}\n`).origin).toBe(origin)
    }
    expect(() => parseCheckpoint(`${"a".repeat(256)}\n1\n${ROOT}\n`)).toThrow(malformed)
  })

  it("reads the largest size", () => {
    expect(parseCheckpoint(`a\n9007199254740991\n${ROOT}\n`).treeSize).toBe(Number.MAX_SAFE_INTEGER)
  })

  it("writes nothing that it would not read", () => {
    const good: Checkpoint = { origin: "a", treeSize: 1, rootHash: new Uint8Array(32), extensions: [] }
    formatCheckpoint(good)
    for (const wrong of [
      { origin: "" },
      { origin: "a\nb" },
      { treeSize: 2 ** 53 },
      { treeSize: -1 },
      { treeSize: 0.5 },
      { treeSize: 0 },
      { rootHash: new Uint8Array(31) },
      { extensions: [""] },
      { extensions: ["a\n\nb"] },
    ]) {
      expect(() => formatCheckpoint({ ...good, ...wrong }), JSON.stringify(wrong)).toThrow(RangeError)
    }
  })

  it("signs under the origin's own name only", () => {
    const signer = createSignerKey("example.com/log", new Uint8Array(32).fill(5), 1)
    const checkpoint = parseCheckpoint(EMPTY)
    const note = parseNote(signCheckpoint(checkpoint, signer))
    expect(note.text).toBe(EMPTY)
    expect(openNote(note, [verifierKeyOf(signer)]).verified.length).toBe(1)
    expect(() => signCheckpoint({ ...checkpoint, origin: "example.com/other" }, signer)).toThrow(RangeError)
    const witness = createSignerKey("example.com/log", new Uint8Array(32).fill(5), 4)
    expect(() => signCheckpoint(checkpoint, witness)).toThrow(TypeError)
  })

  it.skipIf(!vectorsPresent)("reads the checkpoints that C2SP shows", () => {
    const examples = JSON.parse(readVector("c2sp-spec-examples/examples.json")) as {
      "tlog-checkpoint": { text: string }
    }
    const { text } = examples["tlog-checkpoint"]
    expect(formatCheckpoint(parseCheckpoint(text))).toBe(text)
  })
})
