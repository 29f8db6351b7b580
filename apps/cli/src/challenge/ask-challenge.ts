/**
 * A challenge, sent: leaves are drawn under a head, and its log shows what it has of them.
 *
 *     head ─► nonce, drawn only now ─► POST v1/challenges ─► answers, suspect, and when they came
 *
 * Effects: the network.
 */

import { randomFillSync } from "node:crypto"
import type { OpenedCheckpoint } from "@prooflog/tlog/policy"
import { type Challenge, formatChallenge, MAX_LEAVES, NONCE_SIZE } from "@prooflog/verifier/challenge"
import { CliError } from "../error.js"
import { type LogAddress, LogServer } from "../log-server.js"
import { startProgress } from "../progress.js"
import { counted, type Terminal } from "../terminal.js"

/** A server that is busy, or reads its archive, is waited for. */
const PATIENCE_MS = 60_000
const ANSWER_MS = 10 * 60_000

/** What was asked, and what came. */
export interface Exchange {
  readonly challenge: Challenge
  /** The file of answers as it came; suspect. */
  readonly answers: string
  /** Our clock when they came, ms since 1970. */
  readonly cameMs: number
}

/** @param nonce - drawn by somebody else; 16 fresh random bytes unless given */
export function drawChallenge(
  { note, checkpoint }: OpenedCheckpoint,
  sample: number,
  nonce: Uint8Array = randomFillSync(new Uint8Array(NONCE_SIZE)),
): Challenge {
  return { checkpoint: note, nonce, leaves: Math.min(sample, checkpoint.treeSize) }
}

/** @throws {@link CliError} as `LogServer.text` */
export async function askChallenge(
  address: LogAddress,
  challenge: Challenge,
  terminal: Terminal,
): Promise<Exchange> {
  const progress = startProgress(terminal, "challenge", "leaves")
  try {
    const server = new LogServer({
      ...address,
      patienceMs: PATIENCE_MS,
      timeoutMs: ANSWER_MS,
      onWait: (why) => progress.waits(why),
    })
    progress.waits(`the log shows what it has of ${counted(challenge.leaves, "leaf", "leaves")}`)
    const answers = await server.text("v1/challenges", {
      method: "POST",
      body: formatChallenge(challenge),
      type: "application/json",
      onlyIfRefused: true,
    })
    return { challenge, answers, cameMs: Date.now() }
  } finally {
    progress.stop()
  }
}

/** @throws {@link CliError} `CLI_USAGE` */
export function sampleOf(flag: string): number {
  const sample = /^\d{1,5}$/.test(flag) ? Number(flag) : 0
  if (sample >= 1 && sample <= MAX_LEAVES) return sample
  throw new CliError("CLI_USAGE", `--sample takes how many leaves to draw: 1 to ${MAX_LEAVES}`)
}

/** @throws {@link CliError} `CLI_USAGE` */
export function nonceOf(flag: string): Uint8Array {
  if (/^[0-9a-fA-F]{32}$/.test(flag)) return new Uint8Array(Buffer.from(flag, "hex"))
  throw new CliError("CLI_USAGE", "--nonce takes 16 bytes in hex")
}

/** @returns ms since 1970 @throws {@link CliError} `CLI_USAGE` */
export function timeOf(flag: string): number {
  const ms = RFC_3339.test(flag) ? Date.parse(flag) : Number.NaN
  if (Number.isSafeInteger(ms)) return ms
  throw new CliError("CLI_USAGE", "--at takes a time with a zone, such as 2026-03-01T12:00:00Z")
}

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/
