/**
 * Acknowledged events whose evidence is still awaited.
 *
 * Evidence comes with the answer, or, where the head was not published in time, later: the same
 * request is sent again, the server knows the events by their `event_id` and answers with what it
 * has. An acknowledgement is only the server's word; if a repeat is refused, or lands in another leaf, the
 * word was broken, and that is an alarm.
 *
 * Bounded: when too many events wait, the oldest are no longer asked for, are counted, and an error
 * says so.
 */

import type { OpenedCheckpoint } from "@prooflog/tlog/policy"
import type { Backoff } from "./backoff.js"
import { bug, ClientError } from "./error.js"
import type { Pause } from "./pause.js"
import type { Answered, Post } from "./post.js"
import type { Acknowledged, Proof } from "./proof.js"
import type { QueueBounds } from "./queue.js"
import type { Tally } from "./tally.js"

export interface UnprovenOptions {
  readonly proof: Proof
  readonly post: Post
  readonly backoff: Backoff
  readonly pause: Pause
  readonly tally: Tally
  /** What may wait. */
  readonly bounds: QueueBounds
  /** Called when some of them are decided. */
  readonly onProgress: () => void
}

export class Unproven {
  readonly #options: UnprovenOptions
  readonly #waiting: (readonly Acknowledged[])[] = []
  #events = 0
  #bytes = 0
  #asking: Promise<void> | undefined

  constructor(options: UnprovenOptions) {
    this.#options = options
  }

  /** Events that were acknowledged and are not yet decided. */
  get events(): number {
    return this.#events
  }

  /** The head known now, to be given back to {@link prove} with what a request sent now will bring. */
  get known(): OpenedCheckpoint | undefined {
    return this.#options.proof.known
  }

  /**
   * Takes care of events that were just acknowledged.
   *
   * @param answer - its evidence is suspect
   * @param atLeast - the head known when the request was sent
   */
  async prove(
    acknowledged: readonly Acknowledged[],
    { evidence, retryAfterMs }: Pick<Answered, "evidence" | "retryAfterMs">,
    atLeast: OpenedCheckpoint | undefined,
  ): Promise<void> {
    const { backoff } = this.#options
    acknowledged = this.#withoutDestroyed(acknowledged)
    if (acknowledged.length === 0) return
    this.#events += acknowledged.length
    this.#bytes += bytesOf(acknowledged)
    if (evidence !== undefined && (await this.#decides(evidence, acknowledged, atLeast))) {
      this.#decided(acknowledged)
      return
    }
    this.#waiting.push(acknowledged)
    this.#shed()
    backoff.failed(retryAfterMs)
    this.#start()
  }

  /** Resolves when nothing is being asked any more; the pause must have ended. */
  async stopped(): Promise<void> {
    await this.#asking
  }

  #start(): void {
    const { backoff, pause, tally } = this.#options
    this.#asking ??= this.#ask()
      .catch((cause) => {
        backoff.failed()
        tally.failed(bug(cause))
      })
      .finally(() => {
        this.#asking = undefined
        // Some may have come between the last look and now.
        if (this.#waiting.length > 0 && !pause.isOver) this.#start()
      })
  }

  async #ask(): Promise<void> {
    const { backoff, pause, proof, tally } = this.#options
    for (;;) {
      await pause.wait(() => backoff.delayMs)
      const acknowledged = this.#waiting[0]
      if (acknowledged === undefined || pause.isOver) return
      const atLeast = proof.known
      const answer = await this.#options.post.send(acknowledged.map(({ event }) => event))
      if (answer.kind === "answered" && (await this.#check(acknowledged, answer, atLeast))) {
        backoff.succeeded()
        continue
      }
      if (answer.kind === "failed") {
        if (pause.isOver) return
        tally.failures += 1
        tally.failed(answer.error)
      }
      backoff.failed(answer.kind === "body refused" ? 0 : answer.retryAfterMs)
    }
  }

  /** @returns whether this batch is done with */
  async #check(
    acknowledged: readonly Acknowledged[],
    { results, evidence }: Answered,
    atLeast: OpenedCheckpoint | undefined,
  ): Promise<boolean> {
    if (results.some(({ kind }) => kind === "later")) return false
    const { proof } = this.#options
    const still: Acknowledged[] = []
    const broken: (() => void)[] = []
    for (const [i, own] of acknowledged.entries()) {
      const result = results[i]
      if (result?.kind === "logged" && result.leafIndex === own.leafIndex) {
        still.push({ ...own, unchecked: result.unchecked })
        continue
      }
      const now = JSON.stringify(result)
      const why = result?.kind === "logged" ? `now it is leaf ${result.leafIndex}` : "now it is refused"
      broken.push(() => proof.missing(own, now, why))
    }
    const provable = still.filter(({ unchecked }) => !unchecked)
    if (provable.length > 0) {
      if (evidence === undefined) return false
      if (!(await this.#decides(evidence, provable, atLeast))) return false
    }
    this.#withoutDestroyed(still)
    for (const raise of broken) raise()
    // It may have been shed while it was checked.
    if (this.#waiting[0] === acknowledged) {
      this.#waiting.shift()
      this.#decided(acknowledged)
    }
    return true
  }

  /** @returns whether the evidence decided about these events; says why, if it did not */
  async #decides(
    evidence: string,
    acknowledged: readonly Acknowledged[],
    atLeast: OpenedCheckpoint | undefined,
  ): Promise<boolean> {
    const { pause, proof, tally } = this.#options
    const why = await proof.check(acknowledged, evidence, atLeast)
    // What we ended ourselves is nobody's failure.
    if (why !== undefined && !pause.isOver) tally.failed(why)
    return why === undefined
  }

  /** Gives those up whose records were destroyed: nothing is left that could show what was logged. */
  #withoutDestroyed(acknowledged: readonly Acknowledged[]): readonly Acknowledged[] {
    const provable = acknowledged.filter(({ unchecked }) => !unchecked)
    const destroyed = acknowledged.length - provable.length
    if (destroyed > 0) this.#giveUp(destroyed, "the log says that their records were destroyed")
    return provable
  }

  #giveUp(count: number, why: string): void {
    const { tally } = this.#options
    tally.givenUp += count
    tally.failed(new ClientError("CLIENT_UNPROVEN", `no evidence for ${count} acknowledged events; ${why}`))
  }

  #shed(): void {
    const { bounds } = this.#options
    while ((this.#events > bounds.events || this.#bytes > bounds.bytes) && this.#waiting.length > 1) {
      const oldest = this.#waiting.shift() as readonly Acknowledged[]
      this.#giveUp(oldest.length, "no longer asking")
      this.#decided(oldest)
    }
  }

  #decided(acknowledged: readonly Acknowledged[]): void {
    this.#events -= acknowledged.length
    this.#bytes -= bytesOf(acknowledged)
    this.#options.onProgress()
  }
}

function bytesOf(acknowledged: readonly Acknowledged[]): number {
  return acknowledged.reduce((sum, { event }) => sum + event.bytes, 0)
}
