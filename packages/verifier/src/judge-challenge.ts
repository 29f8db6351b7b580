/**
 * Judges the answers to a challenge: leaf by leaf, is the record there, or is there a reason that holds?
 *
 *     verdict      the answer                                            counts as found
 *     kept         the record opens its commitment, nothing withheld     yes
 *     due          its time to be destroyed had come                     yes
 *     noticed      a notice named it, in the same head                   yes
 *     no-event     the leaf is no event: no record was promised          yes
 *     in-part      the record, but for names that were withheld          no
 *     held         a hold is in the head; the rest is the operator's word    no
 *     unanswered   nothing was said                                      no
 *     refused      what was said does not hold                           no
 *
 * Records are private and answers are not signed, so nothing in here convicts before strangers: what is refused was
 * not shown by the log to this auditor, at this time, no more. Only an entry that the log signed and may not have
 * signed does (`accuseEntry`).
 *
 * Spec: docs/spec/challenge.md.
 * Pure: no I/O, no clock, no randomness.
 */

import type { CborValue } from "@prooflog/event/cbor"
import { checkDisclosure } from "@prooflog/event/disclosure"
import { type EventEntry, NOTICE_KINDS } from "@prooflog/event/entry"
import { dueMs, type Promises, promiseOf } from "@prooflog/event/promises"
import { equalBytes } from "@prooflog/tlog/hash"
import type { OpenedCheckpoint, Policy } from "@prooflog/tlog/policy"
import { openHead } from "./advance.js"
import { type Challenge, confidence, drawLeaves } from "./challenge.js"
import { type Answer, readAnswers } from "./challenge-answers.js"
import { refusalBy, VerifierError } from "./error.js"
import { malformedEvidence } from "./evidence-text.js"
import { formatInstant } from "./instant.js"
import { checkItem, openNotice } from "./notice.js"
import { checkInTree, openEntry, type VerifiedEvent, verifyItem } from "./verify-evidence.js"

/** What an auditor knows by itself, and not from the answers. */
export interface ChallengeGround {
  /** Every schedule up to the head: of an audit of the whole log under it. */
  readonly promises: Promises
  /** The auditor's clock when the answers came, or at the end of the time agreed for them, in ms since 1970. */
  readonly atMs: number
  /** Names that may be withheld from this auditor; none unless set. */
  readonly mayWithhold?: readonly string[]
}

export interface JudgeChallengeOptions extends ChallengeGround {
  /** The challenge that was sent: answers to another one are refused. */
  readonly challenge?: Challenge
}

export type JudgedLeaf = { readonly leafIndex: number } & (
  | {
      readonly verdict: "kept" | "in-part"
      readonly event: VerifiedEvent
      /** Its time to be destroyed has come, and it is still there: a hold may be why. */
      readonly isOverdue: boolean
    }
  | { readonly verdict: "due"; readonly className: string; readonly dueMs: number; readonly by: number }
  | {
      readonly verdict: "noticed"
      readonly className: string
      /** 1 erased for a person, 2 erased otherwise, 3 lost. */
      readonly kind: number
      readonly noticeLeaf: number
    }
  | { readonly verdict: "no-event" }
  | {
      readonly verdict: "held"
      readonly holdLeaf: number
      /** What is held, as far as it is shown: the operator's word. */
      readonly hold: Readonly<Record<string, CborValue>>
    }
  | { readonly verdict: "unanswered" }
  | { readonly verdict: "refused"; readonly error: VerifierError }
)

export type LeafVerdict = JudgedLeaf["verdict"]

export interface JudgedChallenge {
  /**
   * `kept` if every leaf that was drawn was found; `not-kept` if an answer was refused; `open` if the rest is silence,
   * withheld or held.
   */
  readonly outcome: "kept" | "not-kept" | "open"
  /** One sentence for people. */
  readonly proven: string
  /** One sentence for people: what must not be concluded. */
  readonly notClaimed: string
  readonly origin: string
  readonly treeSize: number
  readonly checkpoint: OpenedCheckpoint
  readonly challenge: Challenge
  /** Each leaf that was drawn, ascending. */
  readonly leaves: readonly JudgedLeaf[]
  readonly counts: Readonly<Record<LeafVerdict, number>>
}

export const CHALLENGE_NOT_CLAIMED =
  "Not claimed: that records are true or have the class that the rules give them, that what a notice or a hold says is so, that no destroyed record has a copy left, or anything that convicts the log before others."

/** The verdicts under which a leaf counts as found. */
const FOUND: ReadonlySet<LeafVerdict> = new Set<LeafVerdict>(["kept", "due", "noticed", "no-event"])

