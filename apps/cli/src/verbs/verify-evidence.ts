/**
 * `prooflog verify-evidence`: checks an accusation, offline, by a policy of your own.
 *
 *     0   the file convicts      1   it does not      2   could not tell
 *
 * Here exit code 0 is the accusation: nothing but a conviction says it.
 */

import type { Policy } from "@prooflog/tlog/policy"
import { MAX_ACCUSATION_BYTES, parseAccusation, verifyAccusation } from "@prooflog/verifier/accusation"
import { convictionToJson, reportConviction } from "@prooflog/verifier/accusation-report"
import { VerifierError, verdictOf } from "@prooflog/verifier/error"
import { escapeText, formatJson } from "@prooflog/verifier/report"
import type { Command } from "commander"
import { CliError } from "../error.js"
import { readNamedFile } from "../file.js"
import { readPolicy } from "../policy.js"
import type { Terminal } from "../terminal.js"
import type { Surroundings, Verdict } from "../verb.js"

interface Flags {
  readonly policy: string
  readonly json?: true
}

/** Without this the file claims to be something else, or a later version. */
const CLAIM = /"format"\s*:\s*"prooflog-accusation\/1"/

export function addVerifyEvidence(program: Command, surroundings: Surroundings): void {
  program
    .command("verify-evidence")
    .description("check evidence that a log, or a witness, has misbehaved, offline")
    .argument("<file>", "an accusation, as a monitor writes it")
    .requiredOption("--policy <file>", "a policy that names the accused, with the key you know to be its own")
    .option("--json", "print as JSON")
    .action(async (path: string, flags: Flags) => {
      const policy = await readPolicy(flags.policy)
      const file = await readNamedFile(path, "the file", MAX_ACCUSATION_BYTES)
      if (!CLAIM.test(Buffer.from(file).toString("latin1")))
        throw new CliError("CLI_FILE", `${path} is no accusation of format prooflog-accusation/1`)
      surroundings.verdict = sayConviction(file, policy, flags.json === true, surroundings.terminal)
    })
}

/** @throws {@link VerifierError} if nobody could tell, or whatever went wrong */
function sayConviction(file: Uint8Array, policy: Policy, asJson: boolean, terminal: Terminal): Verdict {
  const { print, paint } = terminal
  try {
    const accusation = parseAccusation(file)
    const conviction = verifyAccusation(accusation, policy)
    const [first = "", ...rest] = reportConviction(accusation, conviction).trimEnd().split("\n")
    if (asJson) print(formatJson(convictionToJson(accusation, conviction)).trimEnd())
    else print([`${paint(["green", "bold"], "✓")} ${paint("bold", first)}`, ...rest].join("\n"))
    return 0
  } catch (error) {
    if (!(error instanceof VerifierError)) throw error
    const { code, message } = error
    const isRefused = verdictOf(error) === "refused"
    const verdict = isRefused ? "does not convict" : "could not tell"
    if (asJson) print(formatJson({ verdict, code, message }).trimEnd())
    if (!isRefused) throw error
    if (!asJson) print(`${paint(["red", "bold"], "✗ does not convict:")} ${escapeText(message)} (${code})`)
    return 1
  }
}
