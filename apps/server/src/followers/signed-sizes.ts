/**
 * How long leaves have been signed and not been seen by those who follow.
 *
 *     signed   100 ── at 12:00:00      300 ── at 12:00:02      350 ── at 12:00:03
 *     seen          through 250: the oldest unseen leaf has waited since 12:00:02
 *     seen again    through 40:  rows were lost; those leaves have waited since then
 *
 * Pure: the clock is given.
 */

/** Steps that are remembered. Where heads are more, several make one step, and the lag is told longer by its length. */
const KEPT = 512

interface Step {
  /** Of the newest head in it. */
  readonly treeSize: number
  /** Of the oldest head in it. */
  readonly timeMs: number
}

export class SignedSizes {
  /** Ascending in both, all larger than what was seen. */
  #steps: Step[] = []
  /** Heads that are no further apart make one step. */
  #stepMs = 0
  #newest = 0
  #seen = 0

  /** A head was signed: `treeSize` leaves, noticed at `timeMs`. */
  signed(treeSize: number, timeMs: number): void {
    if (treeSize <= this.#newest) return
    this.#newest = treeSize
    const last = this.#steps.at(-1)
    const isSame = last !== undefined && timeMs - last.timeMs < this.#stepMs
    if (isSame) this.#steps[this.#steps.length - 1] = { treeSize, timeMs: last.timeMs }
    else this.#steps.push({ treeSize, timeMs })
    if (this.#steps.length > KEPT) this.#coarsen()
  }

  /** How long the oldest leaf from `through` on has been signed and not been seen, in seconds; 0 if there is none. */
  lagSeconds(through: number, nowMs: number): number {
    const oldest = this.#steps.find(({ treeSize }) => treeSize > through)
    return oldest === undefined ? 0 : Math.max(0, nowMs - oldest.timeMs) / 1_000
  }

  /** Leaves up to `through` are seen, since `nowMs`. Fewer than before: rows were lost, and are made again. */
  seen(through: number, nowMs: number): void {
    const isLess = through < this.#seen
    this.#seen = through
    // Where older ones are still unseen, what was lost has waited no longer than they.
    if (isLess && this.#steps.length === 0 && through < this.#newest) {
      this.#steps.push({ treeSize: this.#newest, timeMs: nowMs })
    }
    const first = this.#steps.findIndex(({ treeSize }) => treeSize > through)
    this.#steps.splice(0, first === -1 ? this.#steps.length : first)
    if (this.#steps.length === 0) this.#stepMs = 0
  }

  #coarsen(): void {
    const [first, last] = [this.#steps[0] as Step, this.#steps.at(-1) as Step]
    this.#stepMs = (2 * (last.timeMs - first.timeMs)) / KEPT
    this.#steps = this.#steps.flatMap(({ treeSize }, i, all) => {
      const before = all[i - 1]
      if (i % 2 === 0) return i === all.length - 1 ? [all[i] as Step] : []
      return [{ treeSize, timeMs: (before as Step).timeMs }]
    })
  }
}
