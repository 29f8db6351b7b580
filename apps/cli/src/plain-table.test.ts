import { describe, expect, it } from "vitest"
import { columnsOf, plainTable } from "./plain-table.js"

describe("a plain table", () => {
  it("has columns below each other, numbers to the right", () => {
    expect(
      plainTable(columnsOf("id", ">events", ""), [
        ["a", "120", "x"],
        ["long", "3", ""],
      ]),
    ).toEqual(["id    events", "a        120  x", "long       3"])
  })

  it("lets a cell that is too long stand out, in its own line only", () => {
    const long = "x".repeat(100)
    const [head, first, second] = plainTable(columnsOf("id", "n"), [
      [long, "1"],
      ["a", "2"],
    ])
    expect(head).toBe(`${"id".padEnd(60)}  n`)
    expect(first).toBe(`${long}  1`)
    expect(second).toBe(`${"a".padEnd(60)}  2`)
  })

  it("shows nothing that would move the cursor", () => {
    expect(plainTable(columnsOf("id"), [["a\u001b[1A\nb"]])[1]).toBe("a\\u001b[1A\\u000ab")
  })
})
