/**
 * How far a log is: what it has signed, and what of that everyone may see.
 *
 *     leaves   0 ──────────────────┬─────────┬────────┬
 *                         published│   signed│  logged│      about a second from one to the next, at most
 *
 * The server's word, suspect. Effects: the network.
 */

import { setTimeout as sleep } from "node:timers/promises"
import { CliError } from "./error.js"
import type { LogServer } from "./log-server.js"

/** How long leaves are waited for that are logged and not yet published. */
const PUBLISH_MS = 15_000
const PUBLISH_POLL_MS = 200

/** How long a new head is waited for, where something was logged. */
const SIGN_MS = 5_000
const SIGN_POLL_MS = 100

export interface LogHeads {
  /** Leaves under the newest signed head. */
  readonly signed: number
  /** Leaves that there is evidence of. */
  readonly published: number
}

/** @throws {@link CliError} `CLI_UNEXPECTED_ANSWER` if the answer names no sizes; what asking the server throws */
export async function readHeads(server: LogServer): Promise<LogHeads> {
  const { signed, published } = await server.json("v1/log")
  return { signed: sizeOf(signed, server), published: sizeOf(published, server) }
}

/**
 * Waits for a head of more leaves than `size`, where something was just logged: that head has all that was logged
 * before `size` was read.
 *
 * @returns how many it has; `size` if none comes in time
 */
export async function waitSigned(server: LogServer, size: number): Promise<number> {
  const started = performance.now()
  while (performance.now() - started < SIGN_MS) {
    const { signed } = await readHeads(server)
    if (signed > size) return signed
    await sleep(SIGN_POLL_MS)
  }
  return size
}

/**
 * Waits until everyone may see a leaf: evidence exists of nothing else.
 *
 * @throws {@link CliError} `CLI_CANNOT_TELL` if that takes too long
 */
export async function waitPublished(server: LogServer, leaf: number): Promise<void> {
  const started = performance.now()
  while (performance.now() - started < PUBLISH_MS) {
    if ((await readHeads(server)).published > leaf) return
    await sleep(PUBLISH_POLL_MS)
  }
  throw new CliError("CLI_CANNOT_TELL", `leaf ${leaf} is not published yet: there can be no proof of it`)
}

function sizeOf(head: unknown, { url }: LogServer): number {
  const { tree_size } = (head ?? {}) as { readonly tree_size?: unknown }
  if (Number.isSafeInteger(tree_size) && (tree_size as number) >= 0) return tree_size as number
  throw new CliError("CLI_UNEXPECTED_ANSWER", `${url}v1/log did not answer as a log does`)
}
