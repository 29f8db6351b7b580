import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { type Analysis, analyse } from "./analyse.js"
import { COLUMNS } from "./columns.js"
import { rowsOf, samplePage } from "./sample-log.js"
import { openQueryStore, type QueryStore, type SqlValue } from "./store.js"

let store: QueryStore

beforeAll(async () => {
  store = await openQueryStore({ path: ":memory:", memoryMb: 128 })
  await store.append(samplePage(0, 400))
  await store.commit()
})

afterAll(() => store.close())

const ALL = COLUMNS.map(({ name }) => name)
const look = (sql: string) => analyse(store.trees, sql)

describe("rows that are each a function of one row", () => {
  test.each<[sql: string, columns: readonly (string | undefined)[] | undefined, reads: readonly string[]]>([
    ["SELECT * FROM access_logs WHERE user_id = 'U12345' AND timestamp > '2023-10-01';", ALL, ALL],
    [
      "SELECT leaf_index, a.USER_ID AS u, upper(action) FROM access_logs a ORDER BY result LIMIT 3",
      ["leaf_index", "user_id", undefined],
      ["leaf_index", "user_id", "action", "result"],
    ],
    [
      "SELECT * EXCLUDE (raw, tags) REPLACE (upper(user_id) AS user_id) FROM access_logs",
      ALL.filter((name) => name !== "raw" && name !== "tags").map((name) =>
        name === "user_id" ? undefined : name,
      ),
      ALL,
    ],
    [
      "SELECT access_logs.user_id, attributes->>'a', attributes.a FROM access_logs",
      ["user_id", undefined, undefined],
      ["user_id", "attributes"],
    ],
    ["SELECT COLUMNS('user.*') FROM access_logs", undefined, ALL],
    ["SELECT * RENAME (user_id AS who) FROM access_logs", undefined, ALL],
    ["SELECT list_transform(tags, lambda t: t || host) FROM access_logs", [undefined], ["host", "tags"]],
  ])("%s", async (sql, columns, reads) => {
    expect(await look(sql)).toMatchObject({ isPlainRows: true, isSingleSelect: true, isVolatile: false })
    const { columns: found, reads: read } = await look(sql)
    expect(found).toEqual(columns)
    expect(read).toEqual(reads)
  })
})

describe("one SELECT that makes other rows than there are", () => {
  test.each([
    "SELECT count(*) FROM access_logs",
    "SELECT DISTINCT user_id FROM access_logs",
    "SELECT DISTINCT ON (user_id) user_id FROM access_logs ORDER BY user_id",
    "SELECT user_id FROM access_logs GROUP BY user_id",
    "SELECT result FROM access_logs GROUP BY ALL",
    "SELECT result, count(*) FROM access_logs GROUP BY CUBE (result)",
    "SELECT max(leaf_index) FROM access_logs HAVING count(*) > 1",
    "SELECT rank() OVER (ORDER BY leaf_index) FROM access_logs",
    "SELECT user_id FROM access_logs QUALIFY rank() OVER (ORDER BY leaf_index) = 1",
    "SELECT unnest(tags) FROM access_logs",
    "SELECT weighted_avg(http_status, leaf_index) FROM access_logs",
    "SELECT Json_Group_Array(user_id ORDER BY leaf_index) FROM access_logs",
  ])("%s", async (sql) => {
    expect(await look(sql)).toMatchObject({ isPlainRows: false, isSingleSelect: true, isVolatile: false })
  })
})

describe("more than one SELECT over access_logs", () => {
  test.each([
    "SELECT 1",
    "DESCRIBE access_logs",
    "SELECT * FROM access_logs a JOIN access_logs b USING (user_id)",
    "SELECT * FROM access_logs, unnest(tags)",
    "WITH x AS (SELECT * FROM access_logs) SELECT * FROM x",
    "WITH x AS (SELECT 1) SELECT * FROM access_logs",
    "SELECT * FROM (SELECT * FROM access_logs)",
    "SELECT * FROM access_logs WHERE leaf_index = (SELECT max(leaf_index) FROM access_logs)",
    "SELECT 1 UNION ALL SELECT leaf_index FROM access_logs",
    "SELECT x FROM access_logs AS a(x)",
    "FROM access_logs PIVOT (count(*) FOR result IN ('success'))",
  ])("%s", async (sql) => {
    const found = await look(sql)
    expect(found).toMatchObject({ isPlainRows: false, isSingleSelect: false, columns: undefined })
    expect(found.leavesSql).toBeUndefined()
  })
})

