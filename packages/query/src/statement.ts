/**
 * What a question may be: one statement that reads `access_logs`, and nothing else.
 *
 *     WITH a AS (SELECT … FROM access_logs)      a name of its own, where it may be used
 *     SELECT f(x), (SELECT …)                    no function that looks at anything but its arguments
 *     FROM access_logs, a, unnest(tags),         no schema, no file, no function but three
 *          (SELECT …), LATERAL (…)
 *     WHERE … GROUP BY … HAVING … QUALIFY … ORDER BY … LIMIT …
 *
 * The tree is judged part by part, and a part of a kind that is not known here is refused. This is the second
 * wall: should it fall, DuckDB's settings still forbid files, network and settings. But it is the only one that
 * keeps a question from reading around what is withheld from the one who asks.
 *
 * Pure, over the tree that DuckDB's parser made.
 */

import { TABLE } from "./columns.js"
import { QueryError, type QueryErrorCode } from "./error.js"
import { placeInBytes, printable } from "./failure.js"
import { isForbiddenFunction, TABLE_FUNCTIONS } from "./function-rules.js"
import { nearestName } from "./nearest.js"
import { lowerName, type SyntaxTree } from "./syntax-tree.js"

/**
 * Checks that a question only reads `access_logs`.
 *
 * @param statement - as `SyntaxTrees.parse` returns it. Suspect
 * @param sql - its text, for the place of an error
 * @throws {@link QueryError} `QUERY_FORBIDDEN`, `QUERY_UNKNOWN_TABLE`
 */
export function checkStatement(statement: SyntaxTree, sql: string): void {
  new StatementCheck(sql).visit(statement.node, new Set())
}

/** Names of CTEs that may be used here, in lower case. */
type Scope = ReadonlySet<string>

const NODES = new Set(["SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"])

/** Parts that only hold others. */
const PLAIN_PARTS = new Set([
  "EMPTY",
  "EXPRESSION_LIST",
  "JOIN",
  "SUBQUERY",
  "ORDER_MODIFIER",
  "LIMIT_MODIFIER",
  "LIMIT_PERCENT_MODIFIER",
  "DISTINCT_MODIFIER",
  "ORDER_DEFAULT",
  "ASCENDING",
  "DESCENDING",
])

const EXPRESSIONS = new Set([
  "BETWEEN",
  "CASE",
  "CAST",
  "COLLATE",
  "COLUMN_REF",
  "COMPARISON",
  "CONJUNCTION",
  "FUNCTION",
  "LAMBDA",
  "LAMBDA_REF",
  "OPERATOR",
  "PARAMETER",
  "POSITIONAL_REFERENCE",
  "STAR",
  "SUBQUERY",
  "TYPE",
  "WINDOW",
])

/** Beginnings of names that DuckDB, or the store, keeps for itself: no CTE may hide behind one. */
const RESERVED = /^(prooflog|duckdb|sqlite|pragma|pg)_|^information_schema$/

class StatementCheck {
  readonly #sql: string

  constructor(sql: string) {
    this.#sql = sql
  }

  visit(value: unknown, scope: Scope): void {
    if (typeof value !== "object" || value === null) return
    if (Array.isArray(value)) {
      for (const item of value) this.visit(item, scope)
      return
    }
    const part = value as SyntaxTree
    if (typeof part.class === "string") this.#visitExpression(part, scope)
    else if (typeof part.type === "string") this.#visitPart(part, part.type, scope)
    else this.#visitMembers(part, scope)
  }

