/**
 * `prooflog reindex`: makes the query store anew from the log.
 */

import { setTimeout as sleep } from "node:timers/promises"
import type { Command } from "commander"
import { CliError } from "../error.js"
import { LogServer, logAddress } from "../log-server.js"
import { startProgress } from "../progress.js"
import { counted, duration } from "../terminal.js"
import type { Surroundings } from "../verb.js"

interface ReindexFlags {
  readonly wait: boolean
  readonly json?: true
  readonly url?: string
}

const POLL_MS = 200

/** A server that starts a process anew may not answer for a moment. */
const PATIENCE_MS = 30_000

export function addReindex(program: Command, surroundings: Surroundings): void {
  program
    .command("reindex")
    .description("have the server make its query store anew from the log; needs an admin's key")
    .option("--no-wait", "do not wait until it is done")
    .option("--json", "print the state at the end as JSON")
    .option("--url <url>", "the log's URL (default: PROOFLOG_URL)")
    .addHelpText(
      "after",
      `
Examples:
  prooflog reindex
  prooflog reindex --no-wait

Meanwhile questions are answered from what is there already, and say how far that is.`,
    )
    .action(async (flags: ReindexFlags) => {
      await reindex(flags, surroundings)
      surroundings.verdict = 0
    })
}

async function reindex(
  { wait, json, url }: ReindexFlags,
  { terminal, environment }: Surroundings,
): Promise<void> {
  const address = logAddress(environment, url, "an admin's key")
  const started = performance.now()
  let state = stateIn(await new LogServer(address).json("v1/reindex", { method: "POST" }), address.url)
  if (wait) {
    const server = new LogServer({ ...address, patienceMs: PATIENCE_MS })
    // What is logged meanwhile is followed as ever: it is not waited for.
    const { treeSize } = state
    const progress = startProgress(terminal, "reindex", "leaves")
    try {
      while (!isLevel(state, treeSize)) {
        await sleep(POLL_MS)
        state = stateIn(await server.json("v1/reading"), server.url)
        progress.update(treeSize === 0 ? 1 : Math.min(1, state.through / treeSize), state.through)
      }
    } finally {
      progress.stop()
    }
  }
  const { through, treeSize } = state
  const took = duration(performance.now() - started)
  if (json) terminal.print(JSON.stringify({ state: state.state, through, tree_size: treeSize }))
  else if (wait) terminal.print(`reindexed ${counted(through, "leaf", "leaves")} in ${took}`)
  else terminal.print("reindexing has begun")
}

interface State {
  readonly state: string
  readonly through: number
  readonly treeSize: number
}

/** @throws {@link CliError} `CLI_REFUSED` if nothing is followed, so that it would never be level */
function isLevel({ state, through }: State, treeSize: number): boolean {
  if (state === "stopped" || state === "off")
    throw new CliError("CLI_REFUSED", `the server does not follow its log: reading is ${state}`)
  return state === "following" && through >= treeSize
}

function stateIn(answer: Readonly<Record<string, unknown>>, url: string): State {
  const { state, through, tree_size } = answer
  if (typeof state === "string" && typeof through === "number" && typeof tree_size === "number")
    return { state, through, treeSize: tree_size }
  throw new CliError("CLI_UNEXPECTED_ANSWER", `${url} did not answer as a log does`)
}
