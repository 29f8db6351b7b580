/**
 * What a question reads, so that its answer can be proven.
 *
 *     SELECT leaf_index, user_id FROM access_logs WHERE …        rows: each is rebuilt from its leaf
 *     SELECT result, count(*) FROM access_logs WHERE … GROUP BY … aggregate: computed again from the rows of
 *                                                                `leavesSql`, once those are proven
 *     SELECT … FROM access_logs a JOIN access_logs b …            neither
 *
 * Whatever is not surely so is answered with no.
 *
 * Pure, over the tree that DuckDB's parser made.
 */

import { columnOf, columnsRead, isThere, listOf, tablesIn, withoutAliases } from "./analyse-names.js"
import { itemAtPlace, orderTerms, withOrderKeys } from "./analyse-order.js"
import { COLUMNS, findColumn, TABLE } from "./columns.js"
import {
  FRACTION_MAKERS,
  ORDER_DEPENDENT,
  ROUNDERS,
  ROW_MAKERS,
  VOLATILE_FUNCTIONS,
  VOLATILE_NAMES,
} from "./function-rules.js"
import { checkStatement } from "./statement.js"
import { lowerName, partsOf, type SyntaxTree, type SyntaxTrees } from "./syntax-tree.js"

/** A question that was made of another. */
export interface WrittenSql {
  readonly sql: string
  /** Parameters that it still has, as {@link Analysis.leavesParameters} are. */
  readonly parameters: readonly string[]
}

export interface Analysis {
  /**
   * For each output column, the column of `access_logs` that it shows unchanged, or `undefined` if it is
   * computed. `undefined` as a whole if it is no single SELECT, or its columns cannot be told from its text.
   */
  readonly columns: readonly (string | undefined)[] | undefined
  /** Columns of `access_logs` that are referred to anywhere, in the order of {@link COLUMNS}. */
  readonly reads: readonly string[]
  /** A single SELECT whose every row is a function of one row of `access_logs`: nothing is grouped or counted. */
  readonly isPlainRows: boolean
  /** One SELECT over `access_logs` alone: no join, subquery, CTE or set operation. */
  readonly isSingleSelect: boolean
  /** Its answer may change though the rows do not: `random()`, `now()`, a sample, the order of rows. */
  readonly isVolatile: boolean
  /** It looks through a window (`OVER`), in which rows may tie. */
  readonly hasWindow: boolean
  /** It takes rows in an order of its own, inside an aggregate or for `DISTINCT ON`: rows may tie there too. */
  readonly picksByOrder: boolean
  /** It rounds, casts or compares fractions outside WHERE: their last digits depend on the order of adding. */
  readonly judgesFractions: boolean
  /**
   * For a single SELECT: the columns that anything refers to but an output column that is nothing else, in the order of
   * {@link COLUMNS}: what is computed of them, WHERE, ORDER BY.
   */
  readonly computedReads?: readonly string[]
  /** It asks for an order of its rows. */
  readonly hasOrder: boolean
  /**
   * For a single SELECT whose order can be told from its text: the question with so many more columns behind its own,
   * which are the same in two rows if and only if those tie. Without LIMIT and OFFSET if `isPlainRows`.
   */
  readonly ordered?: WrittenSql & { readonly keys: number }
  /** For a single SELECT with LIMIT, but not one in percent: asks for the number alone, without rows. */
  readonly limit?: WrittenSql
  /** For a single SELECT that has LIMIT or OFFSET: the question without them. */
  readonly unlimitedSql?: string
  /** Parameters that `unlimitedSql` still has, as {@link leavesParameters} are. */
  readonly unlimitedParameters?: readonly string[]
  /**
   * For a single SELECT: `SELECT leaf_index, <columns read> FROM access_logs WHERE <the same>`, the rows that its
   * answer is made of.
   */
  readonly leavesSql?: string
  /**
   * Parameters of the question that `leavesSql` has too: names; or places, as `"1"`. Those by place are counted
   * anew: its `$1` is the question's parameter at the first of these places.
   */
  readonly leavesParameters?: readonly string[]
}

