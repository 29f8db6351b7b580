/**
 * Evidence of many leaves under one checkpoint, batch by batch: the next one is fetched while this one is checked.
 *
 *     server    ── batch 0 ──►── batch 1 ──►── batch 2 ──►
 *     here                    check 0       check 1       check 2        all under the checkpoint of batch 0
 *
 * Effects: the network.
 */

import { setImmediate as nextTurn } from "node:timers/promises"
import { encodeBase64 } from "@prooflog/tlog/base64"
import type { OpenedCheckpoint } from "@prooflog/tlog/policy"
import { VerifierError } from "@prooflog/verifier/error"
import { EVIDENCE_FORMAT, type EvidenceItem, readEvidence } from "@prooflog/verifier/evidence"
import { type VerifiedEvent, verifyItem } from "@prooflog/verifier/verify-evidence"
import { CliError } from "../error.js"
import { waitPublished } from "../log-heads.js"
import { AnswerTooLong, type LogServer } from "../log-server.js"

/** Most leaves that a server takes at once. */
const MAX_BATCH = 4096

/** With fewer leaves, smaller batches: or nothing could be checked while the rest is fetched. */
const MIN_BATCH = 256
const BATCHES = 4

/** Events checked before the network has its turn: about 10 ms. */
const TURN = 64

/** How often it is begun again because the server no longer knows the tree it began with. */
const TRIES = 3

export interface ProvenBatch {
  /** The same for all batches. */
  readonly checkpoint: OpenedCheckpoint
  /** Ascending, each leaf that was asked for in its turn. */
  readonly items: readonly EvidenceItem[]
  /** One for each item. */
  readonly events: readonly VerifiedEvent[]
}

/** Takes the batches of one attempt; what an attempt that was given up has taken is dropped with it. */
export interface BatchTaker {
  take(batch: ProvenBatch): Promise<void>
  drop(): Promise<void>
}

/** Opens a head under the policy, and holds it against the one verified last, if one is kept; may refuse it. */
export type OpenHead = (note: string) => Promise<OpenedCheckpoint>

/**
 * Fetches and verifies the evidence of leaves, all under one checkpoint, and gives it to a taker.
 *
 * @param leaves - at least one, ascending, each once
 * @param begin - makes the taker of an attempt; there may be several, one after another
 * @param open - given the checkpoint before anything is proven under it, in every attempt
 * @returns the taker of the attempt that came to its end
 * @throws {@link VerifierError} what is wrong with the evidence; {@link CliError} `CLI_REFUSED` in the server's words,
 * `CLI_UNREACHABLE`, `CLI_UNEXPECTED_ANSWER` if it is evidence of other leaves
 */
export async function proveLeaves<Taker extends BatchTaker>(
  server: LogServer,
  open: OpenHead,
  leaves: readonly number[],
  begin: () => Promise<Taker>,
): Promise<Taker> {
  await waitPublished(server, leaves.at(-1) as number)
  for (let tries = 1; ; tries++) {
    const taker = await begin()
    try {
      for await (const batch of batchesOf(server, open, leaves)) await taker.take(batch)
      return taker
    } catch (error) {
      await taker.drop()
      if (tries === TRIES || !isForgotten(error)) throw error
    }
  }
}

async function* batchesOf(
  server: LogServer,
  open: OpenHead,
  leaves: readonly number[],
): AsyncGenerator<ProvenBatch, void, undefined> {
  let size = Math.min(MAX_BATCH, Math.max(MIN_BATCH, Math.ceil(leaves.length / BATCHES)))
  const commitments = new Map<string, number>()
  let fetched = await fetchMost(server, leaves.slice(0, size), undefined)
  let opened = openEvidence(fetched.text, server.url)
  const checkpoint = await open(opened.note)
  const { treeSize } = checkpoint.checkpoint
  for (let at = 0, end = 0; at < leaves.length; at = end) {
    // Where so many were too many once, they will be again.
    size = Math.min(size, fetched.leaves)
    end = at + fetched.leaves
    const wanted = leaves.slice(at, end)
    const following = leaves.slice(end, end + size)
    const next = following.length === 0 ? undefined : fetchMost(server, following, treeSize)
    // Whoever leaves here early has no use for it, nor for its failure.
    next?.catch(() => {})
    yield await checkBatch(wanted, opened.items, checkpoint, commitments, server.url)
    if (next === undefined) return
    fetched = await next
    opened = openEvidence(fetched.text, server.url)
  }
}

