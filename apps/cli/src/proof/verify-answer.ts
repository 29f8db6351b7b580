/**
 * Verifies an answer to a question in SQL: every row it shows, or every row it was computed from.
 *
 *     answer ──► leaves ──► evidence ──verified under the policy──► rows as they were logged
 *        │                                                              │
 *        ├─────────────── the same cells? ──────────────────────────────┤
 *        └─────────────── the same answer? ◄── the question once more ──┘
 *
 * What is proven: these rows are in the log as shown, or this is what those rows add up to. Not that there
 * are no others: a server that keeps a row to itself is not found out here.
 *
 * Effects: the network; memory for the rows.
 */

import { QueryError } from "@prooflog/query/error"
import type { JsonValue } from "@prooflog/query/store"
import type { OpenedCheckpoint, Policy } from "@prooflog/tlog/policy"
import { CliError } from "../error.js"
import type { LogServer } from "../log-server.js"
import { askSql, type Question, type Row, type SqlAnswer } from "../sql-answer.js"
import { count, counted } from "../terminal.js"
import { type Difference, differenceOf, isSame, isSameRow } from "./compare.js"
import { type ProvenBatch, proveLeaves } from "./evidence-batches.js"
import type { EvidenceFile } from "./evidence-file.js"
import { cannotTell, type Plan, planProof, type Statement } from "./plan.js"
import { refusedCells, refusedRows } from "./refusal.js"
import { RowStore } from "./row-store.js"

/** Most leaves that one answer is verified by. */
export const MAX_LEAVES = 100_000

export interface VerifiedAnswer {
  /** Rows of the answer. */
  readonly rows: number
  /** Leaves whose evidence was verified. */
  readonly leaves: number
  /** Whether each row of the answer stands for itself; else it was computed again from the leaves. */
  readonly isPlainRows: boolean
  readonly checkpoint: OpenedCheckpoint
  /** Names whose values are withheld, at some leaf: not compared there. Ascending. */
  readonly withheld: readonly string[]
  /** Names that the answer shows and that are derived: not compared. */
  readonly derived: readonly string[]
}

export interface VerifyAnswerOptions {
  /** Takes the evidence as well. */
  readonly evidenceFile?: EvidenceFile
  /** @param total - leaves in all */
  readonly onProgress?: (verified: number, total: number) => void
}

/**
 * @param question - as it was asked
 * @param answer - suspect
 * @throws {@link CliError} `CLI_NOT_VERIFIED` naming leaf and column, or row; `CLI_CANNOT_TELL` with the reason;
 * {@link VerifierError} what is wrong with the evidence; what asking the server throws
 */
export async function verifyAnswer(
  server: LogServer,
  policy: Policy,
  question: Question,
  answer: SqlAnswer,
  options: VerifyAnswerOptions = {},
): Promise<VerifiedAnswer> {
  // An empty store is parser enough, and the first attempt's own.
  let empty: RowStore | undefined = await RowStore.open()
  try {
    const plan = await planProof(empty.store.trees, question.sql, question.parameters)
    return await verifyByPlan(plan, server, policy, answer, options, async () => {
      const rows = empty ?? (await RowStore.open())
      empty = undefined
      return rows
    })
  } finally {
    await empty?.close()
  }
}

/** @param open - a store without rows; the caller's to close */
async function verifyByPlan(
  plan: Plan,
  server: LogServer,
  policy: Policy,
  answer: SqlAnswer,
  options: VerifyAnswerOptions,
  open: () => Promise<RowStore>,
): Promise<VerifiedAnswer> {
  const source = plan.leafAt === undefined ? await askForLeaves(server, plan, answer) : answer
  const leafAt = plan.leafAt ?? 0
  const leaves = leavesIn(source, leafAt)
  if (leaves.length === 0)
    throw cannotTell("there is no row that could be proven, and that there is none is not provable")
  const taken = await proveLeaves(server, policy, leaves, () => Taken.begin(open, leaves.length, options))
  try {
    const { rows, checkpoint } = taken
    if (checkpoint === undefined) throw new Error("bug: leaves were proven under no checkpoint")
    await checkCells(plan, source, leafAt, rows)
    await checkAnswer(plan, answer, rows)
    return {
      rows: answer.rows.length,
      leaves: leaves.length,
      isPlainRows: plan.isPlainRows,
      checkpoint,
      withheld: plan.compared.filter((name) => rows.withheld.has(name)).sort(),
      derived: plan.derived,
    }
  } finally {
    await taken.rows.close()
  }
}