/** The kinds of notice after which a record may be gone. */
const GONE: readonly number[] = [
  NOTICE_KINDS.erasedForPerson,
  NOTICE_KINDS.erasedOtherwise,
  NOTICE_KINDS.lost,
]

/**
 * Returns what answers to a challenge prove to the auditor who drew it.
 *
 * @param answers - the file, suspect
 * @param policy - the auditor's own
 * @throws {@link VerifierError} for the file as a whole: `VERIFIER_MALFORMED_EVIDENCE`, also for an answer of a leaf that
 * was not drawn, or to another challenge; `VERIFIER_CHECKPOINT_REFUSED`, `VERIFIER_NO_QUORUM`,
 * `VERIFIER_UNKNOWN_KEY_TYPE`. What is wrong with one answer is in the verdict of its leaf
 */
export function judgeChallenge(
  answers: Uint8Array | string,
  policy: Policy,
  options: JudgeChallengeOptions,
): JudgedChallenge {
  const { challenge, answers: said } = readAnswers(answers)
  if (options.challenge !== undefined) requireSame(options.challenge, challenge)
  const checkpoint = openHead(challenge.checkpoint, policy)
  const { origin, treeSize } = checkpoint.checkpoint
  if (challenge.leaves > treeSize) throw malformedEvidence("more leaves are drawn than the tree has")
  const drawn = drawLeaves(checkpoint.checkpoint, challenge).sort((a, b) => a - b)
  const judged = new Map<number, JudgedLeaf>(
    drawn.map((leafIndex) => [leafIndex, { leafIndex, verdict: "unanswered" }]),
  )
  for (const answer of said) {
    const { leafIndex } = answer
    if (!judged.has(leafIndex)) throw malformedEvidence(`leaf ${leafIndex} was not drawn`)
    judged.set(leafIndex, judgeAnswer(answer, checkpoint, options))
  }
  const leaves = [...judged.values()]
  const counts = countsOf(leaves)
  return {
    outcome: outcomeOf(leaves),
    proven: wordsFor(origin, treeSize, leaves),
    notClaimed: CHALLENGE_NOT_CLAIMED,
    origin,
    treeSize,
    checkpoint,
    challenge,
    leaves,
    counts,
  }
}

/**
 * Returns what one answer proves of its leaf.
 *
 * @param answer - suspect, of its form
 * @param head - of the challenge, opened under the auditor's policy
 */
export function judgeAnswer(answer: Answer, head: OpenedCheckpoint, ground: ChallengeGround): JudgedLeaf {
  try {
    return judge(answer, head, ground)
  } catch (error) {
    if (!(error instanceof VerifierError)) throw error
    return { leafIndex: answer.leafIndex, verdict: "refused", error }
  }
}

function judge(answer: Answer, head: OpenedCheckpoint, ground: ChallengeGround): JudgedLeaf {
  const { leafIndex } = answer
  if (answer.answer === "record") {
    const event = verifyItem(answer, head)
    const mayWithhold = ground.mayWithhold ?? []
    const isWhole = event.withheld.every((name) => mayWithhold.includes(name))
    const isOverdue = ground.atMs >= dueOf(event, ground).dueMs
    return { leafIndex, verdict: isWhole ? "kept" : "in-part", event, isOverdue }
  }
  checkInTree(leafIndex, answer.entry, answer.path, head)
  const entry = openEntry(leafIndex, answer.entry)
  if (answer.answer === "no-event") {
    if (entry.type === "event") throw notExcused(leafIndex, "it is an event")
    return { leafIndex, verdict: "no-event" }
  }
  if (entry.type !== "event") {
    throw new VerifierError("VERIFIER_ENTRY_REFUSED", `leaf ${leafIndex} is not an event`, { leafIndex })
  }
  switch (answer.answer) {
    case "due":
      return judgeDue(leafIndex, entry, ground)
    case "noticed": {
      const { kind, noticeLeaf } = checkNotice(answer, head)
      return { leafIndex, verdict: "noticed", className: entry.className, kind, noticeLeaf }
    }
    case "held":
      return { leafIndex, verdict: "held", holdLeaf: answer.hold.leafIndex, hold: openHold(answer, head) }
  }
}

