import { disclose } from "@prooflog/event/disclosure"
import { encodeBase64 } from "@prooflog/tlog/base64"
import { beforeAll, describe, expect, it } from "vitest"
import {
  answersOf,
  DAY_MS,
  ERASED,
  heldAnswer,
  PROMISES,
  retentionLog,
  shownLeaf,
} from "../fixtures/retention-log.js"
import { defined, event, POLICY, type SmallLog, START_MS } from "../fixtures/small-log.js"
import { formatCertificate, type VerifiedCertificate, verifyCertificate } from "./certificate.js"
import { type Answer, formatAnswers } from "./challenge-answers.js"
import { type JudgedChallenge, judgeChallenge } from "./judge-challenge.js"
import { formatJson } from "./report.js"
import {
  certificateToJson,
  challengeVerdictToJson,
  reportCertificate,
  reportChallenge,
} from "./retention-report.js"

let log: SmallLog
let certificate: VerifiedCertificate
let judged: JudgedChallenge

beforeAll(async () => {
  log = retentionLog()
  const proof = ERASED.prove(1)
  const items = [{ ...(await shownLeaf(log, 2)), ...proof }]
  const text = formatCertificate({ checkpoint: log.checkpoint, notice: await shownLeaf(log, 6), items })
  certificate = verifyCertificate(text, POLICY)
  const honest = await answersOf(log)
  // Leaf 0 silent, 2 held, 4 due, 8 in part and past its time, 10 said to be due, which it never is.
  const inPart = {
    ...defined(honest[8]),
    disclosure: disclose(event(8).record, new Set(["user_id"])),
  } as Answer
  const due: Answer = { ...(await shownLeaf(log, 4)), answer: "due" }
  const early: Answer = { ...(await shownLeaf(log, 10)), answer: "due" }
  const held = await heldAnswer(log, 2)
  const answers = honest.with(8, inPart).with(4, due).with(10, early).with(2, held).slice(1)
  const challenge = { checkpoint: log.checkpoint, nonce: new Uint8Array(16).fill(1), leaves: 11 }
  judged = judgeChallenge([...formatAnswers(challenge, answers)].join(""), POLICY, {
    promises: PROMISES,
    atMs: START_MS + 60 * DAY_MS,
  })
})

describe("a certificate's report", () => {
  it("says what is proven and what not first, then what was erased", () => {
    const commitment = encodeBase64(defined(log.entries[2]).subarray(-32))
    const lines = reportCertificate(certificate).split("\n")
    expect(lines.slice(0, 2)).toEqual([`verified: ${certificate.proven}`, certificate.notClaimed])
    expect(lines.slice(-7)).toEqual([
      "  cosigned by        no witness of the policy",
      "  notice             leaf 6, 2023-10-21T15:32:01.060Z (the operator's word)",
      "  erased             3 in all, 1 of them here",
      "",
      "leaf 2, received 2023-10-21T15:32:01.020Z, class forever",
      `  commitment         ${commitment}`,
      "",
    ])
    expect(JSON.parse(formatJson(certificateToJson(certificate)))).toMatchObject({
      verdict: "verified",
      not_claimed: certificate.notClaimed,
      notice: { leaf_index: 6, kind: 1, count: 3, received_at: "2023-10-21T15:32:01.060Z" },
      items: [{ leaf_index: 2, class: "forever", commitment, received_at: "2023-10-21T15:32:01.020Z" }],
    })
  })
})

describe("a challenge's report", () => {
  it("names each leaf that was not found, and why", () => {
    const lines = reportChallenge(judged).split("\n")
    expect(lines.slice(0, 2)).toEqual([`not kept: ${judged.proven}`, judged.notClaimed])
    expect(lines.slice(-9)).toEqual([
      "  nonce              AQEBAQEBAQEBAQEBAQEBAQ==",
      "  leaves             1 due, 2 noticed, 4 no-event, 1 in-part, 1 held, 1 unanswered, 1 refused",
      "  lost               1, as a notice has said",
      "  overdue            1, still there after their time",
      "  leaf 0             unanswered",
      "  leaf 2             held, by leaf 7 (the operator's word)",
      "  leaf 8             in part, without user_id",
      "  leaf 10            refused: leaf 10: no record is shown, and nothing excuses it: it is never to be destroyed, as leaf 3 has promised",
      "",
    ])
  })

  it("has every leaf in its JSON, and no record", () => {
    const json = challengeVerdictToJson(judged)
    expect(json).toMatchObject({
      verdict: "not-kept",
      nonce: "AQEBAQEBAQEBAQEBAQEBAQ==",
      counts: judged.counts,
    })
    expect(json.leaves).toEqual([
      { leaf_index: 0, verdict: "unanswered" },
      { leaf_index: 1, verdict: "noticed", class: "routine", kind: 1, notice: 6 },
      { leaf_index: 2, verdict: "held", hold: 7 },
      { leaf_index: 3, verdict: "no-event" },
      {
        leaf_index: 4,
        verdict: "due",
        class: "routine",
        due_at: new Date(START_MS + 40 + 50 * DAY_MS).toISOString(),
        promised_by: 3,
      },
      { leaf_index: 5, verdict: "noticed", class: "routine", kind: 3, notice: 9 },
      { leaf_index: 6, verdict: "no-event" },
      { leaf_index: 7, verdict: "no-event" },
      { leaf_index: 8, verdict: "in-part", class: "routine", withheld: ["user_id"], overdue: true },
      { leaf_index: 9, verdict: "no-event" },
      expect.objectContaining({ leaf_index: 10, verdict: "refused", code: "VERIFIER_MISSING_RECORD" }),
    ])
    expect(formatJson(json)).not.toContain("U8")
  })

  it("is called open where the rest is silence", () => {
    const silent = judgeChallenge(
      [...formatAnswers({ checkpoint: log.checkpoint, nonce: new Uint8Array(16), leaves: 2 }, [])].join(""),
      POLICY,
      { promises: PROMISES, atMs: START_MS },
    )
    expect(reportChallenge(silent)).toMatch(/^could not tell: Of 2 leaves drawn/)
  })
})
