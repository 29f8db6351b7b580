import { CORE_NAMES, FIELDS } from "@prooflog/event/schema"
import { expect, test } from "vitest"
import { COLUMNS, findColumn, hiddenColumns, WITHHOLDABLE } from "./columns.js"

test("every field of the schema is a column, once, and each column says what it means", () => {
  const names = COLUMNS.map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
  const committed = COLUMNS.filter(({ origin }) => origin === "committed").map(({ name }) => name)
  expect([...committed].sort()).toEqual(FIELDS.map(({ name }) => name).sort())
  for (const { meaning } of COLUMNS) expect(meaning).toMatch(/[.`]$/)
  expect(names.slice(0, 7).join(" ")).toBe(
    "leaf_index timestamp user_id action resource_accessed result ip_address",
  )
  expect(names.slice(-9).join(" ")).toBe(
    "source source_key_id received_at class country asn as_organization browser os",
  )
})

test("a derived column comes from a field, and is hidden with it", () => {
  for (const { origin, from } of COLUMNS) {
    if (origin === "derived") expect(findColumn(from ?? "")?.origin).toBe("committed")
    else expect(from).toBeUndefined()
  }
  expect(hiddenColumns(["ip_address"])).toEqual(["ip_address", "country", "asn", "as_organization"])
  expect(hiddenColumns(["user_agent", "leaf_index", "country"])).toEqual(["user_agent", "browser", "os"])
})

test("what every piece of evidence shows is not hidden in SQL either", () => {
  expect(hiddenColumns([...CORE_NAMES])).toEqual([])
  expect(WITHHOLDABLE).toEqual(expect.arrayContaining(["ip_address", "user_id", "raw", "attributes"]))
  for (const name of [...CORE_NAMES, "country", "class", "leaf_index"])
    expect(WITHHOLDABLE).not.toContain(name)
})
