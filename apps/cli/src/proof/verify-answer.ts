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

import type { OpenedCheckpoint, Policy } from "@prooflog/tlog/policy"
import { type HeadFile, openAndFollow } from "../head-file.js"
import type { LogServer } from "../log-server.js"
import type { Question, SqlAnswer } from "../sql-answer.js"
import { checkAnswer, checkCells } from "./check-answer.js"
import { checkShape } from "./check-shape.js"
import { type ProvenBatch, proveLeaves } from "./evidence-batches.js"
import type { EvidenceFile } from "./evidence-file.js"
import { askForLeaves, leavesIn } from "./leaves.js"
import { cannotTell, type Plan, planProof } from "./plan.js"
import { RowStore } from "./row-store.js"

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
  /** Whether the rows stand in the order that was asked for; `undefined` if none was. */
  readonly order: "proven" | "unproven" | undefined
}

export interface VerifyAnswerOptions {
  /** Takes the evidence as well. */
  readonly evidenceFile?: EvidenceFile
  /** What the head that all of it is proven under must extend, and becomes. */
  readonly head?: HeadFile
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
    await checkShape(plan, question, answer, empty)
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
  const begin = () => Taken.begin(open, leaves.length, options)
  const openHead = (note: string) => openAndFollow(note, policy, options.head)
  const taken = await proveLeaves(server, openHead, leaves, begin)
  try {
    const { rows, checkpoint } = taken
    if (checkpoint === undefined) throw new Error("bug: leaves were proven under no checkpoint")
    await checkCells(plan, source, leafAt, rows)
    const { order } = await checkAnswer(plan, answer, rows)
    return {
      rows: answer.rows.length,
      leaves: leaves.length,
      isPlainRows: plan.isPlainRows,
      checkpoint,
      withheld: plan.compared.filter((name) => rows.withheld.has(name)).sort(),
      derived: plan.derived,
      order,
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
