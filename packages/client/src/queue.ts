/**
 * The bounded queue in memory: what was recorded and is not yet answered for.
 *
 *     add → [ waiting … ] → take → [ in flight ] → settle
 *
 * Both halves count against the bounds: an event leaves the queue only when it is settled.
 *
 * Pure: no I/O, no clock.
 */

import type { CapturedEvent } from "./captured-event.js"

export interface QueueBounds {
  /** Events it holds at most, waiting and in flight. */
  readonly events: number
  /** Bytes of their lines it holds at most. */
  readonly bytes: number
}

/** How many events one request takes at most, and how many bytes of lines. */
export interface BatchBounds {
  readonly events: number
  readonly bytes: number
}

export class Queue {
  readonly #bounds: QueueBounds
  #waiting: CapturedEvent[] = []
  /** Waiting events before this index were taken; cut off once they are half of the array. */
  #first = 0
  #waitingBytes = 0
  readonly #inFlight = new Set<CapturedEvent>()
  #heldBytes = 0

  constructor(bounds: QueueBounds) {
    this.#bounds = bounds
  }

  /** Takes the event in, or returns false if that would exceed a bound. */
  add(event: CapturedEvent): boolean {
    if (this.heldEvents + 1 > this.#bounds.events) return false
    if (this.#heldBytes + event.bytes > this.#bounds.bytes) return false
    this.#waiting.push(event)
    this.#waitingBytes += event.bytes
    this.#heldBytes += event.bytes
    return true
  }

  /** Events and bytes that wait for a request. */
  get waiting(): { readonly events: number; readonly bytes: number } {
    return { events: this.#waiting.length - this.#first, bytes: this.#waitingBytes }
  }

  /** Events it holds, waiting and in flight. */
  get heldEvents(): number {
    return this.waiting.events + this.#inFlight.size
  }

  /** Returns the oldest waiting events, at least one if there is any; they are in flight from here on. */
  take(batch: BatchBounds): CapturedEvent[] {
    let end = this.#first
    let bytes = 0
    while (end < this.#waiting.length && end - this.#first < batch.events) {
      const next = bytes + (this.#waiting[end] as CapturedEvent).bytes + 1
      if (next > batch.bytes && end > this.#first) break
      bytes = next
      end++
    }
    const taken = this.#waiting.slice(this.#first, end)
    for (const event of taken) this.#inFlight.add(event)
    this.#first = end
    this.#waitingBytes -= bytes - taken.length
    if (this.#first * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#first)
      this.#first = 0
    }
    return taken
  }

  /** Frees the room of events that were taken. */
  settle(events: readonly CapturedEvent[]): void {
    for (const event of events) {
      if (this.#inFlight.delete(event)) this.#heldBytes -= event.bytes
    }
  }

  /** Gives up everything it holds, and returns it. */
  abandon(): readonly CapturedEvent[] {
    const left = [...this.#inFlight, ...this.#waiting.slice(this.#first)]
    this.#inFlight.clear()
    this.#waiting = []
    this.#first = 0
    this.#waitingBytes = 0
    this.#heldBytes = 0
    return left
  }
}