  #visitMembers(part: SyntaxTree, scope: Scope): void {
    for (const [name, member] of Object.entries(part)) {
      if (name === "cast_type") this.#visitType(member)
      else this.visit(member, scope)
    }
  }

  #visitExpression(part: SyntaxTree, scope: Scope): void {
    // A constant is a value and its type: nothing in it is looked up.
    if (part.class === "CONSTANT") return
    if (!EXPRESSIONS.has(part.class as string)) throw this.#refuse(part, "this kind of expression")
    if (part.class === "FUNCTION" || part.class === "WINDOW") this.#checkFunction(part)
    if (part.class === "TYPE") this.#checkUnqualified(part, "types")
    this.#visitMembers(part, scope)
  }

  #checkFunction(part: SyntaxTree): void {
    const name = lowerName(part.function_name)
    const schema = lowerName(part.schema)
    if (lowerName(part.catalog) !== "" || (schema !== "" && schema !== "main")) {
      throw this.#refuse(part, "functions of other schemas")
    }
    if (isForbiddenFunction(name)) throw this.#refuse(part, `the function ${name}`)
    if (part.export_state === true) throw this.#refuse(part, "states of aggregates")
  }

  #visitPart(part: SyntaxTree, type: string, scope: Scope): void {
    if (NODES.has(type)) this.#visitNode(part, type, scope)
    else if (type === "BASE_TABLE") this.#checkTable(part, scope)
    else if (type === "TABLE_FUNCTION") this.#visitTableFunction(part, scope)
    else if (type === "SHOW_REF") this.#visitShow(part, scope)
    else if (type === "PIVOT") this.#visitPivot(part, scope)
    else if (PLAIN_PARTS.has(type)) this.#visitMembers(part, scope)
    else throw this.#refuse(part, "this kind of statement")
  }

  /** A CTE may be used by those after it, by the query it belongs to, and, if it is recursive, in its second half. */
  #visitNode(part: SyntaxTree, type: string, outer: Scope): void {
    const { cte_map, left, right, ...others } = part
    const scope = new Set(outer)
    for (const entry of ctesOf(cte_map)) {
      const name = lowerName(entry.key)
      if (RESERVED.test(name)) throw this.#refuse(part, `the name ${name}`)
      this.visit(entry.value, scope)
      scope.add(name)
    }
    if (type === "CTE_NODE") throw this.#refuse(part, "this kind of statement")
    this.#visitMembers(others, scope)
    this.visit(left, scope)
    if (type === "RECURSIVE_CTE_NODE") scope.add(lowerName(part.cte_name))
    this.visit(right, scope)
  }

  #checkTable(part: SyntaxTree, scope: Scope): void {
    const name = lowerName(part.table_name)
    this.#checkUnqualified(part, "tables of other schemas")
    if (part.at_clause !== undefined && part.at_clause !== null) throw this.#refuse(part, "AT")
    this.visit(part.sample, scope)
    if (name === TABLE || scope.has(name)) return
    if (RESERVED.test(name)) throw this.#refuse(part, `the table ${name}`)
    if (/[^a-z0-9_]/.test(name)) throw this.#refuse(part, "files and other sources")
    const near = nearestName(name, [TABLE, ...scope]) ?? TABLE
    throw this.#error("QUERY_UNKNOWN_TABLE", `there is no table ${name}`, part, `Did you mean ${near}?`)
  }

  #checkUnqualified(part: SyntaxTree, what: string): void {
    for (const member of ["catalog_name", "schema_name", "catalog", "schema"]) {
      if (lowerName(part[member]) !== "") throw this.#refuse(part, what)
    }
  }

  #visitTableFunction(part: SyntaxTree, scope: Scope): void {
    const call = part.function as SyntaxTree
    const name = lowerName(call.function_name)
    if (call.class !== "FUNCTION" || !TABLE_FUNCTIONS.has(name)) {
      throw this.#refuse(part, `the table function ${name}`)
    }
    this.#visitMembers(part, scope)
  }

  /** DESCRIBE and SUMMARIZE of a query. SHOW of anything else reads the catalog. */
  #visitShow(part: SyntaxTree, scope: Scope): void {
    const described = part.show_type === "DESCRIBE" || part.show_type === "SUMMARY"
    if (!described || part.query === null || part.query === undefined) throw this.#refuse(part, "SHOW")
    this.visit(part.query, scope)
  }

  /** Columns named after values that are not in the question would let rows into error texts. */
  #visitPivot(part: SyntaxTree, scope: Scope): void {
    const { type, pivots, ...others } = part
    this.#visitMembers(others, scope)
    for (const pivot of pivots as readonly SyntaxTree[]) {
      if (lowerName(pivot.pivot_enum) !== "" || (pivot.subquery !== undefined && pivot.subquery !== null)) {
        throw this.#refuse(part, "PIVOT without the list of its values")
      }
      this.visit(pivot.pivot_expressions, scope)
      for (const entry of (pivot.entries ?? []) as readonly SyntaxTree[]) this.visit(entry.expr, scope)
    }
  }

  /** Types may be nested, and may be written as expressions. */
  #visitType(value: unknown): void {
    if (typeof value !== "object" || value === null) return
    const part = value as SyntaxTree
    if (!Array.isArray(value)) this.#checkUnqualified(part, "types of other schemas")
    for (const member of Object.values(part)) this.#visitType(member)
  }

  #refuse(part: SyntaxTree, what: string): QueryError {
    return this.#error("QUERY_FORBIDDEN", `a question may not use ${what}`, part, hintTo(TABLE))
  }

  #error(code: QueryErrorCode, message: string, part: SyntaxTree, hint: string): QueryError {
    const location = Number(part.query_location)
    const place = Number.isSafeInteger(location) ? placeInBytes(this.#sql, location) : {}
    return new QueryError(code, printable(message), { ...place, hint: printable(hint) })
  }
}

function hintTo(table: string): string {
  return `Questions read ${table} and what is in it.`
}

function ctesOf(map: unknown): readonly SyntaxTree[] {
  const entries = (map as SyntaxTree | undefined)?.map
  return Array.isArray(entries) ? (entries as readonly SyntaxTree[]) : []
}
