/**
 * The destruction run: what is due by schedule goes, in its three moments.
 *
 *     class       destroyed ──► first leaf that is not due       under each promise; and those that were held back
 *     withdrawn   tombstones [0, 0, leaf of the entry that promised], rows forgotten ─► known, told
 *     gone        segments, storage, query store ─► known, told
 *     expired     when the last backup with them is to be over ─► told
 *
 * What a hold is on is held back, remembered and tried again by each run. If a hold cannot be asked, or anything else
 * fails, the run stops there; what was withdrawn stays withdrawn.
 */

import type { Promises } from "@prooflog/event/promises"
import { encodeTombstone, TOMBSTONE_REASONS } from "@prooflog/event/tombstone"
import type { ClassProgress } from "./archive-state.js"
import type { Catalog } from "./catalog.js"
import { DAY_MS } from "./durations.js"
import { type EventLeaf, eventLeaves, eventsAt, firstLeafAt, type LeafOfClass } from "./event-leaves.js"
import { type Job, jobOf } from "./job.js"
import { makeGone, withStale } from "./make-gone.js"
import { type PlanRange, planOf } from "./plan.js"
import type { Ports, RunOptions, Told } from "./ports.js"
import { tell, tidy } from "./tidy.js"
import { type Withdrawn, withdrawLeaves } from "./withdraw-leaves.js"

/** Leaves after which a run remembers how far it is: fewer, and a large state file is written too often. */
const SAVE_LEAVES = 262_144

export interface DestroyOptions extends RunOptions {
  readonly promises: Promises
  /** ms since 1970. */
  readonly nowMs: number
  /** Days for which backups are kept. */
  readonly backupDays: number
}

export interface DestroyDone {
  readonly withdrawn: number
  /** Leaves that are due and held, of all classes. */
  readonly heldBack: number
}

/** @throws {@link ArchiveError} as `archiveRun`; what a port throws */
export function destroyRun(catalog: Catalog, ports: Ports, options: DestroyOptions): Promise<DestroyDone> {
  const job = jobOf(catalog, ports, options)
  return catalog.inTurn(async () => {
    await tidy(job)
    await expire(job, options.nowMs)
    let withdrawn = 0
    for (const className of classesOf(options.promises))
      withdrawn += await destroyClass(job, className, options)
    await tell(job)
    await makeGone(job)
    await markGone(job, options)
    await tell(job)
    const heldBack = Object.values(catalog.state.classes).reduce(
      (sum, { held_back }) => sum + held_back.length,
      0,
    )
    return { withdrawn, heldBack }
  })
}

/** A class is never removed, but what this run destroys does not hang on that. */
function classesOf(promises: Promises): readonly string[] {
  return [...new Set(promises.flatMap(([, { classes }]) => Object.keys(classes)))].sort()
}

async function destroyClass(job: Job, className: string, options: DestroyOptions): Promise<number> {
  const { promises, nowMs } = options
  const ranges = planOf({ promises, className, hotDays: 0, treeSize: job.log.treeSize, nowMs })
  let withdrawn = await tryAgain(job, className, ranges)
  for (const range of ranges) withdrawn += await destroyRange(job, className, range)
  return withdrawn
}

/** Tries again what was held back. */
async function tryAgain(job: Job, className: string, ranges: readonly PlanRange[]): Promise<number> {
  const { catalog, log } = job
  const before = catalog.progressOf(className).held_back
  const done: LeafOfClass[] = []
  const held: number[] = []
  for await (const leaves of eventsAt(log, before)) {
    job.pause()
    const left = new Set<number>()
    for (const range of ranges) {
      const due = leaves.filter((leaf) => isDue(leaf, range))
      const withdrawn = await withdraw(job, due, range.by)
      for (const leaf of withdrawn.done) done.push(leaf)
      for (const leaf of withdrawn.held) left.add(leaf)
    }
    // A clock that was set back must not make anyone forget a leaf: it waits.
    const waits = ({ leafIndex }: EventLeaf) => left.has(leafIndex)
    held.push(
      ...leaves
        .filter((leaf) => waits(leaf) || !ranges.some((range) => isDue(leaf, range)))
        .map(({ leafIndex }) => leafIndex),
    )
  }
  if (held.length < before.length) await save(job, className, done, { held_back: held })
  return done.length
}

