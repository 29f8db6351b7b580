/**
 * Withdrawn records made gone: no byte of them is left in a live file.
 *
 *     archived   the segments they were in are written anew without them, or go with their manifests
 *     hot        the storage is purged
 *     rows       the query store is rewritten
 *
 * What has to be done stands in the state since the records were withdrawn, so it is done after a crash, too.
 */

import { isTrusted, type Segment } from "./archive-state.js"
import type { Catalog } from "./catalog.js"
import type { LeafOfClass } from "./event-leaves.js"
import type { Job } from "./job.js"
import { keyOf } from "./manifest.js"
import { purge } from "./purge.js"
import { rewriteSegment } from "./rewrite-segment.js"

/** Returns `segments` with those marked that may hold one of some leaves. */
export function withStale(catalog: Catalog, leaves: Iterable<LeafOfClass>): readonly Segment[] {
  const stale = new Set<Segment>()
  for (const { className, leafIndex } of leaves) {
    const segment = catalog.segmentOf(className, leafIndex)
    if (segment !== undefined) stale.add(segment)
  }
  return catalog.state.segments.map((each) => (stale.has(each) ? { ...each, stale: true } : each))
}

/** @throws what was wrong with a segment, once everything else is gone */
export async function makeGone(job: Job): Promise<void> {
  const { catalog, rows, progress, signal } = job
  const failures: unknown[] = []
  const stale = catalog.state.segments.filter((segment) => segment.stale && isTrusted(segment))
  for (const [i, segment] of stale.entries()) {
    progress({ step: "rewrite", key: keyOf(segment.manifest), done: i, of: stale.length })
    try {
      await rewriteSegment(job, segment)
    } catch (error) {
      signal?.throwIfAborted()
      // One that is damaged, and waits for its owner, keeps no other byte from going.
      failures.push(error)
    }
  }
  await purge(job)
  if (catalog.state.rewrite_owed) {
    await rows.rewrite()
    await catalog.change({ rewrite_owed: false })
  }
  if (failures.length > 0) throw failures[0]
}
