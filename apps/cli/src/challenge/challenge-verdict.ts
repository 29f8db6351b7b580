/**
 * How a challenge came out, as a verdict of the command.
 *
 *     kept           every leaf was found                                                       0
 *     accused        of a leaf, what was shown does not hold, or nothing was shown at all       1
 *     in part, held  fields are withheld, or only the operator's word says that it is there     2
 *
 * The answers were given, so a leaf without one is no longer silence that may end: the log was asked, and showed nothing.
 * None of this convicts before others, and the words say so.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { confidence } from "@prooflog/verifier/challenge"
import { formatInstant } from "@prooflog/verifier/instant"
import type { JudgedChallenge, JudgedLeaf } from "@prooflog/verifier/judge-challenge"
import { opening, row } from "@prooflog/verifier/report"
import { challengeVerdictToJson } from "@prooflog/verifier/retention-report"
import { CliError } from "../error.js"
import { count, counted } from "../terminal.js"
import type { Report } from "../verdict.js"

/** Parts of all records whose loss is spoken of. */
const LOSSES = [0.01, 0.001]

/** Leaves that are named on a terminal; the others are in the JSON. */
const MAX_NAMED = 50

/** The same of schedules. */
const MAX_SCHEDULES = 8

/** The kind of notice that says that a record was lost. */
const LOST = 3

export interface SampleVerdict {
  readonly judged: JudgedChallenge
  /** As of when it was judged what was due, ms since 1970. */
  readonly atMs: number
  /** Of the schedules that say what was promised. */
  readonly scheduleLeaves: readonly number[]
  /** Lines added for people. */
  readonly rows?: readonly string[]
  /** Members added for machines. */
  readonly more?: Readonly<Record<string, unknown>>
}

/**
 * Says that everything was found.
 *
 * @throws {@link CliError} `CLI_NOT_VERIFIED` if a leaf accuses the log, `CLI_CANNOT_TELL` if a leaf stays open
 */
export function sayChallenge(verdict: SampleVerdict): Report {
  const { judged } = verdict
  const facts = challengeJson(verdict)
  const accused = judged.leaves.filter(isAccusing)
  const open = judged.leaves.filter(({ verdict }) => verdict === "in-part" || verdict === "held")
  const [first = "", notClaimed = "", , ...heading] = opening(judged, "kept")
  const table = [...heading, ...tableOf(verdict, accused.length)]
  if (accused.length + open.length === 0) {
    return { text: [first, notClaimed, "", ...table].join("\n"), json: facts }
  }
  const lines = [...table, ...named(accused), ...named(open), "", notClaimed]
  // They are indented where they are shown.
  const details = lines.map((line) => line.trimStart())
  if (accused.length > 0) {
    const what = `${counted(accused.length, "leaf accuses", "leaves accuse")} the log`
    throw new CliError("CLI_NOT_VERIFIED", `${what}. ${judged.proven}`, { details, facts })
  }
  const message = `nothing accuses the log, and not everything was shown. ${judged.proven}`
  throw new CliError("CLI_CANNOT_TELL", message, { details, facts })
}

/** A verdict for machines, whichever it is. */
export function challengeJson({
  judged,
  atMs,
  scheduleLeaves,
  more,
}: SampleVerdict): Readonly<Record<string, unknown>> {
  const accused = judged.leaves.filter(isAccusing)
  return {
    ...challengeVerdictToJson(judged),
    verdict: accused.length > 0 ? "not verified" : judged.outcome === "kept" ? "kept" : "could not tell",
    judged_at: formatInstant(atMs),
    schedules: scheduleLeaves,
    accused: accused.map(({ leafIndex }) => leafIndex),
    ...(isAll(judged) && {
      found_with: LOSSES.map((loss) => ({ loss, probability: foundWith(judged, loss) })),
    }),
    ...more,
  }
}

function isAccusing({ verdict }: JudgedLeaf): boolean {
  return verdict === "refused" || verdict === "unanswered"
}

/** Whether every leaf that was drawn was found. */
function isAll({ outcome }: JudgedChallenge): boolean {
  return outcome === "kept"
}

function tableOf({ judged, atMs, scheduleLeaves, rows = [] }: SampleVerdict, accused: number): string[] {
  const { counts, leaves } = judged
  const overdue = leaves.filter((leaf) => "isOverdue" in leaf && leaf.isOverdue).length
  const lost = leaves.filter((leaf) => leaf.verdict === "noticed" && leaf.kind === LOST).length
  const aside = (n: number, what: string) => (n === 0 ? "" : `, ${count(n)} of them ${what}`)
  return [
    row("judged as of", `${formatInstant(atMs)}, by the schedules of ${leavesText(scheduleLeaves)}`),
    ...rows,
    "",
    row("leaves drawn", count(leaves.length)),
    row("record shown", `${count(counts.kept)}${aside(overdue, "after their time: a hold may be why")}`),
    row("due", count(counts.due)),
    row("noticed", `${count(counts.noticed)}${aside(lost, "lost, as the log has said")}`),
    row("not an event", count(counts["no-event"])),
    row("shown in part", count(counts["in-part"])),
    row("held", count(counts.held)),
    row("ACCUSED", count(accused)),
    ...(isAll(judged) ? [row("confidence", confidenceText(judged))] : []),
  ]
}

function leavesText(leaves: readonly number[]): string {
  const more = leaves.length - MAX_SCHEDULES
  const last = more > 0 ? ` and ${count(more)} more` : ""
  return `${leaves.length === 1 ? "leaf" : "leaves"} ${leaves.slice(0, MAX_SCHEDULES).join(", ")}${last}`
}

function confidenceText(judged: JudgedChallenge): string {
  if (judged.leaves.length === judged.treeSize) return "every leaf was looked at"
  const [first, ...others] = LOSSES.map((loss) => ({
    loss: `${loss * 100} %`,
    found: `${Math.floor(foundWith(judged, loss) * 1000) / 10} %`,
  }))
  const more = others.map(({ loss, found }) => `, of ${loss} with ${found}`).join("")
  return `a loss of ${first?.loss} of all records would have been found with ${first?.found}${more}`
}

/** Never quite 1, unless every leaf was looked at. */
function foundWith({ leaves, treeSize }: JudgedChallenge, loss: number): number {
  return leaves.length === treeSize ? 1 : Math.min(0.9999, confidence(leaves.length, loss))
}

function named(leaves: readonly JudgedLeaf[]): string[] {
  const lines = leaves.slice(0, MAX_NAMED).map((leaf) => row(`leaf ${leaf.leafIndex}`, whyOf(leaf)))
  const more = leaves.length - lines.length
  return more === 0 ? lines : [...lines, row("", `and ${count(more)} more: see --json`)]
}

function whyOf(leaf: JudgedLeaf): string {
  switch (leaf.verdict) {
    case "refused":
      return `ACCUSED: ${leaf.error.message} (${leaf.error.code})`
    case "unanswered":
      return "ACCUSED: neither its record is shown, nor anything that would excuse that"
    case "in-part":
      return `in part, without ${leaf.event.withheld.join(", ")}`
    case "held":
      return `held, by leaf ${leaf.holdLeaf} (the operator's word)`
    default:
      return leaf.verdict
  }
}
