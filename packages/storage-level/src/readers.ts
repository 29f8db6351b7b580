/**
 * Who reads LevelDB at the moment.
 *
 *     reads     ├──a──┤ ├──b──┤         ├──c──┤
 *     alone                    ├─write─┤             begins when b is through, and c waits for it
 *
 * Whoever reads holds a snapshot, and a file that is no longer needed stays as long as someone reads it. What a
 * deletion is to drive out must be seen by no snapshot from before, so some writes are made while nobody reads.
 */

export class Readers {
  readonly #open = new Set<Promise<unknown>>()
  #alone: Promise<unknown> | undefined

  /** Reads, as soon as nobody is alone. What it throws is its caller's. */
  async read<T>(read: () => Promise<T>): Promise<T> {
    while (this.#alone !== undefined) await this.#alone
    const reading = read()
    this.#open.add(reading)
    try {
      return await reading
    } finally {
      this.#open.delete(reading)
    }
  }

  /** Resolves when all who read now are through; those who come meanwhile are not waited for. */
  async olderGone(): Promise<void> {
    await Promise.allSettled(this.#open)
  }

  /** Does something while nobody reads; one at a time, and short: all reading waits for it. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    const working = this.olderGone().then(work)
    this.#alone = working.catch(() => {})
    try {
      return await working
    } finally {
      this.#alone = undefined
    }
  }
}
