import { afterAll, beforeAll, expect, test } from "vitest"
import { errorOf, rowsOf } from "./sample-log.js"
import { type JsonValue, openQueryStore, type QueryStore } from "./store.js"

let store: QueryStore

beforeAll(async () => {
  store = await openQueryStore({ path: ":memory:", memoryMb: 128 })
})

afterAll(() => store.close())

const FORMS: readonly [sql: string, value: JsonValue][] = [
  ["NULL", null],
  ["true", true],
  ["'é\u2028'", "é\u2028"],
  ["-7::TINYINT", -7],
  ["4294967295::UINTEGER", 4_294_967_295],
  ["9007199254740991", Number.MAX_SAFE_INTEGER],
  ["9007199254740992", "9007199254740992"],
  ["-9007199254740992", "-9007199254740992"],
  ["18446744073709551615::UBIGINT", "18446744073709551615"],
  ["170141183460469231731687303715884105727::HUGEINT", "170141183460469231731687303715884105727"],
  ["sum(1)", 1],
  ["1.5::DOUBLE", 1.5],
  ["'nan'::DOUBLE", "NaN"],
  ["'-infinity'::FLOAT", "-Infinity"],
  ["-0.0::DOUBLE", -0],
  ["1.50::DECIMAL(5, 2)", "1.50"],
  ["TIMESTAMP '2023-10-21 15:32:00'", "2023-10-21T15:32:00.000000Z"],
  ["TIMESTAMP '1969-12-31 23:59:59.999999'", "1969-12-31T23:59:59.999999Z"],
  ["TIMESTAMPTZ '2023-10-21 17:32:00.000001+02:00'", "2023-10-21T15:32:00.000001Z"],
  ["TIMESTAMP_S '2023-10-21 15:32:00'", "2023-10-21T15:32:00.000000Z"],
  ["TIMESTAMP_MS '2023-10-21 15:32:00.123'", "2023-10-21T15:32:00.123000Z"],
  ["TIMESTAMP_NS '2023-10-21 15:32:00.123456789'", "2023-10-21T15:32:00.123456789Z"],
  ["'infinity'::TIMESTAMP", "infinity"],
  ["'-infinity'::TIMESTAMP", "-infinity"],
  ["TIMESTAMP '12023-10-21 15:32:00'", "12023-10-21 15:32:00"],
  ["DATE '2023-10-21'", "2023-10-21"],
  ["'infinity'::DATE", "infinity"],
  ["TIME '15:32:00.5'", "15:32:00.5"],
  ["INTERVAL 1 DAY", "1 day"],
  ["'01891a2b-0000-7000-8000-000000000001'::UUID", "01891a2b-0000-7000-8000-000000000001"],
  ["'a'::ENUM('a', 'b')", "a"],
  ["'\\xFFA'::BLOB", "/0E="],
  ["'101'::BIT", "101"],
  ["[1, NULL, 9007199254740992]", [1, null, "9007199254740992"]],
  ["[[1.5::DOUBLE], []]", [[1.5], []]],
  ["[1, 2]::INTEGER[2]", [1, 2]],
  ["{'a': 1, 'b': {'c': [true]}}", { a: 1, b: { c: [true] } }],
  ["MAP {'k': 1, 'l': NULL}", { k: 1, l: null }],
  ["MAP {7: TIMESTAMP '2023-10-21 15:32:00'}", { 7: "2023-10-21T15:32:00.000000Z" }],
  ['\'{"a":[1,null,"x"]}\'::JSON', { a: [1, null, "x"] }],
  ["['1', '\"s\"']::JSON[]", [1, "s"]],
  ["union_value(k := 1)", "1"],
]

test.each(FORMS)("%s", async (sql, value) => {
  expect(await rowsOf(store, `SELECT ${sql}`)).toEqual([[value]])
  expect(JSON.parse(JSON.stringify(value))).toEqual(value === 0 ? 0 : value)
})

test.each([
  ["members without names", "ROW(1, 2)", "QUERY_INVALID"],
  ["members without names, inside", "[{'a': MAP {'k': ROW(1, 2)}}]", "QUERY_INVALID"],
  ["a member that no object of DuckDB's client can hold", 'struct_pack("__proto__" := 1)', "QUERY_INVALID"],
  ["JSON of 50,000 levels", "(repeat('[', 50000) || repeat(']', 50000))::JSON", "QUERY_FAILED"],
  ["JSON of 1,001 levels", `(repeat('{"a":[', 500) || '[]' || repeat(']}', 500))::JSON`, "QUERY_FAILED"],
])("refuses %s", async (_, sql, code) => {
  expect(await errorOf(store, `SELECT ${sql}`)).toMatchObject({ code })
})

test("takes JSON of 1,000 levels, and brackets in a text for a text", async () => {
  const deep = `${'{"a":['.repeat(500)}${"]}".repeat(500)}`
  const rows = await rowsOf(store, {
    sql: "SELECT $1::JSON, $2::JSON",
    parameters: [deep, `["${"[".repeat(5_000)}"]`],
  })
  expect(JSON.stringify(rows)).toBe(`[[${deep},["${"[".repeat(5_000)}"]]]`)
})
