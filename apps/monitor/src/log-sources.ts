/**
 * Where a watch reads its log: for its entries, and for looks.
 *
 *     entries    30 s for an answer, and as long again as the log asks to wait       the audit goes on beside, and may
 *     looks      10 s, and 5 s at most until the next try                            a look waits for what it reads
 *
 * A look reads half a dozen things one after another. A log that answers each "busy, in a minute" or in drops would else
 * hold it up for a quarter of an hour: its head is compared with nobody's meanwhile, and the monitor seems to hang.
 *
 * Effects: the network; waits.
 */

import { setTimeout as sleep } from "node:timers/promises"
import type { LogSource } from "@prooflog/verifier/source"
import { httpSource } from "@prooflog/verifier/source-http"
import type { WatchedLog } from "./config.js"

/** Tries for one path of a log: the next look is soon. */
const ATTEMPTS = 3

/** For one answer to a look: a head, tiles of 8 KiB, now and then the last bundle. */
const LOOK_TIMEOUT_MS = 10_000

const LOOK_WAIT_MS = 5_000

export interface LogSources {
  readonly entries: LogSource
  readonly looks: LogSource
}

/**
 * Returns the two ways to one log.
 *
 * @param signal - ends everything under way
 * @param wait - for tests: the system's timers unless set
 */
export function sourcesOf(
  { url, headers }: Pick<WatchedLog, "url" | "headers">,
  signal: AbortSignal,
  wait = (ms: number) => waited(ms, signal),
): LogSources {
  const options = { headers, signal, attempts: ATTEMPTS }
  return {
    entries: httpSource(url, { ...options, sleep: wait }),
    looks: httpSource(url, {
      ...options,
      timeoutMs: LOOK_TIMEOUT_MS,
      sleep: (ms) => wait(Math.min(ms, LOOK_WAIT_MS)),
    }),
  }
}

/** Resolves after a while, or as soon as everything is to end: then the next try fails by that. */
async function waited(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal })
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
