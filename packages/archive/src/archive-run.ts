/**
 * The archive run: records that are no longer hot move into segments.
 *
 *     class      archived ──► first leaf that is hot       those that are due, or no records any more, are passed over
 *     segment    cut at each month of the entries' times, UTC, and after so many rows
 *     each       written, put, read back, held against the log row by row ─► verified ─► moved ─► in force
 *     at the end purged, told
 *
 * The storage moves the records of one, and is purged of many, while the next one is written. Until a segment is verified,
 * nothing of it is gone from anywhere. If we crash on any line here, the next run goes on from the catalog: see tidy.ts for
 * what it finds.
 */

import type { Promises } from "@prooflog/event/promises"
import type { Catalog } from "./catalog.js"
import type { CheckedRow } from "./check-segment.js"
import { eventLeaves, firstLeafAt, indicesOf, standingAt } from "./event-leaves.js"
import { type Job, jobOf } from "./job.js"
import { keyOf, type Manifest, monthEndMs, monthOf } from "./manifest.js"
import { moveRecords } from "./move-records.js"
import { planOf } from "./plan.js"
import type { Ports, RunOptions, Told } from "./ports.js"
import { purge } from "./purge.js"
import { putSegment } from "./put-segment.js"
import type { ScheduleFile } from "./schedule-file.js"
import { tell, tidy } from "./tidy.js"

/** Most rows of a segment, unless told otherwise: more would be written and read while the storage has nothing to do. */
export const MAX_SEGMENT_ROWS = 250_000

/** Records that are worth a purge of their own: it rewrites what lies near them, too. */
const PURGE_ROWS = 65_536

export interface ArchiveOptions extends RunOptions {
  readonly schedule: Pick<ScheduleFile, "classes">
  readonly promises: Promises
  /** ms since 1970. */
  readonly nowMs: number
  /** Most rows of a segment; {@link MAX_SEGMENT_ROWS} if absent. */
  readonly maxRows?: number
}

export interface ArchiveDone {
  readonly segments: number
  readonly records: number
}

/**
 * Archives what is due to be. Stops at the first error, with everything that is not in a verified segment where it was.
 *
 * @throws {@link ArchiveError} `ARCHIVE_SEGMENT_REFUSED`, `ARCHIVE_SEGMENT_UNREADABLE`, `ARCHIVE_CATALOG_BEHIND`,
 * `ARCHIVE_LOG_REFUSED`, `ARCHIVE_BAD_STATE`; what a port throws
 */
export function archiveRun(catalog: Catalog, ports: Ports, options: ArchiveOptions): Promise<ArchiveDone> {
  const job = jobOf(catalog, ports, options)
  return catalog.inTurn(async () => {
    await tidy(job)
    const done = { segments: 0, records: 0 }
    for (const [className, { hotDays, keepDays }] of options.schedule.classes) {
      if (hotDays >= keepDays) continue
      for await (const { count } of archiveClass(job, className, hotDays, options)) {
        done.segments++
        done.records += count
      }
    }
    await purge(job)
    await tell(job)
    return done
  })
}

