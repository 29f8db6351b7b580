/**
 * What the names in a question stand for:
 *
 *     SELECT user_id AS u, country … FROM access_logs a WHERE u = 'U1' ORDER BY a.action
 *            column     │  column                         alias           column
 *                       └ alias of the column
 *
 * A name that may stand for a column counts as one.
 *
 * Pure, over the tree that DuckDB's parser made.
 */

import { COLUMNS, findColumn, TABLE } from "./columns.js"
import { lowerName, partsOf, type SyntaxTree } from "./syntax-tree.js"

/** A member of a tree that is a list; one that is not there has nothing in it. */
export function listOf(value: unknown): readonly SyntaxTree[] {
  return Array.isArray(value) ? (value as readonly SyntaxTree[]) : []
}

/** Whether a member of a tree is there. */
export function isThere(value: unknown): boolean {
  return value !== null && value !== undefined
}

/** The names, in lower case, by which a question speaks of tables: each of them alone is a whole row. */
export function tablesIn(node: unknown): ReadonlySet<string> {
  const names = new Set([TABLE])
  for (const part of partsOf(node)) if (part.type === "BASE_TABLE") names.add(lowerName(part.alias) || TABLE)
  return names
}

/**
 * Returns every column of `access_logs` that a name in a tree may mean, in the order of {@link COLUMNS}.
 *
 * @param tables - as {@link tablesIn} the whole question
 */
export function columnsRead(tree: unknown, tables: ReadonlySet<string>): readonly string[] {
  const read = new Set<string>()
  const readAll = () => {
    for (const { name } of COLUMNS) read.add(name)
  }
  for (const part of partsOf(tree)) {
    if (part.class === "STAR" || part.ref_type === "NATURAL" || part.type === "PIVOT") readAll()
    if (part.class === "COLUMN_REF") {
      const names = listOf(part.column_names).map(lowerName)
      for (const name of names) read.add(name)
      if (tables.has(names.at(-1) ?? "")) readAll()
    }
    for (const name of listOf(part.using_columns)) read.add(lowerName(name))
  }
  return COLUMNS.map(({ name }) => name).filter((name) => read.has(name))
}

/** The column that a reference in a single SELECT names; `undefined` for an alias, or a part of a value. */
export function columnOf(reference: SyntaxTree, node: SyntaxTree): string | undefined {
  if (reference.class !== "COLUMN_REF") return undefined
  const names = listOf(reference.column_names).map(lowerName)
  const from = node.from_table as SyntaxTree
  const table = lowerName(from.alias) || TABLE
  const [first = "", second] = names
  if (names.length === 1) return findColumn(first)?.name
  return names.length === 2 && first === table && second !== undefined ? findColumn(second)?.name : undefined
}

/**
 * Returns a part of a single SELECT with what its SELECT gives a name to in the place of that name, as in WHERE: where
 * a column has the name too, the column is meant.
 */
export function withoutAliases(value: unknown, node: SyntaxTree): unknown {
  if (typeof value !== "object" || value === null) return value
  if (Array.isArray(value)) return value.map((item) => withoutAliases(item, node))
  const part = value as SyntaxTree
  const aliased = part.class === "COLUMN_REF" ? aliasedBy(part, node) : undefined
  if (aliased !== undefined) return { ...aliased, alias: "" }
  return Object.fromEntries(
    Object.entries(part).map(([name, member]) => [name, withoutAliases(member, node)]),
  )
}

function aliasedBy(part: SyntaxTree, node: SyntaxTree): SyntaxTree | undefined {
  const [name, ...others] = listOf(part.column_names).map(lowerName)
  if (name === undefined || others.length > 0 || findColumn(name) !== undefined) return undefined
  return listOf(node.select_list).find((item) => lowerName(item.alias) === name)
}
