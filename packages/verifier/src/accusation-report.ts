/**
 * Convictions as text for people and as JSON for machines.
 *
 * What was found, when and by whom, is marked as unproven wherever it is shown. Everything quoted was said by
 * someone: it is escaped, so that no value can move a terminal's cursor or pass for another line.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { encodeBase64 } from "@prooflog/tlog/base64"
import { type Checkpoint, parseCheckpoint } from "@prooflog/tlog/checkpoint"
import { parseNote } from "@prooflog/tlog/note"
import { parseReceipt } from "@prooflog/tlog/receipt"
import type { Accusation, Conviction } from "./accusation.js"
import { escapeText } from "./report.js"

/**
 * Returns what an accusation proves, for people: several lines, ending in a newline.
 *
 * @param accusation - the one that was verified
 */
export function reportConviction(
  accusation: Accusation,
  { accused, proven, notClaimed }: Conviction,
): string {
  const { kind, origin, found } = accusation
  const lines = [
    `convicts: ${proven}`,
    notClaimed,
    "",
    row("accused", accused),
    row("kind", kind),
    row("log", origin),
    ...headsOf(accusation).map(({ treeSize, rootHash }) =>
      row("head", `${treeSize} ${treeSize === 1 ? "leaf" : "leaves"}, root ${encodeBase64(rootHash)}`),
    ),
    ...leafIndicesOf(accusation).map((leafIndex) => row("leaf", String(leafIndex))),
    ...(found === undefined
      ? []
      : [row("found", `${found.at}, by ${JSON.stringify(found.by)} (${UNPROVEN})`)]),
  ]
  return `${lines.map(escapeText).join("\n")}\n`
}

const UNPROVEN = "not proven: the word of whoever wrote the file"

/** Returns what an accusation proves as a JSON value; byte strings are base64. */
export function convictionToJson(
  accusation: Accusation,
  { accused, proven, notClaimed }: Conviction,
): Record<string, unknown> {
  const { kind, origin, found } = accusation
  return {
    verdict: "convicts",
    proven,
    not_claimed: notClaimed,
    accused,
    kind,
    origin,
    heads: headsOf(accusation).map(({ treeSize, rootHash }) => ({
      tree_size: treeSize,
      root_hash: encodeBase64(rootHash),
    })),
    leaf_indices: leafIndicesOf(accusation),
    ...(found !== undefined && { found: { at: found.at, by: found.by, proven: false } }),
  }
}

/** The heads, that of a receipt first. */
function headsOf(accusation: Accusation): Checkpoint[] {
  const promised = accusation.kind === "broken-receipt" ? [parseReceipt(accusation.receipt).checkpoint] : []
  return [...promised, ...accusation.heads].map((note) => parseCheckpoint(parseNote(note).text))
}

function leafIndicesOf(accusation: Accusation): number[] {
  if (accusation.kind === "broken-receipt") return [parseReceipt(accusation.receipt).leafIndex]
  return "leaves" in accusation ? accusation.leaves.map(({ leafIndex }) => leafIndex) : []
}

function row(name: string, text: string): string {
  return `  ${name.padEnd(10)} ${text}`
}
