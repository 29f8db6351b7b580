/**
 * Filters as SQL: names from our own list, values only as parameters.
 *
 *     user_id is U1, U2          (user_id IN ($1::VARCHAR, $2::VARCHAR))
 *     http_path prefix /adm      AND (starts_with(http_path, $3::VARCHAR))
 *     from 2023-10-01            AND timestamp >= $4::TIMESTAMP
 *                                AND source <> 'prooflog'
 *
 * Every parameter is cast to the type of its column, not the column to that of the parameter: so the
 * smallest and greatest value that DuckDB keeps of each row group still tell it what to pass over.
 *
 * Pure.
 */

import { type Column, hiddenColumns, OWN_SOURCE, TABLE } from "./columns.js"
import { badFilter, type Condition, type Filter, filteredColumn } from "./filter.js"
import { parseNetwork } from "./filter-network.js"
import { type FilterValue, kindOf } from "./filter-value.js"

/** A statement and the values of its `$1 …`. */
export interface SqlText {
  readonly sql: string
  readonly parameters: readonly FilterValue[]
}

/** The values of `$1 …`, while a statement is written. */
export class ParameterList {
  readonly values: FilterValue[] = []

  /** Keeps a value. Returns what stands for it in the statement. */
  add(value: FilterValue, type: string): string {
    this.values.push(value)
    return `$${this.values.length}::${type}`
  }
}

/**
 * Returns the statement for all rows of a filter, oldest first, whatever its limit, order and cursor.
 *
 * It sorts nothing: rows are stored in the order of the log and scans keep it, and a sort of all rows
 * would need the memory of all rows.
 *
 * @throws {@link QueryError} `QUERY_BAD_FILTER` for a name that is no column
 */
export function filterSql(filter: Filter): SqlText {
  const parameters = new ParameterList()
  const where = whereSql(filter, parameters)
  return { sql: `SELECT * FROM ${TABLE} WHERE ${where}`, parameters: parameters.values }
}

/** Returns the conditions of a filter as one SQL expression, and adds its values to `parameters`. */
export function whereSql(filter: Filter, parameters: ParameterList): string {
  const terms = filter.conditions.map((condition) => conditionSql(condition, parameters))
  if (filter.from !== undefined) terms.push(`timestamp >= ${parameters.add(filter.from, "TIMESTAMP")}`)
  if (filter.to !== undefined) terms.push(`timestamp < ${parameters.add(filter.to, "TIMESTAMP")}`)
  if (!filter.conditions.some(({ column }) => column === "source")) {
    // Every event has a source: as a plain comparison it is made while reading.
    terms.push(`source <> '${OWN_SOURCE}'`)
  }
  return terms.length === 0 ? "true" : terms.join(" AND ")
}

/**
 * Refuses a filter about names that are hidden from the one who asks: its answer would be empty, or say
 * what is hidden.
 *
 * @throws {@link QueryError} `QUERY_BAD_FILTER`
 */
export function requireVisible(names: readonly string[], withheld: readonly string[] = []): void {
  const hidden = hiddenColumns(withheld)
  const name = names.find((each) => hidden.includes(each))
  if (name !== undefined) throw badFilter(name, "this column is withheld from you")
}

/** Returns the names that a filter asks about. */
export function namesOf(filter: Filter): readonly string[] {
  return filter.conditions.map(({ column }) => column)
}

function conditionSql({ column: name, test, values }: Condition, parameters: ParameterList): string {
  const column = filteredColumn(name)
  const alternatives = values.map((value) => testSql(column, test, value, parameters))
  return `(${alternatives.join(test === "not" ? " AND " : " OR ")})`
}

function testSql(
  column: Column,
  test: Condition["test"],
  value: FilterValue,
  parameters: ParameterList,
): string {
  const { name, type } = column
  const add = (each: FilterValue) => parameters.add(each, type)
  switch (test) {
    case "is":
      return isSql(column, value, parameters)
    case "not":
      return `NOT coalesce(${isSql(column, value, parameters)}, false)`
    case "prefix":
      return `starts_with(${name}, ${add(value)})`
    case "contains":
      return `contains(${name}, ${add(value)})`
    case "min":
      return `${name} >= ${add(value)}`
    case "max":
      return `${name} <= ${add(value)}`
    case "exists":
      return value === true ? `${name} IS NOT NULL` : `${name} IS NULL`
  }
}

function isSql(column: Column, value: FilterValue, parameters: ParameterList): string {
  const { name, type } = column
  if (kindOf(column) === "list") return `list_contains(${name}, ${parameters.add(value, "VARCHAR")})`
  if (name !== "ip_address" || typeof value !== "string" || !value.includes("/")) {
    return `${name} = ${parameters.add(value, type)}`
  }
  const network = parseNetwork(value)
  if (network === undefined) throw badFilter(name, "not a network")
  const bound = (each: number) => parameters.add(each, "INTEGER")
  const octet = `TRY_CAST(split_part(${name}, '.', ${bound(network.octet)}) AS INTEGER)`
  return `(starts_with(${name}, ${parameters.add(network.prefix, type)}) AND ${octet} BETWEEN ${bound(network.first)} AND ${bound(network.last)})`
}
