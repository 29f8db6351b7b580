/**
 * Values for the parameters of a question: `?` and `$1` by place, `$name` by name.
 *
 *     text, boolean, null     as they are
 *     whole number            BIGINT
 *     other number            DOUBLE
 *
 * All that are in the question must be given, and no others: a misspelt name is no NULL.
 */

import type { DuckDBPreparedStatement } from "@duckdb/node-api"
import { QueryError } from "./error.js"
import { printable } from "./failure.js"

/** A value of a parameter. */
export type SqlValue = string | number | boolean | null

/** By place, or by name; a place is also a name, as `"1"`. */
export type SqlParameters = readonly SqlValue[] | Readonly<Record<string, SqlValue>>

/**
 * Binds the values of a question's parameters.
 *
 * @param parameters - suspect
 * @throws {@link QueryError} `QUERY_BAD_PARAMETERS`; names parameters, never their values
 */
export function bindParameters(statement: DuckDBPreparedStatement, parameters: SqlParameters): void {
  const given = new Map<string, unknown>(
    Array.isArray(parameters)
      ? parameters.map((value, i) => [String(i + 1), value])
      : Object.entries(parameters),
  )
  for (let place = 1; place <= statement.parameterCount; place++) {
    const name = nameAt(statement, place)
    if (!given.has(name)) throw badParameter(`the parameter $${name} has no value`)
    bindValue(statement, place, name, given.get(name))
    given.delete(name)
  }
  for (const name of given.keys()) throw badParameter(`the question has no parameter $${name}`)
}

/** DuckDB cannot bind `$2` where there is no `$1`. */
function nameAt(statement: DuckDBPreparedStatement, place: number): string {
  try {
    return statement.parameterName(place)
  } catch {
    throw badParameter("parameters by place are $1, $2 and so on: none may be left out")
  }
}

function bindValue(statement: DuckDBPreparedStatement, place: number, name: string, value: unknown): void {
  if (value === null) statement.bindNull(place)
  else if (typeof value === "string") statement.bindVarchar(place, value)
  else if (typeof value === "boolean") statement.bindBoolean(place, value)
  else if (Number.isSafeInteger(value)) statement.bindBigInt(place, BigInt(value as number))
  else if (typeof value === "number" && Number.isFinite(value)) statement.bindDouble(place, value)
  else throw badParameter(`the parameter $${name} is no text, number, boolean or null`)
}

function badParameter(message: string): QueryError {
  return new QueryError("QUERY_BAD_PARAMETERS", printable(message))
}
