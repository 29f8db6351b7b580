/**
 * A segment of which records were destroyed, written anew without them.
 *
 *     A in force, stale ─► B put, read back, held against the log ─► B verified, A replaced: one change
 *                       ─► tombstones name B ─► B in force ─► A destroyed, all its versions
 *
 * What storage says decides which rows stay: those whose records were moved. A record that was restored since is in
 * storage, and its row is dropped, too. If we crash, A or B is trusted at any time, and never both.
 */

import type { Segment } from "./archive-state.js"
import { type CheckedPage, type CheckedRow, checkedRows, refused } from "./check-segment.js"
import { eventLeaves, indicesOf, standingAt } from "./event-leaves.js"
import type { Job } from "./job.js"
import { keyOf, type Manifest } from "./manifest.js"
import { isMoved, moveRecords } from "./move-records.js"
import type { StoredLeaf } from "./ports.js"
import { putSegment } from "./put-segment.js"
import { destroySegment } from "./tidy.js"

/** Makes what was destroyed gone from a segment that is in force. */
export async function rewriteSegment(job: Job, { manifest }: Segment): Promise<void> {
  const { catalog } = job
  const living = await countMoved(job, manifest)
  if (living === 0) return dropSegment(job, manifest)
  if (living === manifest.count) {
    await catalog.change({ segments: catalog.withSegment({ state: "in force", stale: false, manifest }) })
    return
  }
  const { class: className, month } = manifest
  const anew = await putSegment(job, className, month, livingRows(job, manifest))
  const others = catalog.withSegment({ state: "replaced", stale: false, manifest })
  const isNew = (segment: Segment) => keyOf(segment.manifest) === keyOf(anew.manifest)
  const verified: Segment = { state: "verified", stale: false, manifest: anew.manifest }
  await catalog.change({ segments: [...others.filter((each) => !isNew(each)), verified] })
  await moveRecords(job, anew.manifest, anew.leafIndices)
  await destroySegment(job, { state: "replaced", stale: false, manifest })
}

/** Destroys a segment that is in force if it is empty: none of its records is in it alone. */
export async function dropIfEmpty(job: Job, { manifest }: Segment): Promise<boolean> {
  if ((await countMoved(job, manifest)) > 0) return false
  await dropSegment(job, manifest)
  return true
}

async function dropSegment(job: Job, manifest: Manifest): Promise<void> {
  const replaced: Segment = { state: "replaced", stale: false, manifest }
  await job.catalog.change({ segments: job.catalog.withSegment(replaced) })
  await destroySegment(job, replaced)
}

async function countMoved(job: Job, manifest: Manifest): Promise<number> {
  let count = 0
  for await (const leaves of movedLeaves(job, manifest)) count += leaves.length
  return count
}

/** The leaves of a segment's class and range whose records were moved: as segments lie apart, into this one. */
async function* movedLeaves(job: Job, manifest: Manifest): AsyncGenerator<readonly number[]> {
  const { class: className, first_leaf: first, last_leaf: last } = manifest
  for await (const { leaves } of eventLeaves(job.log, className, first, last + 1)) {
    job.pause()
    const standing = await standingAt(job.storage, indicesOf(leaves))
    yield standing.filter(isMoved).map(({ leafIndex }) => leafIndex)
  }
}

async function* livingRows(job: Job, manifest: Manifest): AsyncGenerator<readonly CheckedRow[]> {
  for await (const page of checkedRows(job, manifest)) {
    await requireRows(job, manifest, page)
    const standing = await standingAt(job.storage, indicesOf(page.rows.map(({ leaf }) => leaf)))
    yield page.rows.filter((_, i) => isMoved(standing[i] as StoredLeaf))
  }
}

/** @throws {@link ArchiveError} `ARCHIVE_SEGMENT_REFUSED` with the first leaf that was moved and has no row */
export async function requireRows(job: Job, manifest: Manifest, { missing }: CheckedPage): Promise<void> {
  const lost = (await standingAt(job.storage, indicesOf(missing))).find(isMoved)
  if (lost !== undefined)
    throw refused(keyOf(manifest), lost.leafIndex, "its record was moved, and has no row")
}