/**
 * Says what a question reads.
 *
 * @param trees - of any store: `store.trees`
 * @param sql - suspect
 * @throws {@link QueryError} for what could not be asked, as far as can be told without columns and types
 */
export async function analyse(trees: SyntaxTrees, sql: string): Promise<Analysis> {
  const statement = await trees.parse(sql)
  checkStatement(statement, sql)
  const node = statement.node as SyntaxTree
  const tables = tablesIn(node)
  const reads = columnsRead(node, tables)
  const anyway = {
    reads,
    isVolatile: hasVolatile(node),
    hasWindow: hasWindow(node),
    picksByOrder: picksByOrder(node),
    judgesFractions: judgesFractions(node),
    hasOrder: orderTerms(node).length > 0,
  }
  if (!isSingleSelect(node)) {
    return { ...anyway, columns: undefined, isPlainRows: false, isSingleSelect: false }
  }
  const columns = outputColumns(node)
  const isPlain = isPlainRows(node, await trees.aggregates())
  const leaves = await written(trees, statement, leavesOf(node, reads))
  const unlimitedNode = withoutLimit(node)
  const unlimited = unlimitedNode && (await written(trees, statement, unlimitedNode))
  const ordered = withOrderKeys((isPlain && unlimitedNode) || node, columns)
  const limitNode = limitOf(node)
  return {
    ...anyway,
    columns,
    isPlainRows: isPlain,
    isSingleSelect: true,
    computedReads: columnsRead(computedParts(node), tables),
    leavesSql: leaves.sql,
    leavesParameters: leaves.parameters,
    ...(unlimited && { unlimitedSql: unlimited.sql, unlimitedParameters: unlimited.parameters }),
    ...(ordered && { ordered: { ...(await written(trees, statement, ordered.node)), keys: ordered.keys } }),
    ...(limitNode && { limit: await written(trees, statement, limitNode) }),
  }
}

/** The SQL of a node made from a statement's, and the parameters that it still has. */
async function written(trees: SyntaxTrees, statement: SyntaxTree, node: SyntaxTree): Promise<WrittenSql> {
  const parameters = parametersOf(node)
  return { sql: await trees.format(countAnew({ ...statement, node }, parameters)), parameters }
}

function isSingleSelect(node: SyntaxTree): boolean {
  const from = node.from_table as SyntaxTree
  if (node.type !== "SELECT_NODE" || from.type !== "BASE_TABLE" || lowerName(from.table_name) !== TABLE)
    return false
  if (listOf((node.cte_map as SyntaxTree | undefined)?.map).length > 0) return false
  // `access_logs AS a(x, y)` gives the columns other names.
  if (listOf(from.column_name_alias).length > 0) return false
  for (const part of partsOf(node)) if (part.class === "SUBQUERY") return false
  return true
}

function isPlainRows(node: SyntaxTree, aggregates: ReadonlySet<string>): boolean {
  if (listOf(node.group_expressions).length > 0 || listOf(node.group_sets).length > 0) return false
  if (isThere(node.having) || isThere(node.qualify) || isThere(node.sample)) return false
  if (node.aggregate_handling !== "STANDARD_HANDLING") return false
  for (const part of partsOf(node)) {
    if (part.class === "WINDOW" || part.type === "DISTINCT_MODIFIER") return false
    if (part.class !== "FUNCTION") continue
    const name = lowerName(part.function_name)
    if (aggregates.has(name) || ROW_MAKERS.has(name)) return false
  }
  return true
}

/** The columns of a single SELECT, in order; `undefined` if they cannot be told. */
function outputColumns(node: SyntaxTree): readonly (string | undefined)[] | undefined {
  const columns: (string | undefined)[] = []
  for (const item of listOf(node.select_list)) {
    if (item.class === "STAR") {
      const names = starColumns(item)
      if (names === undefined) return undefined
      columns.push(...names)
    } else if (hasStar(item) || hasUnnest(item)) {
      // COLUMNS(…) in an expression, or a struct unnested, makes several columns of one.
      return undefined
    } else columns.push(columnOf(item, node))
  }
  return columns
}

