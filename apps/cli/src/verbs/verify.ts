/**
 * `prooflog verify`: checks an evidence file, a receipt, a certificate of erasure or an audit of retention, offline, by a
 * policy of your own; with `--against`, whether the log, as it is now, still contains what is in it.
 */

import { parseStrictJson } from "@prooflog/event/json"
import type { Policy } from "@prooflog/tlog/policy"
import { parseReceipt } from "@prooflog/tlog/receipt"
import { isCertificate, parseCertificate, verifyCertificate } from "@prooflog/verifier/certificate"
import { readAnswers } from "@prooflog/verifier/challenge-answers"
import { VerifierError } from "@prooflog/verifier/error"
import { readEvidence } from "@prooflog/verifier/evidence"
import { evidenceToJson, receiptToJson, reportEvidence, reportReceipt } from "@prooflog/verifier/report"
import { certificateToJson, reportCertificate } from "@prooflog/verifier/retention-report"
import { verifyEvidence } from "@prooflog/verifier/verify-evidence"
import { verifyReceipt } from "@prooflog/verifier/verify-receipt"
import type { Command } from "commander"
import { isAudit, parseAudit } from "../challenge/audit-file.js"
import { sayChallenge } from "../challenge/challenge-verdict.js"
import { judgeAudit } from "../challenge/judge-audit.js"
import { CliError } from "../error.js"
import { readNamedFile } from "../file.js"
import { type Claim, holdAgainst } from "../hold-against.js"
import { sourceAt } from "../log-source.js"
import { POLICY_MEANING, readPolicy } from "../policy.js"
import { names, type Surroundings } from "../verb.js"
import { sayVerdict } from "../verdict.js"

interface VerifyFlags {
  readonly policy: string
  readonly require?: string
  readonly against?: string
  readonly accuse?: string
  readonly json?: true
}

/** Some hundred thousand events. */
const MAX_FILE_BYTES = 256 * 1024 * 1024

export function addVerify(program: Command, surroundings: Surroundings): void {
  program
    .command("verify")
    .description(
      "check an evidence file, a receipt (.tlog-proof), a certificate of erasure or an audit of retention, offline unless --against is given",
    )
    .argument(
      "<file>",
      "evidence, a receipt, a certificate, an audit's file, or the answer to POST v1/events?wait=receipt",
    )
    .requiredOption("--policy <file>", POLICY_MEANING)
    .option("--require <names>", "fields that every event must show, such as user_id,ip_address")
    .option(
      "--against <url>",
      "the log's URL: check that the log still contains it, under the head it shows now",
    )
    .option(
      "--accuse <file>",
      "with --against: where to write what convicts the log if it does not (default: FILE.accusation-KIND.json)",
    )
    .option("--json", "print as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (path: string, flags: VerifyFlags) => {
      const { against, accuse } = flags
      const required = names("--require", flags.require)
      if (accuse !== undefined && against === undefined)
        throw new CliError("CLI_USAGE", "--accuse says where to write what --against URL finds")
      const source = against === undefined ? undefined : sourceAt(against)
      const policy = await readPolicy(flags.policy)
      const claim = claimIn(await readNamedFile(path, "the file", MAX_FILE_BYTES), path, policy, required)
      const { terminal } = surroundings
      const accusationPath = (kind: string) => accuse ?? `${path}.accusation-${kind}.json`
      const verify = () =>
        source === undefined ? claim.verify() : holdAgainst(source, claim, policy, accusationPath, terminal)
      surroundings.verdict = await sayVerdict(verify, flags.json === true, terminal)
    })
}

const EXAMPLES = `
Examples:
  prooflog verify evidence.json --policy policy
  prooflog verify receipt.tlog-proof --policy policy --against https://log.example/access

Exit codes: 0 verified, and with --against still in the log; 1 NOT verified, or the log has broken its word, and what
convicts it is in a file that prooflog verify-evidence checks; 2 could not tell (no network, too few witnesses).`

