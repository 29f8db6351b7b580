/**
 * All heads of one log that were seen, by size and root.
 *
 *     checked   found to be a beginning of what we follow, or the end of it
 *     open      signed by the log, not compared yet: larger than what the log shows us, or its tiles did not answer
 *     condemned proven to contradict what we follow: its accusation is written
 *
 * A head that was checked is kept so that another of its size convicts at once, offline. It could be dropped: the
 * comparison by tiles finds the same. So the oldest of them go first; open ones are few and make room only for
 * smaller ones, since a log that mints many convicts itself with each.
 *
 * Pure: no I/O; times are given.
 */

import { equalBytes } from "@prooflog/tlog/hash"
import type { OpenedCheckpoint } from "@prooflog/tlog/policy"
import { headKey } from "./head.js"

export const MAX_CHECKED = 128
export const MAX_OPEN = 32
export const MAX_CONDEMNED = 64

/** Who showed it, for people: the log itself, a peer's URL, a witness's name. */
export interface OpenHead {
  readonly head: OpenedCheckpoint
  readonly by: string
  readonly sinceMs: number
}

export class HeadStore {
  readonly #checked = new Map<string, OpenedCheckpoint>()
  readonly #open = new Map<string, OpenHead>()
  readonly #condemned = new Map<string, OpenedCheckpoint>()

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

  addChecked(head: OpenedCheckpoint): void {
    const key = headKey(head)
    this.#open.delete(key)
    // Anew at the end, with the freshest cosignatures.
    this.#checked.delete(key)
    this.#checked.set(key, head)
    forgetOldest(this.#checked, MAX_CHECKED)
  }

  /** Returns false if it is known already, or there is no room for it. */
  addOpen({ head, by, sinceMs }: OpenHead): boolean {
    const key = headKey(head)
    if (this.#checked.has(key) || this.#open.has(key) || this.#condemned.has(key)) return false
    this.#open.set(key, { head, by, sinceMs })
    if (this.#open.size <= MAX_OPEN) return true
    const [largest] = [...this.#open].sort(
      ([, a], [, b]) => b.head.checkpoint.treeSize - a.head.checkpoint.treeSize,
    )
    this.#open.delete((largest as [string, OpenHead])[0])
    return largest?.[0] !== key
  }

  condemn(head: OpenedCheckpoint): void {
    const key = headKey(head)
    this.#open.delete(key)
    this.#condemned.set(key, head)
    forgetOldest(this.#condemned, MAX_CONDEMNED)
  }
}

function forgetOldest(heads: Map<string, unknown>, limit: number): void {
  for (const oldest of heads.keys()) {
    if (heads.size <= limit) return
    heads.delete(oldest)
  }
}
