/**
 * Whether a monitor works: it looks at its logs, whether they answer or not. A log whose entries do not come is no fault of
 * the monitor's, which is watching others, too: that is a finding.
 *
 * Pure: times are given.
 */

import type { WatchedLog } from "./config.js"
import type { WatchStatus } from "./watch.js"

export interface WatchHealth {
  readonly status: WatchStatus
  /** For a reason of ours. */
  readonly isStopped: boolean
}

/** What takes so many times the interval of looks, hangs. */
const HANGS_AFTER = 5
const HANGS_LEAST_MS = 300_000

/** Returns after how long a look, or the next step of a reading, hangs: ms. */
export function hangsAfterMs({ pollMs }: Pick<WatchedLog, "pollMs">): number {
  return Math.max(HANGS_LEAST_MS, HANGS_AFTER * pollMs)
}

/**
 * Returns what does not work, in words; `undefined` if all does.
 *
 * @param startedMs - of the monitor, ms since 1970
 */
export function unhealthy(
  watches: readonly WatchHealth[],
  { startedMs, nowMs }: { readonly startedMs: number; readonly nowMs: number },
): string | undefined {
  for (const { status, isStopped } of watches) {
    const { log, triedMs = startedMs } = status
    if (isStopped || nowMs - triedMs > hangsAfterMs(log))
      return `the log ${JSON.stringify(log.origin)} is not looked at any more`
  }
  return undefined
}

/** Returns which log was not read to its end yet, in words; `undefined` if all were. */
export function unready(statuses: readonly WatchStatus[]): string | undefined {
  const behind = statuses.find(({ audited }) => audited === undefined)
  return behind && `the log ${JSON.stringify(behind.log.origin)} was not read to its end yet`
}
