/**
 * Whether a monitor works: it looks at its logs, whether they answer or not, and what it reads of them gets further.
 *
 * Pure: times are given.
 */

import type { WatchStatus } from "./watch.js"

export interface WatchHealth {
  readonly status: WatchStatus
  /** For a reason of ours. */
  readonly isStopped: boolean
}

/** A log that is not looked at for so many times its interval has a watch that hangs. */
const UNHEALTHY_AFTER = 5
const UNHEALTHY_LEAST_MS = 300_000

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
    const { log, triedMs = startedMs, readings } = status
    const origin = JSON.stringify(log.origin)
    const tooLongMs = Math.max(UNHEALTHY_LEAST_MS, UNHEALTHY_AFTER * log.pollMs)
    if (isStopped || nowMs - triedMs > tooLongMs) return `the log ${origin} is not looked at any more`
    const hanging = readings.find(({ movedMs }) => nowMs - movedMs > tooLongMs)
    if (hanging !== undefined)
      return `the ${hanging.what} of the log ${origin} has got no further than ${hanging.leaves} leaves`
  }
  return undefined
}

/** Returns which log was not read to its end yet, in words; `undefined` if all were. */
export function unready(statuses: readonly WatchStatus[]): string | undefined {
  const behind = statuses.find(({ audited }) => audited === undefined)
  return behind && `the log ${JSON.stringify(behind.log.origin)} was not read to its end yet`
}
