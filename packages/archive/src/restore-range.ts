/**
 * Archived records, hot again.
 *
 *     moved ─► record       each held against the log before it is put back
 *     segment               stays while a record is in it alone; then it goes, with its manifest
 *
 * What was restored stays hot until it is destroyed: the archive run does not look at it again. While its segment stays,
 * its row is there, too, and goes with the segment or when it is written anew. If we crash, ask again.
 */

import type { Segment } from "./archive-state.js"
import type { Catalog } from "./catalog.js"
import { checkedRows } from "./check-segment.js"
import { indicesOf, standingAt } from "./event-leaves.js"
import { type Job, jobOf } from "./job.js"
import { keyOf } from "./manifest.js"
import { segmentIn } from "./move-records.js"
import {
  MAX_LEAVES,
  MAX_RESTORED_BYTES,
  type Ports,
  type RunOptions,
  type StoredLeaf,
  type Told,
} from "./ports.js"
import { dropIfEmpty } from "./rewrite-segment.js"
import { tell, tidy } from "./tidy.js"

export interface RestoreOptions extends RunOptions {
  /** First leaf. */
  readonly from: number
  /** The leaf behind the last. */
  readonly to: number
  /** All classes if absent. */
  readonly className?: string
}

export interface RestoreDone {
  readonly records: number
  /** Segments that were empty then, and are gone. */
  readonly segments: number
}

type Restored = StoredLeaf & { readonly kind: "record" }

/** @throws {@link ArchiveError} as `archiveRun`; what a port throws */
export function restoreRange(catalog: Catalog, ports: Ports, options: RestoreOptions): Promise<RestoreDone> {
  const job = jobOf(catalog, ports, options)
  const { from, to, className } = options
  return catalog.inTurn(async () => {
    await tidy(job)
    const done = { records: 0, segments: 0 }
    // All of them are in force: nothing else is left by tidy.
    for (const segment of catalog.state.segments) {
      const { class: itsClass, first_leaf: first, last_leaf: last } = segment.manifest
      if (last < from || first >= to || (className ?? itsClass) !== itsClass) continue
      const count = await restoreFrom(job, segment, from, to)
      done.records += count
      if (await dropIfEmpty(job, segment)) done.segments++
    }
    await tell(job)
    return done
  })
}

async function restoreFrom(job: Job, { manifest }: Segment, from: number, to: number): Promise<number> {
  const { catalog, storage } = job
  const key = keyOf(manifest)
  const hot: number[] = []
  let count = 0
  let waiting: Restored[] = []
  let bytes = 0
  const restore = async () => {
    if (waiting.length > 0) await storage.restoreRecords(waiting)
    count += waiting.length
    waiting = []
    bytes = 0
    job.progress({ step: "restore", key, done: count, of: manifest.count })
  }
  for await (const { rows } of checkedRows(job, manifest)) {
    const wanted = rows.filter(({ leaf }) => leaf.leafIndex >= from && leaf.leafIndex < to)
    const standing = await standingAt(storage, indicesOf(wanted.map(({ leaf }) => leaf)))
    for (const [i, { leaf, record }] of wanted.entries()) {
      const { leafIndex } = leaf
      const segment = segmentIn(standing[i] as StoredLeaf)
      if (segment === "destroyed") continue
      hot.push(leafIndex)
      if (segment === undefined) continue
      if (waiting.length === MAX_LEAVES || bytes + record.length > MAX_RESTORED_BYTES) await restore()
      waiting.push({ kind: "record", leafIndex, bytes: record })
      bytes += record.length
    }
  }
  await restore()
  const [first, last] = [hot[0], hot.at(-1)]
  if (first === undefined || last === undefined) return 0
  // Those of an earlier call, too: it may have died before it said so.
  const told: Told = {
    // Short enough for the id of an event.
    id: `restored/${manifest.class}/${manifest.sha256.slice(0, 16)}/${first}-${last}`,
    what: "restored",
    class: manifest.class,
    key,
    first_leaf: first,
    last_leaf: last,
    count: hot.length,
  }
  await catalog.change({ untold: [...catalog.state.untold, told] })
  return count
}
