/**
 * For load balancers and operators: is the process alive, and does it take events?
 *
 * A log that cannot commit is still alive, and still read: only `readyz` says no.
 */

import { jsonAnswer } from "./answer.js"
import { ServerError } from "./error.js"
import type { Route } from "./route.js"
import type { ServedLog } from "./served-log.js"

/** What it means to publish without witnesses, said at start and by `readyz`. */
export const NO_WITNESS =
  "no witness is configured: whoever holds the signer key could show different histories to different readers, and nobody would have cosigned against it"

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
      answers: { 200: { description: "They are", mediaType: "application/json" } },
      handle: () => {
        const { accepting, reason } = log.ledger.status()
        if (isStopping()) throw new ServerError("SERVER_NOT_READY", "the server is stopping")
        if (!accepting) throw new ServerError("SERVER_NOT_READY", `events are not taken: ${reason}`)
        return jsonAnswer(200, JSON.stringify({ status: "ready", warnings: [NO_WITNESS] }))
      },
    },
  ]
}
