/**
 * What a verified answer proves, for people and for machines.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { encodeBase64 } from "@prooflog/tlog/base64"
import type { Policy } from "@prooflog/tlog/policy"
import { formatInstant } from "@prooflog/verifier/instant"
import { escapeText } from "@prooflog/verifier/report"
import { cosignedTime } from "@prooflog/verifier/verify-evidence"
import { count, counted, duration } from "../terminal.js"
import type { Report } from "../verdict.js"
import type { VerifiedAnswer } from "./verify-answer.js"

function notClaimed(isOrdered: boolean): string {
  const order = isOrdered ? "" : " their order,"
  return `Not claimed: that there are no other rows,${order} or that what was recorded really happened.`
}

const ORDER = {
  proven: "as asked for, of the rows that are there",
  unproven: "not compared: only by columns, named or counted, can it be",
}

/**
 * @param ms - how long it took
 * @param path - of the evidence file, if one was written
 */
export function answerReport(
  verified: VerifiedAnswer,
  policy: Policy,
  ms: number,
  path: string | undefined,
): Report {
  const { rows, leaves, isPlainRows, checkpoint, withheld, derived, order } = verified
  const { origin, treeSize, rootHash } = checkpoint.checkpoint
  const cosigned = cosignedTime(checkpoint, policy)
  const time = cosigned === undefined ? undefined : formatInstant(cosigned.timeSeconds * 1000)
  const root = encodeBase64(rootHash)
  const from = isPlainRows
    ? `${counted(rows, "row")} of the answer ${rows === 1 ? "is" : "are"} what was logged`
    : `the answer is what ${counted(leaves, "logged row")} ${leaves === 1 ? "makes" : "make"}`
  const when = time === undefined ? "; when, is the operator's word" : `, not later than ${time}`
  const lines = [
    `verified: ${from}, in the log ${JSON.stringify(origin)}${when}`,
    notClaimed(order === "proven"),
    "",
    line(
      "proven leaves",
      `${count(leaves)}, each under the checkpoint of ${counted(treeSize, "leaf", "leaves")}`,
    ),
    line("root", root),
    line(
      "cosigned",
      cosigned === undefined ? "by no witness of the policy" : `by ${cosigned.witness}, ${time}`,
    ),
    ...(withheld.length === 0 ? [] : [line("withheld from you", `${withheld.join(", ")}: not compared`)]),
    ...(derived.length === 0
      ? []
      : [line("derived", `${derived.join(", ")}: made from others, not compared`)]),
    ...(order === undefined ? [] : [line("order", ORDER[order])]),
    ...(path === undefined ? [] : [line("evidence", `${path}: check it with prooflog verify`)]),
    line("time taken", `${duration(ms)} (${count((leaves / ms) * 1000)} rows/s)`),
  ]
  const json = {
    verdict: "verified",
    not_claimed: notClaimed(order === "proven"),
    rows,
    proven_leaves: leaves,
    recomputed: !isPlainRows,
    origin,
    tree_size: treeSize,
    root_hash: root,
    ...(cosigned !== undefined && { cosigned: { witness: cosigned.witness, time } }),
    withheld,
    derived,
    ...(order !== undefined && { order }),
    ...(path !== undefined && { evidence: path }),
    ms: Math.round(ms),
  }
  return { text: lines.map(escapeText).join("\n"), json }
}

function line(name: string, text: string): string {
  return `  ${name.padEnd(18)} ${text}`
}
