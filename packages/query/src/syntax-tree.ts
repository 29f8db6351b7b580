/**
 * SQL as DuckDB's own parser sees it, and back.
 *
 *     "SELECT 1"  ─json_serialize_sql─►  { node: { type: "SELECT_NODE", … } }  ─json_deserialize_sql─►  "SELECT 1"
 *
 * What judges a question judges this tree, so that it can never see another question than DuckDB does. Only
 * statements that read have a tree at all.
 */

import type { DuckDBConnection } from "@duckdb/node-api"
import { QueryError } from "./error.js"
import { parseFailure } from "./failure.js"

/** A part of a tree: an object as the parser wrote it. */
export interface SyntaxTree {
  readonly [member: string]: unknown
}

/** Most UTF-16 units in a question. */
export const MAX_SQL_LENGTH = 65_536

export interface SyntaxTrees {
  /**
   * Returns the tree of the one statement of `sql`.
   *
   * @param sql - suspect
   * @throws {@link QueryError} `QUERY_SYNTAX`, `QUERY_NOT_ONE_SELECT`, `QUERY_BAD_PARAMETERS`
   */
  parse(sql: string): Promise<SyntaxTree>

  /** Returns the SQL of a tree, which may have been changed. @throws Error if it is none */
  format(tree: SyntaxTree): Promise<string>

  /** Names of the functions that make one value of many rows, in lower case. */
  aggregates(): Promise<ReadonlySet<string>>
}

/** Macros that come with DuckDB and call aggregates. */
const AGGREGATE_MACROS = [
  "geomean",
  "geometric_mean",
  "json_group_array",
  "json_group_object",
  "json_group_structure",
  "wavg",
  "weighted_avg",
]

/** Once in a process: it takes 25 ms, and DuckDB's functions are the same in every store. */
let aggregates: Promise<ReadonlySet<string>> | undefined

/** @param connection - runs nothing else */
export function openSyntaxTrees(connection: DuckDBConnection): SyntaxTrees {
  let queue: Promise<unknown> = Promise.resolve()
  /** One at a time: a connection can do no more. */
  const inTurn = <T>(task: () => Promise<T>): Promise<T> => {
    const done = queue.then(task)
    // The queue goes on; whoever waits for `done` is told.
    queue = done.catch(() => undefined)
    return done
  }
  return {
    async parse(sql) {
      if (sql.length > MAX_SQL_LENGTH) {
        throw new QueryError("QUERY_SYNTAX", `the question has more than ${MAX_SQL_LENGTH} characters`)
      }
      // DuckDB takes the text it runs up to the first NUL: past it, the tree would be of another question.
      if (sql.includes("\0")) throw new QueryError("QUERY_SYNTAX", "the question has a NUL character")
      const serialize = "SELECT json_serialize_sql($1::VARCHAR)"
      return onlyStatement(await inTurn(() => firstText(connection, serialize, sql)), sql)
    },
    async format(tree) {
      const text = writeExact({ error: false, statements: [tree] })
      return inTurn(() => firstText(connection, "SELECT json_deserialize_sql($1::JSON)", text))
    },
    aggregates() {
      aggregates ??= inTurn(() => readAggregates(connection)).catch((error: unknown) => {
        aggregates = undefined
        throw error
      })
      return aggregates
    },
  }
}

/** Yields every object of a tree, those that hold others before them. */
export function* partsOf(value: unknown): Generator<SyntaxTree> {
  if (typeof value !== "object" || value === null) return
  if (!Array.isArray(value)) yield value as SyntaxTree
  for (const member of Object.values(value)) yield* partsOf(member)
}

/** As DuckDB compares names: only A to Z have a lower case. */
export function lowerName(name: unknown): string {
  return typeof name === "string" ? name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : ""
}

function onlyStatement(text: string, sql: string): SyntaxTree {
  const parsed = readExact(text) as { readonly error: boolean; readonly statements?: readonly SyntaxTree[] }
  if (parsed.error) throw parseFailure(parsed, sql)
  const [statement, ...others] = parsed.statements ?? []
  if (statement === undefined) throw new QueryError("QUERY_NOT_ONE_SELECT", "there is no question")
  if (others.length > 0) {
    throw new QueryError("QUERY_NOT_ONE_SELECT", "one statement at a time: leave out all but one")
  }
  return statement
}

const JSON_TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|-?Infinity/g
const EXACT_NUMBER = /\{"number":"([-+.\deE]+)"\}/g

/**
 * As `JSON.parse`, but a number that a double would round is an object with its digits: `{ number: "9007199254740993" }`.
 * Trees are full of them: places, literals, halves of 128 bits.
 *
 * @throws {@link QueryError} `QUERY_SYNTAX` for a literal past all doubles, which DuckDB writes as no JSON has it
 */
function readExact(text: string): unknown {
  return JSON.parse(
    text.replace(JSON_TOKEN, (token) => {
      if (token.endsWith("Infinity")) {
        throw new QueryError("QUERY_SYNTAX", "a number is larger than any DOUBLE", {
          hint: "Infinity is written 'infinity'::DOUBLE.",
        })
      }
      return token.startsWith('"') || String(Number(token)) === token ? token : `{"number":"${token}"}`
    }),
  )
}

/** As `JSON.stringify`, the other way. No text of the question looks so: its quotes are escaped. */
function writeExact(value: unknown): string {
  return JSON.stringify(value).replace(EXACT_NUMBER, "$1")
}

async function firstText(connection: DuckDBConnection, sql: string, value: string): Promise<string> {
  const rows = (await connection.runAndReadAll(sql, [value])).getRows()
  return String(rows[0]?.[0])
}

async function readAggregates(connection: DuckDBConnection): Promise<ReadonlySet<string>> {
  const sql = "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE function_type = 'aggregate'"
  const rows = (await connection.runAndReadAll(sql)).getRows()
  return new Set([...rows.map((row) => String(row[0])), ...AGGREGATE_MACROS])
}
