import { describe, expect, it } from "vitest"
import { encodeBase64 } from "./base64.js"
import { cosign } from "./cosignature.js"
import { TlogError } from "./error.js"
import { createSignerKey, parseAnyKey, parseVerifierKey, type SignerKey, verifierKeyOf } from "./key.js"
import {
  formatNote,
  formatSignatureLine,
  type Note,
  type NoteSignature,
  openNote,
  parseNote,
  parseSignatureLine,
  signNote,
} from "./note.js"
import { opaqueKey } from "./opaque-key.js"
import { readVector, vectorsPresent } from "./vectors.js"

const malformed = expect.objectContaining({ code: "TLOG_MALFORMED_NOTE" })
const utf8 = (text: string) => new TextEncoder().encode(text)
const signer = (name: string, fill: number, type: SignerKey["type"] = 1) =>
  createSignerKey(name, new Uint8Array(32).fill(fill), type)
const [alice, bob, wanda] = [signer("alice", 1), signer("bob", 2), signer("wanda", 3, 4)]
const TEXT = "a text\nof two lines\n"

const NOTE = `This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
`
const EXAMPLE_KEY = parseVerifierKey("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")

describe("notes", () => {
  it("opens the example of c2sp.org/signed-note, as text and as bytes", () => {
    for (const source of [NOTE, utf8(NOTE)]) {
      const note = parseNote(source)
      expect(note.text).toBe("This is an example message.\n")
      expect(openNote(note, [EXAMPLE_KEY]).verified.map(({ key }) => key)).toEqual([EXAMPLE_KEY])
      expect(formatNote(note)).toBe(NOTE)
    }
  })

  it("divides text and signatures at the last blank line", () => {
    const text = "one\n\n\ntwo\n\n— not a signature\n\n"
    const note = parseNote(formatNote({ text, signatures: [signNote(text, alice)] }))
    expect(note.text).toBe(text)
    expect(openNote(note, [verifierKeyOf(alice)]).verified.length).toBe(1)
  })

  it("may have an empty line for its text, and characters of any script", () => {
    for (const text of ["\n", "\ufeffétranger 😀\u007f\u0085\u2028\n"]) {
      const note = formatNote({ text, signatures: [signNote(text, alice)] })
      expect(openNote(parseNote(utf8(note)), [verifierKeyOf(alice)]).note.text).toBe(text)
    }
  })

  const line = formatSignatureLine(signNote(TEXT, alice))
  const blob = line.slice("— alice ".length, -1)
  it.each([
    ["nothing", ""],
    ["no signatures", `${TEXT}\n`],
    ["no blank line", `${TEXT}${line}`],
    ["no blank line, and one character before a signature", `x${line}`],
    ["no final line feed", `${TEXT}\n${line.slice(0, -1)}`],
    ["no final line feed after a second signature", `${TEXT}\n${line}${line.slice(0, -1)}`],
    ["a character after the last line feed", `${TEXT}\n${line}x`],
    ["a blank line at the end", `${TEXT}\n${line}\n`],
    ["a carriage return", `${TEXT.replace("\n", "\r\n")}\n${line}`],
    ["a tab", `a\t\n\n${line}`],
    ["a NUL", `a\0\n\n${line}`],
    ["a line between signatures that is none", `${TEXT}\n${line}x\n${line}`],
    ["a hyphen for the dash", `${TEXT}\n${line.replace("—", "-")}`],
    ["no space after the dash", `${TEXT}\n${line.replace("— ", "—")}`],
    ["a no-break space after the dash", `${TEXT}\n${line.replace("— ", "—\u00a0")}`],
    ["two spaces before the signature", `${TEXT}\n${line.replace("alice ", "alice  ")}`],
    ["a space after the signature", `${TEXT}\n${line.replace("\n", " \n")}`],
    ["no name", `${TEXT}\n${line.replace("alice", "")}`],
    ["a plus in the name", `${TEXT}\n${line.replace("alice", "al+ce")}`],
    ["white space in the name", `${TEXT}\n${line.replace("alice", "al\u2003ce")}`],
    ["no signature", `${TEXT}\n— alice\n`],
    ["a key ID alone", `${TEXT}\n— alice ${encodeBase64(Uint8Array.of(1, 2, 3, 4))}\n`],
    ["base64 without padding", `${TEXT}\n${line.replace("=", "")}`],
    [
      "base64 with bits behind it",
      `${TEXT}\n— alice ${encodeBase64(new Uint8Array(5)).replace("A=", "B=")}\n`,
    ],
    ["URL-safe base64", `${TEXT}\n— alice ${blob.replace(/[A-Za-z]/, "_")}\n`],
    ["more than 100 signatures", `${TEXT}\n${line.repeat(101)}`],
    ["more than 1 MB", `${"x".repeat(1_000_000)}\n\n${line}`],
    ["more than 1 MB in UTF-8", `${"é".repeat(500_000)}\n\n${line}`],
    ["a lone surrogate", `\ud800\n\n${line}`],
  ])("refuses %s", (_, text) => {
    expect(() => parseNote(text)).toThrow(malformed)
    if (!text.includes("\ud800")) expect(() => parseNote(utf8(text))).toThrow(malformed)
  })

  it("refuses bytes that are not UTF-8", () => {
    const bytes = utf8(`${TEXT}\n${line}`)
    for (const wrong of [0xff, 0xc0, 0x80]) expect(() => parseNote(bytes.with(0, wrong))).toThrow(malformed)
  })

  it("accepts 1 MB, counted in UTF-8, and not a byte more", () => {
    const rest = `\n\n${line}`
    const room = 1_000_000 - utf8(rest).length
    for (const text of ["x".repeat(room), `${"é".repeat(Math.floor(room / 2))}${"x".repeat(room % 2)}`]) {
      for (const source of [text + rest, utf8(text + rest)]) {
        expect(parseNote(source).text.length).toBe(text.length + 1)
      }
      for (const source of [`x${text}${rest}`, utf8(`x${text}${rest}`)]) {
        expect(() => parseNote(source)).toThrow(malformed)
      }
    }
  })

  it("accepts 100 signatures", () => {
    expect(parseNote(`${TEXT}\n${line.repeat(100)}`).signatures.length).toBe(100)
  })

  it("writes nothing that it would not read", () => {
    const signatures = [signNote(TEXT, alice)]
    expect(() => formatNote({ text: "no line feed", signatures })).toThrow(malformed)
    expect(() => formatNote({ text: `a\n\n${line.slice(0, -1)}`, signatures })).toThrow(malformed)
    expect(() => formatNote({ text: "a\r\n", signatures })).toThrow(malformed)
    expect(() => formatNote({ text: TEXT, signatures: [] })).toThrow(malformed)
    expect(() => signNote("no line feed", alice)).toThrow(RangeError)
    expect(() => signNote("a\r\n", alice)).toThrow(RangeError)
    expect(() => signNote("\ud800\n", alice)).toThrow(RangeError)
    expect(() => signNote(TEXT, wanda)).toThrow(TypeError)
  })

  it.each<[string, Partial<NoteSignature>]>([
    ["a name with a space", { name: "a b" }],
    ["no name", { name: "" }],
    ["a name that would be two signatures", { name: "x AAAAAAA=\n— y" }],
    ["a key ID past 32 bits, which would become another", { keyId: 2 ** 32 }],
    ["a negative key ID", { keyId: -1 }],
    ["a key ID that is no integer", { keyId: 0.5 }],
    ["no bytes", { bytes: new Uint8Array(0) }],
  ])("writes no signature with %s", (_, wrong) => {
    const signature = { name: "a", keyId: 1, bytes: new Uint8Array(1), ...wrong }
    expect(() => formatSignatureLine(signature)).toThrow(malformed)
    expect(() => formatNote({ text: TEXT, signatures: [signature] })).toThrow(malformed)
  })

  it("writes the largest and the smallest key ID", () => {
    for (const keyId of [0, 2 ** 32 - 1]) {
      const signature = { name: "a", keyId, bytes: Uint8Array.of(7) }
      expect(parseSignatureLine(formatSignatureLine(signature))).toEqual(signature)
    }
  })

  it("reads a signature line with its line feed, and only so", () => {
    expect(formatSignatureLine(parseSignatureLine(line))).toBe(line)
    for (const wrong of [line.slice(0, -1), `${line}\n`, line + line, "", "— "]) {
      expect(() => parseSignatureLine(wrong)).toThrow(malformed)
    }
  })
})

