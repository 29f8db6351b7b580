/**
 * The program: every verb, one file each.
 */

import { Command } from "commander"
import type { AddVerb, Surroundings } from "./verb.js"
import { addAudit } from "./verbs/audit.js"
import { addDemo } from "./verbs/demo.js"
import { addImport } from "./verbs/import.js"
import { addInit } from "./verbs/init.js"
import { addKey } from "./verbs/key.js"
import { addKeygen } from "./verbs/keygen.js"
import { addProve } from "./verbs/prove.js"
import { addServe } from "./verbs/serve.js"
import { addVerify } from "./verbs/verify.js"

const VERBS: readonly AddVerb[] = [
  addInit,
  addServe,
  addKey,
  addKeygen,
  addImport,
  addProve,
  addVerify,
  addAudit,
  addDemo,
]

/** @param version - of the command, as its package.json has it */
export function createProgram(surroundings: Surroundings, version: string): Command {
  const program = new Command("prooflog")
    .description("A transparency log for access events: anyone can check what was logged.")
    .version(version)
    .showHelpAfterError("(add --help for what is possible)")
    .exitOverride()
    .addHelpText(
      "after",
      `
Environment:
  PROOFLOG_URL    the log's URL, http://127.0.0.1:8080 unless set
  PROOFLOG_KEY    an API key, for import, prove and key

Exit codes:
  0  verified, or done
  1  NOT verified
  2  could not tell: a wrong flag, a missing file, no network, a crash`,
    )
  for (const addVerb of VERBS) addVerb(program, surroundings)
  for (const verb of program.commands)
    verb.exitOverride().showHelpAfterError("(add --help for what is possible)")
  return program
}
