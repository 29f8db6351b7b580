import { parseStrictJson } from "@prooflog/event/json"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { cutEvidence } from "./evidence-text.js"

const malformed = (message: RegExp = /./) =>
  expect.objectContaining({ code: "VERIFIER_MALFORMED_EVIDENCE", message: expect.stringMatching(message) })

/** A file of these events, as text. */
function fileOf(events: string): string {
  return `{"format":"prooflog-evidence/1","checkpoint":"a [note], with a \\"{\\" in it","events":[${events}]}`
}

/** What the cut says the file is. */
function read(text: string): unknown {
  const { around, events } = cutEvidence(text)
  return { ...(around as object), events: [...events] }
}

/** A file whose events hold this number. */
function withNumber(number: string): string {
  return fileOf(`{"leaf_index":1,"n":[${number}]}`)
}

describe("the text of an evidence file", () => {
  it.each([
    "",
    " \n",
    '{"a":[1,{"b":"],[}"}]}',
    ' {"a":1} ,\n{"b":"\\\\"},\t{"c":"\\""} ',
    "[1],2,null",
    '{"a":[[[1]]]},{}',
  ])("means, cut into events, what it means whole: %j", (events) => {
    expect(read(fileOf(events))).toEqual(JSON.parse(fileOf(events)))
  })

  it("may have its members in any order", () => {
    const text = '{ "events" : [ {"a":1} , {"a":2} ] , "format" : "f", "checkpoint":"c" }'
    expect(read(text)).toEqual(JSON.parse(text))
  })

  it("is refused cut exactly where it is refused whole, and else means the same", () => {
    const piece = fc.oneof(
      fc.constantFrom(
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        '"',
        "\\",
        '"events":[',
        '"a":',
        "7",
        " ",
        '{"a":1}',
        "[]",
      ),
      // Short numbers only, as pieces are put together: what is rounded is refused for its own reason.
      fc.json({ maxDepth: 2 }).map((json) => json.replace(/-?\d[\d.e+-]*/gi, "7")),
    )
    const text = fc.oneof(
      fc.array(piece, { maxLength: 8 }).map((pieces) => fileOf(pieces.join(""))),
      fc.array(piece, { maxLength: 8 }).map((pieces) => `{"events":[${pieces.join(",")}]}`),
      fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join("")),
    )
    // A file in which nothing but `events` has anything inside it: what is put together again here.
    const hasForm = (file: unknown): file is object =>
      typeof file === "object" &&
      file !== null &&
      Array.isArray((file as { events?: unknown }).events) &&
      Object.entries(file).every(([name, member]) => name === "events" || typeof member !== "object")
    const attempt = (run: () => unknown) => {
      try {
        const file = run()
        return hasForm(file) ? file : "refused"
      } catch {
        return "refused"
      }
    }
    let good = 0
    fc.assert(
      fc.property(text, (text) => {
        const cut = attempt(() => (hasForm(cutEvidence(text).around) ? read(text) : undefined))
        expect(cut).toEqual(attempt(() => parseStrictJson(text, { maxDepth: 10, integers: "double" })))
        if (cut !== "refused") good++
      }),
      { numRuns: 1000 },
    )
    expect(good).toBeGreaterThan(100)
  })

  it("is read no further than its first false event", () => {
    const { events } = cutEvidence(fileOf('{"a":1},{"b":nothing}'))
    const turns = events[Symbol.iterator]()
    expect(turns.next().value).toEqual({ a: 1 })
    expect(() => turns.next()).toThrow(malformed(/in events\[1\]/))
  })

  it("costs what its first event costs where that is hostile", () => {
    const text = fileOf(`${"[],".repeat(2_000_000)}[]`)
    const before = process.memoryUsage().heapUsed
    const started = performance.now()
    const [first] = cutEvidence(text).events
    expect(first).toEqual([])
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(20e6)
    expect(performance.now() - started).toBeLessThan(2000)
  })

  it("is refused for an event, and for anything around the events, that is longer than any can be", () => {
    const long = "x".repeat(4 * 1024 * 1024)
    expect(() => read(fileOf(`{"a":"${long}"}`))).toThrow(malformed(/events\[0\] is longer than any event/))
    expect(() => read(`{"checkpoint":"${long}${long}","events":[]}`)).toThrow(malformed(/too much around/))
    expect(() => read(`{"checkpoint":"${long}${long}"`)).toThrow(malformed(/too much around/))
  })

  it("is refused for a number that a parser would round", () => {
    for (const number of [
      "9007199254740993",
      "-9007199254740993",
      "1697902320000000.01",
      "200.00000000000000000001",
      "0.10000000000000001",
      "18446744073709551616",
      "1e-400",
      "-1e-400",
      `0.${"0".repeat(500)}1`,
      `${"0.5"}${"0".repeat(500)}`,
    ]) {
      expect(() => read(withNumber(number)), number).toThrow(
        malformed(/events\[0\] .* can be read in two ways/),
      )
    }
  })

  it("may spell a number as it likes, if no digit is dropped", () => {
    for (const [number, value] of [
      ["0", 0],
      ["-0", -0],
      ["-0.0e5", -0],
      ["1.0", 1],
      ["1e0", 1],
      ["10E-1", 1],
      ["0.1e+1", 1],
      ["9007199254740992", 2 ** 53],
      ["18446744073709552000", 2 ** 64],
      ["1.8446744073709552e19", 2 ** 64],
      ["1e21", 1e21],
      ["1000000000000000000000", 1e21],
      ["5e-324", 5e-324],
      ["1.7976931348623157e308", Number.MAX_VALUE],
      ["0.1", 0.1],
    ] as const) {
      expect(read(withNumber(number)), number).toMatchObject({ events: [{ n: [value] }] })
    }
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(read(withNumber(JSON.stringify(value)))).toMatchObject({
          events: [{ n: [value === 0 ? 0 : value] }],
        })
      }),
    )
  })

  it("does not mistake digits in text for numbers", () => {
    const text = fileOf('{"9007199254740993":"9007199254740993 \\" 0.10000000000000001"}')
    expect(read(text)).toEqual(JSON.parse(text))
  })
})
