/**
 * A whole log, derived again from what it serves, with a progress bar and whoever else is to have a look at it.
 *
 *     newest head ─► is it the policy's? does it extend the one that is kept? ─► every tile, entry and rule
 *
 * Effects: reads through the source given; the head that is kept.
 */

import { equalBytes } from "@prooflog/tlog/hash"
import type { Policy } from "@prooflog/tlog/policy"
import { tilePath } from "@prooflog/tlog/tile"
import { VerifierError } from "@prooflog/verifier/error"
import { type LogSource, readCheckpoint } from "@prooflog/verifier/source"
import { type VerifiedLog, type VerifyLogOptions, verifyLog } from "@prooflog/verifier/verify-log"
import { type HeadFile, openAndFollow } from "./head-file.js"
import { startProgress } from "./progress.js"
import type { Terminal } from "./terminal.js"

/** What is audited, and by whose word. */
export interface Auditing {
  readonly source: LogSource
  readonly policy: Policy
  /** Nothing if no head is kept. */
  readonly head: HeadFile | undefined
  /** Whether every tile's root is computed a second time, by merkletreejs. */
  readonly crossChecks: boolean
  readonly terminal: Terminal
}

export interface AuditedLog {
  readonly verified: VerifiedLog
  readonly ms: number
  /** Of which there is a second opinion. */
  readonly tiles: number
}

/** @throws {@link VerifierError} as `verifyLog`, and as `openAndFollow` */
export async function auditLog(
  { source, policy, head, crossChecks, terminal }: Auditing,
  options: Pick<VerifyLogOptions, "from" | "onSchedule"> = {},
): Promise<AuditedLog> {
  const progress = startProgress(terminal, "audit", "entries")
  const second = { tiles: 0 }
  const started = performance.now()
  try {
    // First of all: a log that was rewritten may be audited without a fault.
    const checkpoint = await readCheckpoint(source)
    await openAndFollow(checkpoint, policy, head)
    const verified = await verifyLog(source, policy, {
      ...options,
      checkpoint,
      onProgress: ({ leaves, treeSize }) => progress.update(treeSize === 0 ? 1 : leaves / treeSize, leaves),
      ...(crossChecks && { onTile: await crossCheck(second) }),
    })
    return { verified, ms: performance.now() - started, tiles: second.tiles }
  } finally {
    progress.stop()
  }
}

/** Two implementations that disagree over a signed tile: one of them is wrong, and the audit must not pass. */
async function crossCheck(seen: { tiles: number }): Promise<NonNullable<VerifyLogOptions["onTile"]>> {
  const { secondRoot } = await import("./cross-check.js")
  return (tile, hashes, rootHash) => {
    seen.tiles += 1
    if (equalBytes(secondRoot(hashes), rootHash)) return
    const path = tilePath(tile)
    throw new VerifierError("VERIFIER_TILE_REFUSED", `merkletreejs finds another root for ${path}`, { path })
  }
}
