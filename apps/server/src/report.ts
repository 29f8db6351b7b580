/**
 * What the operator is told of errors: of bugs and damage each time, of a log that takes nothing now and then, of a
 * caller's mistakes never. Codes and words of our own, no bodies, no addresses, no names of persons.
 */

import type { Logger } from "pino"
import { refusalOf } from "./refusal.js"
import { type AnsweredCode, statusOf } from "./status.js"

/** While a log takes nothing, every request meets the same error: it is told this often. */
const AGAIN_MS = 60_000

/**
 * Who asked has left, or the server is stopping; or many ask at once, or more was logged than answers see, which
 * `v1/reading` and its lag tell. There is nothing to mend.
 */
const PASSING: ReadonlySet<AnsweredCode> = new Set(["QUERY_INTERRUPTED", "QUERY_BUSY", "QUERY_BEHIND"])

export type Report = (error: unknown) => void

export function openReport(logger: Logger, clock: () => number): Report {
  const toldAt = new Map<string, number>()
  return (error) => {
    const { code } = refusalOf(error)
    const { status } = statusOf(code)
    if (status < 500 || PASSING.has(code)) return
    const nowMs = clock()
    if (status === 503 && nowMs - (toldAt.get(code) ?? Number.NEGATIVE_INFINITY) < AGAIN_MS) return
    toldAt.set(code, nowMs)
    logger.error({ err: error, code }, "a request met an error that is not its sender's doing")
  }
}
