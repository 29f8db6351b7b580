/**
 * `prooflog prove`: an evidence file of some leaves, from the log's server.
 */

import { writeFile } from "node:fs/promises"
import { type Command, InvalidArgumentError } from "commander"
import { fileError } from "../file.js"
import { DEFAULT_URL, LogServer } from "../log-server.js"
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
      const url = flags.url ?? environment.PROOFLOG_URL ?? DEFAULT_URL
      const server = new LogServer({ url, key: environment.PROOFLOG_KEY })
      const evidence = await server.text(evidencePath(leaves, names(flags.withhold)))
      if (flags.out === undefined) {
        terminal.print(evidence.trimEnd())
      } else {
        await writeFile(flags.out, evidence).catch((error) => {
          throw fileError(error, "the file", flags.out as string)
        })
        terminal.say(
          `${counted(leaves.length, "event")} proven in ${flags.out}; check it with prooflog verify`,
        )
      }
      surroundings.verdict = 0
    })
}

/** Ascending and each once, as an evidence file has them. */
function evidencePath(leaves: readonly number[], withhold: readonly string[]): string {
  const query = new URLSearchParams()
  const ascending = [...new Set(leaves)].sort((a, b) => a - b)
  for (const leaf of ascending) query.append("leaf_index", String(leaf))
  if (withhold.length > 0) query.set("withhold", withhold.join(","))
  return `v1/evidence?${query}`
}

function collectLeaf(text: string, soFar: readonly number[] | undefined): readonly number[] {
  const leaf = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(leaf)) throw new InvalidArgumentError("a leaf index is an integer, 0 or more")
  return [...(soFar ?? []), leaf]
}
