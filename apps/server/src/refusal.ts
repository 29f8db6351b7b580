/**
 * Refusals: what an error may tell the one who asked. Plain data, so that it can come from another thread.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { ArchiveError } from "@prooflog/archive/error"
import { EventError, type EventProblem } from "@prooflog/event/error"
import { LedgerError } from "@prooflog/ledger/error"
import { QueryError } from "@prooflog/query/error"
import { TlogError } from "@prooflog/tlog/error"
import { VerifierError } from "@prooflog/verifier/error"
import { ServerError } from "./error.js"
import type { DestroyedReason } from "./retention/destroyed.js"
import type { AnsweredCode } from "./status.js"

/** What an error tells the one who asked, beside its status. */
export interface Refusal {
  readonly code: AnsweredCode
  readonly message: string
  /** JSON pointer into the event; of its first problem if there are several. */
  readonly pointer?: string
  /** Every broken rule, where there is more than the first. */
  readonly errors?: readonly EventProblem[]
  /** Place in the text, counted from 1. */
  readonly line?: number
  readonly column?: number
  /** What may have been meant, as a sentence. */
  readonly hint?: string
  /** The query parameter or member at fault. */
  readonly parameter?: string
  readonly leaf_index?: number
  /** Why its record is no more. */
  readonly reason?: DestroyedReason
  /** Leaf of the notice that says so. */
  readonly notice_leaf?: number
  /** Leaf of the genesis or schedule entry that promised so. */
  readonly schedule_leaf?: number
}

/**
 * Returns what may be said of an error.
 *
 * An error without one of our codes is a bug of ours: its words are for the server's log alone.
 */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof ServerError) return refusalOfServerError(error)
  if (error instanceof EventError) {
    const { code, message, problem, line, column } = error
    return defined({ code: problem?.code ?? code, message, pointer: problem?.pointer, line, column })
  }
  if (error instanceof QueryError) {
    const { code, message, line, column, hint, parameter } = error
    return defined({ code, message, line, column, hint, parameter })
  }
  if (error instanceof ArchiveError) {
    const { code, message, line, column } = error
    return defined({ code, message, line, column })
  }
  if (error instanceof LedgerError || error instanceof TlogError || error instanceof VerifierError) {
    return { code: error.code, message: error.message }
  }
  return { code: "SERVER_BUG", message: "the server met a bug of its own; its log says more" }
}

function refusalOfServerError(error: ServerError): Refusal {
  const { code, message, problems, parameter, leafIndex, destroyed } = error
  const isBySchedule = destroyed?.reason === "schedule"
  const first = problems?.[0]
  return defined({
    code: first?.code ?? code,
    message: first?.message ?? message,
    pointer: first?.pointer,
    errors: problems,
    parameter,
    leaf_index: leafIndex,
    reason: destroyed?.reason,
    notice_leaf: isBySchedule ? undefined : destroyed?.reference,
    schedule_leaf: isBySchedule ? destroyed.reference : undefined,
  })
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> }

/** The members that have a value. */
function defined<T extends object>(members: T): Defined<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Defined<T>
}
