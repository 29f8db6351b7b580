/**
 * What is wrong with one log now, and what was proven of it ever.
 *
 *     raise     new, or seen again
 *     settle    an activity came out well: what it found before is over, except what is proven
 *
 * Each change is told to whoever listens; the same thing found again is no change.
 *
 * Pure: no I/O; times are given.
 */

import { type Activity, type Finding, type FindingKind, weightOf } from "./finding.js"

export interface FindingsListener {
  /** A new finding. */
  raised(finding: Finding): void
  /** It is over. */
  settled(finding: Finding): void
}

/** Findings proven of one log, at most: each of them is enough. */
const MAX_PROVEN = 64

export class OpenFindings {
  readonly #listener: FindingsListener
  #findings: Finding[]

  constructor(kept: readonly Finding[], listener: FindingsListener) {
    this.#findings = [...kept]
    this.#listener = listener
  }

  get all(): readonly Finding[] {
    return this.#findings
  }

  has(kind: FindingKind): boolean {
    return this.#findings.some((finding) => finding.kind === kind)
  }

  /** @returns whether anything changed that is worth keeping */
  raise(found: Omit<Finding, "sinceMs" | "isTold">): boolean {
    const known = this.#findings.find((finding) => isSame(finding, found))
    if (known !== undefined) {
      this.#findings = this.#findings.map((each) =>
        each === known ? { ...known, message: found.message, seenMs: found.seenMs } : each,
      )
      return known.message !== found.message
    }
    if (weightOf(found.kind) === "proven" && this.#findings.length >= MAX_PROVEN) return false
    // One activity has one thing to say that may pass: the newest.
    const replaced = this.#findings.filter(({ kind, by }) => by === found.by && weightOf(kind) !== "proven")
    if (weightOf(found.kind) !== "proven") this.#remove(replaced)
    const finding: Finding = { ...found, sinceMs: found.seenMs, isTold: false }
    this.#findings.push(finding)
    this.#listener.raised(finding)
    return true
  }

  /** @returns whether anything was open */
  settle(by: Activity): boolean {
    const over = this.#findings.filter((finding) => finding.by === by && weightOf(finding.kind) !== "proven")
    this.#remove(over)
    return over.length > 0
  }

  /** The log goes on with it. */
  seen(kind: FindingKind, seenMs: number): void {
    this.#findings = this.#findings.map((each) => (each.kind === kind ? { ...each, seenMs } : each))
  }

  /** The webhook has it. */
  told(finding: Finding): void {
    this.#findings = this.#findings.map((each) => (isSame(each, finding) ? { ...each, isTold: true } : each))
  }

  #remove(over: readonly Finding[]): void {
    this.#findings = this.#findings.filter((finding) => !over.includes(finding))
    for (const finding of over) this.#listener.settled(finding)
  }
}

/** Proven things are told apart by their accusations and words; what may pass, by what was being done. */
function isSame(a: Pick<Finding, "kind" | "by" | "accusation" | "message">, b: typeof a): boolean {
  if (a.kind !== b.kind || a.by !== b.by) return false
  if (weightOf(a.kind) !== "proven") return true
  return a.accusation === undefined && b.accusation === undefined
    ? a.message === b.message
    : a.accusation === b.accusation
}