/** What one attempt has taken. */
class Taken {
  readonly rows: RowStore
  checkpoint: OpenedCheckpoint | undefined
  readonly #total: number
  readonly #options: VerifyAnswerOptions

  private constructor(rows: RowStore, total: number, options: VerifyAnswerOptions) {
    this.rows = rows
    this.#total = total
    this.#options = options
  }

  static async begin(
    open: () => Promise<RowStore>,
    total: number,
    options: VerifyAnswerOptions,
  ): Promise<Taken> {
    await options.evidenceFile?.begin()
    return new Taken(await open(), total, options)
  }

  async take(batch: ProvenBatch): Promise<void> {
    this.checkpoint = batch.checkpoint
    await this.rows.take(batch)
    await this.#options.evidenceFile?.take(batch)
    this.#options.onProgress?.(this.rows.count, this.#total)
  }

  async drop(): Promise<void> {
    await this.rows.close()
  }
}

/**
 * Asks which leaves the answer comes from, of those that were there when it was given. The server's rows may be made
 * anew meanwhile, and begin at nothing: an answer that has seen less says nothing about the first.
 */
async function askForLeaves(server: LogServer, plan: Plan, { through }: SqlAnswer): Promise<SqlAnswer> {
  const { sql, parameters } = plan.leaves
  const most = await mostRows(server)
  const answer = await askSql(server, {
    sql: `${sql} WHERE leaf_index < ${through}`,
    ...(parameters !== undefined && { parameters }),
    limit: most,
    minSize: through,
  }).catch((error: unknown) => {
    throw isBehind(error) ? fellBack(through) : error
  })
  if (answer.through < through) throw fellBack(through)
  if (answer.truncated) {
    const why = `it was computed from more rows than can be proven at once (${counted(answer.rows.length, "row")} of at most ${count(most)} came)`
    throw cannotTell(
      plan.isPlainRows ? `${why}; with leaf_index among its columns, only its own rows have to` : why,
    )
  }
  const names = answer.columns.map(({ name }) => name)
  const expected = ["leaf_index", ...plan.compared]
  if (names.length === expected.length && names.every((name, i) => name === expected[i])) return answer
  throw new CliError(
    "CLI_UNEXPECTED_ANSWER",
    `${server.url}v1/query answered with other columns than were asked for`,
  )
}

function isBehind(error: unknown): boolean {
  return error instanceof CliError && error.problem?.code === "QUERY_BEHIND"
}

function fellBack(through: number): CliError {
  const leaves = counted(through, "leaf", "leaves")
  return cannotTell(`the server's rows no longer go through ${leaves}: they are being made anew; ask again`)
}

/** A server may give fewer rows at once. */
async function mostRows(server: LogServer): Promise<number> {
  const { limits } = await server.json("v1/schema")
  const { rows } = (limits ?? {}) as { readonly rows?: unknown }
  return typeof rows === "number" && rows >= 1 ? Math.min(MAX_LEAVES, rows) : MAX_LEAVES
}

/** Ascending. */
function leavesIn({ rows }: SqlAnswer, leafAt: number): readonly number[] {
  const leaves = new Set<number>()
  for (const row of rows) {
    const leaf = row[leafAt]
    if (!Number.isSafeInteger(leaf) || (leaf as number) < 0)
      throw refusedRows("a row of the answer names no leaf of the log", [row])
    if (leaves.has(leaf as number))
      throw refusedRows(`leaf ${leaf} is in the answer twice, and once in the log`, [row])
    leaves.add(leaf as number)
  }
  return [...leaves].sort((a, b) => a - b)
}

