import { verify } from "node:crypto"
import { describe, expect, it } from "vitest"
import { decodeBase64 } from "./base64.js"
import { checkCosignature, cosign } from "./cosignature.js"
import { createSignerKey, verifierKeyOf } from "./key.js"
import type { NoteSignature } from "./note.js"
import { readVector, vectorsPresent } from "./vectors.js"

const bad = expect.objectContaining({ code: "TLOG_BAD_SIGNATURE" })
const seed = new Uint8Array(32).fill(7)
const witness = createSignerKey("witness.example.com/w1", seed, 4)
const key = verifierKeyOf(witness)
const TEXT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

describe("cosignatures", () => {
  it("sign the two header lines and the whole text", () => {
    const { bytes } = cosign(TEXT, witness, 1679315147)
    const message = `cosignature/v1\ntime 1679315147\n${TEXT}`
    const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), key.publicKey])
    const publicKey = { key: spki, format: "der", type: "spki" } as const
    expect(verify(null, Buffer.from(message), publicKey, bytes.subarray(8))).toBe(true)
    expect(Buffer.from(bytes.subarray(0, 8)).readBigUInt64BE()).toBe(1679315147n)
  })

  it.skipIf(!vectorsPresent)("sign the message that c2sp.org/tlog-cosignature shows", () => {
    const examples = JSON.parse(readVector("c2sp-spec-examples/examples.json")) as {
      "cosignature message": { timestamp: number; text: string }
    }
    const { timestamp, text } = examples["cosignature message"]
    const noteText = text.split("\n").slice(2).join("\n")
    const { bytes } = cosign(noteText, witness, timestamp)
    const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), key.publicKey])
    const publicKey = { key: spki, format: "der", type: "spki" } as const
    expect(verify(null, Buffer.from(text), publicKey, bytes.subarray(8))).toBe(true)
  })

  it.skipIf(!vectorsPresent)("have their time where transparency-dev/formats has it", () => {
    const { cosig_timestamp } = JSON.parse(readVector("transparency-dev-formats/vkeys.json")) as {
      cosig_timestamp: { base64: string; unix: number }
    }
    const theirs = decodeBase64(cosig_timestamp.base64) as Uint8Array
    const ours = cosign(TEXT, witness, cosig_timestamp.unix).bytes
    expect(theirs.length).toBe(4 + ours.length)
    expect(theirs.subarray(4, 12)).toEqual(ours.subarray(0, 8))
  })

  it.each([0, 1, 1679315147, 2 ** 32, Number.MAX_SAFE_INTEGER])("tell their time, %i", (timeSeconds) => {
    const signature = cosign(TEXT, witness, timeSeconds)
    expect(checkCosignature(TEXT, key, signature)).toEqual({ timeSeconds })
  })

  const good = cosign(TEXT, witness, 1679315147)
  it.each<[string, NoteSignature, string]>([
    ["another text", good, TEXT.replace("20852163", "20852164")],
    ["another time", { ...good, bytes: good.bytes.with(7, 0) }, TEXT],
    ["a time past 2^53 - 1", { ...good, bytes: good.bytes.with(0, 0x7f) }, TEXT],
    ["another name", { ...good, name: "witness.example.com/w2" }, TEXT],
    ["another key ID", { ...good, keyId: good.keyId + 1 }, TEXT],
    ["a flipped bit", { ...good, bytes: good.bytes.with(71, (good.bytes[71] as number) ^ 1) }, TEXT],
    ["a missing byte", { ...good, bytes: good.bytes.subarray(0, 71) }, TEXT],
    ["an extra byte", { ...good, bytes: new Uint8Array([...good.bytes, 0]) }, TEXT],
    ["fewer bytes than a time has", { ...good, bytes: good.bytes.subarray(0, 7) }, TEXT],
    ["a plain signature", { ...good, bytes: good.bytes.subarray(8) }, TEXT],
  ])("are refused with %s", (_, signature, text) => {
    expect(() => checkCosignature(text, key, signature)).toThrow(bad)
  })

  it("are refused by other keys, and by a note key of the same bytes", () => {
    const other = verifierKeyOf(createSignerKey(witness.name, new Uint8Array(32).fill(8), 4))
    const note = verifierKeyOf(createSignerKey(witness.name, seed, 1))
    expect(() => checkCosignature(TEXT, other, good)).toThrow(bad)
    expect(() => checkCosignature(TEXT, { ...other, keyId: key.keyId }, good)).toThrow(bad)
    expect(() => checkCosignature(TEXT, { ...note, keyId: key.keyId }, good)).toThrow(bad)
  })

  it("of U+FFFD are none of a lone surrogate, which encodes alike", () => {
    const signature = cosign("\ufffd\n", witness, 1)
    expect(checkCosignature("\ufffd\n", key, signature)).toEqual({ timeSeconds: 1 })
    expect(() => checkCosignature("\ud800\n", key, signature)).toThrow(bad)
  })

  it("are made of what can be a note's text", () => {
    for (const text of ["", TEXT.slice(0, -1), "a\r\n", "a\0\n", "\ud800\n"]) {
      expect(() => cosign(text, witness, 1), JSON.stringify(text)).toThrow(RangeError)
    }
  })

  it("are made by cosignature keys, at times that are integers", () => {
    const note = createSignerKey(witness.name, seed, 1)
    expect(() => cosign(TEXT, note, 1)).toThrow(TypeError)
    for (const time of [-1, 0.5, 2 ** 53]) expect(() => cosign(TEXT, witness, time)).toThrow(RangeError)
  })
})