async function* archiveClass(
  job: Job,
  className: string,
  hotDays: number,
  { promises, nowMs, maxRows = MAX_SEGMENT_ROWS }: ArchiveOptions,
): AsyncGenerator<Manifest> {
  const { catalog, log } = job
  const spans: [from: number, to: number][] = []
  for (const range of planOf({ promises, className, hotDays, treeSize: log.treeSize, nowMs })) {
    const from = Math.max(range.from, catalog.progressOf(className).archived)
    const to = await firstLeafAt(log, range.coldBeforeMs, from, range.to)
    const { dueBeforeMs } = range
    spans.push([dueBeforeMs === undefined ? from : await firstLeafAt(log, dueBeforeMs, from, to), to])
    // What comes behind a leaf that is hot is hot.
    if (to < range.to) break
  }
  const cutter = new SegmentCutter(hotRows(job, className, spans), maxRows)
  let moving = Promise.resolve()
  try {
    for (let cut = await cutter.next(); cut !== undefined; cut = await cutter.next()) {
      const { manifest, leafIndices } = await putSegment(job, className, cut.month, cut.pages)
      await moving
      await catalog.change(() => ({
        segments: catalog.withSegment({ state: "verified", stale: false, manifest }),
        classes: catalog.withProgress(className, { archived: manifest.last_leaf + 1 }),
        untold: [...catalog.state.untold, toldOf(manifest)],
      }))
      // The storage is at this one while the next one is written.
      moving = moveAndPurge(job, manifest, leafIndices)
      moving.catch(() => {})
      yield manifest
    }
    await moving
  } finally {
    // Whatever else went wrong: nothing goes on behind a run that has ended.
    await Promise.allSettled([moving])
  }
  const archived = spans.at(-1)?.[1] ?? 0
  if (archived > catalog.progressOf(className).archived) {
    await catalog.change({ classes: catalog.withProgress(className, { archived }) })
  }
}

async function moveAndPurge(job: Job, manifest: Manifest, leafIndices: readonly number[]): Promise<void> {
  await moveRecords(job, manifest, leafIndices)
  if (manifest.count >= PURGE_ROWS) await purge(job)
}

/** Answers the records of a class that are still hot, in pages. */
async function* hotRows(
  job: Job,
  className: string,
  spans: readonly (readonly [from: number, to: number])[],
): AsyncGenerator<readonly CheckedRow[]> {
  for (const [from, to] of spans) {
    for await (const { leaves } of eventLeaves(job.log, className, from, to)) {
      job.pause()
      const rows: CheckedRow[] = []
      for (const [i, { kind, bytes }] of (await standingAt(job.storage, indicesOf(leaves))).entries()) {
        if (kind === "record") rows.push({ leaf: leaves[i] as (typeof leaves)[number], record: bytes })
      }
      yield rows
    }
  }
}

/** Cuts rows into segments, each as long as its month and so many rows last. */
class SegmentCutter {
  readonly #pages: AsyncIterator<readonly CheckedRow[]>
  readonly #maxRows: number
  #rest: readonly CheckedRow[] = []

  constructor(pages: AsyncIterable<readonly CheckedRow[]>, maxRows: number) {
    if (!Number.isSafeInteger(maxRows) || maxRows < 1) {
      throw new RangeError(`maxRows: expected an integer > 0, got ${maxRows}`)
    }
    this.#pages = pages[Symbol.asyncIterator]()
    this.#maxRows = maxRows
  }

  /** Returns the next segment, whose pages have to be taken to their end before the one after it; `undefined` if none. */
  async next(): Promise<{ month: string; pages: AsyncGenerator<readonly CheckedRow[]> } | undefined> {
    const first = (await this.#page())?.[0]
    if (first === undefined) return undefined
    const month = monthOf(first.leaf.timeMs)
    return { month, pages: this.#cut(monthEndMs(month)) }
  }

  async *#cut(endMs: number): AsyncGenerator<readonly CheckedRow[]> {
    let room = this.#maxRows
    for (let page = await this.#page(); page !== undefined && room > 0; page = await this.#page()) {
      const behind = page.findIndex(({ leaf }, i) => i === room || leaf.timeMs >= endMs)
      const rows = behind < 0 ? page : page.slice(0, behind)
      this.#rest = page.slice(rows.length)
      room -= rows.length
      if (rows.length > 0) yield rows
      if (behind >= 0) return
    }
  }

  /** What is left of the last page, or a new one. Not empty. */
  async #page(): Promise<readonly CheckedRow[] | undefined> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#pages.next()
      if (done) return undefined
      this.#rest = value
    }
    return this.#rest
  }
}

function toldOf(manifest: Manifest): Told {
  const { class: className, first_leaf, last_leaf, count } = manifest
  const key = keyOf(manifest)
  return { id: `archived/${key}`, what: "archived", class: className, key, first_leaf, last_leaf, count }
}