/** Compares, cell by cell, what the server says of each leaf with what was logged there. */
async function checkCells(plan: Plan, source: SqlAnswer, leafAt: number, rows: RowStore): Promise<void> {
  const shown = plan.leafAt === undefined ? ["leaf_index", ...plan.compared] : (plan.shows ?? [])
  const places = shown.flatMap((name, i) =>
    name === undefined ? [] : [{ i, name, at: plan.compared.indexOf(name) }].filter(({ at }) => at >= 0),
  )
  const logged = await rows.logged(plan.compared)
  const differences: Difference[] = []
  for (const row of source.rows) {
    const leafIndex = row[leafAt] as number
    const values = logged.get(leafIndex)
    if (values === undefined) throw new Error(`bug: leaf ${leafIndex} was proven and is not there`)
    for (const { i, name, at } of places) {
      const answered = row[i] as JsonValue
      const value = values[at] as JsonValue
      if (isSame(answered, value) || rows.withheld.get(name)?.has(leafIndex)) continue
      differences.push({ leafIndex, column: name, answered, logged: value })
    }
  }
  if (differences.length > 0) throw refusedCells(differences)
}

/** Asks the proven rows the same question, and compares the answers. */
async function checkAnswer(plan: Plan, answer: SqlAnswer, rows: RowStore): Promise<void> {
  const ours = await again(plan.again, rows)
  const skip = new Set(
    answer.columns.flatMap((_, i) => (plan.derived.includes(plan.shows?.[i] ?? "") ? [i] : [])),
  )
  const { onlyOurs, onlyTheirs } = compareAnswers(plan, ours, answer, rows, skip)
  // A row of the log that the answer does not show is no lie: nobody claims that all of them are there.
  const isWhole = !plan.isPlainRows && !answer.truncated
  if (onlyTheirs.length === 0 && (!isWhole || onlyOurs.length === 0)) return
  const hidden = plan.compared.filter((name) => rows.withheld.has(name))
  if (hidden.length > 0)
    throw cannotTell(`the answer depends on ${hidden.join(", ")}, which is withheld from you`)
  if (plan.looseness !== undefined)
    throw cannotTell(`computed again, the answer is another; but ${plan.looseness}`)
  if (plan.unlimited !== undefined && onlyOurs.length === onlyTheirs.length) {
    const all = await again(plan.unlimited, rows)
    if (differenceOf(all, answer.rows, skip).onlyTheirs.length === 0)
      throw cannotTell(
        "its rows are right, but whether they are the first, where rows may tie, is not: ORDER BY one more column, or leave out LIMIT",
      )
  }
  throw refusedRows(
    plan.isPlainRows
      ? "the answer has rows that do not meet its question, by what was logged"
      : "the rows that the answer was computed from add up to something else",
    onlyTheirs,
    plan.isPlainRows ? undefined : onlyOurs,
  )
}

async function again(statement: Statement, rows: RowStore): Promise<readonly Row[]> {
  try {
    return await rows.ask(statement)
  } catch (error) {
    if (!(error instanceof QueryError)) throw error
    throw cannotTell(`the question fails over the proven rows: ${error.message} (${error.code})`)
  }
}

function compareAnswers(
  plan: Plan,
  ours: readonly Row[],
  { rows: theirs }: SqlAnswer,
  { withheld }: RowStore,
  skip: ReadonlySet<number>,
): { readonly onlyOurs: readonly Row[]; readonly onlyTheirs: readonly Row[] } {
  const { leafAt, shows } = plan
  if (leafAt === undefined) return differenceOf(ours, theirs, skip)
  const byLeaf = new Map(ours.map((row) => [row[leafAt], row]))
  const onlyTheirs = theirs.filter((row) => {
    const leafIndex = row[leafAt] as number
    const own = byLeaf.get(leafIndex)
    const hidden = (name: string | undefined) => name !== undefined && withheld.get(name)?.has(leafIndex)
    const skipped = new Set([...row.keys()].filter((i) => skip.has(i) || hidden(shows?.[i])))
    return own === undefined || !isSameRow(own, row, skipped)
  })
  return { onlyOurs: [], onlyTheirs }
}
