import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { csvText } from "./export-csv.js"

/** One cell of a column of this type. */
function cellOf(value: string, type: string): string {
  return csvText([{ name: "a", type }], [[value]])
    .replace(/^a\r\n/, "")
    .replace(/\r\n$/, "")
}

describe("a text in a column that is said to hold numbers", () => {
  it.each(["-5", "-1.50", "-170141183460469231731687303715884105728", "-1e-7", "-2.5E+300"])(
    "%s is one",
    (value) => {
      for (const type of ["DOUBLE", "DECIMAL(38,2)", "HUGEINT"]) expect(cellOf(value, type)).toBe(value)
    },
  )

  it.each(["-2+3+cmd|' /C calc'!A0", "-1-1", "-5\t=1", "-1e5+1", "-.5+A1", "-Infinity", "=1", "+1", "@a"])(
    "%s is none: it is no formula either",
    (value) => {
      for (const type of ["DOUBLE", "DECIMAL(38,2)", "HUGEINT"])
        expect(cellOf(value, type)).toMatch(/^(?:'|"')/)
    },
  )
})

it("no cell is two where a semicolon or a tab parts them", () => {
  expect(cellOf("x;=1+1", "VARCHAR")).toBe('"x;=1+1"')
  expect(cellOf("x\t=1+1", "VARCHAR")).toBe('"x\t=1+1"')
  fc.assert(
    fc.property(fc.array(fc.constantFrom(";", "\t", ",", "=", "a", '"', "\n")), (parts) => {
      const cell = cellOf(parts.join(""), "VARCHAR")
      if (/[;\t,"\r\n]/.test(cell)) expect(cell).toMatch(/^"(?:[^"]|"")*"$/)
    }),
  )
})
