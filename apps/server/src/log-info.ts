/**
 * `v1/log`: what this log is, what it promises, how far it is and what it takes.
 */

import { encodeBase64, encodeHex } from "@prooflog/tlog/base64"
import { jsonAnswer } from "./answer.js"
import { MAX_BODY_BYTES } from "./body.js"
import type { Route } from "./route.js"
import { MAX_EVENTS } from "./sent-events.js"
import type { ServedLog } from "./served-log.js"
import { timeText } from "./time-text.js"

/** Bytes of one event's record. */
const MAX_RECORD_BYTES = 65_535

export function logRoutes({ folder, ledger, schedule }: ServedLog): readonly Route[] {
  return [
    {
      method: "GET",
      path: "v1/log",
      access: "public",
      summary: "Origin, key, retention schedule, heads and limits of the log",
      answers: { 200: { description: "The log", mediaType: "application/json" } },
      handle: () => {
        const { signedHead, publishedHead } = ledger
        const inForce = schedule.schedule
        return jsonAnswer(
          200,
          JSON.stringify({
            origin: folder.origin,
            log_id: encodeHex(folder.logId),
            // For convenience. Whoever wants to catch this server lying pins the key from elsewhere.
            verifier_key: folder.verifierKey,
            schedule: {
              leaf_index: schedule.leafIndex,
              classes: inForce.classes,
              default: inForce.default,
              rules: encodeHex(inForce.rules),
            },
            signed: headOf(signedHead),
            published: headOf(publishedHead),
            limits: { body_bytes: MAX_BODY_BYTES, events: MAX_EVENTS, record_bytes: MAX_RECORD_BYTES },
          }),
        )
      },
    },
  ]
}

function headOf({ treeSize, rootHash, timeMs }: { treeSize: number; rootHash: Uint8Array; timeMs: number }) {
  return { tree_size: treeSize, root_hash: encodeBase64(rootHash), time: timeText(timeMs) }
}