/** The columns of `*`, `* EXCLUDE (…)`, `* REPLACE (…)`; `undefined` for `COLUMNS(…)`, `RENAME` and what else there is. */
function starColumns(star: SyntaxTree): readonly (string | undefined)[] | undefined {
  if (star.columns === true || isThere(star.expr) || listOf(star.rename_list).length > 0) return undefined
  if (listOf(star.qualified_exclude_list).length > 0) return undefined
  const excluded = listOf(star.exclude_list).map(lowerName)
  const replaced = listOf(star.replace_list).map((entry) => lowerName(entry.key))
  return COLUMNS.filter(({ name }) => !excluded.includes(name)).map(({ name }) =>
    replaced.includes(name) ? undefined : name,
  )
}

/** What of a single SELECT is more than an output column, with what the names that SELECT gives stand for. */
function computedParts(node: SyntaxTree): unknown {
  const items = listOf(node.select_list).flatMap((item) => {
    if (item.class === "STAR" && starColumns(item) !== undefined) return listOf(item.replace_list)
    return columnOf(item, node) === undefined ? [item] : []
  })
  const terms = orderTerms(node).map((term) => itemAtPlace(term, node) ?? term)
  return withoutAliases([...items, node.where_clause, ...terms], node)
}

function hasStar(value: unknown): boolean {
  for (const part of partsOf(value)) if (part.class === "STAR") return true
  return false
}

function hasUnnest(value: unknown): boolean {
  for (const part of partsOf(value)) {
    if (part.class === "FUNCTION" && ROW_MAKERS.has(lowerName(part.function_name))) return true
  }
  return false
}

function hasVolatile(node: SyntaxTree): boolean {
  for (const part of partsOf(node)) {
    if (isThere(part.sample)) return true
    if (
      part.class === "COLUMN_REF" &&
      listOf(part.column_names).some((name) => VOLATILE_NAMES.has(lowerName(name)))
    ) {
      return true
    }
    if (part.class === "WINDOW" && listOf(part.orders).length === 0 && listOf(part.arg_orders).length === 0)
      return true
    if (part.class === "FUNCTION" && isVolatileCall(part)) return true
  }
  return hasUnorderedLimit(node)
}

function isVolatileCall(call: SyntaxTree): boolean {
  const name = lowerName(call.function_name)
  if (name === "age") return listOf(call.children).length < 2
  if (VOLATILE_FUNCTIONS.has(name)) return true
  return ORDER_DEPENDENT.has(name) && listOf((call.order_bys as SyntaxTree | undefined)?.orders).length === 0
}

/** Which groups come first is nobody's promise. (Rows without ORDER BY come by leaf index.) */
function hasUnorderedLimit(node: SyntaxTree): boolean {
  const modifiers = listOf(node.modifiers)
  const isLimited = modifiers.some(isLimit)
  const isOrdered = modifiers.some((modifier) => modifier.type === "ORDER_MODIFIER")
  const isGrouped =
    listOf(node.group_expressions).length > 0 ||
    node.aggregate_handling !== "STANDARD_HANDLING" ||
    modifiers.some((modifier) => modifier.type === "DISTINCT_MODIFIER")
  return isLimited && !isOrdered && isGrouped
}

/** `undefined` if there is no LIMIT or OFFSET. */
function withoutLimit(node: SyntaxTree): SyntaxTree | undefined {
  const modifiers = listOf(node.modifiers)
  const kept = modifiers.filter((modifier) => !isLimit(modifier))
  return kept.length < modifiers.length ? { ...node, modifiers: kept } : undefined
}

function isLimit(modifier: SyntaxTree): boolean {
  return String(modifier.type).startsWith("LIMIT")
}

