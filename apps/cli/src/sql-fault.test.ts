import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { CliError } from "./error.js"
import { pointTo, withPlace } from "./sql-fault.js"

describe("the place of a fault", () => {
  it("is shown by a caret below it", () => {
    expect(pointTo("SELECT usr_id\nFROM access_logs", 1, 8)).toEqual(["SELECT usr_id", "       ^"])
    expect(pointTo("SELECT 1\r\nFROM acess_logs", 2, 6)).toEqual(["FROM acess_logs", "     ^"])
    expect(pointTo("SELECT", 1, 7)).toEqual(["SELECT", "      ^"])
  })

  it("is nowhere if the server names a place that the text does not have", () => {
    expect(pointTo("SELECT", 2, 1)).toEqual([])
    expect(pointTo("SELECT", 1, 8)).toEqual([])
  })

  it("is still below its character when what stands before is escaped or cut", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), (before, after) => {
        const [text = "", caret = ""] = pointTo(
          `${before}@${after}`.replace(/[\r\n]/g, " "),
          1,
          before.length + 1,
        )
        expect([...text][caret.length - 1]).toBe("@")
        expect([...text].length).toBeLessThan(1300)
      }),
    )
  })

  it("stands with the hint below the server's words, and other errors stay what they are", () => {
    const problem = {
      code: "QUERY_UNKNOWN_COLUMN",
      detail: "there is no column usr_id",
      line: 1,
      column: 8,
      hint: "did you mean user_id?",
    }
    const error = withPlace(
      new CliError("CLI_REFUSED", "answered 400", { problem }),
      "SELECT usr_id FROM access_logs",
    )
    expect(error).toMatchObject({
      code: "CLI_REFUSED",
      message: "there is no column usr_id (QUERY_UNKNOWN_COLUMN)",
      details: ["SELECT usr_id FROM access_logs", "       ^", "did you mean user_id?"],
    })
    const other = new CliError("CLI_REFUSED", "no", { problem: { code: "SERVER_WRONG_ROLE" } })
    expect(withPlace(other, "SELECT 1")).toBe(other)
  })
})
