/**
 * What is wrong with one log now, and what was proven of it ever.
 *
 *     raise     new, or seen again
 *     settle    an activity came out well: what it found before is over, except what was signed and is wrong
 *
 * Each change is told to whoever listens; the same thing found again is no change.
 *
 * Pure: no I/O; times are given.
 */

import { type Activity, type Finding, type FindingKind, isLasting } from "./finding.js"

export interface FindingsListener {
  /** A new finding. */
  raised(finding: Finding): void
  /** It is over. */
  settled(finding: Finding): void
}

/** Findings of one log that last, at most: each of them is enough. */
const MAX_LASTING = 64

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
    const unproven = this.#findings.find((finding) => isProvenBy(finding, found))
    if (unproven !== undefined) {
      const proven: Finding = { ...found, sinceMs: unproven.sinceMs, isTold: false }
      this.#findings = this.#findings.map((each) => (each === unproven ? proven : each))
      this.#listener.raised(proven)
      return true
    }
    if (isLasting(found.kind) && this.#findings.length >= MAX_LASTING) return false
    // One activity has one thing to say that may pass: the newest.
    const replaced = this.#findings.filter(({ kind, by }) => by === found.by && !isLasting(kind))
    if (!isLasting(found.kind)) this.#remove(replaced)
    const finding: Finding = { ...found, sinceMs: found.seenMs, isTold: false }
    this.#findings = [...this.#findings, finding]
    this.#listener.raised(finding)
    return true
  }

  /** @returns whether anything was open */
  settle(by: Activity): boolean {
    const over = this.#findings.filter((finding) => finding.by === by && !isLasting(finding.kind))
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

/** What lasts is told apart by its accusation, or its words; what may pass, by what was being done. */
function isSame(a: Pick<Finding, "kind" | "by" | "accusation" | "message">, b: typeof a): boolean {
  if (a.kind !== b.kind || a.by !== b.by) return false
  if (!isLasting(a.kind)) return true
  return a.accusation === undefined && b.accusation === undefined
    ? a.message === b.message
    : a.accusation === b.accusation
}

/** Whether one is the other with its proof: of the same heads, or in the same words. */
function isProvenBy(unproven: Finding, found: Omit<Finding, "sinceMs" | "isTold">): boolean {
  if (unproven.kind !== found.kind || unproven.accusation !== undefined) return false
  if (found.accusation === undefined) return false
  if (unproven.heads === undefined || found.heads === undefined) return unproven.message === found.message
  const heads: readonly string[] = found.heads
  return unproven.heads.every((head) => heads.includes(head))
}
