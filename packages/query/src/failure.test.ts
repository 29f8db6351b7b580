import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { QueryError } from "./error.js"
import { printable } from "./failure.js"
import { errorOf, eventLeaf, pageOf } from "./sample-log.js"
import { openQueryStore, type QueryStore } from "./store.js"

let store: QueryStore

const SECRET = "hunter2"

beforeAll(async () => {
  store = await openQueryStore({ path: ":memory:", memoryMb: 128 })
  const secrets = {
    user_id: SECRET,
    user_name: `${SECRET}(`,
    host: `%${SECRET}`,
    tags: [SECRET, SECRET],
    attributes: { a: SECRET },
  }
  await store.append(
    pageOf(
      Array.from({ length: 3000 }, (_, leaf) => eventLeaf(leaf, secrets)),
      0,
    ),
  )
  await store.commit()
})

afterAll(() => store.close())

const SAYS: readonly [sql: string, code: string, line: number, column: number, hint?: string][] = [
  ["SELECT usr_id FROM access_logs", "QUERY_UNKNOWN_COLUMN", 1, 8, "user_id"],
  ["SELECT country_code FROM access_logs", "QUERY_UNKNOWN_COLUMN", 1, 8, "country"],
  ["SELECT 'äö€😀',\n\t  ipaddress FROM access_logs", "QUERY_UNKNOWN_COLUMN", 2, 4, "ip_address"],
  ["SELECT a.usr_id FROM access_logs a", "QUERY_UNKNOWN_COLUMN", 1, 8, "user_id"],
  ["SELECT 1 FROM acces_logs", "QUERY_UNKNOWN_TABLE", 1, 15, "access_logs"],
  ["SELECT uper(user_id) FROM access_logs", "QUERY_UNKNOWN_FUNCTION", 1, 8, "upper"],
  ["SELECT '😀ä' frm x y", "QUERY_SYNTAX", 1, 18],
  ["SELECT user_id, count(*) FROM access_logs", "QUERY_INVALID", 1, 8],
  ["SELECT sum(user_id) FROM access_logs", "QUERY_INVALID", 1, 8],
  ["SELECT 1 FROM access_logs WHERE timestamp > 'yesterday'", "QUERY_FAILED", 1, 45],
  ["SELECT user_id::INTEGER FROM access_logs", "QUERY_FAILED", 1, 15],
]

test.each(SAYS)("%s", async (sql, code, line, column, hint) => {
  const error = (await errorOf(store, sql)) as QueryError
  expect([error.code, error.line, error.column]).toEqual([code, line, column])
  expect(error.hint).toBe(hint === undefined ? undefined : `Did you mean ${hint}?`)
})

test.each([
  ["QUERY_SYNTAX", `SELECT ${"1+".repeat(1500)}1`],
  ["QUERY_INVALID", `SELECT ${"(SELECT ".repeat(300)}1${")".repeat(300)}`],
])("a question that is nested too deeply is told so, and nothing of settings: %s", async (code, sql) => {
  const error = (await errorOf(store, sql)) as QueryError
  expect(error.code).toBe(code)
  expect(error.message).toBe("the question is nested too deeply")
})

