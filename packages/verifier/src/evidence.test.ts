import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { defined, smallEvidence } from "../fixtures/small-log.js"
import { type Evidence, formatEvidence, parseEvidence } from "./evidence.js"

// biome-ignore lint/suspicious/noExplicitAny: a good file, parsed, about to be broken in one place
type Json = any

const malformed = (message: RegExp = /./) =>
  expect.objectContaining({ code: "VERIFIER_MALFORMED_EVIDENCE", message: expect.stringMatching(message) })

/** Changes the parsed JSON of a good file and writes it again. */
async function changed(change: (file: Json) => void): Promise<string> {
  const file = JSON.parse(await smallEvidence())
  change(file)
  return JSON.stringify(file)
}

describe("an evidence file", () => {
  it("is read as it was written, from text and from bytes", async () => {
    const text = await smallEvidence()
    const evidence = parseEvidence(text)
    expect(formatEvidence(evidence)).toBe(text)
    expect(parseEvidence(new TextEncoder().encode(text))).toEqual(evidence)
    expect(evidence.items.map(({ leafIndex }) => leafIndex)).toEqual([2, 4])
  })

  it("has the members of its format, in their order", async () => {
    const file = JSON.parse(await smallEvidence())
    expect(Object.keys(file)).toEqual(["format", "checkpoint", "events"])
    expect(Object.keys(file.events[0])).toEqual(["leaf_index", "path", "entry", "core", "fields"])
  })

  it("keeps numbers past 2^53 and past 10^21, which JSON writes without and with an exponent", async () => {
    const big = [2 ** 53, -(2 ** 60), 1e20, 1e21, 1.7976931348623157e308, 5e-324, 0.1]
    const text = await changed((file) => {
      file.events[0].core[1].duration_ms = big
    })
    const core = defined(parseEvidence(text).items[0]).disclosure.core[1]
    expect(core.duration_ms).toEqual(big)
    expect(parseEvidence(formatEvidence(parseEvidence(text)))).toEqual(parseEvidence(text))
  })

  it.each<[string, RegExp, (file: Json) => void]>([
    ["another format", /format/, (file) => (file.format = "prooflog-evidence/2")],
    [
      "a verifier key of its own",
      /"key", which proves nothing/,
      (file) => (file.key = "log.example/access+1+x"),
    ],
    ["a title", /"title"/, (file) => (file.title = "Complete list of accesses")],
    ["no checkpoint", /no "checkpoint"/, (file) => delete file.checkpoint],
    ["a checkpoint that is no text", /checkpoint is not text/, (file) => (file.checkpoint = 5)],
    ["no events", /no event in it/, (file) => (file.events = [])],
    ["events that are no array", /events is not an array/, (file) => (file.events = {})],
    ["an event that is no object", /events\[1\] is not an object/, (file) => (file.events[1] = [])],
    ["an event with a label", /events\[0\] has "event_id"/, (file) => (file.events[0].event_id = "e-2")],
    ["an event without a path", /events\[0\] has no "path"/, (file) => delete file.events[0].path],
    ["events in another order", /do not ascend/, (file) => file.events.reverse()],
    ["an event twice", /do not ascend/, (file) => (file.events[1] = file.events[0])],
    ["a leaf index that is text", /leaf_index/, (file) => (file.events[0].leaf_index = "2")],
    ["a leaf index below zero", /leaf_index/, (file) => (file.events[0].leaf_index = -2)],
    ["a leaf index that is no integer", /leaf_index/, (file) => (file.events[0].leaf_index = 2.5)],
    ["a leaf index past 2^53", /leaf_index/, (file) => (file.events[1].leaf_index = 2 ** 53)],
    ["a path that is no array", /path is not an array/, (file) => (file.events[0].path = "")],
    [
      "a hash of 31 bytes",
      /path\[0\] is not a hash/,
      (file) => (file.events[0].path[0] = btoa("x".repeat(31))),
    ],
    [
      "a path longer than any tree",
      /longer than any tree/,
      (file) => (file.events[0].path = Array(54).fill(file.events[0].path[0])),
    ],
    [
      "base64 without padding",
      /entry is not canonical/,
      (file) => (file.events[0].entry = file.events[0].entry.replace(/=*$/, "")),
    ],
    [
      "base64 for URLs",
      /path\[0\] is not canonical/,
      (file) => (file.events[0].path[0] = `${"_".repeat(43)}=`),
    ],
    [
      "base64 with stray bits",
      /path\[0\] is not canonical/,
      (file) => (file.events[0].path[0] = `${"A".repeat(42)}B=`),
    ],
    ["an entry that is a number", /entry is not canonical/, (file) => (file.events[0].entry = 5)],
    ["a core that is no pair", /core/, (file) => file.events[0].core.push(1)],
    ["fields that are no array", /fields/, (file) => (file.events[0].fields = {})],
    ["a field of four members", /field/, (file) => file.events[0].fields[0].push(1)],
    [
      "a file that is an array",
      /the file is not an object/,
      (file) => Object.setPrototypeOf(file, Array.prototype),
    ],
  ])("refuses %s", async (name, message, change) => {
    const text = name === "a file that is an array" ? "[]" : await changed(change)
    expect(() => parseEvidence(text)).toThrow(malformed(message))
  })

  it("refuses a member told twice, wherever it stands", async () => {
    const text = await smallEvidence()
    for (const [member, twice] of [
      ['"format":', '"format":"prooflog-evidence/1","format":'],
      ['"leaf_index":2', '"leaf_index":2,"leaf_index":2'],
      ['"result":"success"', '"result":"denied","result":"success"'],
      ['"ratio":0.5', '"ratio":0.5,"ratio":0.5'],
    ] as const) {
      expect(text).toContain(member)
      expect(() => parseEvidence(text.replace(member, twice))).toThrow(
        expect.objectContaining({
          code: "VERIFIER_MALFORMED_EVIDENCE",
          cause: expect.objectContaining({ problem: expect.objectContaining({ code: "duplicate_key" }) }),
        }),
      )
    }
  })

  it("quotes no more of it than helps to find the place", async () => {
    const text = await changed((file) => (file["x".repeat(1_000_000)] = 1))
    const error = await Promise.resolve()
      .then(() => parseEvidence(text))
      .catch((error) => error)
    expect(error).toEqual(malformed(/"xxx/))
    expect(error.message.length).toBeLessThan(300)
  })

  it("says a value that cannot be read in two ways", async () => {
    const text = await smallEvidence()
    expect(() => parseEvidence(text.replace('"ratio":0.5', '"ratio":0.50000000000000001'))).toThrow(
      malformed(/events\[0\] has a number that can be read in two ways: 0.50000000000000001/),
    )
  })

  it("refuses what is no JSON, or no UTF-8", () => {
    for (const text of ["", "{", "null", "5", '{"format":"prooflog-evidence/1"}x', "\ufeff{}"]) {
      expect(() => parseEvidence(text)).toThrow(malformed())
    }
    expect(() => parseEvidence(Uint8Array.of(0x7b, 0xff, 0x7d))).toThrow(malformed())
  })

  it("refuses a depth bomb at once", () => {
    const bomb = "[".repeat(10_000_000)
    const started = performance.now()
    expect(() => parseEvidence(bomb)).toThrow(malformed())
    expect(performance.now() - started).toBeLessThan(1000)
  })

  it("throws nothing but refusals, whatever it is given", async () => {
    const text = await smallEvidence()
    // Lone surrogates among them. fast-check's own "binary" unit takes a second to be made.
    const unit = fc.integer({ min: 0, max: 0x10ffff }).map((code) => String.fromCodePoint(code))
    const edits = fc.array(
      fc.record({
        at: fc.nat(text.length),
        cut: fc.nat(20),
        put: fc.string({ unit, maxLength: 8 }),
      }),
      { minLength: 1, maxLength: 4 },
    )
    const edited = edits.map((all) =>
      all.reduce((s, { at, cut, put }) => s.slice(0, at) + put + s.slice(at + cut), text),
    )
    const input = fc.oneof(fc.string(), fc.json(), edited, fc.uint8Array())
    fc.assert(
      fc.property(input, (evidence) => {
        try {
          formatEvidence(parseEvidence(evidence))
        } catch (error) {
          expect((error as { code?: unknown }).code).toBe("VERIFIER_MALFORMED_EVIDENCE")
        }
      }),
      { numRuns: 2000 },
    )
  })

  it("is not written with nothing in it, or out of order", async () => {
    const evidence: Evidence = parseEvidence(await smallEvidence())
    expect(() => formatEvidence({ ...evidence, items: [] })).toThrow(RangeError)
    expect(() => formatEvidence({ ...evidence, items: evidence.items.toReversed() })).toThrow(RangeError)
  })
})
