/**
 * All heads of one log that were seen, by size and root.
 *
 *     checked   found to be a beginning of what we follow, or the end of it
 *     open      signed by the log, not compared yet: larger than what the log shows us, or its tiles did not answer
 *     condemned found to contradict what we follow: its accusation is written, or enough of others are
 *
 * A head that was checked is kept so that another of its size convicts at once, offline. It could be dropped: the
 * comparison by tiles finds the same. So the oldest of them go first. An open one is perhaps the only proof of a fork, and
 * a log can sign as many as it likes to drive it out. So whoever shows heads has room for some and drives out none but the
 * last of his own; only if all room is taken the last goes of whoever has most. {@link HeadStore.dropped} counts them.
 *
 * A head that comes again with more cosignatures is kept with all of them.
 *
 * Pure: no I/O; times are given.
 */

import { equalBytes } from "@prooflog/tlog/hash"
import type { OpenedCheckpoint } from "@prooflog/tlog/policy"
import { headKey, joined } from "./head.js"
import type { ShownBy } from "./shown-by.js"

export const MAX_CHECKED = 128
export const MAX_OPEN = 256
export const MAX_OPEN_FROM_ONE = 64
/** Characters of all open heads: they are written with the state, each time. */
export const MAX_OPEN_LENGTH = 1 << 21
export const MAX_OPEN_LENGTH_FROM_ONE = MAX_OPEN_LENGTH / 4
export const MAX_CONDEMNED = 64

export interface OpenHead extends ShownBy {
  readonly head: OpenedCheckpoint
  /** When it was first shown with all the cosignatures it has, ms since 1970. */
  readonly sinceMs: number
}

export class HeadStore {
  readonly #checked = new Map<string, OpenedCheckpoint>()
  readonly #open = new Map<string, OpenHead>()
  readonly #condemned = new Map<string, OpenedCheckpoint>()
  #openLength = 0
  #dropped = 0

  /** Open heads for which there was no room, since the start. */
  get dropped(): number {
    return this.#dropped
  }

  /** Whether more than half of the room for open heads is taken: for those of one who shows them, or for all. */
  get isCrowded(): boolean {
    const most = (measure: (open: OpenHead) => number) => Math.max(0, ...this.#measured(measure).values())
    return (
      this.#open.size > MAX_OPEN / 2 ||
      this.#openLength > MAX_OPEN_LENGTH / 2 ||
      most(() => 1) > MAX_OPEN_FROM_ONE / 2 ||
      most(lengthOf) > MAX_OPEN_LENGTH_FROM_ONE / 2
    )
  }

  get checked(): readonly OpenedCheckpoint[] {
    return [...this.#checked.values()]
  }

  get open(): readonly OpenHead[] {
    return [...this.#open.values()]
  }

  get condemned(): readonly OpenedCheckpoint[] {
    return [...this.#condemned.values()]
  }

  isCondemned(head: OpenedCheckpoint): boolean {
    return this.#condemned.has(headKey(head))
  }

  isChecked(head: OpenedCheckpoint): boolean {
    return this.#checked.has(headKey(head))
  }

  /** Another head of the same size, checked or open, with another root. */
  conflictWith(head: OpenedCheckpoint): OpenedCheckpoint | undefined {
    const { treeSize, rootHash } = head.checkpoint
    const all = [...this.#checked.values(), ...[...this.#open.values()].map((each) => each.head)]
    return all.find(
      ({ checkpoint }) => checkpoint.treeSize === treeSize && !equalBytes(checkpoint.rootHash, rootHash),
    )
  }

  /** Whether a head is here, whatever it was found to be. */
  isKnown(head: OpenedCheckpoint): boolean {
    return this.#find(headKey(head)) !== undefined
  }

  /**
   * Adds a note's cosignatures to a head that is known.
   *
   * @returns whether it had any that were not known
   */
  join(head: OpenedCheckpoint, nowMs: number): boolean {
    const key = headKey(head)
    const known = this.#find(key)
    const whole = known && joined(known, head)
    if (whole === undefined || whole === known) return false
    if (this.#checked.has(key)) this.#checked.set(key, whole)
    if (this.#condemned.has(key)) this.#condemned.set(key, whole)
    const open = this.#open.get(key)
    if (open !== undefined) this.#setOpen({ ...open, head: whole, sinceMs: nowMs })
    return true
  }

  addChecked(head: OpenedCheckpoint): void {
    const key = headKey(head)
    const whole = joined(this.#find(key) ?? head, head)
    this.#removeOpen(key)
    // Anew at the end: the oldest go first.
    this.#checked.delete(key)
    this.#checked.set(key, whole)
    forgetOldest(this.#checked, MAX_CHECKED)
  }

  /** Returns false if it is known already, or there is no room for it. */
  addOpen(shown: OpenHead): boolean {
    if (this.isKnown(shown.head)) return false
    this.#setOpen(shown)
    return this.#open.has(headKey(shown.head))
  }

  #find(key: string): OpenedCheckpoint | undefined {
    return this.#checked.get(key) ?? this.#open.get(key)?.head ?? this.#condemned.get(key)
  }

  #setOpen(shown: OpenHead): void {
    const key = headKey(shown.head)
    this.#openLength += shown.head.note.length - (this.#open.get(key)?.head.note.length ?? 0)
    this.#open.set(key, shown)
    const { from } = shown
    while (this.#isTooMuch(from)) this.#dropLast(from)
    while (this.#open.size > MAX_OPEN) this.#dropLast(this.#crowd(() => 1))
    while (this.#openLength > MAX_OPEN_LENGTH) this.#dropLast(this.#crowd(lengthOf))
  }

  #isTooMuch(from: string): boolean {
    const its = this.open.filter((each) => each.from === from)
    const length = its.reduce((sum, { head }) => sum + head.note.length, 0)
    return its.length > MAX_OPEN_FROM_ONE || length > MAX_OPEN_LENGTH_FROM_ONE
  }

  /** Whoever has most open heads; of several that have as many, the one whose last came last. */
  #crowd(measure: (open: OpenHead) => number): string {
    const [from] = [...this.#measured(measure)].reduce((most, each) => (each[1] >= most[1] ? each : most))
    return from
  }

  /** By who shows them, those whose last came last at the end. */
  #measured(measure: (open: OpenHead) => number): ReadonlyMap<string, number> {
    const measured = new Map<string, number>()
    for (const each of this.#open.values()) {
      const before = measured.get(each.from) ?? 0
      measured.delete(each.from)
      measured.set(each.from, before + measure(each))
    }
    return measured
  }

  #dropLast(from: string): void {
    const [key] = [...this.#open].findLast(([, each]) => each.from === from) as [string, OpenHead]
    this.#removeOpen(key)
    this.#dropped++
  }

  #removeOpen(key: string): void {
    this.#openLength -= this.#open.get(key)?.head.note.length ?? 0
    this.#open.delete(key)
  }

  condemn(head: OpenedCheckpoint): void {
    const key = headKey(head)
    const whole = joined(this.#find(key) ?? head, head)
    this.#removeOpen(key)
    this.#condemned.set(key, whole)
    forgetOldest(this.#condemned, MAX_CONDEMNED)
  }
}

function lengthOf({ head }: OpenHead): number {
  return head.note.length
}

function forgetOldest(heads: Map<string, unknown>, limit: number): void {
  for (const oldest of heads.keys()) {
    if (heads.size <= limit) return
    heads.delete(oldest)
  }
}
