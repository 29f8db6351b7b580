/**
 * How far answers see, and those who wait for it.
 */

import { QueryError } from "@prooflog/query/error"

export class Through {
  #size = 0
  readonly #listeners = new Set<(size: number) => void>()
  readonly #waiting = new Set<{ readonly end: () => void }>()

  /** Leaves. */
  get size(): number {
    return this.#size
  }

  /** Back to fewer, when rows are thrown away. */
  reached(size: number): void {
    if (size === this.#size) return
    this.#size = size
    for (const listener of [...this.#listeners]) listener(size)
  }

  listen(listener: (size: number) => void): () => void {
    // A function of its own: the same listener may be given twice.
    const own = (size: number) => listener(size)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  /**
   * Resolves when answers see `size` leaves.
   *
   * @throws QueryError `QUERY_BEHIND` if that takes longer than `patienceMs`, `QUERY_INTERRUPTED` if `signal` ends it
   */
  wait(size: number, patienceMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#size >= size) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const settle = (settled: () => void) => {
        clearTimeout(timer)
        forget()
        signal?.removeEventListener("abort", gone)
        this.#waiting.delete(waiting)
        settled()
      }
      const gone = () =>
        settle(() => reject(new QueryError("QUERY_INTERRUPTED", "whoever asked has gone away")))
      const late = () => settle(() => reject(this.#behind(size, patienceMs)))
      const waiting = { end: late }
      const timer = setTimeout(late, patienceMs)
      const forget = this.listen((now) => {
        if (now >= size) settle(resolve)
      })
      this.#waiting.add(waiting)
      signal?.addEventListener("abort", gone)
      if (signal?.aborted) gone()
    })
  }

  /** Lets nobody wait any longer. */
  close(): void {
    for (const { end } of [...this.#waiting]) end()
  }

  #behind(size: number, patienceMs: number): QueryError {
    const message = `answers see ${this.#size} leaves, not ${size}, and have not come that far in ${patienceMs} ms`
    return new QueryError("QUERY_BEHIND", message)
  }
}
