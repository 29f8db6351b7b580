/**
 * `prooflog keygen`: a new signer key and its verifier key, in the text forms of signed notes.
 */

import { randomBytes } from "node:crypto"
import {
  createSignerKey,
  ED25519,
  ED25519_COSIGNATURE,
  formatSignerKey,
  formatVerifierKey,
  verifierKeyOf,
} from "@prooflog/tlog/key"
import type { Command } from "commander"
import { writeNamedFile } from "../file.js"
import type { Surroundings } from "../verb.js"

interface KeygenFlags {
  readonly out?: string
  readonly witness?: true
  readonly json?: true
}

export function addKeygen(program: Command, surroundings: Surroundings): void {
  program
    .command("keygen")
    .description("make a signer key, and the verifier key that others need")
    .argument("<name>", "the key's name; for a log its origin, such as log.example/access")
    .option(
      "-o, --out <file>",
      "write the signer key there (mode 0600, never over a file) instead of printing it",
    )
    .option("--witness", "a key that cosigns, instead of one that signs a log's checkpoints")
    .option("--json", "print as JSON")
    .action(async (name: string, flags: KeygenFlags) => {
      const key = createSignerKey(name, randomBytes(32), flags.witness ? ED25519_COSIGNATURE : ED25519)
      const signer = formatSignerKey(key)
      const verifier = formatVerifierKey(verifierKeyOf(key))
      if (flags.out !== undefined) {
        await writeNamedFile(flags.out, "the key file", `${signer}\n`, { mode: 0o600, flag: "wx" })
      }
      const { print } = surroundings.terminal
      const shown =
        flags.out === undefined ? { signer_key: signer, verifier_key: verifier } : { verifier_key: verifier }
      for (const line of flags.json ? [JSON.stringify(shown)] : Object.values(shown)) print(line)
      surroundings.verdict = 0
    })
}
