import { EventError } from "@prooflog/event/error"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { ServerError } from "./error.js"
import { readEvents } from "./sent-events.js"

describe("events in a body", () => {
  it("are the lines of NDJSON, however they end", () => {
    fc.assert(
      fc.property(
        fc.array(fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.string({ unit: "grapheme" }))),
        fc.constantFrom("\n", "\r\n", "\n\n", "\n \n"),
        fc.boolean(),
        (events, newline, last) => {
          const text = events.map((event) => JSON.stringify(event)).join(newline) + (last ? newline : "")
          const sent = readEvents(Buffer.from(text), "application/x-ndjson")
          expect([...sent.events]).toEqual(events)
        },
      ),
      { numRuns: 200 },
    )
  })

  it("are refused by name, or read, whatever the bytes are", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.constantFrom("application/json", "application/x-ndjson", "application/cbor"),
        (bytes, type) => {
          try {
            for (const event of readEvents(Buffer.from(bytes), type).events) void event
          } catch (error) {
            if (!(error instanceof EventError || error instanceof ServerError)) throw error
          }
        },
      ),
      { numRuns: 2_000 },
    )
  })

  it("keep characters of every plane", () => {
    const event = { user_id: "Žofia 漢字 🦊\u0000" }
    const sent = readEvents(Buffer.from(JSON.stringify(event)), "application/json")
    expect([...sent.events]).toEqual([event])
  })

  it("are named by their line when one cannot be read", () => {
    const [first, second] = readEvents(Buffer.from('\n\n{"a":1}\n{"a":1,}\n'), "application/x-ndjson").events
    expect(first).toEqual({ a: 1 })
    expect(second).toMatchObject({ code: "EVENT_MALFORMED_JSON", line: 4, column: 8 })
  })

  it.each([
    undefined,
    "",
    "text/plain",
    "application/jsonx",
    "application/json; charset=latin1",
    "application/cbor-seq",
  ])("are not read as %j", (type) => {
    expect(() => readEvents(Buffer.from("{}"), type)).toThrow(
      expect.objectContaining({ code: "SERVER_UNSUPPORTED_MEDIA_TYPE" }),
    )
  })
})
