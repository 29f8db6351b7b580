/**
 * Whether an answer is what the proven rows say: cell by cell, and as a whole.
 *
 * Nobody is accused for what an honest server might have answered too: ties, last digits of sums, fields that are withheld.
 */

import { QueryError } from "@prooflog/query/error"
import type { JsonValue } from "@prooflog/query/store"
import type { Row, SqlAnswer } from "../sql-answer.js"
import { type Difference, differenceOf, isExact, isSameRow } from "./compare.js"
import { isPartInOrder, isWholeInOrder, withoutKeys } from "./order.js"
import { cannotTell, type Plan, type Statement } from "./plan.js"
import { refusedCells, refusedRows } from "./refusal.js"
import type { Asked, RowStore } from "./row-store.js"

/**
 * Compares, cell by cell, what the server says of each leaf with what was logged there.
 *
 * @param source - rows with `leaf_index` at `leafAt`
 * @throws {@link CliError} `CLI_NOT_VERIFIED` naming leaves and columns, `CLI_CANNOT_TELL` if a value is withheld there
 */
export async function checkCells(
  plan: Plan,
  source: SqlAnswer,
  leafAt: number,
  rows: RowStore,
): Promise<void> {
  const shown = plan.leafAt === undefined ? ["leaf_index", ...plan.compared] : (plan.shows ?? [])
  const places = shown.flatMap((name, i) =>
    name === undefined ? [] : [{ i, name, at: plan.compared.indexOf(name) }].filter(({ at }) => at >= 0),
  )
  const logged = await rows.logged(plan.compared)
  const differences: Difference[] = []
  /** What is withheld is NULL: any other value may be invented. */
  const shownThough = new Set<string>()
  for (const row of source.rows) {
    const leafIndex = row[leafAt] as number
    const values = logged.get(leafIndex)
    if (values === undefined) throw new Error(`bug: leaf ${leafIndex} was proven and is not there`)
    for (const { i, name, at } of places) {
      const answered = row[i] as JsonValue
      const value = values[at] as JsonValue
      if (isExact(answered, value)) continue
      if (rows.withheld.get(name)?.has(leafIndex)) shownThough.add(name)
      else differences.push({ leafIndex, column: name, answered, logged: value })
    }
  }
  if (differences.length > 0) throw refusedCells(differences)
  if (shownThough.size > 0)
    throw cannotTell(
      `the answer shows values of ${[...shownThough].join(", ")}, which the evidence withholds from you`,
    )
}

/**
 * Asks the proven rows the same question, and compares the answers.
 *
 * @returns whether the rows stand in the order that was asked for; `undefined` if none was
 * @throws {@link CliError} `CLI_NOT_VERIFIED`, `CLI_CANNOT_TELL`
 */
export async function checkAnswer(
  plan: Plan,
  answer: SqlAnswer,
  rows: RowStore,
): Promise<{ readonly order: "proven" | "unproven" | undefined }> {
  const { columns, rows: withKeys } = await askAgain(plan.again, rows)
  const all = withoutKeys(columns, withKeys, plan.again.keys, plan.isPlainRows)
  // Of rows in an order, it is the first that are left where there are more than were asked for.
  const isCut = !plan.isPlainRows && answer.truncated && plan.hasOrder
  const ours = isCut ? { ...all, rows: all.rows.slice(0, answer.rows.length) } : all
  const skip = new Set(
    answer.columns.flatMap((_, i) => (plan.derived.includes(plan.shows?.[i] ?? "") ? [i] : [])),
  )
  const { onlyOurs, onlyTheirs } = compareAnswers(plan, ours.rows, answer, rows, skip)
  // A row of the log that the answer does not show is no lie: nobody claims that all of them are there.
  const isWhole = !plan.isPlainRows && (!answer.truncated || isCut)
  if (onlyTheirs.length === 0 && (!isWhole || onlyOurs.length === 0)) {
    if (!plan.hasOrder) return { order: undefined }
    if (ours.places === undefined) return { order: "unproven" }
    const isInOrder = isWhole
      ? isWholeInOrder(ours, answer.rows, skip)
      : isPartInOrder(ours, answer.rows, plan.leafAt, skip)
    if (isInOrder) return { order: "proven" }
    accuseOnlyIfSure(plan, rows)
    throw refusedRows("the answer's rows are not in the order that its question asks for", answer.rows)
  }
  accuseOnlyIfSure(plan, rows)
  if ((plan.unlimited !== undefined || isCut) && onlyOurs.length === onlyTheirs.length) {
    const unlimited = plan.unlimited === undefined ? all.rows : (await askAgain(plan.unlimited, rows)).rows
    if (differenceOf(unlimited, answer.rows, skip).onlyTheirs.length === 0)
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

/** An answer that is another may be an honest one. */
function accuseOnlyIfSure(plan: Plan, rows: RowStore): void {
  const hidden = plan.compared.filter((name) => rows.withheld.has(name))
  if (hidden.length > 0)
    throw cannotTell(`the answer depends on ${hidden.join(", ")}, which is withheld from you`)
  if (plan.looseness !== undefined)
    throw cannotTell(`computed again, the answer is another; but ${plan.looseness}`)
}

/**
 * Asks proven rows.
 *
 * @throws {@link CliError} `CLI_CANNOT_TELL` if they cannot be asked that
 */
export async function askAgain(statement: Statement, rows: RowStore): Promise<Asked> {
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
