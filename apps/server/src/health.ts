/**
 * For load balancers and operators: is the process alive, and does it take events?
 *
 * A log that cannot commit is still alive, and still read: only `readyz` says no. A log whose answers lag takes
 * events all the same: only `readyz?for=reading` says no.
 */

import { jsonAnswer } from "./answer.js"
import { ServerError } from "./error.js"
import { malformed } from "./query.js"
import { sayReading } from "./reading-routes.js"
import type { Route } from "./route.js"
import type { ServedLog } from "./served-log.js"

/** What it means to publish without witnesses, said at start and by `readyz`. */
export const NO_WITNESS =
  "no witness is configured: whoever holds the signer key could show different histories to different readers, and nobody would have cosigned against it"

/** How far answers may be behind the log, and be called ready. */
const MAX_LAG_SECONDS = 10

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
          description: `reading: whether the log is followed, ${MAX_LAG_SECONDS} seconds behind at most`,
          schema: { const: "reading" },
        },
      ],
      answers: { 200: { description: "They are", mediaType: "application/json" } },
      handle: ({ query }) => {
        const { accepting, reason } = log.ledger.status()
        const wanted = new URLSearchParams(query).get("for")
        if (wanted !== null && wanted !== "reading") throw malformed("for", "can only be reading")
        if (isStopping()) throw notReady("the server is stopping")
        if (wanted === "reading") requireReading(log)
        else if (!accepting) throw notReady(`events are not taken: ${reason}`)
        const ready = { status: "ready", warnings: [NO_WITNESS], reading: sayReading(log.reading) }
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

function notReady(message: string): ServerError {
  return new ServerError("SERVER_NOT_READY", message)
}
