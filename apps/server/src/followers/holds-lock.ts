/**
 * The lock of holds, for a process that may die while it has it.
 *
 *     child ── holdsStay ─► no hold can be placed ─► work ─► holdsMay, or the child is dead ─► holds can be placed
 *
 * What the child has begun here goes on after its death, and no hold is placed before that is done.
 */

import type { LegalHolds } from "@prooflog/archive/ports"

export class HoldsLock {
  readonly #holds: Pick<LegalHolds, "whileTheyStay">
  readonly #working = new Set<Promise<unknown>>()
  #free: (() => void) | undefined

  constructor(holds: Pick<LegalHolds, "whileTheyStay">) {
    this.#holds = holds
  }

  /**
   * Resolves when no hold can be placed, until {@link free}. Asked by one at a time.
   *
   * @param gone - is aborted when who asked is dead, and nobody will free it
   */
  take(gone: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const held = this.#holds.whileTheyStay(() => {
        if (gone.aborted) return Promise.resolve()
        return new Promise<void>((free) => {
          this.#free = free
          resolve()
        })
      })
      held.catch(reject)
    })
  }

  /** Does something for which the lock is there. Resolves or rejects as it does. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    const working = work()
    this.#working.add(working)
    try {
      return await working
    } finally {
      this.#working.delete(working)
    }
  }

  /** Lets holds be placed once nothing is done any more. Repeatable. */
  async free(): Promise<void> {
    const free = this.#free
    this.#free = undefined
    await Promise.allSettled(this.#working)
    free?.()
  }
}
