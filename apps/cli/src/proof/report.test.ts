import { EMPTY_ROOT, sha256 } from "@prooflog/tlog/hash"
import { createSignerKey, formatVerifierKey, verifierKeyOf } from "@prooflog/tlog/key"
import { parsePolicy } from "@prooflog/tlog/policy"
import { expect, it } from "vitest"
import { answerReport } from "./report.js"
import type { VerifiedAnswer } from "./verify-answer.js"

const LOG = verifierKeyOf(createSignerKey("log.example", sha256(Uint8Array.of(1)), 1))
const WITNESS = verifierKeyOf(createSignerKey("w.example", sha256(Uint8Array.of(2)), 4))
const POLICY = parsePolicy(
  `log ${formatVerifierKey(LOG)}\nwitness w ${formatVerifierKey(WITNESS)}\nquorum w\n`,
)

function reportOf(timeSeconds: number) {
  const checkpoint = { origin: "log.example", treeSize: 0, rootHash: EMPTY_ROOT, extensions: [] }
  const opened = {
    checkpoint,
    note: "",
    logKey: LOG,
    cosignatures: [{ witness: "w", key: WITNESS, timeSeconds }],
  }
  const verified = { rows: 1, leaves: 1, isPlainRows: true, checkpoint: opened, withheld: [], derived: [] }
  return answerReport({ ...verified, order: undefined } as unknown as VerifiedAnswer, POLICY, 1, undefined)
}

it("names the time that a witness says, also one that no calendar has", () => {
  expect(reportOf(1_700_000_000)).toMatchObject({
    text: expect.stringContaining("not later than 2023-11-14T22:13:20.000Z"),
    json: { cosigned: { witness: "w", time: "2023-11-14T22:13:20.000Z" } },
  })
  expect(reportOf(9_000_000_000_000)).toMatchObject({
    text: expect.stringContaining("by w, 9000000000000000 ms after 1970"),
    json: { cosigned: { witness: "w", time: "9000000000000000 ms after 1970" } },
  })
})