/** Destroys what is due in one range. */
async function destroyRange(job: Job, className: string, range: PlanRange): Promise<number> {
  const { catalog, log } = job
  const { dueBeforeMs } = range
  if (dueBeforeMs === undefined) return 0
  const from = Math.max(range.from, catalog.progressOf(className).destroyed)
  const to = await firstLeafAt(log, dueBeforeMs, from, range.to)
  let done: LeafOfClass[] = []
  let held: number[] = []
  let count = 0
  // The last of them was looked at and is due, and time does not go back on the way to it: all are.
  for await (const { leaves, end } of eventLeaves(log, className, from, to)) {
    job.pause()
    const withdrawn = await withdraw(job, leaves, range.by)
    for (const leaf of withdrawn.done) done.push(leaf)
    for (const leaf of withdrawn.held) held.push(leaf)
    job.progress({ step: "withdraw", className, done: count + done.length })
    if (end < to && done.length + held.length < SAVE_LEAVES) continue
    const { held_back: before } = catalog.progressOf(className)
    await save(job, className, done, { destroyed: end, held_back: [...before, ...held] })
    count += done.length
    done = []
    held = []
  }
  return count
}

function withdraw(job: Job, leaves: readonly EventLeaf[], by: number): Promise<Withdrawn> {
  const reason = TOMBSTONE_REASONS.bySchedule
  const tombstone = encodeTombstone({ state: "destroyed", reason, reference: by })
  return withdrawLeaves(job, leaves, () => tombstone)
}

function isDue({ leafIndex, timeMs }: EventLeaf, { from, to, dueBeforeMs }: PlanRange): boolean {
  return leafIndex >= from && leafIndex < to && dueBeforeMs !== undefined && timeMs < dueBeforeMs
}

/** Remembers what was withdrawn. If we crash before, it is found again: its tombstones are those that it should have. */
async function save(
  { catalog }: Job,
  className: string,
  done: readonly LeafOfClass[],
  progress: Partial<ClassProgress>,
): Promise<void> {
  const classes = catalog.withProgress(className, progress)
  const [first, last] = [done[0], done.at(-1)]
  if (first === undefined || last === undefined) return catalog.change({ classes })
  const told: Told = {
    id: `withdrawn/${className}/${first.leafIndex}-${last.leafIndex}`,
    what: "withdrawn",
    class: className,
    first_leaf: first.leafIndex,
    last_leaf: last.leafIndex,
    count: done.length,
  }
  const { withdrawn, untold } = catalog.state
  await catalog.change({
    classes,
    segments: withStale(catalog, done),
    purge_owed: true,
    rewrite_owed: true,
    withdrawn: withdrawn + done.length,
    untold: [...untold, told],
  })
}

/** Remembers that what was withdrawn by schedule is gone, and until when it may be in backups. */
async function markGone({ catalog }: Job, { nowMs, backupDays }: DestroyOptions): Promise<void> {
  const { withdrawn: count, gone, untold } = catalog.state
  if (count === 0) return
  // A clock that is given may stand.
  const before = gone.filter(({ gone_ms: goneMs }) => goneMs === nowMs).length
  const mark = { id: `${nowMs}.${before}`, count, gone_ms: nowMs, expires_ms: nowMs + backupDays * DAY_MS }
  const told: Told = { id: `gone/${mark.id}`, what: "gone", count }
  await catalog.change({ withdrawn: 0, gone: [...gone, mark], untold: [...untold, told] })
}

async function expire({ catalog }: Job, nowMs: number): Promise<void> {
  const { gone, untold } = catalog.state
  const over = gone.filter(({ expires_ms: expiresMs }) => expiresMs <= nowMs)
  if (over.length === 0) return
  const told = over.map(({ id, count }): Told => ({ id: `expired/${id}`, what: "expired", count }))
  const left = gone.filter((mark) => !over.includes(mark))
  await catalog.change({ gone: left, untold: [...untold, ...told] })
}
