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
        for (const [name, value] of Object.entries(JSON.parse(json) as object)) {
          expect(JSON.parse(memberText(json, name) ?? "")).toEqual(value)
        }
      }),
    )
  })
})
