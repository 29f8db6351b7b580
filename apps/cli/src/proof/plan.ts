/**
 * How an answer can be proven, from the text of its question alone:
 *
 *     SELECT leaf_index, action … WHERE …         by its rows       each row names its leaf
 *     SELECT count(*) … WHERE … GROUP BY …        by its leaves     SELECT leaf_index … WHERE …, then counted again
 *     joins, windows, now(), conditions on country …                nobody can tell, and it says why
 *
 * What a question reads is told by the query room; here it is decided what follows from that.
 *
 * Pure, but for the parser, which is the store's.
 */

import { type Analysis, analyse, type WrittenSql } from "@prooflog/query/analyse"
import { COLUMNS } from "@prooflog/query/columns"
import type { QueryStore, SqlParameters, SqlValue } from "@prooflog/query/store"
import { CliError } from "../error.js"

export interface Plan {
  /** The position of `leaf_index` in the answer's rows; `undefined`: the leaves are asked for by `leaves`. */
  readonly leafAt: number | undefined
  /** Asks for the leaves that the answer comes from: `leaf_index` first, then `compared`. */
  readonly leaves: Statement
  /** The question as it was asked: what columns its answer has. */
  readonly whole: Statement
  /**
   * The question as it is asked of proven rows: where each answered row stands for itself, without LIMIT; with the keys
   * of its order behind its columns.
   */
  readonly again: Statement & { readonly keys: number }
  /** Asks for the number that LIMIT says, if it says one, and each answered row stands for itself. */
  readonly limit: Statement | undefined
  /** Whether the question asks for an order. */
  readonly hasOrder: boolean
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
  checkDerived(analysis, derived)
  if (analysis.hasWindow) throw cannotTell("it looks through windows, in which rows may tie")
  const leafAt = isPlainRows ? shows?.indexOf("leaf_index") : undefined
  const compared = reads.filter((name) => name !== "leaf_index" && !DERIVED.has(name))
  const whole: Statement = { sql, parameters }
  const unlimited = unlimitedOf(analysis, parameters)
  return {
    leafAt: leafAt === -1 ? undefined : leafAt,
    leaves: {
      sql: leavesOf(compared, leavesSql),
      parameters: pick(parameters, analysis.leavesParameters),
    },
    whole,
    again: againOf(analysis, parameters, isPlainRows ? (unlimited ?? whole) : whole),
    limit: isPlainRows && analysis.limit !== undefined ? statementOf(analysis.limit, parameters) : undefined,
    hasOrder: analysis.hasOrder,
    isPlainRows,
    unlimited: isPlainRows ? undefined : unlimited,
    looseness: isPlainRows ? undefined : looseness(analysis),
    compared,
    shows,
    derived,
  }
}

/** Names are of {@link COLUMNS}: they need no quoting but that of words that SQL uses too. */
export function quoted(name: string): string {
  return `"${name}"`
}

/** @throws nothing; the error to throw */
export function cannotTell(why: string): CliError {
  return new CliError("CLI_CANNOT_TELL", `could not tell: ${why}`)
}

function leavesOf(compared: readonly string[], leavesSql: string): string {
  return `SELECT ${["leaf_index", ...compared].map(quoted).join(", ")} FROM (${leavesSql}) AS leaves`
}

/** What is derived may be shown as it is; a condition, an order, a group or a calculation over it cannot be followed. */
function checkDerived(
  { columns, isPlainRows, computedReads = [] }: Analysis,
  derived: readonly string[],
): void {
  const used = derived.find(
    (name) => !isPlainRows || !columns?.includes(name) || computedReads.includes(name),
  )
  if (used === undefined) return
  const { from } = COLUMNS.find(({ name }) => name === used) ?? {}
  throw cannotTell(`${used} is derived from ${from}, not logged: what is made of it cannot be proven`)
}

function unlimitedOf(
  { unlimitedSql, unlimitedParameters }: Analysis,
  parameters: SqlParameters | undefined,
): Statement | undefined {
  if (unlimitedSql === undefined) return undefined
  return statementOf({ sql: unlimitedSql, parameters: unlimitedParameters ?? [] }, parameters)
}

function againOf(
  { ordered }: Analysis,
  parameters: SqlParameters | undefined,
  unordered: Statement,
): Plan["again"] {
  if (ordered === undefined) return { ...unordered, keys: 0 }
  return { ...statementOf(ordered, parameters), keys: ordered.keys }
}

function statementOf(
  { sql, parameters: names }: WrittenSql,
  parameters: SqlParameters | undefined,
): Statement {
  return { sql, parameters: pick(parameters, names) }
}

/**
 * Says why an answer may come out otherwise another time, though nothing is wrong with it; `undefined` if it may not.
 * Such an answer can be verified when it is the same, and nobody is accused when it is not.
 */
function looseness({ picksByOrder, judgesFractions }: Analysis): string | undefined {
  if (picksByOrder) return "it depends on the order of rows, which may tie"
  if (judgesFractions)
    return "it rounds or compares fractions, whose last digits depend on the order of adding"
  return undefined
}

/** @param names - or places, as "1", in their order */
function pick(
  parameters: SqlParameters | undefined,
  names: readonly string[] = [],
): SqlParameters | undefined {
  if (parameters === undefined || names.length === 0) return undefined
  if (isList(parameters)) return names.map((place) => parameters[Number(place) - 1] ?? null)
  return Object.fromEntries(names.map((name) => [name, parameters[name] ?? null]))
}

function isList(parameters: SqlParameters): parameters is readonly SqlValue[] {
  return Array.isArray(parameters)
}
