/**
 * Records destroyed before their time: those of an erasure, after the notice that announced it.
 *
 *     notice in the log ─► withdrawn, but for what a hold is on ─► gone
 *
 * The case is the caller's: which leaves, which notice, which salts, and that it is done. Until this resolved, it asks
 * again, with the same tombstones; what was done is done again without harm.
 */

import { decodeEntry } from "@prooflog/event/entry"
import { encodeTombstone, type NoticedTombstone } from "@prooflog/event/tombstone"
import type { Catalog } from "./catalog.js"
import { ArchiveError } from "./error.js"
import { entryAt, eventsAt, type LeafOfClass } from "./event-leaves.js"
import { type Job, jobOf } from "./job.js"
import { makeGone, withStale } from "./make-gone.js"
import type { Ports, RunOptions } from "./ports.js"
import { tidy } from "./tidy.js"
import { withdrawLeaves } from "./withdraw-leaves.js"

export interface DestroyedLeaves {
  /** Leaves whose records are gone, ascending. Those that were destroyed before, by another tombstone, are not among them. */
  readonly done: readonly number[]
  /** Leaves that a hold is on: untouched. */
  readonly held: readonly number[]
}

/**
 * Destroys the records of some leaves, hot or archived. When it resolves, they are gone.
 *
 * @param leafIndices - of events, ascending
 * @param tombstoneOf - what is to stand there: each names a notice of its reason, in the tree of `ports.log`
 * @throws RangeError if they are no such leaves
 * @throws {@link ArchiveError} `ARCHIVE_NOT_ANNOUNCED` before anything was done; and as `destroyRun`
 */
export function destroyLeaves(
  catalog: Catalog,
  ports: Ports,
  leafIndices: readonly number[],
  tombstoneOf: (leafIndex: number) => NoticedTombstone,
  options: RunOptions = {},
): Promise<DestroyedLeaves> {
  const job = jobOf(catalog, ports, options)
  return catalog.inTurn(async () => {
    requireLeaves(leafIndices, job.log.treeSize)
    await requireNotices(job, leafIndices.map(tombstoneOf))
    await tidy(job)
    const done: LeafOfClass[] = []
    const held: number[] = []
    for await (const leaves of eventsAt(job.log, leafIndices)) {
      job.pause()
      const withdrawn = await withdrawLeaves(job, leaves, (leaf) => encodeTombstone(tombstoneOf(leaf)))
      for (const leaf of withdrawn.done) done.push(leaf)
      for (const leaf of withdrawn.held) held.push(leaf)
      job.progress({ step: "withdraw", done: done.length, of: leafIndices.length })
    }
    await goneOf(job, done)
    return { done: done.map(({ leafIndex }) => leafIndex), held }
  })
}

/**
 * Makes records gone that were withdrawn by somebody else, who had their rows forgotten and asked the holds: the third
 * part of {@link destroyLeaves}, alone.
 *
 * @param leafIndices - of events, ascending, with tombstones that say *destroyed*
 */
export function makeLeavesGone(
  catalog: Catalog,
  ports: Ports,
  leafIndices: readonly number[],
  options: RunOptions = {},
): Promise<void> {
  const job = jobOf(catalog, ports, options)
  return catalog.inTurn(async () => {
    requireLeaves(leafIndices, job.log.treeSize)
    await tidy(job)
    const leaves: LeafOfClass[] = []
    for await (const page of eventsAt(job.log, leafIndices)) {
      for (const { leafIndex, className } of page) leaves.push({ leafIndex, className })
    }
    await goneOf(job, leaves)
  })
}

async function goneOf(job: Job, leaves: readonly LeafOfClass[]): Promise<void> {
  if (leaves.length === 0) return
  const { catalog } = job
  await catalog.change({ segments: withStale(catalog, leaves), purge_owed: true, rewrite_owed: true })
  await makeGone(job)
}

function requireLeaves(leafIndices: readonly number[], treeSize: number): void {
  let next = 0
  for (const leaf of leafIndices) {
    if (!Number.isSafeInteger(leaf) || leaf < next || leaf >= treeSize) {
      throw new RangeError(`leaves: expected leaves of [${next}, ${treeSize}), ascending, got ${leaf}`)
    }
    next = leaf + 1
  }
}

/** A notice that is not in the published tree yet has announced nothing. */
async function requireNotices({ log }: Job, tombstones: readonly NoticedTombstone[]): Promise<void> {
  const notices = new Map(tombstones.map((each) => [`${each.reason} ${each.reference}`, each]))
  for (const { reason, reference: leafIndex } of notices.values()) {
    const entry = leafIndex < log.treeSize ? decodeEntry(await entryAt(log, leafIndex)) : undefined
    if (entry?.type === "notice" && entry.kind === reason) continue
    const what = `leaf ${leafIndex}: no notice of kind ${reason} stands there, in a tree of ${log.treeSize}`
    throw new ArchiveError("ARCHIVE_NOT_ANNOUNCED", what, { leafIndex })
  }
}
