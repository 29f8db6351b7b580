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

const bounded = async (sql: string) => boundedSql(trees, await trees.parse(sql), sql, 100)

test.each([
  ["SELECT 1", "SELECT 1\nLIMIT 100"],
  ["SELECT 1;  \n", "SELECT 1\nLIMIT 100"],
  ["SELECT 1 -- LIMIT 3;", "SELECT 1 -- LIMIT 3\nLIMIT 100"],
  ["SELECT 1 /* ; */ ;", "SELECT 1 /* ; */\nLIMIT 100"],
  ["SELECT user_id FROM access_logs ORDER BY 1", "SELECT user_id FROM access_logs ORDER BY 1\nLIMIT 100"],
  ["SELECT 1 UNION ALL SELECT 2", "SELECT 1 UNION ALL SELECT 2\nLIMIT 100"],
  ["WITH a AS (SELECT 1 LIMIT 900) FROM a", "WITH a AS (SELECT 1 LIMIT 900) FROM a\nLIMIT 100"],
  ["SELECT 1 LIMIT 100", "SELECT 1 LIMIT 100"],
  ["SELECT 1 LIMIT 5 OFFSET 900", "SELECT 1 LIMIT 5 OFFSET 900"],
])("bounds %j", async (sql, expected) => {
  expect(await bounded(sql)).toBe(expected)
})

test.each([
  "SELECT 1 LIMIT 101",
  "SELECT 1 LIMIT 5%",
  "SELECT 1 LIMIT $1",
  "SELECT 1 LIMIT 2 + 3",
  "SELECT 1 OFFSET 1",
  "SUMMARIZE SELECT 1",
  "DESCRIBE access_logs",
  "SELECT 1; -- the end",
])("does not bound %j", async (sql) => {
  expect(await bounded(sql)).toBeUndefined()
})