/** @throws {@link CliError} `CLI_FILE` for what is none of what can be verified */
function claimIn(file: Uint8Array, path: string, policy: Policy, require: readonly string[]): Claim {
  const start = Buffer.from(file.subarray(0, 1024)).toString("latin1")
  if (start.startsWith("c2sp.org/tlog-proof@")) return receiptClaim(file, policy, require)
  if (isCertificate(file)) return certificateClaim(file, policy, require)
  if (isAudit(start)) return auditClaim(file, policy, require)
  const evidence = /^\s*\{\s*"format"/.test(start) ? file : evidenceIn(file)
  if (evidence === undefined || !/^\s*\{/.test(start))
    throw new CliError(
      "CLI_FILE",
      `${path} is neither an evidence file nor a receipt, nor a certificate or an audit`,
    )
  return {
    verify() {
      const verified = verifyEvidence(evidence, policy, { require })
      return { text: reportEvidence(verified), json: evidenceToJson(verified) }
    },
    promise: () => readEvidence(evidence),
  }
}

function receiptClaim(file: Uint8Array, policy: Policy, require: readonly string[]): Claim {
  return {
    verify() {
      const verified = verifyReceipt(file, policy)
      if (require.length > 0)
        throw new VerifierError("VERIFIER_NOT_DISCLOSED", "a receipt shows no fields at all")
      return { text: reportReceipt(verified), json: receiptToJson(verified) }
    },
    promise() {
      const { leafIndex, path, extra: entry, checkpoint } = parseReceipt(file)
      return { checkpoint, items: entry === undefined ? [] : [{ leafIndex, path, entry }] }
    },
  }
}

function certificateClaim(file: Uint8Array, policy: Policy, require: readonly string[]): Claim {
  return {
    verify() {
      const verified = verifyCertificate(file, policy)
      if (require.length > 0)
        throw new VerifierError("VERIFIER_NOT_DISCLOSED", "a certificate shows no fields at all")
      return { text: reportCertificate(verified), json: certificateToJson(verified) }
    },
    promise() {
      const { checkpoint, notice, items } = parseCertificate(file)
      return { checkpoint, items: [notice, ...items] }
    },
  }
}

function auditClaim(source: Uint8Array, policy: Policy, require: readonly string[]): Claim {
  const file = () => parseAudit(source)
  return {
    verify() {
      const audit = file()
      const judged = judgeAudit(audit, policy)
      if (require.length > 0)
        throw new VerifierError("VERIFIER_NOT_DISCLOSED", "an audit is not asked for single fields")
      const scheduleLeaves = audit.schedules.map(({ leafIndex }) => leafIndex)
      return sayChallenge({ judged, atMs: audit.atMs, scheduleLeaves })
    },
    promise() {
      const { challenge, answers } = readAnswers(file().answers)
      return { checkpoint: challenge.checkpoint, items: [...answers] }
    },
  }
}

/** With one of them, a file claims to be evidence, and is held to it. */
const EVIDENCE_MEMBERS = ["format", "checkpoint", "events"]

/** Deep enough for evidence inside an answer. */
const MAX_DEPTH = 12

/**
 * Returns the evidence: the file itself, or what a server's answer to `?wait=receipt` has as `evidence`;
 * nothing if no part of the file is any, such as an answer that refused the event: that accuses nobody.
 *
 * The answer around it is the server's word and is not looked at.
 */
function evidenceIn(file: Uint8Array): Uint8Array | string | undefined {
  let value: unknown
  try {
    value = parseStrictJson(Buffer.from(file).toString("utf8"), { maxDepth: MAX_DEPTH, integers: "double" })
  } catch {
    // Whatever is wrong with it, the verifier finds it too, and says it in its own words.
    return file
  }
  const answer = (value ?? {}) as Readonly<Record<string, unknown>>
  if (EVIDENCE_MEMBERS.some((name) => answer[name] !== undefined)) return file
  const { evidence } = answer
  if (evidence === undefined) return undefined
  if (evidence !== null) return JSON.stringify(evidence)
  throw new CliError("CLI_FILE", "the answer holds no evidence yet: ask for it again with prooflog prove")
}
