/**
 * Which segments are verified on which day, so that each is looked at every 30 days, and none is written down for it.
 *
 *     day        … 7 8 9 10 …       counted from 1970
 *     segment    its hash, modulo 30, is the day, modulo 30
 *
 * Pure.
 */

import { DAY_MS } from "./durations.js"
import type { Manifest } from "./manifest.js"

/** Days in which every segment is verified once. */
export const ROUND_DAYS = 30

/**
 * Returns whether a segment is to be verified now.
 *
 * @param sinceMs - when the part before this one was verified, in ms since 1970; `undefined` takes every segment
 * @param nowMs - likewise; not after `sinceMs` takes none
 */
export function isInPart(
  { sha256 }: Pick<Manifest, "sha256">,
  sinceMs: number | undefined,
  nowMs: number,
): boolean {
  if (sinceMs === undefined) return true
  const [since, now] = [Math.floor(sinceMs / DAY_MS), Math.floor(nowMs / DAY_MS)]
  const slot = Number.parseInt(sha256.slice(0, 8), 16) % ROUND_DAYS
  // The first day after `since` that is the segment's.
  const next = since + 1 + ((((slot - since - 1) % ROUND_DAYS) + ROUND_DAYS) % ROUND_DAYS)
  return next <= now
}
