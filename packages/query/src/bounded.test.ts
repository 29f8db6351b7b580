import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api"
import { afterAll, beforeAll, expect, test } from "vitest"
import { boundedSql } from "./bounded.js"
import { openSyntaxTrees, type SyntaxTrees } from "./syntax-tree.js"

let instance: DuckDBInstance
let connection: DuckDBConnection
let trees: SyntaxTrees

beforeAll(async () => {
  instance = await DuckDBInstance.create(":memory:", { errors_as_json: "true" })
  connection = await instance.connect()
  trees = openSyntaxTrees(connection)
})

afterAll(() => {
  connection.closeSync()
  instance.closeSync()
})

const bounded = async (sql: string) => (await boundedSql(trees, await trees.parse(sql), sql))?.(100)

test.each([
  ["SELECT * FROM access_logs", "SELECT * FROM access_logs\nLIMIT 100"],
  ["FROM access_logs;  \n", "FROM access_logs\nLIMIT 100"],
  ["SELECT a FROM Access_Logs -- LIMIT 3;", "SELECT a FROM Access_Logs -- LIMIT 3\nLIMIT 100"],
  ["SELECT a FROM access_logs /* ; */ ;", "SELECT a FROM access_logs /* ; */\nLIMIT 100"],
  ["SELECT a FROM access_logs l WHERE b = $1", "SELECT a FROM access_logs l WHERE b = $1\nLIMIT 100"],
  ["SELECT count(*) FROM access_logs", "SELECT count(*) FROM access_logs\nLIMIT 100"],
])("bounds %j", async (sql, expected) => {
  expect(await bounded(sql)).toBe(expected)
})

test.each([
  "SELECT 1",
  "SELECT a FROM access_logs LIMIT 5",
  "SELECT a FROM access_logs OFFSET 1",
  "SELECT a FROM access_logs ORDER BY a",
  "SELECT DISTINCT a FROM access_logs",
  "SELECT a, count(*) FROM access_logs GROUP BY a",
  "SELECT a, count(*) FROM access_logs GROUP BY ALL",
  "SELECT a FROM access_logs QUALIFY row_number() OVER (ORDER BY a) = 1",
  "SELECT a FROM access_logs UNION ALL SELECT a FROM access_logs",
  "SELECT a FROM access_logs JOIN access_logs AS m USING (a)",
  "WITH a AS (FROM access_logs) FROM a",
  "SUMMARIZE access_logs",
  "SELECT a FROM access_logs; -- the end",
])("does not bound %j", async (sql) => {
  expect(await bounded(sql)).toBeUndefined()
})
