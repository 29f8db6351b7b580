/**
 * Answers to a challenge: of each leaf that was drawn, what the log shows of its record, or why it shows none.
 *
 *     { "format": "prooflog-challenge-answers/1",
 *       "checkpoint": …, "nonce": …, "leaves": …,                        the challenge
 *       "answers": [ { "leaf_index": 5, "path": […], "entry": "…", "answer": … }, … ] }
 *
 *     answer      beside it                                          says
 *     record      core, fields                                       here it is
 *     due         –                                                  its time was over
 *     noticed     notice: a leaf, salt, position, notice_path        a notice named it before the head was signed
 *     held        hold: a leaf, core, fields (of the hold)           it is kept, under this hold, and not shown
 *     no-event    –                                                  there never was one
 *
 * Leaf indices ascend. A leaf that was drawn and has no answer is silence, and reported as such. Nothing in the file
 * is signed but the head: it proves to whoever holds it, and says nothing that convicts.
 *
 * Spec: docs/spec/challenge.md.
 * Pure: no I/O, no clock, no randomness.
 */

import { type Disclosure, disclosureToJson } from "@prooflog/event/disclosure"
import { CHALLENGE_MEMBERS, type Challenge, challengeOf, challengeToJson } from "./challenge.js"
import { disclosureOf } from "./evidence.js"
import {
  arrayOf,
  ascending,
  fileText,
  LEAF_MEMBERS,
  leafOf,
  leafToJson,
  membersOf,
  objectOf,
  type ShownLeaf,
} from "./evidence-members.js"
import { cutEvidence, malformedEvidence as malformed } from "./evidence-text.js"
import type { ItemProof } from "./notice.js"
import { ITEM_PROOF_MEMBERS, itemProofOf, itemProofToJson } from "./notice-members.js"

export const ANSWERS_FORMAT = "prooflog-challenge-answers/1"

export type Answer = ShownLeaf &
  (
    | { readonly answer: "record"; readonly disclosure: Disclosure }
    | { readonly answer: "due" | "no-event" }
    | {
        readonly answer: "noticed"
        readonly notice: ShownLeaf
        /** Of this leaf, under the notice's root. */
        readonly item: Omit<ItemProof, "leafIndex">
      }
    | {
        readonly answer: "held"
        readonly hold: ShownLeaf
        /** Of the record that says what is held, to which the hold commits. */
        readonly disclosure: Disclosure
      }
  )

/** The members of each answer beside its leaf and itself, and no others. */
const MEMBERS: Readonly<Record<Answer["answer"], readonly string[]>> = {
  record: ["core", "fields"],
  due: [],
  noticed: ["notice", ...ITEM_PROOF_MEMBERS],
  held: ["hold", "core", "fields"],
  "no-event": [],
}

/** Every answer that there is, in the order of docs/spec/challenge.md. */
export const ANSWERS = Object.keys(MEMBERS) as readonly Answer["answer"][]

/**
 * Writes answers as the pieces of their file, ending in a newline: one piece for each, so that whoever sends them
 * needs not hold them all. Without any, what stands before and behind them: two pieces.
 *
 * @param answers - leaf indices strictly ascending, or RangeError when its turn comes
 */
export function* formatAnswers(
  challenge: Challenge,
  answers: Iterable<Answer>,
): Generator<string, void, undefined> {
  const head = JSON.stringify({ format: ANSWERS_FORMAT, ...challengeToJson(challenge) })
  yield `${head.slice(0, -1)},"answers":[`
  let before = -1
  for (const answer of answers) {
    if (!(answer.leafIndex > before)) {
      throw new RangeError(`leaf indices must ascend: ${answer.leafIndex} after ${before}`)
    }
    yield `${before < 0 ? "" : ","}${formatAnswer(answer)}`
    before = answer.leafIndex
  }
  yield "]}\n"
}

/** Writes one answer, for whoever cannot make them in their order. Commas stand between them. */
export function formatAnswer(answer: Answer): string {
  return JSON.stringify(answerToJson(answer))
}

function answerToJson(answer: Answer): Record<string, unknown> {
  const leaf = { ...leafToJson(answer), answer: answer.answer }
  switch (answer.answer) {
    case "record":
      return { ...leaf, ...disclosureToJson(answer.disclosure) }
    case "noticed":
      return { ...leaf, notice: leafToJson(answer.notice), ...itemProofToJson(answer.item) }
    case "held":
      return { ...leaf, hold: leafToJson(answer.hold), ...disclosureToJson(answer.disclosure) }
    default:
      return leaf
  }
}

/**
 * Reads answers, each only when its turn comes: their form, not whether they are true.
 *
 * @param source - suspect
 * @throws {@link VerifierError} `VERIFIER_MALFORMED_EVIDENCE`; for an answer, when its turn comes
 */
export function readAnswers(source: Uint8Array | string): {
  readonly challenge: Challenge
  readonly answers: Iterable<Answer>
} {
  const { around, events } = cutEvidence(fileText(source), "answers")
  const file = membersOf(around, ["format", ...CHALLENGE_MEMBERS, "answers"], "the file")
  if (file.format !== ANSWERS_FORMAT) throw malformed(`format is not ${JSON.stringify(ANSWERS_FORMAT)}`)
  arrayOf(file.answers, "answers")
  return { challenge: challengeOf(file), answers: ascending(events, "answers", answerOf) }
}

function answerOf(value: unknown, where: string): Answer {
  const said = objectOf(value, where).answer
  const answer = ANSWERS.find((it) => it === said)
  if (answer === undefined) throw malformed(`${where}.answer is none of ${ANSWERS.join(", ")}`)
  const members = membersOf(value, [...LEAF_MEMBERS, "answer", ...MEMBERS[answer]], where)
  const leaf = leafOf(members, where)
  switch (answer) {
    case "record":
      return { ...leaf, answer, disclosure: disclosureOf(members, where) }
    case "noticed":
      return {
        ...leaf,
        answer,
        notice: leafIn(members.notice, `${where}.notice`),
        item: itemProofOf(members, where),
      }
    case "held":
      return {
        ...leaf,
        answer,
        hold: leafIn(members.hold, `${where}.hold`),
        disclosure: disclosureOf(members, where),
      }
    default:
      return { ...leaf, answer }
  }
}

function leafIn(value: unknown, where: string): ShownLeaf {
  return leafOf(membersOf(value, LEAF_MEMBERS, where), where)
}