describe("opening a note", () => {
  const opened = (note: Note, ...keys: SignerKey[]) =>
    openNote(note, keys.map(verifierKeyOf)).verified.map(({ key }) => key.name)
  const both = { text: TEXT, signatures: [signNote(TEXT, alice), signNote(TEXT, bob)] }

  it("verifies the keys it is given and ignores the rest", () => {
    expect(opened(both, alice)).toEqual(["alice"])
    expect(opened(both, bob, alice)).toEqual(["alice", "bob"])
    expect(opened(both, bob, signer("carol", 4))).toEqual(["bob"])
  })

  it("tells the times of cosignatures beside plain signatures", () => {
    const note = { text: TEXT, signatures: [signNote(TEXT, alice), cosign(TEXT, wanda, 1679315147)] }
    const { verified } = openNote(note, [verifierKeyOf(alice), verifierKeyOf(wanda)])
    expect(verified.map(({ key, timeSeconds }) => [key.name, timeSeconds])).toEqual([
      ["alice", undefined],
      ["wanda", 1679315147],
    ])
  })

  it("refuses a note without a signature by a known key", () => {
    const code = expect.objectContaining({ code: "TLOG_NO_SIGNATURE", evidence: { note: formatNote(both) } })
    expect(() => opened(both)).toThrow(code)
    expect(() => opened(both, signer("alice", 9), signer("carol", 1))).toThrow(code)
  })

  it("refuses the whole note for one bad signature by a known key", () => {
    const forged = { ...signNote("another text\n", bob) }
    const note = { text: TEXT, signatures: [signNote(TEXT, alice), forged] }
    expect(opened(note, alice)).toEqual(["alice"])
    expect(() => opened(note, alice, bob)).toThrow(
      expect.objectContaining({
        code: "TLOG_BAD_SIGNATURE",
        evidence: { note: formatNote(note), keyName: "bob", keyId: bob.keyId },
      }),
    )
    for (const bytes of [forged.bytes.subarray(1), new Uint8Array([...forged.bytes, 0]), new Uint8Array(1)]) {
      const cut = { text: TEXT, signatures: [signNote(TEXT, alice), { ...forged, bytes }] }
      expect(() => opened(cut, alice, bob)).toThrow(expect.objectContaining({ code: "TLOG_BAD_SIGNATURE" }))
    }
  })

  it("carries the note as evidence for a bad cosignature too", () => {
    const note = { text: TEXT, signatures: [cosign("another text\n", wanda, 1)] }
    expect(() => opened(note, wanda)).toThrow(
      expect.objectContaining({
        code: "TLOG_BAD_SIGNATURE",
        evidence: { note: formatNote(note), keyName: "wanda", keyId: wanda.keyId },
      }),
    )
  })

  it("takes no signature of U+FFFD for one of a lone surrogate, which encodes alike", () => {
    const [text, other] = ["\ufffd\n", "\ud800\n"]
    for (const [signature, key] of [
      [signNote(text, alice), alice],
      [cosign(text, wanda, 1), wanda],
    ] as const) {
      expect(opened({ text, signatures: [signature] }, key)).toEqual([key.name])
      expect(() => opened({ text: other, signatures: [signature] }, key)).toThrow(TlogError)
    }
  })

  it("counts the first of several signatures by one key and does not look at the others", () => {
    const [good, bad] = [signNote(TEXT, alice), { ...signNote("other\n", alice) }]
    expect(opened({ text: TEXT, signatures: [good, bad, good] }, alice)).toEqual(["alice"])
    expect(() => opened({ text: TEXT, signatures: [bad, good] }, alice)).toThrow(
      expect.objectContaining({ code: "TLOG_BAD_SIGNATURE" }),
    )
  })

  it("does not take a cosignature for a signature, nor the reverse", () => {
    const twin = signer("wanda", 3)
    const cosignature = cosign(TEXT, wanda, 1)
    const relabelled = { ...cosignature, keyId: twin.keyId, bytes: cosignature.bytes.subarray(8) }
    expect(() => opened({ text: TEXT, signatures: [relabelled] }, twin)).toThrow(
      expect.objectContaining({ code: "TLOG_BAD_SIGNATURE" }),
    )
    const plain = { ...signNote(TEXT, twin), keyId: wanda.keyId }
    expect(() => opened({ text: TEXT, signatures: [plain] }, wanda)).toThrow(
      expect.objectContaining({ code: "TLOG_BAD_SIGNATURE" }),
    )
  })

  it("refuses two keys of one name and key ID", () => {
    expect(() => opened(both, alice, alice)).toThrow(expect.objectContaining({ code: "TLOG_AMBIGUOUS_KEY" }))
  })

  it("verifies nothing by opaque keys", () => {
    const key = parseAnyKey(opaqueKey("carol", 0xff, 1))
    const note = { text: TEXT, signatures: [{ name: "carol", keyId: key.keyId, bytes: new Uint8Array(64) }] }
    expect(() => openNote(note, [key])).toThrow(expect.objectContaining({ code: "TLOG_NO_SIGNATURE" }))
  })
})

