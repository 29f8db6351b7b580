/**
 * What every run begins with: whatever an earlier one left half done is brought to its end, or taken back.
 *
 *     verified   ─► its rows are read again, its records moved: in force
 *     put        ─► its object and manifest go
 *     replaced   ─► likewise, with all their versions
 *     an object that the catalog does not know ─► likewise
 *
 * One rule stands over all that is destroyed: **no object goes while a tombstone names it.** It holds even if the state
 * file was lost, or put back from an old backup; then the run stops here. So it does at a [place](owner.ts) that is not its own.
 */

import type { Segment } from "./archive-state.js"
import { checkedRows } from "./check-segment.js"
import { ArchiveError } from "./error.js"
import { eventLeaves, indicesOf, standingAt } from "./event-leaves.js"
import type { Job } from "./job.js"
import { type KeyParts, keyOf, MANIFEST_SUFFIX, type Manifest, parseKey, SEGMENT_PREFIX } from "./manifest.js"
import { moveRecords, segmentIn } from "./move-records.js"
import { ownPlace } from "./owner.js"

/**
 * @throws {@link ArchiveError} `ARCHIVE_FOREIGN_STORE`, `ARCHIVE_CATALOG_BEHIND`, `ARCHIVE_SEGMENT_REFUSED`,
 * `ARCHIVE_SEGMENT_UNREADABLE`
 */
export async function tidy(job: Job): Promise<void> {
  await ownPlace(job)
  for (const { manifest } of job.catalog.state.segments.filter(({ state }) => state === "verified")) {
    await moveRecords(job, manifest, await leavesIn(job, manifest))
  }
  await tell(job)
  for (const segment of job.catalog.state.segments) {
    if (segment.state === "put" || segment.state === "replaced") await destroySegment(job, segment)
  }
  await destroyStrangers(job)
}

/** Tells what was done and not told yet. If we crash here, some of it is told twice. */
export async function tell(job: Job): Promise<void> {
  const { untold } = job.catalog.state
  if (untold.length === 0) return
  for (const told of untold) await job.tell(told)
  await job.catalog.change({ untold: [] })
}

/** Destroys a segment that nothing names any more, and its manifest. */
export async function destroySegment(job: Job, { manifest }: Segment): Promise<void> {
  const key = keyOf(manifest)
  const { class: className, first_leaf: firstLeaf, last_leaf: lastLeaf } = manifest
  await requireUnnamed(job, key, { className, firstLeaf, lastLeaf })
  await job.objects.destroy(key)
  await job.objects.destroy(key + MANIFEST_SUFFIX)
  const { segments } = job.catalog.state
  await job.catalog.change({ segments: segments.filter((each) => keyOf(each.manifest) !== key) })
}

async function destroyStrangers(job: Job): Promise<void> {
  const known = new Set(
    job.catalog.state.segments.flatMap(({ manifest }) => [
      keyOf(manifest),
      keyOf(manifest) + MANIFEST_SUFFIX,
    ]),
  )
  const strangers: (readonly [string, KeyParts])[] = []
  for await (const { key } of job.objects.list(SEGMENT_PREFIX)) {
    const parts = parseKey(key)
    // What has another name was put by somebody else.
    if (parts !== undefined && !known.has(key)) strangers.push([key, parts])
  }
  for (const [key, parts] of strangers) {
    const bare = key.endsWith(MANIFEST_SUFFIX) ? key.slice(0, -MANIFEST_SUFFIX.length) : key
    await requireUnnamed(job, bare, parts)
    await job.objects.destroy(key)
  }
}

/** @throws {@link ArchiveError} `ARCHIVE_CATALOG_BEHIND` with the first leaf whose record is in the segment */
async function requireUnnamed(
  job: Job,
  key: string,
  { className, firstLeaf, lastLeaf }: KeyParts,
): Promise<void> {
  const { log, storage } = job
  for await (const { leaves } of eventLeaves(
    log,
    className,
    firstLeaf,
    Math.min(lastLeaf + 1, log.treeSize),
  )) {
    job.pause()
    for (const standing of await standingAt(storage, indicesOf(leaves))) {
      const segment = segmentIn(standing)
      if (segment === undefined || segment === "destroyed" || segment.key !== key) continue
      const { leafIndex } = standing
      const what = `${key}: leaf ${leafIndex}: its record is in this segment, which the catalog does not trust`
      throw new ArchiveError("ARCHIVE_CATALOG_BEHIND", what, { key, leafIndex })
    }
  }
}

async function leavesIn(job: Job, manifest: Manifest): Promise<readonly number[]> {
  const leafIndices: number[] = []
  for await (const { rows } of checkedRows(job, manifest)) {
    for (const { leaf } of rows) leafIndices.push(leaf.leafIndex)
  }
  return leafIndices
}
