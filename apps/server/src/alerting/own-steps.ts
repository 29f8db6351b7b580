/**
 * What is done about alerts, on its way into the log: each step once, in order, also after a crash.
 *
 *     step ─► kept with what it tells of ─► logged under its id ─► let go
 *
 * The log knows ids for 30 days: a step that was logged, and not let go before a crash, is not logged twice.
 */

import type { OwnStep } from "../followers/alerts-calls.js"
import type { AlertsStore, StoreChanges } from "./alerts-store.js"

/** Until a step that could not be logged is tried again. */
const AGAIN_MS = 1_000

/** Steps that wait, at most: past that the newest are left out, and counted. */
const MAX_WAITING = 100_000

export interface OwnStepsOptions {
  readonly store: AlertsStore
  /** Logs a step. */
  readonly own: (step: OwnStep) => Promise<number>
  /** Is told that a step could not be logged, and is tried again. */
  readonly onFailure: (error: unknown) => void
  /** Asks for a commit of what is to be let go. */
  readonly onLogged: () => void
}

export class OwnSteps {
  readonly #options: OwnStepsOptions
  /** Kept ones, by key. */
  readonly #waiting = new Map<string, OwnStep>()
  readonly #added = new Map<string, OwnStep>()
  readonly #logged: string[] = []
  #next = 0
  #leftOut = 0
  #running = false
  #closed = false
  #pause: NodeJS.Timeout | undefined

  private constructor(options: OwnStepsOptions) {
    this.#options = options
  }

  static async open(options: OwnStepsOptions): Promise<OwnSteps> {
    const steps = new OwnSteps(options)
    for await (const [key, value] of options.store.rows("told")) {
      steps.#waiting.set(key, JSON.parse(value) as OwnStep)
      steps.#next = Number.parseInt(key, 16) + 1
    }
    return steps
  }

  /** Steps that were left out as too many waited. */
  get leftOut(): number {
    return this.#leftOut
  }

  get waiting(): number {
    return this.#waiting.size + this.#added.size
  }

  add(step: OwnStep): void {
    if (this.waiting >= MAX_WAITING) this.#leftOut++
    else this.#added.set((this.#next++).toString(16).padStart(12, "0"), step)
  }

  /** Hands out what is to be kept, and to be let go; {@link kept} is called when it is. */
  takeChanges(changes: StoreChanges): () => void {
    const added = [...this.#added]
    this.#added.clear()
    for (const [key, step] of added) changes.keep("told", key, JSON.stringify(step))
    for (const key of this.#logged.splice(0)) changes.remove("told", key)
    return () => {
      for (const [key, step] of added) this.#waiting.set(key, step)
      this.begin()
    }
  }

  /** Logs what waits. */
  begin(): void {
    if (this.#running || this.#closed) return
    clearTimeout(this.#pause)
    this.#running = true
    void this.#run()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#pause)
  }

  async #run(): Promise<void> {
    for (const [key, step] of this.#waiting) {
      if (this.#closed) break
      try {
        await this.#options.own(step)
      } catch (error) {
        this.#options.onFailure(error)
        this.#pause = setTimeout(() => this.begin(), AGAIN_MS)
        break
      }
      this.#waiting.delete(key)
      this.#logged.push(key)
    }
    this.#running = false
    if (this.#logged.length > 0) this.#options.onLogged()
  }
}