/** Evidence of the first of these leaves, of as many as an answer has room for: records may be large. */
async function fetchMost(
  server: LogServer,
  leaves: readonly number[],
  treeSize: number | undefined,
): Promise<{ readonly text: string; readonly leaves: number }> {
  try {
    return { text: await fetchEvidence(server, leaves, treeSize), leaves: leaves.length }
  } catch (error) {
    if (!(error instanceof AnswerTooLong) || leaves.length === 1) throw error
    return fetchMost(server, leaves.slice(0, Math.ceil(leaves.length / 2)), treeSize)
  }
}

async function checkBatch(
  wanted: readonly number[],
  suspects: Iterable<EvidenceItem>,
  checkpoint: OpenedCheckpoint,
  commitments: Map<string, number>,
  url: string,
): Promise<ProvenBatch> {
  const items: EvidenceItem[] = []
  const events: VerifiedEvent[] = []
  for (const item of suspects) {
    if (item.leafIndex !== wanted[items.length]) throw otherLeaves(url)
    const event = verifyItem(item, checkpoint)
    requireNew(event, commitments)
    items.push(item)
    events.push(event)
    if (items.length % TURN === 0) await nextTurn()
  }
  if (items.length !== wanted.length) throw otherLeaves(url)
  return { checkpoint, items, events }
}

/** A record that was logged twice is not two events. */
function requireNew({ leafIndex, commitment }: VerifiedEvent, commitments: Map<string, number>): void {
  const text = encodeBase64(commitment)
  const earlier = commitments.get(text)
  if (earlier !== undefined) {
    const message = `leaf ${leafIndex} repeats the commitment of leaf ${earlier}`
    throw new VerifierError("VERIFIER_REPEATED_COMMITMENT", message, { leafIndex })
  }
  commitments.set(text, leafIndex)
}

function otherLeaves(url: string): CliError {
  return new CliError("CLI_UNEXPECTED_ANSWER", `${url}v1/evidence answered with evidence of other leaves`)
}

/**
 * Asks for the evidence of leaves.
 *
 * @param leaves - ascending, at most 4,096
 * @param treeSize - of the checkpoint to prove them under; the newest if absent
 * @returns an evidence file, suspect
 */
export async function fetchEvidence(
  server: LogServer,
  leaves: readonly number[],
  treeSize: number | undefined,
  withhold: readonly string[] = [],
): Promise<string> {
  const body = JSON.stringify({
    leaf_index: leaves,
    ...(withhold.length > 0 && { withhold }),
    ...(treeSize !== undefined && { tree_size: treeSize }),
  })
  const evidence = await server.text("v1/evidence", { method: "POST", body, type: "application/json" })
  if (evidence.startsWith(`{"format":"${EVIDENCE_FORMAT}"`)) return evidence
  throw new CliError("CLI_UNEXPECTED_ANSWER", `${server.url} did not answer with evidence`)
}

function openEvidence(text: string, url: string): { note: string; items: Iterable<EvidenceItem> } {
  try {
    const { checkpoint, items } = readEvidence(text)
    return { note: checkpoint, items }
  } catch (cause) {
    if (!(cause instanceof VerifierError)) throw cause
    throw new CliError("CLI_UNEXPECTED_ANSWER", `${url} did not answer with evidence: ${cause.message}`, {
      cause,
    })
  }
}

function isForgotten(error: unknown): boolean {
  return error instanceof CliError && error.problem?.code === "SERVER_NOT_PUBLISHED"
}
