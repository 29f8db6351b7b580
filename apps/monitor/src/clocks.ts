/**
 * Times held against our own clock: those of new entries, and those of cosignatures.
 *
 *     unseen since   the last look at which the new entries were not shown: they can hardly be older
 *     now            they cannot be newer
 *
 * Both are words, of the operator and of witnesses; what is far from our clock is a reason to look and proves
 * nothing. An entry can be honestly old if the log published late, so the words say both.
 *
 * Pure: the clock is an argument.
 */

import { isQuorum, type OpenedCheckpoint, type Policy } from "@prooflog/tlog/policy"

export interface NewEntries {
  /** Time of the first and of the last; never decreasing in between. */
  readonly fromMs: number
  readonly toMs: number
  /** The last look at which they were not shown, by our clock; `undefined` if there was none. */
  readonly unseenSinceMs: number | undefined
}

/** Returns what is wrong with the times of new entries, in words; `undefined` if nothing is. */
export function offClock(
  { fromMs, toMs, unseenSinceMs }: NewEntries,
  nowMs: number,
  clockMs: number,
): string | undefined {
  if (toMs > nowMs + clockMs) {
    return `the newest entry is ${words(toMs - nowMs)} ahead of this monitor's clock`
  }
  if (unseenSinceMs !== undefined && fromMs < unseenSinceMs - clockMs) {
    const by = words(unseenSinceMs - fromMs)
    return `a new entry is dated ${by} before a look that did not show it: backdated, or published late`
  }
  return undefined
}

/**
 * Returns what is wrong with the age of a head's cosignatures; `undefined` if nothing is, or the policy asks for none,
 * for then nothing says how old a head is.
 */
export function staleness(
  head: OpenedCheckpoint,
  policy: Policy,
  nowMs: number,
  { freshnessMs, clockMs }: { readonly freshnessMs: number; readonly clockMs: number },
): string | undefined {
  const isFresh = ({ timeSeconds }: { timeSeconds: number }) =>
    timeSeconds * 1000 >= nowMs - freshnessMs && timeSeconds * 1000 <= nowMs + clockMs
  const fresh = head.cosignatures.filter(isFresh).map(({ witness }) => witness)
  if (isQuorum(policy, fresh)) return undefined
  const times = head.cosignatures.map(({ timeSeconds }) => timeSeconds * 1000)
  const ahead = Math.max(...times) - nowMs
  if (ahead > clockMs) return `a cosignature of the head is ${words(ahead)} ahead of this monitor's clock`
  const age = times.length === 0 ? "missing" : `${words(nowMs - Math.min(...times))} old`
  return `the cosignatures of the head are no fresh quorum: the oldest is ${age}`
}

/** 90_000 → "1.5 minutes" */
function words(ms: number): string {
  if (ms < 120_000) return `${Math.round(ms / 1000)} seconds`
  if (ms < 7_200_000) return `${Math.round(ms / 6_000) / 10} minutes`
  return `${Math.round(ms / 360_000) / 10} hours`
}
