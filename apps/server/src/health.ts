/**
 * For load balancers and operators: is the process alive, and does it take events?
 *
 *     readyz                  events are taken                          a log that cannot commit is still read
 *     readyz?for=reading      … and answers see them                    one whose answers lag takes events all the same
 *     readyz?for=publishing   … and others can be shown proof of them   so does one whose witnesses are silent
 *
 * Each says no with 503, and no more than its own: else witnesses could switch off a log by saying nothing. What is
 * wrong beside that is a warning in each of them. Cosignatures that could not be renewed are one at once, and a no to
 * publishing when they are stale.
 */

import type { LedgerStatus } from "@prooflog/ledger"
import { formatInstant } from "@prooflog/verifier/instant"
import { jsonAnswer } from "./answer.js"
import { ServerError } from "./error.js"
import { malformed } from "./query.js"
import { sayReading } from "./reading-routes.js"
import type { Route } from "./route.js"
import type { ServedLog } from "./served-log.js"
import { timeText } from "./time-text.js"

/** How far answers may be behind the log, and be called ready. */
const MAX_LAG_SECONDS = 10

const WHAT_FOR: readonly string[] = ["reading", "publishing"]

export function healthRoutes(log: ServedLog, isStopping: () => boolean): readonly Route[] {
  return [
    {
      method: "GET",
      path: "healthz",
      access: "public",
      summary: "Whether the process answers",
      answers: { 200: { description: "It does", mediaType: "application/json" } },
      handle: () => jsonAnswer(200, '{"status":"ok"}'),
    },
    {
      method: "GET",
      path: "readyz",
      access: "public",
      summary: "Whether events are taken; if not, 503 with the reason",
      parameters: [
        {
          name: "for",
          in: "query",
          description: `reading: whether the log is followed, ${MAX_LAG_SECONDS} seconds behind at most; publishing: whether heads reach the quorum of the log's policy and their cosignatures are renewed, and nobody has shown one that contradicts them`,
          schema: { enum: WHAT_FOR },
        },
      ],
      answers: { 200: { description: "They are", mediaType: "application/json" } },
      handle: ({ query }) => {
        const status = log.ledger.status()
        const { accepting, reason } = status
        const wanted = new URLSearchParams(query).get("for")
        if (wanted !== null && !WHAT_FOR.includes(wanted))
          throw malformed("for", `can only be ${WHAT_FOR.join(" or ")}`)
        if (isStopping()) throw notReady("the server is stopping")
        const troubles = [...log.comparing.status().alarms, ...quorumTrouble(status)]
        if (wanted === "reading") requireReading(log)
        else if (wanted === "publishing") requireNone(troubles)
        else if (!accepting) throw notReady(`events are not taken: ${reason}`)
        const ready = {
          status: "ready",
          warnings: [...troubles, ...renewalTrouble(status, "met"), ...log.policy.warnings],
          reading: sayReading(log.reading),
          publishing: sayPublishing(status),
        }
        return jsonAnswer(200, JSON.stringify(ready))
      },
    },
  ]
}

function requireReading({ reading }: ServedLog): void {
  const { state, lagSeconds } = reading.status()
  if (state !== "following") throw notReady(`the log is not followed: ${state}`)
  if (lagSeconds > MAX_LAG_SECONDS) {
    throw notReady(`answers are ${Math.round(lagSeconds)} seconds behind the log`)
  }
}

function requireNone([trouble]: readonly string[]): void {
  if (trouble !== undefined) throw notReady(trouble)
}

/** What is wrong with publishing, and since when. */
function quorumTrouble(status: LedgerStatus): string[] {
  const { quorum, quorumMissingSince, signedSize, publishedSize } = status
  if (quorum !== "missing") return renewalTrouble(status, "stale")
  const since = quorumMissingSince === undefined ? "" : ` since ${timeText(quorumMissingSince)}`
  if (signedSize === publishedSize) {
    return [`no quorum of witnesses has cosigned the published head of ${publishedSize} leaves${since}`]
  }
  return [
    `no quorum of witnesses has cosigned a head${since}: ${publishedSize} of ${signedSize} signed leaves are published; events are taken all the same, without evidence`,
  ]
}

/** What is wrong with an idle log, in that state of its quorum. */
function renewalTrouble({ quorum, renewalFailingSince }: LedgerStatus, state: "met" | "stale"): string[] {
  if (quorum !== state || renewalFailingSince === undefined) return []
  return [
    `no quorum of witnesses has renewed the cosignatures of the published head since ${timeText(renewalFailingSince)}`,
  ]
}

function sayPublishing(status: LedgerStatus) {
  const { quorum, quorumMissingSince, renewalFailingSince, signedSize, publishedSize, witnesses } = status
  return {
    quorum,
    ...(quorumMissingSince !== undefined && { missing_since: timeText(quorumMissingSince) }),
    ...(renewalFailingSince !== undefined && { renewal_failing_since: timeText(renewalFailingSince) }),
    published_size: publishedSize,
    signed_size: signedSize,
    witnesses: witnesses.map(({ name, size, timeSeconds, failure, failedSince }) => ({
      name,
      ...(size !== undefined && { size }),
      ...(timeSeconds !== undefined && { cosigned: formatInstant(timeSeconds * 1_000) }),
      ...(failure !== undefined && { failure }),
      ...(failedSince !== undefined && { failed_since: timeText(failedSince) }),
    })),
  }
}

function notReady(message: string): ServerError {
  return new ServerError("SERVER_NOT_READY", message)
}
