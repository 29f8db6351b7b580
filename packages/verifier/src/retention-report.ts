/**
 * What certificates and challenges prove, as text for people and as JSON for machines.
 *
 * A challenge has three outcomes, and neither text nor JSON says "verified" of it: what was not found convicts nobody.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { encodeBase64 } from "@prooflog/tlog/base64"
import type { VerifiedCertificate } from "./certificate.js"
import { formatInstant } from "./instant.js"
import type { JudgedChallenge, JudgedLeaf } from "./judge-challenge.js"
import { commonToJson, opening, row } from "./report.js"

/** Returns what a certificate proves, for people: several lines, ending in a newline. */
export function reportCertificate(verified: VerifiedCertificate): string {
  const { notice, items } = verified
  const lines = [
    ...opening(verified),
    row("notice", `leaf ${notice.leafIndex}, ${formatInstant(notice.timeMs)} (the operator's word)`),
    row("erased", `${notice.count} in all, ${items.length} of them here`),
    ...items.flatMap(({ leafIndex, timeMs, className, commitment }) => [
      "",
      `leaf ${leafIndex}, received ${formatInstant(timeMs)}, class ${className}`,
      row("commitment", encodeBase64(commitment)),
    ]),
  ]
  return `${lines.join("\n")}\n`
}

/** Returns what a certificate proves as a JSON value; byte strings are base64. */
export function certificateToJson(verified: VerifiedCertificate): Record<string, unknown> {
  const { notice, items } = verified
  return {
    verdict: "verified",
    ...commonToJson(verified),
    notice: {
      leaf_index: notice.leafIndex,
      received_at: formatInstant(notice.timeMs),
      kind: notice.kind,
      count: notice.count,
    },
    items: items.map(({ leafIndex, timeMs, className, commitment }) => ({
      leaf_index: leafIndex,
      received_at: formatInstant(timeMs),
      class: className,
      commitment: encodeBase64(commitment),
    })),
  }
}

/** How an outcome is called in a report. */
const OUTCOMES: Readonly<Record<JudgedChallenge["outcome"], string>> = {
  kept: "kept",
  "not-kept": "not kept",
  open: "could not tell",
}

/**
 * Returns how a challenge came out, for people: several lines, ending in a newline. Of the leaves, those are shown that
 * were not found.
 */
export function reportChallenge(judged: JudgedChallenge): string {
  const counts = Object.entries(judged.counts).filter(([, count]) => count > 0)
  const overdue = judged.leaves.filter((leaf) => "isOverdue" in leaf && leaf.isOverdue).length
  const lost = judged.leaves.filter((leaf) => leaf.verdict === "noticed" && leaf.kind === LOST).length
  const lines = [
    ...opening(judged, OUTCOMES[judged.outcome]),
    row("nonce", encodeBase64(judged.challenge.nonce)),
    row("leaves", counts.map(([verdict, count]) => `${count} ${verdict}`).join(", ")),
    ...(lost === 0 ? [] : [row("lost", `${lost}, as a notice has said`)]),
    ...(overdue === 0 ? [] : [row("overdue", `${overdue}, still there after their time`)]),
    ...judged.leaves.flatMap((leaf) => {
      const why = whyNotFound(leaf)
      return why === undefined ? [] : [row(`leaf ${leaf.leafIndex}`, why)]
    }),
  ]
  return `${lines.join("\n")}\n`
}

/** The kind of notice that says that a record was lost. */
const LOST = 3

function whyNotFound(leaf: JudgedLeaf): string | undefined {
  switch (leaf.verdict) {
    case "in-part":
      return `in part, without ${leaf.event.withheld.join(", ")}`
    case "held":
      return `held, by leaf ${leaf.holdLeaf} (the operator's word)`
    case "unanswered":
      return "unanswered"
    case "refused":
      return `refused: ${leaf.error.message}`
    default:
      return undefined
  }
}

/** Returns how a challenge came out as a JSON value; byte strings are base64. Records are not in it. */
export function challengeVerdictToJson(judged: JudgedChallenge): Record<string, unknown> {
  return {
    verdict: judged.outcome,
    ...commonToJson(judged),
    nonce: encodeBase64(judged.challenge.nonce),
    counts: { ...judged.counts },
    leaves: judged.leaves.map(leafToJson),
  }
}

function leafToJson(leaf: JudgedLeaf): Record<string, unknown> {
  const { leafIndex: leaf_index, verdict } = leaf
  switch (leaf.verdict) {
    case "kept":
    case "in-part":
      return {
        leaf_index,
        verdict,
        class: leaf.event.className,
        withheld: leaf.event.withheld,
        overdue: leaf.isOverdue,
      }
    case "due":
      return {
        leaf_index,
        verdict,
        class: leaf.className,
        due_at: formatInstant(leaf.dueMs),
        promised_by: leaf.by,
      }
    case "noticed":
      return { leaf_index, verdict, class: leaf.className, kind: leaf.kind, notice: leaf.noticeLeaf }
    case "held":
      return { leaf_index, verdict, hold: leaf.holdLeaf }
    case "refused":
      return { leaf_index, verdict, code: leaf.error.code, message: leaf.error.message }
    default:
      return { leaf_index, verdict }
  }
}
