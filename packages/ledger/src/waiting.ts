/**
 * A submission on its way through the ledger, from `submit` to its answer.
 *
 *     submit ──► repeats sorted out ──► queue ──► one commit or several ──► answer
 *
 * A large submission may span commits; it is answered after its last. What repeats an earlier entry takes no
 * leaf: its placement comes from where the earlier one stands.
 */

import type { LedgerError } from "./error.js"
import { type Placement, packedEnd, repack, type Submission } from "./submission.js"

/** One id on its way, and who waits for where it comes to stand. */
export class Claim {
  readonly id: Uint8Array
  readonly #release: () => void
  readonly #followers: { readonly waiting: Waiting; readonly place: number }[] = []

  constructor(id: Uint8Array, release: () => void) {
    this.id = id
    this.#release = release
  }

  follow(waiting: Waiting, place: number): void {
    this.#followers.push({ waiting, place })
  }

  /** It stands there now, durably. */
  keep({ leafIndex, timeMs }: Pick<Placement, "leafIndex" | "timeMs">): void {
    this.#release()
    for (const { waiting, place } of this.#followers) waiting.placeRepeat(place, leafIndex, timeMs)
  }

  /** It will stand nowhere: the id is free again. Adds to `followers` who waited for it. */
  giveUp(followers: Set<Waiting>): void {
    this.#release()
    for (const { waiting } of this.#followers.splice(0)) followers.add(waiting)
  }
}

/** The part of a submission that one commit takes. */
export interface Slice {
  readonly waiting: Waiting
  /** Number of its first entry among the fresh ones. */
  readonly first: number
  readonly count: number
  /** Views of the submission's packed bytes. */
  readonly entries: Uint8Array
  readonly records: Uint8Array
}

export class Waiting {
  /** Fresh entries, that is, without repeats; packed. */
  entries: Uint8Array
  records: Uint8Array
  /** How many are fresh. */
  count: number
  /** By fresh entry: the id it was first to bring. `undefined` altogether where no id was given. */
  claims: readonly (Claim | undefined)[] | undefined
  #places: readonly number[] | undefined
  readonly #placements: Placement[]
  #missing: number
  #taken = 0
  #entryOffset = 0
  #recordOffset = 0
  #answered = false
  /** Claims from this one on were given up. */
  #givenUpFrom = Number.POSITIVE_INFINITY
  readonly #answer: (placements: readonly Placement[]) => void
  readonly #refuse: (error: Error) => void

  constructor(
    submission: Submission,
    answer: (placements: readonly Placement[]) => void,
    refuse: (error: Error) => void,
  ) {
    this.entries = submission.entries
    this.records = submission.records
    this.count = submission.count
    this.#missing = submission.count
    this.#placements = new Array(submission.count)
    this.#answer = answer
    this.#refuse = refuse
  }

  get answered(): boolean {
    return this.#answered
  }

  /** Fresh entries that no commit has taken yet. */
  get left(): number {
    return this.count - this.#taken
  }

  /** Keeps only the entries with these numbers, ascending; the others repeat. */
  keepFresh(places: readonly number[], claims: readonly (Claim | undefined)[]): void {
    this.claims = claims
    if (places.length === this.count) return
    const keep = new Set(places)
    this.entries = repack(this.entries, keep)
    this.records = repack(this.records, keep)
    this.count = places.length
    this.#places = places
  }

  /** Takes the next entries for a commit: at most `maxLeaves`, about `maxBytes`, and at least one. */
  take(maxLeaves: number, maxBytes: number): Slice {
    const first = this.#taken
    const entryStart = this.#entryOffset
    const recordStart = this.#recordOffset
    if (
      this.left <= maxLeaves &&
      this.entries.length + this.records.length - entryStart - recordStart <= maxBytes
    ) {
      this.#taken = this.count
      this.#entryOffset = this.entries.length
      this.#recordOffset = this.records.length
    } else {
      do {
        this.#taken++
        this.#entryOffset = packedEnd(this.entries, this.#entryOffset)
        this.#recordOffset = packedEnd(this.records, this.#recordOffset)
      } while (
        this.left > 0 &&
        this.#taken - first < maxLeaves &&
        this.#entryOffset + this.#recordOffset - entryStart - recordStart < maxBytes
      )
    }
    const whole = first === 0 && this.left === 0
    return {
      waiting: this,
      first,
      count: this.#taken - first,
      entries: whole ? this.entries : this.entries.subarray(entryStart, this.#entryOffset),
      records: whole ? this.records : this.records.subarray(recordStart, this.#recordOffset),
    }
  }

  /** Places the fresh entries of a slice, which were committed from `leafIndex` on. */
  placeFresh(slice: Slice, leafIndex: number, timeMs: number): void {
    const end = slice.first + slice.count
    for (let i = slice.first; i < end; i++) {
      const placement = { leafIndex: leafIndex + (i - slice.first), timeMs, duplicate: false }
      this.#placements[this.#places === undefined ? i : (this.#places[i] as number)] = placement
      this.claims?.[i]?.keep(placement)
    }
    this.#placed(slice.count)
  }

  /** Places one entry that repeats another. */
  placeRepeat(place: number, leafIndex: number, timeMs: number): void {
    this.#placements[place] = { leafIndex, timeMs, duplicate: true }
    this.#placed(1)
  }

  #placed(count: number): void {
    this.#missing -= count
    if (this.#missing > 0 || this.#answered) return
    this.#answered = true
    this.#answer(this.#placements)
  }

  /**
   * Answers with an error; whatever waits for one of its ids fails with it.
   *
   * Ids that a commit has taken stay claimed until it is through, unless `poisoned`: then none will be.
   */
  fail(error: LedgerError, poisoned = false): void {
    const failed = new Set<Waiting>()
    this.#failFrom(poisoned ? 0 : this.#taken, error, failed)
    // The set grows while it is walked. Not by recursion: submissions can follow each other in a chain of any length.
    for (const follower of failed) follower.#failFrom(follower.#taken, error, failed)
  }

  /** Gives up the claims from number `first` on; adds to `followers` who waited for them. */
  #failFrom(first: number, error: LedgerError, followers: Set<Waiting>): void {
    if (!this.#answered) {
      this.#answered = true
      this.#refuse(error)
    }
    const end = Math.min(this.claims?.length ?? 0, this.#givenUpFrom)
    for (let i = first; i < end; i++) this.claims?.[i]?.giveUp(followers)
    this.#givenUpFrom = Math.min(this.#givenUpFrom, first)
  }
}
