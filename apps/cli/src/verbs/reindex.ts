/**
 * `prooflog reindex`: makes the query store anew from the log.
 */

import { setTimeout as sleep } from "node:timers/promises"
import type { Command } from "commander"
import { CliError } from "../error.js"
import { LogServer, logAddress, URL_FLAG } from "../log-server.js"
import { startProgress } from "../progress.js"
import { counted, duration } from "../terminal.js"
import type { Surroundings } from "../verb.js"

interface ReindexFlags {
  readonly wait: boolean
  readonly json?: true
  readonly url?: string
}

const POLL_MS = 200

/** A server whose query process is starting says 503 until it is there. */
const PATIENCE_MS = 30_000

export function addReindex(program: Command, surroundings: Surroundings): void {
  program
    .command("reindex")
    .description("have the server make the rows that queries read anew from the log; needs an admin's key")
    .option("--no-wait", "only begin it, and leave it to the server")
    .option("--json", "print as JSON how far the rows go, and of what tree size")
    .option(...URL_FLAG)
    .addHelpText(
      "after",
      `
Examples:
  prooflog reindex
  prooflog reindex --no-wait

The log itself is not touched. Meanwhile questions are answered from the rows made so far; each answer says how
far these go. A server that is busy is waited for, up to 30 s.`,
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
  const address = logAddress(environment, url, "admin")
  const started = performance.now()
  // Whoever is not there at all is not waited for, nor one who will never do it.
  requireReading(stateIn(await new LogServer(address).json("v1/reading"), address.url))
  const progress = startProgress(terminal, "reindex", "leaves")
  const server = new LogServer({ ...address, patienceMs: PATIENCE_MS, onWait: progress.waits })
  let state: State
  try {
    // Twice would throw away what the first has made.
    state = stateIn(await server.json("v1/reindex", { method: "POST", onlyIfRefused: true }), server.url)
    // What is logged meanwhile is followed as ever: it is not waited for.
    const { treeSize } = state
    while (wait && !isLevel(state, treeSize)) {
      await sleep(POLL_MS)
      state = stateIn(await server.json("v1/reading"), server.url)
      progress.update(treeSize === 0 ? 1 : Math.min(1, state.through / treeSize), state.through)
    }
  } finally {
    progress.stop()
  }
  const { through, treeSize } = state
  const took = duration(performance.now() - started)
  if (json) terminal.print(JSON.stringify({ state: state.state, through, tree_size: treeSize }))
  else if (wait) terminal.print(`reindexed ${counted(through, "leaf", "leaves")} in ${took}`)
  else terminal.print("reindexing has begun; each answer says how far the new rows go")
}

interface State {
  readonly state: string
  readonly through: number
  readonly treeSize: number
}

/** @throws {@link CliError} `CLI_REFUSED` if it would never be level */
function isLevel({ state, through }: State, treeSize: number): boolean {
  if (state === "stopped")
    throw new CliError(
      "CLI_REFUSED",
      `the server no longer follows its log, of which ${counted(through, "leaf is", "leaves are")} read: its own log says what is wrong there`,
    )
  requireReading({ state })
  return state === "following" && through >= treeSize
}

/** @throws {@link CliError} `CLI_REFUSED` if the server keeps no rows */
function requireReading({ state }: Pick<State, "state">): void {
  if (state === "off")
    throw new CliError("CLI_REFUSED", "the server keeps no rows to ask: it runs without a reader")
}

function stateIn(answer: Readonly<Record<string, unknown>>, url: string): State {
  const { state, through, tree_size } = answer
  if (typeof state === "string" && typeof through === "number" && typeof tree_size === "number")
    return { state, through, treeSize: tree_size }
  throw new CliError("CLI_UNEXPECTED_ANSWER", `${url} did not answer as a log does`)
}
