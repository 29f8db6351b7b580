/**
 * How an answer can be proven, from the text of its question alone:
 *
 *     SELECT leaf_index, action … WHERE …         by its rows       each row names its leaf
 *     SELECT count(*) … WHERE … GROUP BY …        by its leaves     SELECT leaf_index … WHERE …, then counted again
 *     joins, windows, now(), conditions on country …                nobody can tell, and it says why
 *
 * Pure, but for the parser, which is the store's.
 */

import { type Analysis, analyse } from "@prooflog/query/analyse"
import { COLUMNS } from "@prooflog/query/columns"
import type { QueryStore, SqlParameters, SqlValue } from "@prooflog/query/store"
import { CliError } from "../error.js"

export interface Plan {
  /** The position of `leaf_index` in the answer's rows; `undefined`: the leaves are asked for by `leaves`. */
  readonly leafAt: number | undefined
  /** Asks for the leaves that the answer comes from: `leaf_index` first, then `compared`. */
  readonly leaves: Statement
  /** The question as it is asked of proven rows: where each answered row stands for itself, without LIMIT. */
  readonly again: Statement
  /** Whether each row of the answer is made of one row of the log. */
  readonly isPlainRows: boolean
  /** The same without LIMIT, if that is what the question has and its rows were computed. */
  readonly unlimited: Statement | undefined
  /** Why an answer that was computed may come out otherwise though nothing is wrong with it, if it may. */
  readonly looseness: string | undefined
  /** Names of the columns that the question reads and that can be proven, without `leaf_index`. */
  readonly compared: readonly string[]
  /** For each column of the answer, the column of the log that it shows as it is. */
  readonly shows: readonly (string | undefined)[] | undefined
  /** Names that the answer shows and that cannot be proven: they can be made again from others. */
  readonly derived: readonly string[]
}

export interface Statement {
  readonly sql: string
  readonly parameters: SqlParameters | undefined
}

type SyntaxTrees = QueryStore["trees"]

const DERIVED: ReadonlySet<string> = new Set(
  COLUMNS.filter(({ origin }) => origin === "derived").map(({ name }) => name),
)

/**
 * Plans the proof of an answer.
 *
 * @param sql - a question that was answered already
 * @throws {@link CliError} `CLI_CANNOT_TELL`, with the reason
 */
export async function planProof(
  trees: SyntaxTrees,
  sql: string,
  parameters: SqlParameters | undefined,
): Promise<Plan> {
  const analysis = await analyse(trees, sql)
  const { columns: shows, reads, isPlainRows, leavesSql } = analysis
  if (analysis.isVolatile) throw cannotTell("its answer may change though the rows do not")
  if (!analysis.isSingleSelect || leavesSql === undefined)
    throw cannotTell(
      "it is more than one SELECT over access_logs: joins, subqueries, CTEs, windows are not followed",
    )
  const derived = reads.filter((name) => DERIVED.has(name))
  await checkDerived(trees, analysis, derived)
  const leafAt = isPlainRows ? shows?.indexOf("leaf_index") : undefined
  const compared = reads.filter((name) => name !== "leaf_index" && !DERIVED.has(name))
  const unlimited = await withoutLimit(trees, sql)
  const tree = await trees.parse(sql)
  if ([...nodesOf(tree)].some((node) => node.class === "WINDOW"))
    throw cannotTell("it looks through windows, in which rows may tie")
  return {
    leafAt: leafAt === -1 ? undefined : leafAt,
    leaves: {
      sql: leavesOf(compared, leavesSql),
      parameters: parameters && pick(parameters, analysis.leavesParameters ?? []),
    },
    again: await statement(trees, isPlainRows ? (unlimited ?? sql) : sql, parameters),
    isPlainRows,
    unlimited:
      isPlainRows || unlimited === undefined ? undefined : await statement(trees, unlimited, parameters),
    looseness: isPlainRows ? undefined : await looseness(trees, sql),
    compared,
    shows,
    derived,
  }
}

/** Names are of {@link COLUMNS}: they need no quoting but that of words that SQL uses too. */
export function quoted(name: string): string {
  return `"${name}"`
}

function leavesOf(compared: readonly string[], leavesSql: string): string {
  return `SELECT ${["leaf_index", ...compared].map(quoted).join(", ")} FROM (${leavesSql}) AS leaves`
}

/** What is derived may be shown as it is; a condition, a group or a calculation over it cannot be followed. */
async function checkDerived(
  trees: SyntaxTrees,
  { columns, isPlainRows, leavesSql = "" }: Analysis,
  derived: readonly string[],
): Promise<void> {
  if (derived.length === 0) return
  const named = await namesInCondition(trees, leavesSql)
  const used = derived.find((name) => !isPlainRows || !columns?.includes(name) || named.has(name))
  if (used === undefined) return
  const { from } = COLUMNS.find(({ name }) => name === used) ?? {}
  throw cannotTell(`${used} is derived from ${from}, not logged: what is made of it cannot be proven`)
}

/** @throws nothing; the error to throw */
export function cannotTell(why: string): CliError {
  return new CliError("CLI_CANNOT_TELL", `could not tell: ${why}`)
}

