/**
 * `prooflog verify`: checks an evidence file or a receipt, offline, by a policy of your own.
 */

import { parseStrictJson } from "@prooflog/event/json"
import type { Policy } from "@prooflog/tlog/policy"
import { VerifierError } from "@prooflog/verifier/error"
import { evidenceToJson, receiptToJson, reportEvidence, reportReceipt } from "@prooflog/verifier/report"
import { verifyEvidence } from "@prooflog/verifier/verify-evidence"
import { verifyReceipt } from "@prooflog/verifier/verify-receipt"
import type { Command } from "commander"
import { CliError } from "../error.js"
import { readNamedFile } from "../file.js"
import { POLICY_MEANING, readPolicy } from "../policy.js"
import { names, type Surroundings } from "../verb.js"
import { type Report, sayVerdict } from "../verdict.js"

interface VerifyFlags {
  readonly policy: string
  readonly require?: string
  readonly json?: true
}

/** Some hundred thousand events. */
const MAX_FILE_BYTES = 256 * 1024 * 1024

export function addVerify(program: Command, surroundings: Surroundings): void {
  program
    .command("verify")
    .description("check an evidence file or a receipt (.tlog-proof), offline")
    .argument("<file>", "evidence, a receipt, or the answer to POST v1/events?wait=receipt")
    .requiredOption("--policy <file>", POLICY_MEANING)
    .option("--require <names>", "fields that every event must show, such as user_id,ip_address")
    .option("--json", "print as JSON")
    .action(async (path: string, flags: VerifyFlags) => {
      const required = names("--require", flags.require)
      const policy = await readPolicy(flags.policy)
      const file = await readNamedFile(path, "the file", MAX_FILE_BYTES)
      const verify = () => verifyFile(file, path, policy, required)
      surroundings.verdict = await sayVerdict(verify, flags.json === true, surroundings.terminal)
    })
}

function verifyFile(file: Uint8Array, path: string, policy: Policy, require: readonly string[]): Report {
  const start = Buffer.from(file.subarray(0, 1024)).toString("latin1")
  if (start.startsWith("c2sp.org/tlog-proof@")) {
    const verified = verifyReceipt(file, policy)
    if (require.length > 0)
      throw new VerifierError("VERIFIER_NOT_DISCLOSED", "a receipt shows no fields at all")
    return { text: reportReceipt(verified), json: receiptToJson(verified) }
  }
  const evidence = /^\s*\{\s*"format"/.test(start) ? file : evidenceIn(file)
  if (evidence === undefined || !/^\s*\{/.test(start))
    throw new CliError("CLI_FILE", `${path} is neither an evidence file nor a receipt`)
  const verified = verifyEvidence(evidence, policy, { require })
  return { text: reportEvidence(verified), json: evidenceToJson(verified) }
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