function judgeDue(leafIndex: number, entry: EventEntry, ground: ChallengeGround): JudgedLeaf {
  const { dueMs: at, by } = dueOf({ leafIndex, ...entry }, ground)
  if (ground.atMs < at) {
    const due =
      at === Number.POSITIVE_INFINITY
        ? "is never to be destroyed"
        : `is to be destroyed at ${formatInstant(at)}`
    throw notExcused(leafIndex, `it ${due}, as leaf ${by} has promised`)
  }
  return { leafIndex, verdict: "due", className: entry.className, dueMs: at, by }
}

function dueOf(
  { leafIndex, className, timeMs }: Pick<VerifiedEvent, "leafIndex" | "className" | "timeMs">,
  { promises }: ChallengeGround,
): { readonly dueMs: number; readonly by: number } {
  const promise = promiseOf(promises, leafIndex, className)
  if (promise === undefined) {
    const message = `leaf ${leafIndex}: class ${JSON.stringify(className)} is in no schedule`
    throw new VerifierError("VERIFIER_UNKNOWN_CLASS", message, { leafIndex })
  }
  return { dueMs: dueMs(promise, timeMs), by: promise.by }
}

/** The notice of an answer, having checked that it came after the leaf, names it, and excuses what is gone. */
function checkNotice(
  { leafIndex, notice, item }: Extract<Answer, { answer: "noticed" }>,
  head: OpenedCheckpoint,
): { readonly kind: number; readonly noticeLeaf: number } {
  const entry = openNotice(notice, head)
  if (!GONE.includes(entry.kind)) {
    throw notExcused(leafIndex, `leaf ${notice.leafIndex} is a notice of kind ${entry.kind}`)
  }
  if (notice.leafIndex <= leafIndex) throw notExcused(leafIndex, "the notice came before it")
  checkItem({ leafIndex, ...item }, entry)
  return { kind: entry.kind, noticeLeaf: notice.leafIndex }
}

function openHold(
  { leafIndex, hold, disclosure }: Extract<Answer, { answer: "held" }>,
  head: OpenedCheckpoint,
): Readonly<Record<string, CborValue>> {
  const { kind, root } = openNotice(hold, head)
  if (kind !== NOTICE_KINDS.holdPlaced) {
    throw notExcused(leafIndex, `leaf ${hold.leafIndex} is a notice of kind ${kind}, and places no hold`)
  }
  try {
    const { core, fields } = checkDisclosure(disclosure, root)
    return { ...core, ...fields }
  } catch (cause) {
    throw refusalBy(cause, "VERIFIER_DISCLOSURE_REFUSED", `the hold of leaf ${hold.leafIndex}`, { leafIndex })
  }
}

/** A reason that does not hold leaves a leaf without its record. */
function notExcused(leafIndex: number, why: string): VerifierError {
  const message = `leaf ${leafIndex}: no record is shown, and nothing excuses it: ${why}`
  return new VerifierError("VERIFIER_MISSING_RECORD", message, { leafIndex })
}

function requireSame(sent: Challenge, shown: Challenge): void {
  const isSame =
    sent.checkpoint === shown.checkpoint &&
    sent.leaves === shown.leaves &&
    equalBytes(sent.nonce, shown.nonce)
  if (!isSame) throw malformedEvidence("it answers another challenge")
}

function outcomeOf(leaves: readonly JudgedLeaf[]): JudgedChallenge["outcome"] {
  if (leaves.some(({ verdict }) => verdict === "refused")) return "not-kept"
  return leaves.every(({ verdict }) => FOUND.has(verdict)) ? "kept" : "open"
}

function countsOf(leaves: readonly JudgedLeaf[]): Record<LeafVerdict, number> {
  const counts = {
    kept: 0,
    due: 0,
    noticed: 0,
    "no-event": 0,
    "in-part": 0,
    held: 0,
    unanswered: 0,
    refused: 0,
  }
  for (const { verdict } of leaves) counts[verdict]++
  return counts
}

function wordsFor(origin: string, treeSize: number, leaves: readonly JudgedLeaf[]): string {
  const log = `the log ${JSON.stringify(origin)}`
  const found = leaves.filter(({ verdict }) => FOUND.has(verdict)).length
  if (found < leaves.length) {
    return `Of ${leaves.length} leaves drawn among the ${treeSize} of ${log}, ${found} were found to be kept or excused, and ${leaves.length - found} were not.`
  }
  const sure = percent(confidence(found, 0.01))
  return `All ${leaves.length} leaves drawn among the ${treeSize} of ${log} are kept, or their absence is excused; had one record in a hundred been lost without excuse, it would have been found with ${sure}.`
}

/** Rounded down, and never to certainty, so that it says no more than is so. */
function percent(part: number): string {
  return `${Math.min(999, Math.floor(part * 1000)) / 10} %`
}