describe("an answer that may change by itself", () => {
  test.each([
    "SELECT now() FROM access_logs",
    "SELECT current_date FROM access_logs",
    "SELECT user_id FROM access_logs WHERE timestamp > CURRENT_TIMESTAMP - INTERVAL 1 DAY",
    "SELECT random() FROM access_logs",
    "SELECT user_id FROM access_logs ORDER BY uuid()",
    "SELECT age(timestamp) FROM access_logs",
    "SELECT user_id FROM access_logs USING SAMPLE 1 ROWS",
    "SELECT user_id FROM access_logs TABLESAMPLE 10%",
    "SELECT first(user_id) FROM access_logs",
    "SELECT string_agg(user_id) FROM access_logs",
    "SELECT row_number() OVER () FROM access_logs",
    "SELECT user_id, count(*) FROM access_logs GROUP BY ALL LIMIT 1",
  ])("%s", async (sql) => {
    expect((await look(sql)).isVolatile).toBe(true)
  })
})

describe("the leaves of an answer", () => {
  /** Makes the same question over a store that has only the rows of its leaves, and compares. */
  test.each<[sql: string, parameters?: Readonly<Record<string, SqlValue>>]>([
    ["SELECT result, count(*) FROM access_logs WHERE user_id <> 'U3' GROUP BY 1"],
    [
      "SELECT a.user_id AS u, count(*) AS n FROM access_logs a WHERE u IN ('U1', 'U2') GROUP BY ALL HAVING n > 1 ORDER BY n DESC, u LIMIT 1",
    ],
    [
      "SELECT max(leaf_index) FROM access_logs WHERE ip_address IS NOT NULL AND http_status = $1",
      { "1": 200 },
    ],
    [
      "SELECT count(*) FILTER (http_status = $1), $2 FROM access_logs WHERE user_id <> $3",
      { "1": 200, "2": "x", "3": "U5" },
    ],
    ["SELECT count(*) FILTER (leaf_index > $x) FROM access_logs WHERE user_id = $y", { x: 7, y: "U5" }],
    [
      'SELECT 9007199254740993, \'{"number":"1"}\', count(*) FROM access_logs WHERE leaf_index < 9007199254740993 AND user_id <> \'{"number":"1"}\'',
    ],
    [
      "SELECT count(DISTINCT user_id) FROM access_logs WHERE (upper(user_id) LIKE 'U%' AND timestamp BETWEEN '2023-10-21' AND '2023-10-22') OR CASE WHEN mfa THEN true ELSE false END",
    ],
    ["SELECT sum(leaf_index) FROM access_logs"],
  ])("%s", async (sql, parameters = {}) => {
    const { leavesSql, leavesParameters, reads } = (await look(sql)) as Required<Analysis>
    const byPlace = leavesParameters.some((name) => /^\d/.test(name))
    const values = leavesParameters.map((name) => parameters[name] as SqlValue)
    const given = byPlace
      ? values
      : Object.fromEntries(leavesParameters.map((name, i) => [name, values[i] as SqlValue]))
    const leaves = await rowsOf(store, { sql: leavesSql, parameters: given })
    expect(leaves[0]).toHaveLength(new Set(["leaf_index", ...reads]).size)
    const part = await openQueryStore({ path: ":memory:", memoryMb: 128 })
    for (const [leaf] of leaves) {
      await part.append({
        ...samplePage(leaf as number, (leaf as number) + 1),
        leafIndices: [leaf as number],
      })
    }
    await part.commit()
    expect(await rowsOf(part, { sql, parameters })).toEqual(await rowsOf(store, { sql, parameters }))
    await part.close()
  })
})

describe("a question without its LIMIT", () => {
  test.each<[sql: string, unlimited: string, parameters: readonly string[]]>([
    [
      "SELECT user_id FROM access_logs ORDER BY leaf_index LIMIT 3 OFFSET 2",
      "SELECT user_id FROM access_logs ORDER BY leaf_index",
      [],
    ],
    [
      "SELECT user_id FROM access_logs WHERE user_id = $2 LIMIT $1",
      "SELECT user_id FROM access_logs WHERE (user_id = $1)",
      ["2"],
    ],
    [
      "SELECT user_id FROM access_logs WHERE user_id = $who LIMIT $n",
      "SELECT user_id FROM access_logs WHERE (user_id = $who)",
      ["who"],
    ],
    ["SELECT user_id FROM access_logs LIMIT 5%", "SELECT user_id FROM access_logs", []],
  ])("%s", async (sql, unlimited, parameters) => {
    expect(await look(sql)).toMatchObject({ unlimitedSql: unlimited, unlimitedParameters: parameters })
  })

  test("is not there if it has none", async () => {
    const found = await look("SELECT user_id FROM access_logs WHERE action = 'limit 3'")
    expect(found).not.toHaveProperty("unlimitedSql")
    expect(found).not.toHaveProperty("unlimitedParameters")
  })
})