describe.skipIf(!vectorsPresent)("notes of others", () => {
  it("opens what a witness was sent, and refuses what it refused for its signature", () => {
    const { log_vkey, cases } = JSON.parse(readVector("torchwood-litewitness/cases.json")) as {
      log_vkey: string
      cases: { request: string; recorded_assert: string }[]
    }
    const key = parseVerifierKey(log_vkey)
    for (const { request, recorded_assert } of cases) {
      const body = readVector(`torchwood-litewitness/${request}`)
      const text = body.slice(body.indexOf("\n\n") + 2)
      if (recorded_assert.includes("invalid signature")) {
        // Its last character was changed into one with bits behind the end, which is no base64 here.
        expect(() => parseNote(text), request).toThrow(malformed)
        const canonical = parseNote(text.replace(/x=\n$/, "w=\n"))
        expect(() => openNote(canonical, [key]), request).toThrow(
          expect.objectContaining({ code: "TLOG_BAD_SIGNATURE" }),
        )
        continue
      }
      const note = parseNote(text)
      expect(formatNote(note), request).toBe(text)
      if (recorded_assert.includes("unknown log")) {
        expect(note.text.split("\n")[0], request).not.toBe(key.name)
      } else {
        expect(openNote(note, [key]).verified.length, request).toBe(1)
      }
    }
    expect(cases.length).toBe(9)
  })

  it("opens a checkpoint of sum.golang.org", () => {
    const body = readVector("torchwood-litewitness/sumdb-request.txt")
    const key = parseVerifierKey("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
    const note = parseNote(body.slice(body.indexOf("\n\n") + 2))
    expect(openNote(note, [key]).note.text).toContain("35225469")
  })

  it("reads the examples of C2SP, whose keys are not published", () => {
    const examples = JSON.parse(readVector("c2sp-spec-examples/examples.json")) as {
      "tlog-checkpoint": { text: string; log_line: string; cosig_line: string; cosig_timestamp: number }
      "tlog-witness add-checkpoint request": { body: string }
    }
    const { text, log_line, cosig_line, cosig_timestamp } = examples["tlog-checkpoint"]
    const whole = `${text}\n${log_line}${cosig_line}`
    const note = parseNote(whole)
    expect(formatNote(note)).toBe(whole)
    const bytes = note.signatures[1]?.bytes as Uint8Array
    expect(bytes.length).toBe(72)
    expect(Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0))).toBe(cosig_timestamp)
    const { body } = examples["tlog-witness add-checkpoint request"]
    expect(parseNote(body.slice(body.indexOf("\n\n") + 2)).signatures.length).toBe(2)
  })
})
