/**
 * What goes on beside the looks: posts, audits, gossip. It is waited for at the end, and its failure is told.
 *
 * Effects: those of what is done; log lines.
 */

import type { Logger } from "pino"

export class Beside {
  readonly #logger: Logger
  readonly #signal: AbortSignal
  readonly #running = new Set<Promise<unknown>>()

  /** @param signal - once it is aborted failures are nobody's */
  constructor(logger: Logger, signal: AbortSignal) {
    this.#logger = logger
    this.#signal = signal
  }

  run(acting: Promise<unknown>): void {
    const running: Promise<unknown> = acting
      .catch((error: unknown) => {
        if (!this.#signal.aborted) this.#logger.error({ err: error }, "the monitor failed")
      })
      .finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  /** Resolves when what is under way now has ended, well or not. */
  async settled(): Promise<void> {
    await Promise.all(this.#running)
  }
}
