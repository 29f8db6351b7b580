/**
 * How many of something each address has at once: connections, bodies on their way.
 *
 * Of IPv6 the first 64 bits are one address, as whoever has one has all of them.
 *
 * Pure.
 */

import { networkOf } from "@prooflog/event/ip-address"

export class Places {
  readonly #most: number
  readonly #taken = new Map<string, number>()

  /** @param most - of one address: ≥ 1 */
  constructor(most: number) {
    this.#most = most
  }

  /** @returns what gives the place back, once however often it is called; `undefined` if the address has all of its places */
  take(address: string): (() => void) | undefined {
    const network = networkOf(address)
    const taken = this.#taken.get(network) ?? 0
    if (taken >= this.#most) return undefined
    this.#taken.set(network, taken + 1)
    let isHeld = true
    return () => {
      if (isHeld) this.#give(network)
      isHeld = false
    }
  }

  #give(network: string): void {
    const left = (this.#taken.get(network) ?? 0) - 1
    if (left > 0) this.#taken.set(network, left)
    else this.#taken.delete(network)
  }
}
