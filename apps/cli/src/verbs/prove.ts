/**
 * `prooflog prove`: an evidence file of some leaves, from the log's server.
 */

import { FIELDS } from "@prooflog/event/schema"
import { EVIDENCE_FORMAT } from "@prooflog/verifier/evidence"
import { type Command, InvalidArgumentError } from "commander"
import { CliError } from "../error.js"
import { writeNamedFile } from "../file.js"
import { LogServer, logAddress } from "../log-server.js"
import { counted } from "../terminal.js"
import { names, type Surroundings } from "../verb.js"

interface ProveFlags {
  readonly withhold?: string
  readonly out?: string
  readonly url?: string
}

export function addProve(program: Command, surroundings: Surroundings): void {
  program
    .command("prove")
    .description("write an evidence file that proves events to anyone who has the log's policy")
    .argument("<leaf...>", "leaf indices", collectLeaf)
    .option("--withhold <names>", "fields to hide, such as ip_address,user_agent")
    .option("-o, --out <file>", "where to write it (default: print it)")
    .option("--url <url>", "the log's URL (default: PROOFLOG_URL)")
    .action(async (leaves: readonly number[], flags: ProveFlags) => {
      const { terminal, environment } = surroundings
      const withhold = withheldNames(flags.withhold)
      const server = new LogServer(logAddress(environment, flags.url, "a reader's key"))
      // Ascending and each once, as an evidence file has them.
      const ascending = [...new Set(leaves)].sort((a, b) => a - b)
      const evidence = await askForEvidence(server, ascending, withhold)
      if (flags.out === undefined) {
        terminal.print(evidence.trimEnd())
      } else {
        await writeNamedFile(flags.out, "the file", evidence)
        terminal.say(
          `${counted(ascending.length, "event")} proven in ${flags.out}; check it with prooflog verify`,
        )
      }
      surroundings.verdict = 0
    })
}

/** A name that is misspelt would withhold nothing, and show what was to be hidden. */
function withheldNames(list: string | undefined): readonly string[] {
  const withhold = names("--withhold", list)
  const unknown = withhold.find((name) => !FIELDS.some((field) => field.name === name))
  if (unknown === undefined) return withhold
  throw new CliError("CLI_USAGE", `no event has a field ${unknown}: nothing would be withheld`)
}

async function askForEvidence(
  server: LogServer,
  leaves: readonly number[],
  withhold: readonly string[],
): Promise<string> {
  const hidden = withhold.length === 0 ? "" : `&withhold=${withhold.join(",")}`
  const path = `v1/evidence?leaf_index=${leaves.join(",")}${hidden}`
  const evidence = await server.text(path)
  if (evidence.startsWith(`{"format":"${EVIDENCE_FORMAT}"`)) return evidence
  throw new CliError("CLI_UNEXPECTED_ANSWER", `${server.url} did not answer with evidence`)
}

function collectLeaf(text: string, soFar: readonly number[] | undefined): readonly number[] {
  const leaf = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(leaf)) throw new InvalidArgumentError("a leaf index is an integer, 0 or more")
  return [...(soFar ?? []), leaf]
}
