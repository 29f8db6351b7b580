/**
 * Work that has time gives way to the taking of events.
 *
 *     nobody logs     work │ work │ work │ work
 *     somebody logs   work │ ····pause···· │ work │ ····pause···· │
 */

/** A log that has not grown for so long is not being written to. */
const BUSY_MS = 250

/** Pauses are so many times as long as the work before them, */
const TIMES = 4

/** and no longer than this, in ms: work that waits for a commit waits for long. */
const MAX_PAUSE_MS = 100

export class GivingWay {
  readonly #treeSize: () => number
  #seen: number
  #grewMs = Number.NEGATIVE_INFINITY

  /** @param treeSize - leaves of the log that others write to */
  constructor(treeSize: () => number) {
    this.#treeSize = treeSize
    this.#seen = treeSize()
  }

  /** Does a piece of work, and makes a pause behind it while events are taken. Resolves or rejects as it does. */
  async after<T>(work: () => T | Promise<T>): Promise<T> {
    const beganMs = performance.now()
    const done = await work()
    const nowMs = performance.now()
    const treeSize = this.#treeSize()
    if (treeSize !== this.#seen) {
      this.#seen = treeSize
      this.#grewMs = nowMs
    }
    if (nowMs - this.#grewMs < BUSY_MS) await pause(Math.min(MAX_PAUSE_MS, (nowMs - beganMs) * TIMES))
    return done
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
