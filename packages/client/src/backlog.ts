/**
 * Everything recorded and not yet answered for, wherever it waits: the spool if there is one, the
 * queue in memory otherwise, and while the disk fails.
 *
 * Effects: the spool's.
 */

import type { CapturedEvent, DropReason } from "./captured-event.js"
import type { BatchBounds, Queue } from "./queue.js"
import type { Spool } from "./spool.js"
import type { SpooledEvent } from "./spool-segment.js"

export class Backlog {
  readonly #queue: Queue
  readonly #spool: Spool | undefined

  constructor(queue: Queue, spool: Spool | undefined) {
    this.#queue = queue
    this.#spool = spool
  }

  /** Takes the event in, or says why not. */
  add(event: CapturedEvent): DropReason | undefined {
    if (this.#spool !== undefined && !this.#spool.isPaused) return this.#spool.append(event)
    return this.#queue.add(event) ? undefined : "queue_full"
  }

  /** Events and bytes that wait for a request. */
  get waiting(): { readonly events: number; readonly bytes: number } {
    const spool = this.#spool?.waiting ?? { events: 0, bytes: 0 }
    const queue = this.#queue.waiting
    return { events: spool.events + queue.events, bytes: spool.bytes + queue.bytes }
  }

  /** Events not yet answered for, those in flight included. */
  get heldEvents(): number {
    return (this.#spool?.heldEvents ?? 0) + this.#queue.heldEvents
  }

  /** Returns the oldest waiting events of the spool, or else of the queue. One caller at a time. */
  async take(batch: BatchBounds): Promise<readonly CapturedEvent[]> {
    const spooled = (await this.#spool?.take(batch)) ?? []
    return spooled.length > 0 ? spooled : this.#queue.take(batch)
  }

  /** Marks events that were taken as answered for. */
  async settle(events: readonly CapturedEvent[]): Promise<void> {
    const spooled = events.filter((event): event is SpooledEvent => "segment" in event)
    this.#queue.settle(events.filter((event) => !("segment" in event)))
    if (spooled.length > 0) await this.#spool?.settle(spooled)
  }

  /** Resolves when all that was added has reached the place where it waits. */
  async settledDown(): Promise<void> {
    await this.#spool?.adopted
    await this.#spool?.written()
  }

  /** Lets go of the spool; what lies there stays for the next process. */
  async close(): Promise<void> {
    await this.#spool?.close()
  }

  /** Gives up what only memory holds, and returns it. Nothing may be under way any more. */
  abandon(): readonly CapturedEvent[] {
    return this.#queue.abandon()
  }
}
