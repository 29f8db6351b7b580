/**
 * Every trusted segment, or some of them, held against the log: its manifest, its bytes, its rows; and what storage says of each.
 *
 *     manifest   is that of the catalog
 *     bytes      have its length and hash
 *     rows       all that it counts, each the next leaf of the class, each opening its commitment
 *     storage    each leaf that is moved between its first and its last has a row here, and names this segment
 *
 * Changes nothing. A segment is left at its first fault, and the next one is read.
 */

import type { Segment } from "./archive-state.js"
import { isTrusted } from "./archive-state.js"
import type { Catalog } from "./catalog.js"
import { type CheckedPage, checkedRows, checkManifest, refused } from "./check-segment.js"
import { ArchiveError } from "./error.js"
import { indicesOf, standingAt } from "./event-leaves.js"
import { type Job, jobOf } from "./job.js"
import { keyOf, type Manifest } from "./manifest.js"
import { segmentIn } from "./move-records.js"
import { requireOwnPlace } from "./owner.js"
import type { Ports, RunOptions } from "./ports.js"
import { requireRows } from "./rewrite-segment.js"

export interface VerifyOptions extends RunOptions {
  /** Which segments are looked at. All of them unless given. */
  readonly isWanted?: (manifest: Manifest) => boolean
}

export interface SegmentFault {
  readonly key: string
  /** Names the leaf, if there is one. */
  readonly error: ArchiveError
}

export interface VerifyDone {
  /** Segments that were looked at. */
  readonly segments: number
  /** Rows that are what the log says. */
  readonly rows: number
  readonly faults: readonly SegmentFault[]
}

/**
 * @throws {@link ArchiveError} `ARCHIVE_FOREIGN_STORE`; what the log or the storage throws: without them nothing is known.
 * What is wrong with a segment is a fault
 */
export function verifyRun(catalog: Catalog, ports: Ports, options: VerifyOptions = {}): Promise<VerifyDone> {
  const job = jobOf(catalog, ports, options)
  const { isWanted = () => true } = options
  return catalog.inTurn(async () => {
    await requireOwnPlace(job)
    const faults: SegmentFault[] = []
    const segments = catalog.state.segments.filter((each) => isTrusted(each) && isWanted(each.manifest))
    let rows = 0
    for (const segment of segments) {
      try {
        await checkManifest(job, segment.manifest)
        for await (const page of checkedRows(job, segment.manifest)) {
          await requireRows(job, segment.manifest, page)
          await checkStanding(job, segment, page)
          rows += page.rows.length
        }
      } catch (error) {
        if (!(error instanceof ArchiveError) || error.code === "ARCHIVE_LOG_REFUSED") throw error
        faults.push({ key: keyOf(segment.manifest), error })
      }
    }
    return { segments: segments.length, rows, faults }
  })
}

/** A segment that waits to be moved into, or to be written anew, may differ from storage: a run ends that. */
async function checkStanding(
  job: Job,
  { manifest, state, stale }: Segment,
  { rows }: CheckedPage,
): Promise<void> {
  const key = keyOf(manifest)
  if (state !== "in force") return
  for (const standing of await standingAt(job.storage, indicesOf(rows.map(({ leaf }) => leaf)))) {
    const segment = segmentIn(standing)
    if (segment === undefined || (segment === "destroyed" && stale)) continue
    if (segment === "destroyed")
      throw refused(key, standing.leafIndex, "its record was destroyed, and has a row")
    if (segment.key !== key) throw refused(key, standing.leafIndex, "storage looks for its record elsewhere")
  }
}