/** Returns the question without LIMIT and OFFSET, or `undefined` if it has none. */
async function withoutLimit(trees: SyntaxTrees, sql: string): Promise<string | undefined> {
  const tree = await trees.parse(sql)
  let found = false
  const stripped = JSON.parse(JSON.stringify(tree), (key, value: unknown) => {
    if (key !== "modifiers" || !Array.isArray(value)) return value
    const kept = value.filter(
      (modifier: { readonly type?: unknown }) => !/^LIMIT/.test(String(modifier.type)),
    )
    found ||= kept.length < value.length
    return kept
  }) as typeof tree
  return found ? trees.format(stripped) : undefined
}

/** Names of the columns in the condition of a single SELECT. */
async function namesInCondition(trees: SyntaxTrees, sql: string): Promise<ReadonlySet<string>> {
  const { node } = await trees.parse(sql)
  const names = new Set<string>()
  for (const { class: kind, column_names: path } of nodesOf((node as Node).where_clause))
    if (kind === "COLUMN_REF" && Array.isArray(path))
      for (const name of path) names.add(String(name).toLowerCase())
  return names
}

/** Functions that make much of the last digit of a fraction. */
const ROUNDING = /^(?:round|floor|ceil|trunc|even|sign)/

/** Aggregates of whole numbers that come as fractions; those of fractions do in any case. */
const FRACTIONS =
  /^(?:stddev|var|covar|corr|regr|skew|kurt|entropy|product|geo|sem|mad|favg|fsum|kahan|sumkahan|quantile)/

const JUDGES: ReadonlySet<unknown> = new Set(["CAST", "COMPARISON", "BETWEEN", "CASE"])

/**
 * Says why an answer may come out otherwise another time, though nothing is wrong with it; `undefined` if it may not.
 * Such an answer can be verified when it is the same, and nobody is accused when it is not.
 */
async function looseness(trees: SyntaxTrees, sql: string): Promise<string | undefined> {
  const { node } = await trees.parse(sql)
  const select = { ...(node as Node), where_clause: undefined }
  const nodes = [...nodesOf(select)]
  const isPicked = nodes.some(
    ({ order_bys: by, distinct_on_targets: on }) =>
      (Array.isArray(on) && on.length > 0) ||
      (isNode(by) && Array.isArray(by.orders) && by.orders.length > 0),
  )
  if (isPicked) return "it depends on the order of rows, which may tie"
  const judged = nodes.filter(
    ({ class: kind, function_name: name }) =>
      JUDGES.has(kind) || (kind === "FUNCTION" && ROUNDING.test(String(name))),
  )
  const isRounded = judged.some((judge) => [...nodesOf(judge)].some(isFraction))
  return isRounded
    ? "it rounds or compares fractions, whose last digits depend on the order of adding"
    : undefined
}

function isFraction({ class: kind, column_names: path, function_name: name }: Node): boolean {
  if (kind === "FUNCTION") return FRACTIONS.test(String(name).toLowerCase())
  return (
    kind === "COLUMN_REF" &&
    Array.isArray(path) &&
    path.some((part) => FRACTION_COLUMNS.has(String(part).toLowerCase()))
  )
}

const FRACTION_COLUMNS: ReadonlySet<string> = new Set(
  COLUMNS.filter(({ type }) => type === "DOUBLE").map(({ name }) => name),
)

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/**
 * Returns the statement with those parameters that it still has: without its LIMIT it may refer to fewer. Those by
 * place are counted anew, since none may be left out.
 */
async function statement(
  trees: SyntaxTrees,
  sql: string,
  parameters: SqlParameters | undefined,
): Promise<Statement> {
  if (parameters === undefined) return { sql, parameters }
  const tree = await trees.parse(sql)
  const used = new Set<string>()
  for (const node of nodesOf(tree)) if (node.class === "PARAMETER") used.add(String(node.identifier))
  const kept = isList(parameters) ? [...used].sort((a, b) => Number(a) - Number(b)) : [...used]
  if (!isList(parameters) || used.size === parameters.length)
    return { sql, parameters: pick(parameters, kept) }
  const counted = (place: unknown) => String(kept.indexOf(String(place)) + 1)
  const renamed = JSON.parse(JSON.stringify(tree), (_, value: unknown) =>
    isNode(value) && value.class === "PARAMETER"
      ? { ...value, identifier: counted(value.identifier) }
      : value,
  ) as Node
  const named_param_map = kept.map((place, i) => ({ key: counted(place), value: i + 1 }))
  return { sql: await trees.format({ ...renamed, named_param_map }), parameters: pick(parameters, kept) }
}

/** @param names - or places, as "1", in their order */
function pick(parameters: SqlParameters, names: readonly string[]): SqlParameters | undefined {
  if (names.length === 0) return undefined
  if (isList(parameters)) return names.map((place) => parameters[Number(place) - 1] ?? null)
  return Object.fromEntries(names.map((name) => [name, parameters[name] ?? null]))
}

function isList(parameters: SqlParameters): parameters is readonly SqlValue[] {
  return Array.isArray(parameters)
}

type Node = Readonly<Record<string, unknown>>

function* nodesOf(value: unknown): Generator<Node> {
  if (typeof value !== "object" || value === null) return
  if (!Array.isArray(value)) yield value as Node
  for (const member of Object.values(value)) yield* nodesOf(member)
}
