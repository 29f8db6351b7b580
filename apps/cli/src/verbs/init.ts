/**
 * `prooflog init`: the folder of a new log.
 */

import { initFolder } from "@prooflog/server/folder"
import type { Command } from "commander"
import { CliError } from "../error.js"
import type { Surroundings } from "../verb.js"

interface InitFlags {
  readonly origin?: string
  readonly key?: string
  readonly json?: true
}

export function addInit(program: Command, surroundings: Surroundings): void {
  program
    .command("init")
    .description("make the folder of a new log: its keys, its policy, its schedule")
    .argument("<dir>", "missing or empty, but for a schedule.yaml of its own")
    .option("--origin <name>", "the log's name, for ever (default: prooflog.local/<log id>)")
    .option("--key <file>", "the signer key: used if it exists, made if not (default: DIR/keys/signer.key)")
    .option("--json", "print as JSON")
    .action(async (dir: string, flags: InitFlags) => {
      const { print, say } = surroundings.terminal
      const { origin, key } = flags
      const folder = await initFolder(dir, {
        ...(origin !== undefined && { origin }),
        ...(key !== undefined && { keyPath: key }),
      })
      if (!folder.created)
        throw new CliError("CLI_USAGE", `${folder.dir} holds the log ${folder.origin} already`)
      if (flags.json) {
        const { origin, verifierKey, policyPath, schedulePath, signerKeyPath } = folder
        print(
          JSON.stringify({
            origin,
            verifier_key: verifierKey,
            policy: policyPath,
            schedule: schedulePath,
            signer_key_file: signerKeyPath,
          }),
        )
      } else {
        print(`log           ${folder.origin}`)
        print(`verifier key  ${folder.verifierKey}`)
        print(`policy        ${folder.policyPath}   for auditors`)
        print(
          `schedule      ${folder.schedulePath}   edit it now: what the first start promises is never shortened`,
        )
        print(`signer key    ${folder.signerKeyPath}   never for anyone; keep it out of backups of the data`)
        say("it is served, and gets its first API keys, with prooflog serve")
      }
      surroundings.verdict = 0
    })
}
