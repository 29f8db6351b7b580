/**
 * The catalog: which segment holds the record of a leaf. Kept durable through a port, one change after another.
 *
 *     change ──► new state, durable ──► what lookups see
 *
 * Lookups may be asked at any time, also while a run changes the catalog: they see the state before a change or the one
 * after it. If we crash, or a change fails, nobody knows which of the two is kept; the next run reads it again.
 */

import {
  type ArchiveState,
  type ClassProgress,
  EMPTY_STATE,
  formatState,
  type LogIdentity,
  parseState,
  type Segment,
  trustedByClass,
} from "./archive-state.js"
import { keyOf } from "./manifest.js"
import type { StateFile } from "./ports.js"

const NO_PROGRESS: ClassProgress = { archived: 0, destroyed: 0, held_back: [] }

export class Catalog {
  readonly log: LogIdentity
  readonly #file: StateFile
  #state: ArchiveState = EMPTY_STATE
  #trusted: ReadonlyMap<string, readonly Segment[]> = new Map()
  /** Settles when the last run is through. */
  #turn: Promise<unknown> = Promise.resolve()
  /** Settles when the last change is. */
  #changed: Promise<unknown> = Promise.resolve()

  private constructor(file: StateFile, log: LogIdentity) {
    this.#file = file
    this.log = log
  }

  /** @throws {@link ArchiveError} `ARCHIVE_BAD_STATE`; what the file throws */
  static async open(file: StateFile, log: LogIdentity): Promise<Catalog> {
    const catalog = new Catalog(file, log)
    await catalog.#read()
    return catalog
  }

  get state(): ArchiveState {
    return this.#state
  }

  progressOf(className: string): ClassProgress {
    const { classes } = this.#state
    return Object.hasOwn(classes, className) ? (classes[className] as ClassProgress) : NO_PROGRESS
  }

  /** Returns the trusted segments of a class, ascending. */
  segmentsOf(className: string): readonly Segment[] {
    return this.#trusted.get(className) ?? []
  }

  /**
   * Returns the segment in which the record of a leaf is to be looked for: the only one that can have it. It has it if
   * the tombstone of the leaf says *moved*. In O(log n).
   */
  segmentOf(className: string, leafIndex: number): Segment | undefined {
    const segments = this.segmentsOf(className)
    const found = segments[this.placeOf(className, leafIndex)]
    return found !== undefined && found.manifest.first_leaf <= leafIndex ? found : undefined
  }

  /** Returns how many trusted segments of a class end before a leaf. */
  placeOf(className: string, leafIndex: number): number {
    const segments = this.segmentsOf(className)
    let low = 0
    let high = segments.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((segments[middle] as Segment).manifest.last_leaf < leafIndex) low = middle + 1
      else high = middle
    }
    return low
  }

  /**
   * Makes another state of this one. When it resolves, it would survive a power cut.
   *
   * @param next - what is other; a function, where something else may change the state meanwhile, is asked when no other
   * change is under way
   */
  change(next: Partial<ArchiveState> | (() => Partial<ArchiveState>)): Promise<void> {
    const changed = this.#changed.then(async () => {
      const state = { ...this.#state, ...(typeof next === "function" ? next() : next) }
      await this.#file.replace(formatState(this.log, state))
      this.#show(state)
    })
    this.#changed = changed.catch(() => {})
    return changed
  }

  /** Returns `segments` with one of them, or a new one, as it is given. */
  withSegment(segment: Segment): readonly Segment[] {
    const key = keyOf(segment.manifest)
    return [...this.#state.segments.filter(({ manifest }) => keyOf(manifest) !== key), segment]
  }

  /** Returns `classes` with one of them as it is given. */
  withProgress(className: string, progress: Partial<ClassProgress>): ArchiveState["classes"] {
    return { ...this.#state.classes, [className]: { ...this.progressOf(className), ...progress } }
  }

  /** Does one run after another, each from what is kept. */
  inTurn<T>(run: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(async () => {
      await this.#read()
      return run()
    })
    this.#turn = done.catch(() => {})
    return done
  }

  async #read(): Promise<void> {
    const bytes = await this.#file.read()
    this.#show(bytes === undefined ? EMPTY_STATE : parseState(bytes, this.log))
  }

  #show(state: ArchiveState): void {
    this.#state = state
    this.#trusted = trustedByClass(state.segments)
  }
}
