/**
 * What was used last, as much of it as fits.
 *
 * A `Map` keeps the order in which keys were put in: to use a value is to put it in again, and the first key is
 * the one used longest ago.
 */

interface Held<T> {
  readonly value: T
  readonly bytes: number
}

export class Lru<T> {
  readonly #held = new Map<string, Held<T>>()
  readonly #capacity: number
  #bytes = 0

  /** @param capacity - bytes that all values together may have */
  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get(key: string): T | undefined {
    const held = this.#held.get(key)
    if (held === undefined) return undefined
    this.#held.delete(key)
    this.#held.set(key, held)
    return held.value
  }

  /** @param bytes - what the value costs in memory */
  set(key: string, value: T, bytes: number): void {
    this.delete(key)
    this.#bytes += bytes
    this.#held.set(key, { value, bytes })
    for (const oldest of this.#held.keys()) {
      if (this.#bytes <= this.#capacity) break
      this.delete(oldest)
    }
  }

  delete(key: string): void {
    this.#bytes -= this.#held.get(key)?.bytes ?? 0
    this.#held.delete(key)
  }
}
