/**
 * Findings: what a monitor saw a log do, by the name it goes by everywhere: page, metric, webhook, state file.
 *
 *     proven    signed by the log, and wrong: an accusation convicts it anywhere, for ever; until one is written it is
 *               an alarm, but one that stays
 *     alarm     seen with our own eyes and unsigned, or not yet provable: ends when the log mends it
 *     unknown   the monitor could not tell: accuses nobody
 *
 * Pure: no I/O, no clock.
 */

import type { VerifierErrorCode } from "@prooflog/verifier/error"

export type Weight = "proven" | "alarm" | "unknown"

/** Every kind of finding, its weight at most, and what it means in words for a person. */
export const FINDING_KINDS = {
  forked: { weight: "proven", means: "two signed heads that cannot both be honest" },
  "time-went-back": { weight: "proven", means: "a signed entry is older than the entry before it" },
  "repeated-commitment": { weight: "proven", means: "two signed entries have the same commitment" },
  "shortened-schedule": { weight: "proven", means: "a signed schedule promises less than the one before" },
  "invalid-entry": { weight: "proven", means: "a signed entry breaks the form of entries" },
  "went-back": { weight: "alarm", means: "the log shows a head of fewer leaves than it showed before" },
  truncated: { weight: "alarm", means: "the end of what the head covers is not served" },
  withheld: { weight: "alarm", means: "something that the log signed is not served" },
  "wrong-entry": { weight: "alarm", means: "an entry is served that is not the one that was signed" },
  "wrong-tile": { weight: "alarm", means: "hashes are served that do not make the signed root" },
  "refused-head": { weight: "alarm", means: "the head is not signed as the policy asks" },
  "off-clock": { weight: "alarm", means: "the time of new entries is far from the monitor's clock" },
  stale: { weight: "alarm", means: "the cosignatures of the head are old, or from the future" },
  crowded: {
    weight: "alarm",
    means: "more signed heads were shown that could not be compared than are kept",
  },
  unreachable: { weight: "unknown", means: "the log does not answer" },
  unchecked: {
    weight: "unknown",
    means: "this monitor cannot check what the log shows, or it has no quorum yet",
  },
} as const satisfies Readonly<Record<string, { weight: Weight; means: string }>>

export type FindingKind = keyof typeof FINDING_KINDS

/** What was being done when it was found. What comes out well settles what was found by it before. */
export type Activity = "head" | "freshness" | "growth" | "audit" | "clock" | "re-read" | "gossip" | "crowd"

export interface Finding {
  readonly kind: FindingKind
  readonly by: Activity
  /** One sentence; may quote the log, so it is suspect. */
  readonly message: string
  /** First and last time it was seen, ms since 1970. */
  readonly sinceMs: number
  readonly seenMs: number
  /** Both heads, verbatim, where two are in conflict. */
  readonly heads?: readonly [string, string]
  /** Name of the accusation's file. */
  readonly accusation?: string
  /** Whether the webhook has it. */
  readonly isTold: boolean
}

export function isFindingKind(text: string): text is FindingKind {
  return Object.hasOwn(FINDING_KINDS, text)
}

/** There is proof only where it is written down. */
export function weightOf({ kind, accusation }: Pick<Finding, "kind" | "accusation">): Weight {
  return isLasting(kind) && accusation === undefined ? "alarm" : FINDING_KINDS[kind].weight
}

/** Whether it is of what the log has signed: nothing that it shows later can mend that. */
export function isLasting(kind: FindingKind): boolean {
  return FINDING_KINDS[kind].weight === "proven"
}

/**
 * The kind of what a verifier threw, as far as its code tells it. Where something is missing, whether it is
 * withheld, cut off or out of reach needs another look: diagnose.ts.
 */
export function kindOf(code: VerifierErrorCode): FindingKind {
  return KINDS[code] ?? "unchecked"
}

const KINDS: Readonly<Partial<Record<VerifierErrorCode, FindingKind>>> = {
  VERIFIER_CHECKPOINT_REFUSED: "refused-head",
  VERIFIER_OTHER_LOG: "refused-head",
  VERIFIER_FORKED: "forked",
  VERIFIER_WENT_BACK: "went-back",
  VERIFIER_ROOT_REFUSED: "wrong-tile",
  VERIFIER_TILE_REFUSED: "wrong-tile",
  VERIFIER_BUNDLE_REFUSED: "wrong-entry",
  VERIFIER_ENTRY_REFUSED: "invalid-entry",
  VERIFIER_GENESIS_REFUSED: "invalid-entry",
  VERIFIER_UNKNOWN_CLASS: "invalid-entry",
  VERIFIER_TIME_WENT_BACK: "time-went-back",
  VERIFIER_SCHEDULE_REFUSED: "shortened-schedule",
  VERIFIER_REPEATED_COMMITMENT: "repeated-commitment",
  VERIFIER_MISSING: "withheld",
  VERIFIER_SOURCE_FAILED: "unreachable",
}
