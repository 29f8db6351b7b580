/**
 * Lets some wait for a condition that others bring about.
 *
 * Pure: no I/O, no clock.
 */
export class Progress {
  #waiters: (() => void)[] = []

  /** Something happened that a condition may depend on. */
  made(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const wake of waiters) wake()
  }

  /** Resolves when the condition holds; it is looked at now and after every progress. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiters.push(resolve))
  }
}
