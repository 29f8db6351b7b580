/**
 * Questions whose answer is wanted whole, and has so many rows at most.
 *
 *     SELECT * FROM access_logs WHERE user_id = 'U1'   ─►  … \n LIMIT 10001
 *     … LIMIT 50                                       ─►  as it is
 *     … LIMIT $1, SUMMARIZE access_logs                ─►  none: nobody can tell
 *
 * A scan hands out what it finds vector by vector: four hundred rows spread over a million come as four hundred
 * chunks, and reading them as a stream changes threads for each. On a busy machine that took a second, where the
 * same rows gathered by DuckDB first took a seventh.
 *
 * Effects: parses.
 */

import { listOf } from "./analyse-names.js"
import type { SyntaxTree, SyntaxTrees } from "./syntax-tree.js"

/**
 * Returns the same question with at most `rows` rows, `undefined` if it cannot be said so.
 *
 * @param tree - of `sql`
 */
export async function boundedSql(
  trees: SyntaxTrees,
  tree: SyntaxTree,
  sql: string,
  rows: number,
): Promise<string | undefined> {
  const limit = listOf((tree.node as SyntaxTree).modifiers).find(isLimit)
  if (limit !== undefined) return numberOf(limit) <= rows ? sql : undefined
  const bounded = `${sql.replace(/[\s;]+$/, "")}\nLIMIT ${rows}`
  // Words after the end may belong to something within it. Only the parser knows.
  const parsed = await trees.parse(bounded).catch(() => undefined)
  if (parsed === undefined) return undefined
  const node = parsed.node as SyntaxTree
  const kept = listOf(node.modifiers).filter((modifier) => !isLimit(modifier))
  const unbounded = { ...parsed, node: { ...node, modifiers: kept } }
  return JSON.stringify(unbounded) === JSON.stringify(tree) ? bounded : undefined
}

function isLimit({ type }: SyntaxTree): boolean {
  return String(type).startsWith("LIMIT")
}

/** What LIMIT says, if it is a number; else more than anything. */
function numberOf({ type, limit }: SyntaxTree): number {
  if (type !== "LIMIT_MODIFIER") return Number.POSITIVE_INFINITY
  const { value } = (limit ?? {}) as { value?: { value?: unknown } }
  return Number.isSafeInteger(value?.value) ? (value?.value as number) : Number.POSITIVE_INFINITY
}
