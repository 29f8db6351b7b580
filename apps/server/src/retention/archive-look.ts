/**
 * A look at whether the archive has anything to do, that costs next to nothing: no process is begun for it.
 *
 *     first leaf of each promise ─► older than its classes are hot, or kept?
 *
 * As time never decreases from leaf to leaf, nothing behind a leaf that is young is old. It may say that there is
 * something where there is nothing; never the other way round.
 */

import { planOf } from "@prooflog/archive/plan"
import type { ScheduleFile } from "@prooflog/archive/schedule-file"
import type { Promises } from "@prooflog/event/promises"

export interface LookedAt {
  /** Of the file of today; without one nothing is archived. */
  readonly classes: ScheduleFile["classes"] | undefined
  readonly promises: Promises
  readonly nowMs: number
  /** Leaves that are published. */
  readonly treeSize: number
  /** Time of the entry of a leaf, ms since 1970. */
  readonly timeOf: (leafIndex: number) => Promise<number>
}

/** Whether a record may be there that is no longer hot, or is due. */
export async function isAnythingOld({
  classes,
  promises,
  nowMs,
  treeSize,
  timeOf,
}: LookedAt): Promise<boolean> {
  const names = new Set([
    ...(classes?.keys() ?? []),
    ...promises.flatMap(([, schedule]) => Object.keys(schedule.classes)),
  ])
  /** First leaf of a promise, and the time before which it would be old for some class. */
  const cutOffs = new Map<number, number>()
  for (const className of names) {
    const times = classes?.get(className)
    const isArchived = times !== undefined && times.hotDays < times.keepDays
    const asked = { promises, className, hotDays: times?.hotDays ?? 0, treeSize, nowMs }
    for (const { from, coldBeforeMs, dueBeforeMs } of planOf(asked)) {
      const before = [isArchived ? coldBeforeMs : undefined, dueBeforeMs, cutOffs.get(from)]
      const known = before.filter((each) => each !== undefined)
      if (known.length > 0) cutOffs.set(from, Math.max(...known))
    }
  }
  for (const [leaf, beforeMs] of cutOffs) if ((await timeOf(leaf)) < beforeMs) return true
  return false
}
