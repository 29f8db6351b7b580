/**
 * `prooflog prove`: an evidence file of some events, from the log's server; with a policy, only if it convinces.
 */

import type { Policy } from "@prooflog/tlog/policy"
import { escapeText } from "@prooflog/verifier/report"
import { verifyEvidence } from "@prooflog/verifier/verify-evidence"
import { type Command, InvalidArgumentError } from "commander"
import { CliError } from "../error.js"
import { withheldNames } from "../fields.js"
import { writeNamedFile } from "../file.js"
import { readHeads, waitPublished, waitSigned } from "../log-heads.js"
import { LogServer, logAddress, URL_FLAG } from "../log-server.js"
import { POLICY_MEANING, readPolicy } from "../policy.js"
import { fetchEvidence } from "../proof/evidence-batches.js"
import { askSql } from "../sql-answer.js"
import { counted } from "../terminal.js"
import type { Surroundings } from "../verb.js"
import { type Report, sayVerdict } from "../verdict.js"

interface ProveFlags {
  readonly eventId?: readonly string[]
  readonly withhold?: string
  readonly policy?: string
  readonly out?: string
  readonly url?: string
}

export function addProve(program: Command, surroundings: Surroundings): void {
  program
    .command("prove")
    .description("write an evidence file that proves events to anyone who has the log's policy")
    .argument("[leaf...]", "the events' leaf indices, as in the column leaf_index of a query", collectLeaf)
    .option("--event-id <id>", "an event by its id, instead or as well; may be repeated", collectText)
    .option("--withhold <names>", "fields to hide in it, such as ip_address,user_agent")
    .option("--policy <file>", `write it only if it is verified under ${POLICY_MEANING}`)
    .option("-o, --out <file>", "where to write it (default: print it)")
    .option(...URL_FLAG)
    .addHelpText("after", EXAMPLES)
    .action(async (leaves: readonly number[] | undefined, flags: ProveFlags) => {
      const { terminal, environment } = surroundings
      const { eventId = [] } = flags
      if ((leaves ?? []).length + eventId.length === 0)
        throw new CliError("CLI_USAGE", "name what to prove: leaf indices, or --event-id ID")
      const withhold = withheldNames(flags.withhold)
      const policy = flags.policy === undefined ? undefined : await readPolicy(flags.policy)
      const server = new LogServer(logAddress(environment, flags.url, "reader"))
      const found = await leavesOf(server, eventId)
      // Ascending and each once, as an evidence file has them.
      const ascending = [...new Set([...(leaves ?? []), ...found])].sort((a, b) => a - b)
      // The ids were of events that are there; a leaf by number may be one that will never be.
      if (found.length > 0) await waitPublished(server, Math.max(...found))
      const evidence = await fetchEvidence(server, ascending, undefined, withhold)
      if (policy !== undefined) {
        // The evidence itself may be on its way to stdout.
        const verdictTo = { print: terminal.say, paint: (_: unknown, text: string) => text }
        surroundings.verdict = await sayVerdict(() => check(evidence, ascending, policy), false, verdictTo)
        if (surroundings.verdict !== 0) return
      }
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

const EXAMPLES = `
Examples:
  prooflog prove 17 18 --withhold ip_address -o evidence.json
  prooflog prove --event-id 018b5c1e-7d00-7000-8000-00000000002a > evidence.json
  prooflog prove 17 --policy policy -o evidence.json
  prooflog verify evidence.json --policy policy

Needs a reader's key; to prove the rows of a whole query, see prooflog query --verify --evidence FILE.`

/**
 * @returns one line: the whole verdict is what `prooflog verify` is for
 * @throws VerifierError what is wrong with the evidence; {@link CliError} `CLI_UNEXPECTED_ANSWER` if it is of other leaves
 */
function check(evidence: string, leaves: readonly number[], policy: Policy): Report {
  const { events, treeSize, checkpoint } = verifyEvidence(evidence, policy)
  if (events.length !== leaves.length || events.some(({ leafIndex }, i) => leafIndex !== leaves[i]))
    throw new CliError("CLI_UNEXPECTED_ANSWER", "the server answered with evidence of other leaves")
  const by = checkpoint.cosignatures.map(({ witness }) => witness)
  const cosigned = by.length === 0 ? "no witness" : by.join(", ")
  const head = `the head of ${counted(treeSize, "leaf", "leaves")}, cosigned by ${cosigned}`
  return { text: escapeText(`verified: ${counted(events.length, "event")} under ${head}`), json: {} }
}

/**
 * Finds events by their ids, in SQL. Two sources may have used one id: then both events are meant.
 *
 * @throws {@link CliError} `CLI_USAGE` for an id that no event has; `CLI_REFUSED` if the rows do not come in time
 */
async function leavesOf(server: LogServer, ids: readonly string[]): Promise<readonly number[]> {
  if (ids.length === 0) return []
  const leaves: number[] = []
  // Rows come a moment after their events: one that was just logged is waited for.
  let { signed } = await readHeads(server)
  for (const id of new Set(ids)) {
    let found = await leavesNamed(server, id, signed)
    if (found.length === 0) {
      // It may be logged and not yet signed. So is the question now, behind it: the next head has them both.
      signed = await waitSigned(server, signed)
      found = await leavesNamed(server, id, signed)
    }
    if (found.length === 0)
      throw new CliError(
        "CLI_USAGE",
        `no event has the id ${JSON.stringify(id)}, of the first ${signed} leaves`,
      )
    leaves.push(...found)
  }
  return leaves
}

async function leavesNamed(server: LogServer, id: string, minSize: number): Promise<readonly number[]> {
  const sql = "SELECT leaf_index FROM access_logs WHERE event_id = $1"
  const { rows } = await askSql(server, { sql, parameters: [id], minSize })
  return rows.map(([leaf]) => {
    if (Number.isSafeInteger(leaf)) return leaf as number
    throw new CliError("CLI_UNEXPECTED_ANSWER", `${server.url}v1/query did not answer with leaf indices`)
  })
}

function collectText(text: string, soFar: readonly string[] | undefined): readonly string[] {
  return [...(soFar ?? []), text]
}

function collectLeaf(text: string, soFar: readonly number[] | undefined): readonly number[] {
  const leaf = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(leaf)) throw new InvalidArgumentError("a leaf index is an integer, 0 or more")
  return [...(soFar ?? []), leaf]
}
