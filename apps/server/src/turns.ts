/**
 * Taking turns: of many who would do a thing at once, a few do it, and the others wait in line.
 *
 *     ask ask ask ask ─► │ 2 at once │ ─►      the third begins when one of the two has ended
 */

export class Turns {
  readonly #waiting: (() => void)[] = []
  #free: number

  /** @param atOnce - ≥ 1 */
  constructor(atOnce: number) {
    this.#free = atOnce
  }

  /** Does it when its turn has come; resolves or rejects as it does. */
  async take<T>(turn: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await turn()
    } finally {
      const next = this.#waiting.shift()
      // Whoever is next has the place of the one that leaves.
      if (next === undefined) this.#free++
      else next()
    }
  }
}
