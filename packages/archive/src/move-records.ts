/**
 * Records that move into a segment: tombstones with its key take their places in storage.
 *
 *     record               ─► moved, this key
 *     moved, another key   ─► moved, this key       its segment was written anew
 *     destroyed            stays; the segment is stale
 *
 * Repeatable. If we crash in the middle, the segment is known as verified, and the next run does it again.
 */

import { decodeTombstone, encodeTombstone } from "@prooflog/event/tombstone"
import { pagesOf, standingAt } from "./event-leaves.js"
import type { Job } from "./job.js"
import { keyOf, type Manifest } from "./manifest.js"
import { MAX_LEAVES, type StoredLeaf } from "./ports.js"

/**
 * Moves all records of a verified segment; from then on it is in force.
 *
 * @param leafIndices - its leaves, ascending
 */
export async function moveRecords(
  job: Job,
  manifest: Manifest,
  leafIndices: readonly number[],
): Promise<void> {
  const { catalog, storage } = job
  const key = keyOf(manifest)
  const bytes = encodeTombstone({ state: "moved", segment: key })
  const className = manifest.class
  let stale = false
  for (let at = 0; at < leafIndices.length; at += MAX_LEAVES) {
    job.pause()
    const leaves = leafIndices.slice(at, at + MAX_LEAVES)
    try {
      await storage.withdraw(leaves.map((leafIndex) => ({ kind: "tombstone", leafIndex, bytes })))
    } catch {
      // Maybe one was destroyed: then none of them was moved. What else it was is told by trying again.
      stale = (await moveSome(job, leaves, bytes)) || stale
    }
    const done = Math.min(at + MAX_LEAVES, leafIndices.length)
    job.progress({ step: "withdraw", className, key, done, of: leafIndices.length })
  }
  await catalog.change(() => ({
    segments: catalog.withSegment({ state: "in force", stale, manifest }),
    purge_owed: true,
  }))
}

/** Moves those that were not destroyed. @returns whether some were */
async function moveSome(
  { storage }: Job,
  leafIndices: readonly number[],
  bytes: Uint8Array,
): Promise<boolean> {
  const moved: (StoredLeaf & { kind: "tombstone" })[] = []
  for (const leaves of pagesOf(leafIndices)) {
    for (const standing of await standingAt(storage, leaves)) {
      const { leafIndex } = standing
      if (segmentIn(standing) !== "destroyed") moved.push({ kind: "tombstone", leafIndex, bytes })
    }
  }
  if (moved.length > 0) await storage.withdraw(moved)
  return moved.length < leafIndices.length
}

/** Returns where the record of a leaf is: `undefined` if it is in storage itself. */
export function segmentIn({ kind, bytes }: StoredLeaf): { readonly key: string } | "destroyed" | undefined {
  if (kind === "record") return undefined
  const tombstone = decodeTombstone(bytes)
  return tombstone.state === "destroyed" ? "destroyed" : { key: tombstone.segment }
}

/** Whether the record of a leaf was moved, to whatever segment. */
export function isMoved(standing: StoredLeaf): boolean {
  const segment = segmentIn(standing)
  return segment !== undefined && segment !== "destroyed"
}
