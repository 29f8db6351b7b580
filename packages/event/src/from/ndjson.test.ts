import { describe, expect, it } from "vitest"
import { EventError } from "../error.js"
import { parseNdjson } from "./ndjson.js"

describe("a line of NDJSON", () => {
  it("is the event as it stands", () => {
    const event = {
      timestamp: "2023-10-21T15:32:00Z",
      user_id: "U12345",
      resource_accessed: "/a",
      result: "success",
    }
    expect(parseNdjson(JSON.stringify(event))).toEqual(event)
  })

  it.each([
    ["an array", "[]", "EVENT_UNMAPPABLE"],
    ["a text", '"event"', "EVENT_UNMAPPABLE"],
    ["cut off", '{"user_id":', "EVENT_MALFORMED_JSON"],
    ["two objects", "{}{}", "EVENT_MALFORMED_JSON"],
    ["a key twice", '{"a":1,"a":2}', "EVENT_MALFORMED_JSON"],
    ["a key into prototypes", '{"__proto__":1}', "EVENT_MALFORMED_JSON"],
  ])("is refused if it is %s", (_what, line, code) => {
    expect(() => parseNdjson(line)).toThrow(expect.objectContaining({ code }))
    expect(() => parseNdjson(line)).toThrow(EventError)
  })
})
