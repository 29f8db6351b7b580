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
  let waiting: (StoredLeaf & { kind: "tombstone" })[] = []
  let stale = false
  let done = 0
  const withdraw = async () => {
    if (waiting.length > 0) await storage.withdraw(waiting)
    done += waiting.length
    waiting = []
    job.progress({ step: "withdraw", className, key, done, of: leafIndices.length })
  }
  for (const leaves of pagesOf(leafIndices)) {
    job.pause()
    for (const standing of await standingAt(storage, leaves)) {
      const { leafIndex } = standing
      const segment = segmentIn(standing)
      if (segment === "destroyed") stale = true
      else if (segment?.key !== key) waiting.push({ kind: "tombstone", leafIndex, bytes })
      if (waiting.length === MAX_LEAVES) await withdraw()
    }
  }
  await withdraw()
  await catalog.change({
    segments: catalog.withSegment({ state: "in force", stale, manifest }),
    purge_owed: true,
  })
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
