/**
 * The order that a question asks for, as columns of its answer:
 *
 *     SELECT user_id AS u … ORDER BY u, timestamp DESC
 *     SELECT user_id AS u, user_id AS key_1, timestamp AS key_2 … ORDER BY u, timestamp DESC
 *
 * Rows with the same keys tie. Only what surely says the same in both places is a key: a column of the log, or a column
 * of the answer, by its name or its place.
 *
 * Pure, over the tree that DuckDB's parser made.
 */

import { columnOf, listOf } from "./analyse-names.js"
import { ROW_MAKERS } from "./function-rules.js"
import { lowerName, partsOf, type SyntaxTree } from "./syntax-tree.js"

/** The terms of ORDER BY, of a single SELECT; none if it has none. */
export function orderTerms(node: SyntaxTree): readonly SyntaxTree[] {
  return listOf(node.modifiers)
    .filter((modifier) => modifier.type === "ORDER_MODIFIER")
    .flatMap((modifier) => listOf(modifier.orders).map((order) => order.expression as SyntaxTree))
}

/** The column of SELECT that a term names by its place, from 1; `undefined` for other terms. */
export function itemAtPlace(term: SyntaxTree, node: SyntaxTree): SyntaxTree | undefined {
  if (term.class !== "CONSTANT") return undefined
  const place = (term.value as SyntaxTree | undefined)?.value
  const items = listOf(node.select_list)
  // `*` stands for many places.
  if (typeof place !== "number" || items.slice(0, place).some(isStar)) return undefined
  return items[place - 1]
}

/**
 * Returns the tree of the same SELECT with the keys of its order behind its columns.
 *
 * @param node - of a single SELECT
 * @param shown - its columns, each that of the log that it shows as it is
 * @returns `undefined` if it asks for no order, or its keys cannot be told from its text
 */
export function withOrderKeys(
  node: SyntaxTree,
  shown: readonly (string | undefined)[] | undefined,
): { readonly node: SyntaxTree; readonly keys: number } | undefined {
  const terms = orderTerms(node)
  if (terms.length === 0 || shown === undefined || !isSimple(node)) return undefined
  const isGroupedByAll = node.aggregate_handling !== "STANDARD_HANDLING"
  const isDistinct = listOf(node.modifiers).some(({ type }) => type === "DISTINCT_MODIFIER")
  const keys: SyntaxTree[] = []
  for (const term of terms) {
    const item = itemNamed(term, node)
    const column = columnOf(term, node)
    // One more column in SELECT would be one more to group by, or to be distinct in.
    const mayBeAdded = column !== undefined && (shown.includes(column) || !(isGroupedByAll || isDistinct))
    const key = item ?? (mayBeAdded ? term : undefined)
    if (key === undefined || item === "many" || hasOrderOfItsOwn(key)) return undefined
    keys.push({ ...(key as SyntaxTree), alias: `prooflog_key_${keys.length + 1}` })
  }
  return { node: { ...node, select_list: [...listOf(node.select_list), ...keys] }, keys: keys.length }
}

/** A name that SELECT gives comes before that of a column here. */
function itemNamed(term: SyntaxTree, node: SyntaxTree): SyntaxTree | "many" | undefined {
  const [name, ...others] = listOf(term.column_names).map(lowerName)
  if (term.class !== "COLUMN_REF" || name === undefined || others.length > 0) return itemAtPlace(term, node)
  const [item, ...more] = listOf(node.select_list).filter(({ alias }) => lowerName(alias) === name)
  return more.length > 0 ? "many" : item
}

/** Whether names are what they seem, and a row of the answer is one. */
function isSimple(node: SyntaxTree): boolean {
  for (const part of partsOf(node)) {
    if (listOf(part.distinct_on_targets).length > 0) return false
    if (isStar(part) && (listOf(part.replace_list).length > 0 || listOf(part.rename_list).length > 0))
      return false
    if (part.class === "FUNCTION" && ROW_MAKERS.has(lowerName(part.function_name))) return false
  }
  return true
}

/** What a collation takes for the same differs as text. */
function hasOrderOfItsOwn(key: unknown): boolean {
  for (const part of partsOf(key)) if (part.class === "COLLATE" || isStar(part)) return true
  return false
}

function isStar(part: SyntaxTree): boolean {
  return part.class === "STAR"
}
