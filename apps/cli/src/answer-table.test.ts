import type { JsonValue } from "@prooflog/query/store"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { showAnswer, showCell, withoutEmptyColumns } from "./answer-table.js"
import type { SqlAnswer } from "./sql-answer.js"

const plain = (_: unknown, text: string) => text

function answer(columns: Record<string, string>, rows: JsonValue[][]): SqlAnswer {
  return {
    columns: Object.entries(columns).map(([name, type]) => ({ name, type })),
    rows,
    truncated: false,
    through: 9,
    ms: 1,
  }
}

describe("a table", () => {
  it("has a head, a rule, and a line for each row, numbers to the right", () => {
    const table = answer({ leaf_index: "BIGINT", user_id: "VARCHAR", mfa: "BOOLEAN" }, [
      [7, "U12345", true],
      [1234, "Käthe", null],
    ])
    expect(showAnswer(table, 80, plain)).toEqual({
      text: [
        "leaf_index  user_id  mfa",
        "──────────  ───────  ────",
        "         7  U12345   true",
        "      1234  Käthe    NULL",
      ].join("\n"),
      isCut: false,
    })
  })

  it("cuts the widest texts until all fits, and says so", () => {
    const table = answer({ a: "VARCHAR", b: "VARCHAR", n: "INTEGER" }, [
      ["x".repeat(50), "y".repeat(12), 12345],
    ])
    const { text, isCut } = showAnswer(table, 40, plain)
    expect(isCut).toBe(true)
    expect(text).toContain("…")
    expect(text).toContain("y".repeat(12))
    expect(text).toContain("12345")
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(40)
  })

  it("shows row by row what has too many columns for the width, without those that have no value", () => {
    const names = Array.from({ length: 46 }, (_, i) => [`column_${i}`, "VARCHAR"])
    const table = answer(Object.fromEntries(names), [names.map((_, i) => (i % 2 === 0 ? `v${i}` : null))])
    const { text } = showAnswer(table, 80, plain)
    const lines = text.split("\n")
    expect(lines[0]).toBe("row 1")
    expect(lines).toHaveLength(24)
    expect(lines[2]).toBe("column_2   v2")
  })

  it("leaves out columns that say nothing in any row, of many", () => {
    const names = Array.from({ length: 13 }, (_, i) => [`column_${i}`, "VARCHAR"] as const)
    const row = (...said: number[]) => names.map((_, i) => (said.includes(i) ? `v${i}` : null))
    const of = (columns: number, ...rows: JsonValue[][]) =>
      withoutEmptyColumns(
        answer(
          Object.fromEntries(names.slice(0, columns)),
          rows.map((each) => each.slice(0, columns)),
        ),
      )
    const { answer: shown, left } = of(13, row(3), row(3, 12))
    expect(left).toBe(11)
    expect(shown.columns.map(({ name }) => name)).toEqual(["column_3", "column_12"])
    expect(shown.rows).toEqual([
      ["v3", null],
      ["v3", "v12"],
    ])
    // Few were named one by one, and an answer is never made to vanish.
    for (const whole of [of(12, row(3)), of(13, row()), of(13)]) expect(whole.left).toBe(0)
    expect(of(13, row()).answer.columns).toHaveLength(13)
  })

  it("is one line for each row, whatever is in it, and nothing moves the cursor", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.string({ unit: "binary" }), fc.string({ unit: "binary" })), {
          minLength: 1,
          maxLength: 5,
        }),
        fc.option(fc.integer({ min: 30, max: 120 }), { nil: undefined }),
        (rows, width) => {
          const { text } = showAnswer(answer({ a: "VARCHAR", b: "VARCHAR" }, rows), width, plain)
          const lines = text.split("\n")
          expect(lines).toHaveLength(rows.length + 2)
          expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/)
        },
      ),
      { numRuns: 50 },
    )
  })

  it("in a pipe shows all of a long cell, and is no wider anywhere else for it", () => {
    const long = "y".repeat(5000)
    const table = answer({ n: "INTEGER", a: "VARCHAR", b: "VARCHAR" }, [
      [1, "x", "z"],
      [20, long, "z"],
      [3, null, "z"],
    ])
    const { text, isCut } = showAnswer(table, undefined, plain)
    expect(isCut).toBe(false)
    const [head = "", rule = "", first = "", second, third] = text.split("\n")
    expect(head).toMatch(/^ n {2}a {61}b$/)
    expect(rule).toBe(`──  ${"─".repeat(60)}  ─`)
    expect(first).toBe(` 1  x${" ".repeat(61)}z`)
    expect(second).toBe(`20  ${long}  z`)
    expect(third).toBe(` 3  NULL${" ".repeat(58)}z`)
  })

  it("is laid out the same in a pipe and on a wide terminal", () => {
    const table = answer({ n: "INTEGER", a: "VARCHAR", mfa: "BOOLEAN", c: "VARCHAR" }, [
      [1, "Käthe 東京", true, ""],
      [20, "x", null, "a b "],
    ])
    expect(showAnswer(table, undefined, plain)).toEqual(showAnswer(table, 200, plain))
  })

  it("of no rows is its head", () => {
    expect(showAnswer(answer({ n: "BIGINT" }, []), 80, plain).text).toBe("n\n─")
  })

  it("shows lists and objects as JSON", () => {
    expect(showCell(["a", { b: 1 }])).toBe('["a",{"b":1}]')
  })
})
