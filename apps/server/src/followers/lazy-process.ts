/**
 * A child process that is there while something is asked of it, and for a while after.
 *
 *     first who asks ─► begun ─► asked, asked, … ─► nobody asks for long ─► ended ─► next who asks ─► begun
 *
 * While it is there, its supervisor keeps it alive.
 */

import { setTimeout as sleep } from "node:timers/promises"
import { type Calls, Gone, type Link } from "./link.js"
import type { ChildCalls, Supervisor } from "./supervisor.js"

export interface LazyOptions<Ours extends Calls<Ours>, Theirs extends Calls<Theirs> & ChildCalls> {
  /** Makes a supervisor that was not started. */
  readonly supervise: () => Supervisor<Ours, Theirs>
  /** Is waited for before the first process is begun. */
  readonly before: Promise<void>
  /** How long a caller waits for a process that is being begun. */
  readonly patienceMs: number
  /** After which a process of which nothing is asked is ended. */
  readonly idleMs: number
  /** Makes what a caller is told if the process died, or there is none. */
  readonly refusal: (why: "died" | "cannot be begun" | "closed", cause?: unknown) => Error
}

/** How often a process that is being begun is looked for. */
const READY_MS = 20

export class LazyProcess<Ours extends Calls<Ours>, Theirs extends Calls<Theirs> & ChildCalls> {
  readonly #options: LazyOptions<Ours, Theirs>
  #supervisor: Supervisor<Ours, Theirs> | undefined
  /** Resolves when the process before this one is dead. */
  #ended: Promise<void>
  #underWay = 0
  #idle: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: LazyOptions<Ours, Theirs>) {
    this.#options = options
    this.#ended = options.before
  }

  /** Whether there is one, or one is being begun. */
  get isThere(): boolean {
    return this.#supervisor !== undefined
  }

  /** Does something with the process. @throws what the task throws; what `refusal` makes */
  async use<T>(task: (link: Link<Theirs>) => Promise<T>): Promise<T> {
    const { refusal, idleMs } = this.#options
    clearTimeout(this.#idle)
    this.#underWay++
    try {
      return await task(await this.#link())
    } catch (error) {
      throw error instanceof Gone ? refusal(this.#closed ? "closed" : "died", error) : error
    } finally {
      if (--this.#underWay === 0 && !this.#closed) this.#idle = setTimeout(() => this.#end(), idleMs).unref()
    }
  }

  /** Ends it for good. Repeatable. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#idle)
    this.#end()
    await this.#ended
  }

  #end(): void {
    const supervisor = this.#supervisor
    this.#supervisor = undefined
    if (supervisor !== undefined) this.#ended = supervisor.close()
  }

  async #link(): Promise<Link<Theirs>> {
    const { supervise, patienceMs, refusal } = this.#options
    await this.#ended
    for (let leftMs = patienceMs; !this.#closed; leftMs -= READY_MS) {
      if (this.#supervisor === undefined) {
        this.#supervisor = supervise()
        this.#supervisor.start()
      }
      if (this.#supervisor.link !== undefined) return this.#supervisor.link
      if (leftMs <= 0) throw refusal("cannot be begun")
      await sleep(READY_MS)
    }
    throw refusal("closed")
  }
}