describe("no error holds a value of a row", () => {
  const FAILING = [
    "SELECT user_id::INTEGER FROM access_logs",
    "SELECT user_id::TIMESTAMP FROM access_logs",
    "SELECT user_id::UUID FROM access_logs",
    "SELECT user_id::JSON FROM access_logs",
    "SELECT user_id::STRUCT(a INTEGER) FROM access_logs",
    "SELECT user_id::INTEGER[] FROM access_logs",
    "SELECT user_id::ENUM('a') FROM access_logs",
    "SELECT user_id::BOOLEAN FROM access_logs",
    "SELECT user_id::BIT FROM access_logs",
    "SELECT user_id::DECIMAL(3, 1) FROM access_logs",
    "SELECT tags::INTEGER[] FROM access_logs",
    "SELECT attributes::STRUCT(a INTEGER) FROM access_logs",
    "SELECT error(user_id) FROM access_logs",
    "SELECT error(user_id) FROM access_logs ORDER BY leaf_index",
    "SELECT max(error(user_id)) FROM access_logs GROUP BY leaf_index",
    "SELECT 1 FROM access_logs WHERE user_id",
    "SELECT 1 FROM access_logs ORDER BY user_id::INTEGER",
    "SELECT 1 FROM access_logs LIMIT (SELECT user_id FROM access_logs LIMIT 1)",
    "SELECT regexp_matches('a', user_name) FROM access_logs",
    "SELECT regexp_replace(user_id, user_name, 'x') FROM access_logs",
    "SELECT user_id SIMILAR TO user_name FROM access_logs",
    "SELECT strptime(user_id, '%Y') FROM access_logs",
    "SELECT strptime('2023', host) FROM access_logs",
    "SELECT strftime(timestamp, host) FROM access_logs",
    "SELECT date_trunc(user_id, timestamp) FROM access_logs",
    "SELECT date_part(user_id, timestamp) FROM access_logs",
    "SELECT timezone(user_id, timestamp) FROM access_logs",
    "SELECT json_extract(user_id, '$.a') FROM access_logs",
    "SELECT json_extract(attributes, '$' || user_id) FROM access_logs",
    'SELECT from_json(user_id, \'{"a":"INTEGER"}\') FROM access_logs',
    'SELECT json_transform_strict(attributes, \'{"a":"INTEGER"}\') FROM access_logs',
    "SELECT printf('%d', user_id) FROM access_logs",
    "SELECT format('{:d} {}', user_id) FROM access_logs",
    "SELECT format(host || '{', user_id) FROM access_logs",
    "SELECT unhex(user_id) FROM access_logs",
    "SELECT from_base64(user_id || '!') FROM access_logs",
    "SELECT decode(unhex('ff')) || user_id FROM access_logs",
    "SELECT chr(-length(user_id)) FROM access_logs",
    "SELECT bar(1, 2, 3, length(user_id) * 1000000) FROM access_logs",
    "SELECT hamming(user_id, user_name) FROM access_logs",
    "SELECT list_extract(tags, user_id::INTEGER) FROM access_logs",
    "SELECT map([user_id, user_id], [1, 2]) FROM access_logs",
    "SELECT enum_code(user_id) FROM access_logs",
    "SELECT (SELECT user_id FROM access_logs)",
    "SELECT unnest(tags) FROM access_logs WHERE tags[1]::INTEGER > 1",
    "SELECT leaf_index * 9223372036854775807 FROM access_logs",
    "SELECT (leaf_index + 1000)::TINYINT FROM access_logs",
    "SELECT sum(leaf_index::DOUBLE * 1e308)::BIGINT FROM access_logs",
    "SELECT substring(user_id FROM user_name::INTEGER) FROM access_logs",
    "SELECT a.user_id FROM access_logs a JOIN access_logs b ON a.user_id::INTEGER = b.leaf_index",
    "SELECT user_id COLLATE hunter FROM access_logs",
    "FROM access_logs PIVOT (sum(user_id) FOR result IN ('success'))",
    "SELECT * FROM range((SELECT user_id::BIGINT FROM access_logs LIMIT 1))",
    "WITH RECURSIVE r(x) AS (SELECT user_id FROM access_logs UNION ALL SELECT x::INTEGER::VARCHAR FROM r) FROM r",
    "SELECT list(repeat(user_id, 100000)) FROM access_logs a, range(1000)",
    "SELECT nextafter(user_id::DOUBLE, 1) FROM access_logs",
    "SELECT make_date(leaf_index, 99, 1) FROM access_logs",
    "SELECT list_reduce(tags, lambda x, y: error(x)) FROM access_logs",
    "SELECT TRY(error(user_id)) FROM access_logs WHERE user_id = error(user_id)",
  ]

  test.each(FAILING)("%s", async (sql) => {
    const error = await errorOf(store, sql)
    expect(error).toBeInstanceOf(QueryError)
    const { message, hint, cause, stack } = error as QueryError
    expect(`${message} ${hint} ${String(cause)} ${stack}`).not.toContain(SECRET)
  })

  test("not even one that comes when most rows have been read", async () => {
    const error = (await errorOf(
      store,
      "SELECT CASE WHEN leaf_index > 2900 THEN error(user_id) END FROM access_logs",
    )) as QueryError
    expect(error.code).toBe("QUERY_FAILED")
    expect(`${error.stack} ${String(error.cause)}`).not.toContain(SECRET)
  })
})

test("too much memory is said to be that, and the next question is answered", async () => {
  const error = await errorOf(store, "SELECT list(repeat('x', 1000000)) FROM range(1000)")
  expect(error).toMatchObject({ code: "QUERY_TOO_MUCH_MEMORY" })
  await expect(errorOf(store, "SELECT usr FROM access_logs")).resolves.toMatchObject({
    code: "QUERY_UNKNOWN_COLUMN",
  })
})

test("what an error quotes is one line, cut, without control characters", () => {
  expect(printable("a\n\u001b[31m\u202eb\u0000  c ")).toBe("a [31m b c")
  expect(printable("😀".repeat(2000))).toBe(`${"😀".repeat(1000)}…`)
})
