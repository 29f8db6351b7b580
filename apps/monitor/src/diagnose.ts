/**
 * What an audit that failed has found: the log is asked once more, so that each thing is called what it is.
 *
 *     the head lacks its quorum and no more     unchecked: it may get it later
 *     the checkpoint does not answer            unreachable
 *     the last bundle of the head is missing    truncated: what the head covers ends earlier
 *       or shorter than the head says
 *     anything else is missing                  withheld
 *
 * Effects: those of the source.
 */

import { packedCount } from "@prooflog/tlog/bundle"
import { TlogError } from "@prooflog/tlog/error"
import type { OpenedCheckpoint } from "@prooflog/tlog/policy"
import { TILE_WIDTH } from "@prooflog/tlog/tile"
import { VerifierError } from "@prooflog/verifier/error"
import { type LogSource, readBundle } from "@prooflog/verifier/source"
import { type FindingKind, kindOf } from "./finding.js"

/**
 * Returns what to call an error of the verifier.
 *
 * @param head - what was read under it; `undefined` while the head itself was read
 */
export async function diagnose(
  error: VerifierError,
  source: LogSource,
  head: OpenedCheckpoint | undefined,
): Promise<FindingKind> {
  const kind = kindOf(error.code)
  if (head === undefined) return kind
  if (kind === "unreachable") {
    if (!(await answers(source))) return "unreachable"
    return (await endIsServed(source, head)) === false ? "truncated" : "withheld"
  }
  const isShort = kind === "withheld" || kind === "wrong-entry" || kind === "wrong-tile"
  if (isShort && (await endIsServed(source, head)) === false) return "truncated"
  return kind
}

async function answers(source: LogSource): Promise<boolean> {
  try {
    return (await source.read("checkpoint")) !== undefined
  } catch (error) {
    if (error instanceof VerifierError) return false
    throw error
  }
}

/** Whether the last bundle is there with as many entries as the head says; `undefined` if nobody could tell. */
async function endIsServed(source: LogSource, head: OpenedCheckpoint): Promise<boolean | undefined> {
  const { treeSize } = head.checkpoint
  if (treeSize === 0) return true
  const index = Math.ceil(treeSize / TILE_WIDTH) - 1
  const width = treeSize - index * TILE_WIDTH
  try {
    return packedCount(await readBundle(source, index, width)) >= width
  } catch (error) {
    if (error instanceof VerifierError) return error.code === "VERIFIER_SOURCE_FAILED" ? undefined : false
    // Torn in the middle of an entry: wrong, but there.
    if (error instanceof TlogError) return undefined
    throw error
  }
}
