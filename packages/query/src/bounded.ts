/**
 * Questions that may be asked with a LIMIT first, to see whether their rows are few.
 *
 *     SELECT * FROM access_logs WHERE user_id = 'U1'   ─►  … \n LIMIT 2048
 *     … ORDER BY …, GROUP BY …, UNION …, LIMIT …       ─►  none: DuckDB gathers what these give, whatever is read
 *
 * Effects: parses.
 */

import { listOf } from "./analyse-names.js"
import { TABLE } from "./columns.js"
import { lowerName, type SyntaxTree, type SyntaxTrees } from "./syntax-tree.js"

/** The same question, with at most so many rows. */
export type Bounded = (rows: number) => string

/**
 * Returns a scan of `access_logs` with a limit, `undefined` for any other question.
 *
 * @param tree - of `sql`
 */
export async function boundedSql(
  trees: SyntaxTrees,
  tree: SyntaxTree,
  sql: string,
): Promise<Bounded | undefined> {
  if (!isScan(tree.node as SyntaxTree)) return undefined
  const text = sql.replace(/[\s;]+$/, "")
  const bounded = (rows: number) => `${text}\nLIMIT ${rows}`
  // Words after the end may belong to something within it. Only the parser knows.
  const parsed = await trees.parse(bounded(1)).catch(() => undefined)
  if (parsed === undefined) return undefined
  const unbounded = { ...parsed, node: { ...(parsed.node as SyntaxTree), modifiers: [] } }
  return JSON.stringify(unbounded) === JSON.stringify(tree) ? bounded : undefined
}

function isScan(node: SyntaxTree): boolean {
  if (node.type !== "SELECT_NODE" || listOf(node.modifiers).length > 0) return false
  const from = node.from_table as SyntaxTree
  if (from.type !== "BASE_TABLE" || lowerName(from.table_name) !== TABLE || node.qualify !== null)
    return false
  return listOf(node.group_expressions).length === 0 && node.aggregate_handling === "STANDARD_HANDLING"
}