test.each<[sql: string, columns: readonly string[]]>([
  ["SELECT country FROM access_logs", []],
  ["SELECT * FROM access_logs", []],
  ["SELECT country FROM access_logs a WHERE a.HOST = 'x' AND action = 'y'", ["action", "host"]],
  ["SELECT country AS c FROM access_logs WHERE c = 'DE'", ["country"]],
  ["SELECT user_id FROM access_logs WHERE attributes->>'country' = 'DE'", ["attributes"]],
  ["SELECT *, upper(country) FROM access_logs", ["country"]],
  ["SELECT country AS c, upper(C) AS d FROM access_logs", ["country"]],
  ["SELECT country AS c, c AS d, upper(d) FROM access_logs", ["country"]],
  ["SELECT * REPLACE (upper(os) AS action) FROM access_logs", ["os"]],
  ["SELECT country AS c, os FROM access_logs ORDER BY c DESC, 2, timestamp", ["timestamp", "country", "os"]],
  ["SELECT leaf_index, a FROM access_logs AS A", ALL],
  ["SELECT leaf_index, to_json(access_logs) FROM access_logs", ALL],
  ["SELECT user_id, COLUMNS(*) FROM access_logs", ALL],
])("the columns that more is made of: %s", async (sql, columns) => {
  const { computedReads } = await look(sql)
  // Order is that of the columns, not of the question.
  expect(computedReads).toEqual(ALL.filter((name) => columns.includes(name)))
})

test.each([
  "SELECT access_logs FROM access_logs",
  "SELECT count(DISTINCT a) FROM access_logs a",
  "SELECT main.access_logs FROM access_logs",
])("a whole row reads every column: %s", async (sql) => {
  expect((await look(sql)).reads).toEqual(ALL)
})

describe("the order of an answer", () => {
  /** Asks with the keys, and puts rows that tie in another order: the rows are those of the question all the same. */
  test.each<[sql: string, keys: number, parameters?: SqlValue[]]>([
    ["SELECT user_id, result FROM access_logs ORDER BY result DESC NULLS LAST, timestamp", 2],
    ["SELECT upper(result) AS user_id FROM access_logs a ORDER BY user_id, a.user_id LIMIT 7 OFFSET 2", 2],
    ["SELECT user_id || $1 AS u FROM access_logs ORDER BY u, 1 LIMIT $2", 2, ["x", 5]],
    ["SELECT * FROM access_logs WHERE leaf_index < 50 ORDER BY action, leaf_index", 2],
    ["SELECT user_id, count(*) AS n FROM access_logs GROUP BY ALL ORDER BY n DESC, 1 LIMIT 5", 2],
    ["SELECT count(*) FROM access_logs GROUP BY user_id, result ORDER BY user_id, access_logs.result", 2],
    ["SELECT DISTINCT result FROM access_logs ORDER BY result DESC", 1],
  ])("%s", async (sql, keys, parameters = []) => {
    const { ordered, isPlainRows, hasOrder } = await look(sql)
    expect({ hasOrder, keys: ordered?.keys }).toEqual({ hasOrder: true, keys })
    const given = (ordered?.parameters ?? []).map((place) => parameters[Number(place) - 1] as SqlValue)
    const withKeys = await rowsOf(store, { sql: ordered?.sql ?? "", parameters: given })
    const asked = isPlainRows ? sql.replace(/ LIMIT.*/, "") : sql
    const kept = isPlainRows ? parameters.slice(0, 1) : parameters
    const rows = await rowsOf(store, { sql: asked, parameters: kept })
    expect(withKeys.map((row) => JSON.stringify(row.slice(0, -keys))).sort()).toEqual(
      rows.map((row) => JSON.stringify(row)).sort(),
    )
  })

  test.each([
    "SELECT user_id FROM access_logs ORDER BY lower(user_id)",
    "SELECT user_id FROM access_logs ORDER BY user_id COLLATE NOCASE",
    "SELECT user_id COLLATE NOCASE AS u FROM access_logs ORDER BY u",
    "SELECT user_id FROM access_logs ORDER BY ALL",
    "SELECT *, 1 FROM access_logs ORDER BY 3",
    "SELECT * REPLACE (upper(user_id) AS user_id) FROM access_logs ORDER BY user_id",
    "SELECT user_id AS u, host AS u FROM access_logs ORDER BY u",
    "SELECT DISTINCT ON (user_id) user_id, host FROM access_logs ORDER BY user_id",
    "SELECT DISTINCT result FROM access_logs ORDER BY user_id",
    "SELECT user_id FROM access_logs GROUP BY user_id ORDER BY count(*)",
    "SELECT unnest(tags) AS t FROM access_logs ORDER BY t",
    "SELECT user_id FROM access_logs ORDER BY attributes.a",
  ])("cannot be told: %s", async (sql) => {
    const found = await look(sql)
    expect(found.hasOrder).toBe(true)
    expect(found).not.toHaveProperty("ordered")
  })

  test("is not there where none is asked for", async () => {
    const found = await look("SELECT list(user_id ORDER BY host) FROM access_logs")
    expect(found.hasOrder).toBe(false)
    expect(found).not.toHaveProperty("ordered")
  })
})

