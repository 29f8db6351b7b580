/**
 * All heads of one log that were seen, by size and root.
 *
 *     checked   found to be a beginning of what we follow, or the end of it
 *     open      signed by the log, not compared yet: larger than what the log shows us, or its tiles did not answer
 *     condemned found to contradict what we follow: its accusation is written, or enough of others are
 *
 * A head that was checked is kept so that another of its size convicts at once, offline. It could be dropped: the
 * comparison by tiles finds the same. So the oldest of them go first. An open one is perhaps the only proof of a fork, and
 * a log can sign as many as it likes to drive it out: so the last that came go first, of whoever has shown the most, and
 * {@link HeadStore.dropped} says that there were any.
 *
 * Pure: no I/O; times are given.
 */

import { equalBytes } from "@prooflog/tlog/hash"
import type { OpenedCheckpoint } from "@prooflog/tlog/policy"
import { headKey } from "./head.js"

export const MAX_CHECKED = 128
export const MAX_OPEN = 256
/** Characters of all open heads: they are written with the state, each time. */
export const MAX_OPEN_LENGTH = 1 << 21
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
  #openLength = 0
  #dropped = 0

  /** Open heads for which there was no room, since the start. */
  get dropped(): number {
    return this.#dropped
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

  addChecked(head: OpenedCheckpoint): void {
    const key = headKey(head)
    this.#removeOpen(key)
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
    this.#openLength += head.note.length
    while (this.#open.size > MAX_OPEN || this.#openLength > MAX_OPEN_LENGTH) {
      this.#removeOpen(this.#lastOfCrowd())
      this.#dropped++
    }
    return this.#open.has(key)
  }

  /** Of whoever has shown the most open heads, by length, the last that came. */
  #lastOfCrowd(): string {
    const lengths = new Map<string, number>()
    for (const { by, head } of this.#open.values()) {
      lengths.set(by, (lengths.get(by) ?? 0) + head.note.length)
    }
    const [crowd] = [...lengths].reduce((most, each) => (each[1] > most[1] ? each : most))
    const ofCrowd = [...this.#open].filter(([, { by }]) => by === crowd)
    return (ofCrowd.at(-1) as [string, OpenHead])[0]
  }

  #removeOpen(key: string): void {
    this.#openLength -= this.#open.get(key)?.head.note.length ?? 0
    this.#open.delete(key)
  }

  condemn(head: OpenedCheckpoint): void {
    const key = headKey(head)
    this.#removeOpen(key)
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
