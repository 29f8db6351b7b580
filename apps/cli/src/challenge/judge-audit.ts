/**
 * An audit of retention, judged: the same when it is made, and from its file at any time after.
 *
 *     schedules, each proven under the head ─► what was promised ─┐
 *     challenge, answers, the auditor's clock ────────────────────┴─► of each leaf: found, accused, or open
 */

import type { Promises } from "@prooflog/event/promises"
import { parseBundle } from "@prooflog/tlog/bundle"
import { proveInclusion } from "@prooflog/tlog/inclusion"
import type { OpenedCheckpoint, Policy } from "@prooflog/tlog/policy"
import { TILE_WIDTH, tileAt } from "@prooflog/tlog/tile"
import { openHead } from "@prooflog/verifier/advance"
import { parseChallenge } from "@prooflog/verifier/challenge"
import { type JudgedChallenge, judgeChallenge } from "@prooflog/verifier/judge-challenge"
import { type LogSource, readBundle, tileReader } from "@prooflog/verifier/source"
import { checkInTree, openEntry } from "@prooflog/verifier/verify-evidence"
import { type AuditFile, malformed, type Shown } from "./audit-file.js"

/**
 * @param file - suspect
 * @param policy - the auditor's own
 * @throws VerifierError as `judgeChallenge`, and for a schedule that is none, or not in the tree
 */
export function judgeAudit(file: AuditFile, policy: Policy): JudgedChallenge {
  const { atMs, mayWithhold, answers } = file
  const challenge = parseChallenge(file.challenge)
  const promises = promisesIn(file.schedules, openHead(challenge.checkpoint, policy))
  return judgeChallenge(answers, policy, { challenge, promises, atMs, mayWithhold })
}

/** What was promised, the genesis first. That none is left out, nobody can see here. */
function promisesIn(schedules: readonly Shown[], head: OpenedCheckpoint): Promises {
  if (schedules[0]?.leafIndex !== 0) throw malformed("schedules do not begin with leaf 0")
  return schedules.map(({ leafIndex, path, entry }, i) => {
    if (leafIndex <= (schedules[i - 1]?.leafIndex ?? -1)) throw malformed("schedules do not ascend")
    checkInTree(leafIndex, entry, path, head)
    const opened = openEntry(leafIndex, entry)
    if (opened.type === "genesis" || opened.type === "schedule") return [leafIndex, opened.schedule]
    throw malformed(`leaf ${leafIndex} is no schedule`)
  })
}

/**
 * Reads a leaf of the tree under a head, and its proof.
 *
 * @param source - suspect, as is what it answers
 * @throws VerifierError as the source's; TlogError if the bundle is none
 */
export async function readShown(
  source: LogSource,
  leafIndex: number,
  { checkpoint: { treeSize } }: OpenedCheckpoint,
): Promise<Shown> {
  const tile = tileAt(0, Math.floor(leafIndex / TILE_WIDTH), treeSize)
  if (tile === undefined) throw new RangeError(`leafIndex: the tree has ${treeSize} leaves, got ${leafIndex}`)
  const [bundle, path] = await Promise.all([
    readBundle(source, tile.index, tile.width),
    proveInclusion(leafIndex, treeSize, tileReader(source, treeSize)),
  ])
  return { leafIndex, path, entry: parseBundle(bundle, tile.width)[leafIndex % TILE_WIDTH] as Uint8Array }
}
