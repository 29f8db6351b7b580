/**
 * `POST v1/checkpoints`: whoever has seen a head of this log shows it, and is answered with ours and how the two fit.
 *
 *     a signed note ─► { relation, checkpoint, proof | accusation }
 *
 * This is how others find out that they were shown another history, and how the log finds out itself.
 */

import { networkOf } from "@prooflog/event/ip-address"
import { encodeBase64 } from "@prooflog/tlog/base64"
import { formatAccusation } from "@prooflog/verifier/accusation"
import { jsonAnswer } from "./answer.js"
import { BodyBudget, withBody } from "./body.js"
import { type Comparison, RELATIONS } from "./compare-heads.js"
import { ServerError } from "./error.js"
import type { Call } from "./gate.js"
import { RateLimit } from "./rate-limit.js"
import type { Route } from "./route.js"
import type { ServedLog } from "./served-log.js"

/** More than a checkpoint with a hundred cosignatures has. */
const MAX_BYTES = 64 * 1024

/** A comparison costs a few milliseconds; a hundred monitors behind one address may ask every five seconds. */
const LIMIT = { burst: 60, perSecond: 20 }

/** Of all bodies together. Whoever holds these up, without a key, takes no room from events. */
const BUDGET_BYTES = 256 * MAX_BYTES

/** Of one address. Proxies mostly send a body when they have all of it. */
const SHARE = { bytes: 32 * MAX_BYTES, unfinished: 32 }

export function checkpointRoutes({ comparing }: Pick<ServedLog, "comparing">): readonly Route[] {
  const limit = new RateLimit(LIMIT)
  const budget = new BodyBudget(BUDGET_BYTES, "too many heads at once", SHARE)

  async function compare(call: Call) {
    if (!limit.admits(networkOf(call.req.socket.remoteAddress ?? ""), call.timeMs)) {
      throw new ServerError("SERVER_TOO_MANY_REQUESTS", "heads are compared less often for one address")
    }
    const comparison = await withBody(call, budget, (bytes) => comparing.compare(bytes), MAX_BYTES)
    return jsonAnswer(200, textOf(comparison))
  }

  return [
    {
      method: "POST",
      path: "v1/checkpoints",
      access: "public",
      summary: "Compare a head of this log with the published one",
      requestBody: {
        required: true,
        description: "A checkpoint with this log's signature, as c2sp.org/tlog-checkpoint has it; 64 KiB",
        content: { "text/plain": { schema: { type: "string" } } },
      },
      answers: {
        200: { description: "Ours, and how the two fit", mediaType: "application/json", schema: COMPARISON },
      },
      handle: compare,
    },
  ]
}

const COMPARISON = {
  type: "object",
  required: ["relation", "checkpoint"],
  properties: {
    relation: {
      enum: RELATIONS,
      description:
        "What the head that was shown is, seen from ours; inconsistent: one of the two is of a fork",
    },
    checkpoint: { type: "string", description: "The published head, a signed note" },
    proof: {
      type: "array",
      items: { type: "string" },
      description:
        "Hashes in base64, in the order of RFC 6962: the larger tree begins with the smaller. Absent where they are inconsistent, or the head that was shown was never signed here",
    },
    accusation: {
      type: "object",
      description: "With inconsistent: what the two heads prove, a file of prooflog-accusation/1",
    },
  },
}

function textOf({ relation, checkpoint, proof, accusation }: Comparison): string {
  const members = { relation, checkpoint, ...(proof && { proof: proof.map(encodeBase64) }) }
  const text = JSON.stringify(members)
  if (accusation === undefined) return text
  return `${text.slice(0, -1)},"accusation":${formatAccusation(accusation).trimEnd()}}`
}
