import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { memberText } from "./json-member.js"

describe("memberText", () => {
  it("cuts a member out as it stands", () => {
    expect(memberText('{"results":[],"evidence": {"a":[1.0,{"b":"}\\""}]} }', "evidence")).toBe(
      '{"a":[1.0,{"b":"}\\""}]}',
    )
  })

  it("does not take a member of a member for it", () => {
    expect(memberText('{"results":[{"evidence":1}],"x":"evidence","evidence":2}', "evidence")).toBe("2")
  })

  it("finds nothing where there is nothing", () => {
    for (const json of ["{}", " { } ", '{"a":1}', "[]", "7", '"evidence"']) {
      expect(memberText(json, "evidence")).toBeUndefined()
    }
  })

  it("agrees with JSON.parse on any object, however it is spaced", () => {
    const names = fc.oneof(fc.constant("evidence"), fc.string())
    fc.assert(
      fc.property(fc.dictionary(names, fc.jsonValue()), fc.constantFrom(0, 1, "\t"), (object, space) => {
        const json = JSON.stringify(object, undefined, space)
        const parsed = JSON.parse(json) as Record<string, unknown>
        for (const name of [
          "evidence",
          ...Object.keys(parsed).filter((key) => JSON.stringify(key) === `"${key}"`),
        ]) {
          const found = memberText(json, name)
          if (!Object.hasOwn(parsed, name)) expect(found).toBeUndefined()
          else expect(JSON.parse(found ?? "")).toEqual(parsed[name])
        }
      }),
    )
  })

  it("comes to an end on anything", () => {
    const pieces = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      '"',
      ":",
      ",",
      " ",
      "\\",
      "a",
      "evidence",
      '"evidence":',
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 30 }), (parts) => {
        memberText(parts.join(""), "evidence")
      }),
      { numRuns: 2000 },
    )
  })
})