/** The tree of a SELECT of the number alone that LIMIT says; `undefined` if there is none, or it is in percent. */
function limitOf(node: SyntaxTree): SyntaxTree | undefined {
  const limit = listOf(node.modifiers).find(({ type }) => type === "LIMIT_MODIFIER")?.limit
  if (!isThere(limit)) return undefined
  const { query_location } = node.from_table as SyntaxTree
  return {
    ...leavesOf(node, []),
    select_list: [limit],
    from_table: { type: "EMPTY", alias: "", sample: null, query_location },
    where_clause: null,
  }
}

function hasWindow(node: SyntaxTree): boolean {
  for (const part of partsOf(node)) if (part.class === "WINDOW") return true
  return false
}

function picksByOrder(node: SyntaxTree): boolean {
  for (const part of partsOf({ ...node, where_clause: null })) {
    if (listOf(part.distinct_on_targets).length > 0) return true
    if (listOf((part.order_bys as SyntaxTree | undefined)?.orders).length > 0) return true
  }
  return false
}

/** Parts of a tree that make much of the last digit of a number. */
const JUDGES: ReadonlySet<unknown> = new Set(["CAST", "COMPARISON", "BETWEEN", "CASE"])

function judgesFractions(node: SyntaxTree): boolean {
  for (const part of partsOf({ ...node, where_clause: null })) {
    const judges =
      JUDGES.has(part.class) || (part.class === "FUNCTION" && ROUNDERS.test(lowerName(part.function_name)))
    if (judges) for (const inside of partsOf(part)) if (isFraction(inside)) return true
  }
  return false
}

function isFraction(part: SyntaxTree): boolean {
  if (part.class === "FUNCTION") return FRACTION_MAKERS.test(lowerName(part.function_name))
  if (part.class !== "COLUMN_REF") return false
  return listOf(part.column_names).some((name) => findColumn(lowerName(name))?.type === "DOUBLE")
}

/** The tree of `SELECT leaf_index, … FROM access_logs WHERE …`. */
function leavesOf(node: SyntaxTree, reads: readonly string[]): SyntaxTree {
  const names = ["leaf_index", ...reads.filter((name) => name !== "leaf_index")]
  const from = node.from_table as SyntaxTree
  return {
    ...node,
    modifiers: [],
    select_list: names.map((name) => reference(lowerName(from.alias) || TABLE, name)),
    where_clause: isThere(node.where_clause) ? withoutAliases(node.where_clause, node) : null,
    group_expressions: [],
    group_sets: [],
    aggregate_handling: "STANDARD_HANDLING",
    having: null,
    qualify: null,
    sample: null,
  }
}

function reference(table: string, name: string): SyntaxTree {
  return {
    class: "COLUMN_REF",
    type: "COLUMN_REF",
    alias: "",
    query_location: 0,
    column_names: [table, name],
  }
}

/** The parameters of a node: those by place in the order of places, others as they come. */
function parametersOf(node: SyntaxTree): readonly string[] {
  const names = new Set<string>()
  for (const part of partsOf(node)) if (part.class === "PARAMETER") names.add(String(part.identifier))
  return [...names].sort((a, b) => (isPlace(a) && isPlace(b) ? Number(a) - Number(b) : 0))
}

/** The parser wants places without a gap. */
function countAnew(statement: SyntaxTree, parameters: readonly string[]): SyntaxTree {
  const renamed = new Map(parameters.map((name, i) => [name, isPlace(name) ? String(i + 1) : name]))
  const rename = (value: unknown): unknown => {
    if (typeof value !== "object" || value === null) return value
    if (Array.isArray(value)) return value.map(rename)
    const part = value as SyntaxTree
    if (part.class === "PARAMETER") return { ...part, identifier: renamed.get(String(part.identifier)) }
    return Object.fromEntries(Object.entries(part).map(([name, member]) => [name, rename(member)]))
  }
  const map = parameters.map((name, i) => ({ key: renamed.get(name), value: i + 1 }))
  return { ...(rename(statement) as SyntaxTree), named_param_map: map }
}

function isPlace(parameter: string): boolean {
  return /^\d+$/.test(parameter)
}
