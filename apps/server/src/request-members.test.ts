import { describe, expect, it } from "vitest"
import { membersOf } from "./request-members.js"

describe("the members of a request", () => {
  it("are known, or refused by name with what may have been meant", () => {
    expect(membersOf({ sql: "SELECT 1", limit: 3 }, ["sql", "limit"])).toEqual({ sql: "SELECT 1", limit: 3 })
    expect(() => membersOf({ sqll: 1 }, ["sql", "limit"])).toThrow("sqll is not known; did you mean sql?")
    expect(() => membersOf({ colour: 1 }, ["sql", "limit"])).toThrow(/^colour is not known$/)
  })

  it.each([null, [], "SELECT 1", 7])("are those of an object, not of %j", (value) => {
    expect(() => membersOf(value, ["sql"])).toThrow("the body must be a JSON object")
  })

  it("repeat no more of a strange name than a line", () => {
    const name = "x".repeat(10_000)
    expect(() => membersOf({ [name]: 1 }, ["sql"])).toThrow(/^x{64} is not known$/)
  })

  it.each([
    ["parametrs", "parameters"],
    ["FORMAT", "format"],
    ["fliter", "filter"],
    ["colour", undefined],
    ["", undefined],
  ])("that were written %j may have been meant as %j", (name, meant) => {
    const said = meant === undefined ? /is not known$/ : new RegExp(`did you mean ${meant}\\?$`)
    expect(() => membersOf({ [name]: 1 }, ["sql", "parameters", "filter", "format"])).toThrow(said)
  })
})
