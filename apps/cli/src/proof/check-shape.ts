/**
 * What of an answer can be judged before anything is proven: the names and types of its columns, and how many rows it has.
 *
 * Columns do not depend on rows: an empty table has the same.
 */

import { CliError } from "../error.js"
import type { Question, SqlAnswer } from "../sql-answer.js"
import { counted } from "../terminal.js"
import { askAgain } from "./check-answer.js"
import { cannotTell, type Plan, type Statement } from "./plan.js"
import { refusedRows } from "./refusal.js"
import type { RowStore } from "./row-store.js"

/** Rows that a server gives where nobody says how many. */
const USUAL_LIMIT = 10_000

/**
 * @param answer - suspect
 * @param empty - without rows
 * @throws {@link CliError} `CLI_NOT_VERIFIED`; `CLI_CANNOT_TELL` if it was cut short, and not where it was asked to be
 */
export async function checkShape(
  plan: Plan,
  question: Question,
  answer: SqlAnswer,
  empty: RowStore,
): Promise<void> {
  await checkColumns(plan, answer, empty)
  const { rows, truncated } = answer
  const { limit = USUAL_LIMIT } = question
  const most = plan.limit === undefined ? limit : Math.min(limit, await numberOf(plan.limit, empty))
  if (rows.length > most) {
    throw refusedRows(
      `the answer has more rows than were asked for: ${rows.length}, not ${most}`,
      rows.slice(most),
    )
  }
  if (truncated && !plan.isPlainRows && rows.length !== limit)
    throw cannotTell(
      `the answer was cut short, to ${counted(rows.length, "row")}: ask with --limit ${rows.length}, or for less`,
    )
}

async function checkColumns(plan: Plan, { columns }: SqlAnswer, empty: RowStore): Promise<void> {
  const { columns: ours } = await askAgain(plan.whole, empty)
  const said = columns.map(sayColumn)
  const expected = ours.map(sayColumn)
  if (said.length === expected.length && said.every((column, i) => column === expected[i])) return
  throw new CliError("CLI_NOT_VERIFIED", "the answer has other columns than its question", {
    details: [`the server says ${said.join(", ")}`, `it should say   ${expected.join(", ")}`],
    facts: { columns: ours },
  })
}

function sayColumn({ name, type }: SqlAnswer["columns"][number]): string {
  return `${JSON.stringify(name)} ${type}`
}

/** More than there can be if it is no number: such a LIMIT limits nothing. */
async function numberOf(limit: Statement, empty: RowStore): Promise<number> {
  const { rows } = await askAgain(limit, empty)
  const value = rows[0]?.[0] ?? null
  const number = value === null ? Number.NaN : Math.ceil(Number(value))
  return Number.isNaN(number) ? Number.POSITIVE_INFINITY : number
}
