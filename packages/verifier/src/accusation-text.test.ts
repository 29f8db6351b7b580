import { beforeAll, describe, expect, it } from "vitest"
import { trueAccusations, WITNESS_0 } from "../fixtures/accusations.js"
import {
  ACCUSATION_KINDS,
  type Accusation,
  type AccusationKind,
  formatAccusation,
  MAX_ACCUSATION_BYTES,
  parseAccusation,
} from "./accusation-text.js"

// biome-ignore lint/suspicious/noExplicitAny: a good file, parsed, about to be broken in one place
type Json = any

let good: Readonly<Record<AccusationKind, Accusation>>
beforeAll(async () => {
  good = await trueAccusations()
})

function changed(kind: AccusationKind, change: (file: Json) => void): string {
  const file = JSON.parse(formatAccusation(good[kind]))
  change(file)
  return JSON.stringify(file)
}

const malformed = (message: RegExp = /./) =>
  expect.objectContaining({
    name: "VerifierError",
    code: "VERIFIER_ACCUSATION_MALFORMED",
    message: expect.stringMatching(message),
  })

const HASH = `${"A".repeat(43)}=`

describe("an accusation file", () => {
  it("is one line of JSON, with its members in one order", () => {
    const text = formatAccusation({ ...good["same-size"], found: { at: "2023-10-21T15:40:00Z", by: "m" } })
    expect(text).toMatch(/^\{"format":"prooflog-accusation\/1","kind":"same-size","origin":.*\}\n$/)
    expect(Object.keys(JSON.parse(text))).toEqual(["format", "kind", "origin", "heads", "found"])
  })

  it("knows the kinds of its page, in their order", () => {
    expect(ACCUSATION_KINDS).toEqual([
      "same-size",
      "inconsistent",
      "broken-receipt",
      "witness-equivocation",
      "time-went-back",
      "repeated-commitment",
      "shortened-schedule",
      "invalid-entry",
    ])
  })

  it.each(ACCUSATION_KINDS)("has no member more and none fewer: %s", (kind) => {
    const names = Object.keys(JSON.parse(formatAccusation(good[kind])))
    for (const name of names) {
      const without = changed(kind, (file) => delete file[name])
      expect(() => parseAccusation(without)).toThrow(malformed())
    }
    for (const name of ["title", "heads ", "witness", "leaves", "receipt"]) {
      if (names.includes(name)) continue
      const more = changed(kind, (file) => Object.assign(file, { [name]: "" }))
      expect(() => parseAccusation(more)).toThrow(malformed(/proves nothing/))
    }
  })

  it.each<[string, AccusationKind, (file: Json) => void, RegExp]>([
    ["another format", "same-size", (file) => (file.format = "prooflog-accusation/2"), /format is not/],
    ["evidence of events", "same-size", (file) => (file.format = "prooflog-evidence/1"), /format is not/],
    ["an unknown kind", "same-size", (file) => (file.kind = "rude"), /kind is unknown/],
    ["a kind of every object", "same-size", (file) => (file.kind = "constructor"), /kind is unknown/],
    ["no origin", "same-size", (file) => (file.origin = ""), /origin/],
    ["a long origin", "same-size", (file) => (file.origin = "x".repeat(256)), /origin/],
    ["an origin that is no text", "same-size", (file) => (file.origin = 5), /origin is not text/],
    ["one head of two", "same-size", (file) => file.heads.pop(), /heads: expected two/],
    ["three heads", "same-size", (file) => file.heads.push(""), /heads has more than 2/],
    ["a head that is no text", "same-size", (file) => (file.heads[0] = null), /heads\[0\] is not text/],
    ["two heads of one", "invalid-entry", (file) => file.heads.push(""), /heads: expected one/],
    ["heads that are no array", "same-size", (file) => (file.heads = {}), /heads is not an array/],
    ["a short hash", "inconsistent", (file) => (file.hashes[0] = "AAAA"), /hashes\[0\] is not a hash/],
    ["hashes without end", "inconsistent", (file) => (file.hashes = Array(65).fill(HASH)), /more than 64/],
    [
      "base64 with stray bits",
      "inconsistent",
      (file) => (file.hashes[0] = `${"A".repeat(42)}B=`),
      /hashes\[0\] is not canonical base64/,
    ],
    [
      "a path without end",
      "invalid-entry",
      (file) => (file.leaves[0].path = Array(65).fill(HASH)),
      /more than 64/,
    ],
    ["no leaf", "invalid-entry", (file) => (file.leaves = []), /leaves: expected one/],
    ["a leaf too few", "time-went-back", (file) => file.leaves.pop(), /leaves: expected two/],
    ["a leaf too many", "time-went-back", (file) => file.leaves.push(file.leaves[0]), /more than 2/],
    ["a leaf that is none", "time-went-back", (file) => (file.leaves[1] = 4), /leaves\[1\] is not an object/],
    ["a negative index", "invalid-entry", (file) => (file.leaves[0].leaf_index = -1), /leaf_index/],
    ["half an index", "invalid-entry", (file) => (file.leaves[0].leaf_index = 0.5), /leaf_index/],
    ["an index in words", "invalid-entry", (file) => (file.leaves[0].leaf_index = "4"), /leaf_index/],
    ["a member in a leaf", "invalid-entry", (file) => (file.leaves[0].time = 1), /leaves\[0\] has "time"/],
    ["an entry that is no text", "broken-receipt", (file) => (file.entry = []), /entry is not text/],
    ["a finder without a time", "same-size", (file) => (file.found = { by: "m" }), /found has no "at"/],
    ["a finder who says more", "same-size", (file) => (file.found = { at: "", by: "m", why: "" }), /"why"/],
    [
      "a time that is none",
      "same-size",
      (file) => (file.found = { at: "2023-13-21T15:40:00Z", by: "m" }),
      /RFC 3339/,
    ],
    ["a time in words", "same-size", (file) => (file.found = { at: "yesterday", by: "m" }), /RFC 3339/],
    [
      "a finder without a name",
      "same-size",
      (file) => (file.found = { at: "2023-10-21T15:40:00Z", by: "" }),
      /found\.by/,
    ],
    ["found that is null", "same-size", (file) => (file.found = null), /found is not an object/],
  ])("is refused with %s", (_why, kind, change, message) => {
    const text = changed(kind, change)
    expect(() => parseAccusation(text)).toThrow(malformed(message))
  })

  it("is strict JSON, in UTF-8, and not without end", () => {
    const text = formatAccusation(good["same-size"])
    for (const wrong of [
      "",
      "[]",
      "null",
      text.slice(0, -3),
      `${text}{}`,
      `\ufeff${text}`,
      text.replace('"kind"', '"kind":"inconsistent","kind"'),
      text.replace('"kind"', '"__proto__":{},"kind"'),
      text.replace("log.example", "\\ud800"),
      "[".repeat(1000),
    ]) {
      expect(() => parseAccusation(wrong)).toThrow(malformed())
    }
    expect(() => parseAccusation(Uint8Array.of(0x7b, 0xff, 0x7d))).toThrow(malformed(/UTF-8/))
    const padded = text.trimEnd() + " ".repeat(MAX_ACCUSATION_BYTES - text.length + 1)
    expect(parseAccusation(padded)).toEqual(good["same-size"])
    expect(() => parseAccusation(`${padded} `)).toThrow(malformed(/8 MiB/))
    expect(() => parseAccusation(new TextEncoder().encode(`${padded} `))).toThrow(malformed(/8 MiB/))
  })

  it("is not written if it could not be read", () => {
    const { heads } = good["same-size"] as Extract<Accusation, { kind: "same-size" }>
    expect(() => formatAccusation({ kind: "same-size", origin: "", heads })).toThrow(malformed(/origin/))
    const leaves = [{ leafIndex: Number.NaN, entry: new Uint8Array(1), path: [] }] as const
    const accusation = { kind: "invalid-entry", origin: "x", heads: [heads[0]], leaves } as const
    expect(() => formatAccusation(accusation)).toThrow(malformed(/leaf_index/))
    const equivocation = { kind: "witness-equivocation", origin: "x", heads, witness: WITNESS_0 } as const
    expect(() => formatAccusation({ ...equivocation, hashes: [new Uint8Array(31)] })).toThrow(
      malformed(/hash/),
    )
  })
})