test.each<[sql: string, limit: string, parameters: readonly string[]]>([
  ["SELECT user_id FROM access_logs ORDER BY 1 LIMIT 3 OFFSET 2", "3", []],
  ["SELECT user_id FROM access_logs WHERE user_id = $1 LIMIT $2 + 1", "8", ["2"]],
  ["SELECT user_id FROM access_logs WHERE user_id = $who LIMIT $n", "7", ["n"]],
])("the number in LIMIT: %s", async (sql, limit, parameters) => {
  const found = (await look(sql)).limit
  expect(found?.parameters).toEqual(parameters)
  const given = parameters[0] === "n" ? { n: 7 } : parameters.map(() => 7)
  expect(String(await rowsOf(store, { sql: found?.sql ?? "", parameters: given }))).toBe(limit)
})

test.each([
  "SELECT user_id FROM access_logs",
  "SELECT 1 FROM access_logs LIMIT 5%",
  "SELECT 1 FROM access_logs OFFSET 2",
])("no number in LIMIT: %s", async (sql) => {
  expect(await look(sql)).not.toHaveProperty("limit")
})

describe("what rows may tie in, and what rounds", () => {
  test.each<[sql: string, found: Partial<Analysis>]>([
    ["SELECT rank() OVER (ORDER BY leaf_index) FROM access_logs", { hasWindow: true }],
    ["SELECT user_id FROM access_logs QUALIFY rank() OVER (ORDER BY host) = 1", { hasWindow: true }],
    ["SELECT list(user_id ORDER BY host) FROM access_logs", { picksByOrder: true }],
    ["SELECT DISTINCT ON (user_id) host FROM access_logs ORDER BY user_id, host", { picksByOrder: true }],
    ["SELECT round(sum(duration_ms)) FROM access_logs", { judgesFractions: true }],
    ["SELECT round(stddev(http_status), 2) FROM access_logs", { judgesFractions: true }],
    ["SELECT result FROM access_logs GROUP BY 1 HAVING avg(duration_ms) > 2", { judgesFractions: true }],
    // An order of the whole answer, a condition row by row, and whole numbers decide nothing by a last digit.
    ["SELECT user_id, count(*) FROM access_logs WHERE duration_ms > 2 GROUP BY 1 ORDER BY 2", {}],
    ["SELECT round(sum(http_status)), sum(duration_ms) FROM access_logs", {}],
  ])("%s", async (sql, found) => {
    const { hasWindow, picksByOrder, judgesFractions } = await look(sql)
    const none = { hasWindow: false, picksByOrder: false, judgesFractions: false }
    expect({ hasWindow, picksByOrder, judgesFractions }).toEqual({ ...none, ...found })
  })
})

test("a question that could not be asked is refused", async () => {
  await expect(look("SELECT * FROM prooflog_events")).rejects.toMatchObject({ code: "QUERY_FORBIDDEN" })
  await expect(look("SELECT 1; SELECT 2")).rejects.toMatchObject({ code: "QUERY_NOT_ONE_SELECT" })
})
