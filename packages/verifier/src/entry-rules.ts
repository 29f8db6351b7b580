/**
 * The rules that a log's entries must obey one after another, whatever is logged.
 *
 *     leaf 0        the genesis, its origin the checkpoint's; no other leaf is one
 *     every leaf    canonical; its time not before the time of the leaf before
 *     event         its class in the schedule in force; its commitment not seen before, if that is remembered
 *     schedule      drops no class and shortens no promise
 *     other types   unknown to version 1: opaque
 *
 * Almost every leaf is an event as version 1 writes it, so those are read at fixed offsets, without a decoder
 * and without garbage; whatever differs in a single byte of that layout is decoded in full:
 *
 *     84 01 1b tttttttttttttttt 6n class 58 20 commitment        n = 1 … 23, or 78 nn for 24 … 32
 *
 * The entries given here were hashed to signed leaves before: a broken rule is the log's own deed.
 *
 * Spec: docs/spec, "Entry"; design section 2.3.
 * Pure: no I/O, no clock. The commitment set holds what was seen.
 */

import { decodeEntry, type Entry, findCommitment } from "@prooflog/event/entry"
import type { Schedule } from "@prooflog/event/schedule"
import { HASH_SIZE } from "@prooflog/tlog/hash"
import type { CommitmentSet } from "./commitment-set.js"
import { refusalBy, VerifierError, type VerifierErrorCode } from "./error.js"

/** Leaves by what they are. */
export interface EntryCounts {
  readonly events: number
  readonly schedules: number
  readonly notices: number
  /** Reserved for provably complete answers. */
  readonly indexes: number
  readonly unknown: number
}

/** Two leaves that show the same commitment, all but surely: to be settled by comparing the entries. */
export interface Twins {
  readonly leafIndex: number
  readonly otherLeaf: number
}

/** A class of the schedule in force, with its events counted. */
interface KnownClass {
  readonly name: string
  readonly bytes: Uint8Array
  events: number
}

const TIME_AT = 3
const CLASS_AT = 11
const TWO_TO_32 = 2 ** 32

export class EntryRules {
  readonly #origin: string
  readonly #commitments: CommitmentSet | undefined
  readonly #onSchedule: ((leafIndex: number, schedule: Schedule) => void) | undefined
  readonly #classes = new Map<string, KnownClass>()
  /** In force for the next leaf. Classes are never removed, so these are all of `#classes`. */
  #inForce: readonly KnownClass[] = []
  #schedule: Schedule | undefined
  #firstTimeMs: number | undefined
  #lastTimeMs: number
  #counts = { events: 0, schedules: 0, notices: 0, indexes: 0, unknown: 0 }
  #twins: Twins[] = []
  #leafIndex = 0

  /**
   * @param origin - the checkpoint's
   * @param commitments - those seen; without it nobody looks for repeats
   * @param before - where an audit goes on that ended earlier: the time of the last leaf, and the schedule
   * in force after it
   * @param onSchedule - told each schedule that was checked here, with its leaf
   */
  constructor(
    origin: string,
    commitments: CommitmentSet | undefined,
    before: { readonly lastTimeMs: number; readonly schedule: Schedule | undefined },
    onSchedule?: (leafIndex: number, schedule: Schedule) => void,
  ) {
    this.#origin = origin
    this.#commitments = commitments
    this.#onSchedule = onSchedule
    this.#lastTimeMs = before.lastTimeMs
    if (before.schedule !== undefined) this.#enforce(before.schedule)
  }

  get schedule(): Schedule | undefined {
    return this.#schedule
  }

  /** Time of the first leaf that was checked here. */
  get firstTimeMs(): number | undefined {
    return this.#firstTimeMs
  }

  get lastTimeMs(): number {
    return this.#lastTimeMs
  }

  get counts(): EntryCounts {
    return { ...this.#counts }
  }

  /** Events by class, for every class that was ever promised something. */
  get eventsByClass(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#classes.values()].map(({ name, events }) => [name, events]))
  }

  /** Returns the suspected twins since the last call. */
  takeTwins(): readonly Twins[] {
    const twins = this.#twins
    if (twins.length > 0) this.#twins = []
    return twins
  }

  /**
   * Checks the next leaf: the entry is `bytes[start … end)`.
   *
   * @returns where in `bytes` the 32 bytes of an event's commitment start; −1 for any other entry
   * @throws {@link VerifierError} `VERIFIER_ENTRY_REFUSED`, `VERIFIER_GENESIS_REFUSED`,
   * `VERIFIER_TIME_WENT_BACK`, `VERIFIER_UNKNOWN_CLASS`, `VERIFIER_SCHEDULE_REFUSED`
   */
  check(bytes: Uint8Array, start: number, end: number, leafIndex: number): number {
    this.#leafIndex = leafIndex
    if (leafIndex > 0) {
      const commitmentAt = this.#checkStandardEvent(bytes, start, end)
      if (commitmentAt >= 0) return commitmentAt
    }
    return this.#checkEntry(bytes, start, end)
  }

  /** The fast path. Returns −1, having done nothing, for all that is not exactly the standard layout. */
  #checkStandardEvent(bytes: Uint8Array, start: number, end: number): number {
    if (bytes[start] !== 0x84 || bytes[start + 1] !== 0x01 || bytes[start + 2] !== 0x1b) return -1
    const high = wordAt(bytes, start + TIME_AT)
    const low = wordAt(bytes, start + TIME_AT + 4)
    // Below 2³² the time is not in its shortest form; from 2⁵³ on it is no safe integer.
    if (high === 0 || high >= 2 ** 21) return -1
    const found = this.#classAt(bytes, start + CLASS_AT)
    if (found === undefined) return -1
    const classEnd = start + CLASS_AT + (found.bytes.length < 24 ? 1 : 2) + found.bytes.length
    if (end - classEnd !== 2 + HASH_SIZE) return -1
    if (bytes[classEnd] !== 0x58 || bytes[classEnd + 1] !== HASH_SIZE) return -1
    this.#checkTime(high * TWO_TO_32 + low)
    this.#countEvent(found, bytes, classEnd + 2)
    return classEnd + 2
  }

  /** The class whose encoding stands at `at`, if it is in force. Reading past the end compares unequal. */
  #classAt(bytes: Uint8Array, at: number): KnownClass | undefined {
    const head = bytes[at] as number
    const length = head === 0x78 ? (bytes[at + 1] as number) : head - 0x60
    if (head === 0x78 ? length < 24 : length > 23) return undefined
    const from = at + (head === 0x78 ? 2 : 1)
    for (const known of this.#inForce) {
      if (known.bytes.length !== length) continue
      let i = 0
      while (i < length && bytes[from + i] === known.bytes[i]) i++
      if (i === length) return known
    }
    return undefined
  }

  #checkEntry(bytes: Uint8Array, start: number, end: number): number {
    const entry = this.#decode(bytes.subarray(start, end))
    if ((entry.type === "genesis") !== (this.#leafIndex === 0)) {
      const what = this.#leafIndex === 0 ? "the first leaf is no genesis" : "there is a second genesis"
      throw this.#refuse("VERIFIER_GENESIS_REFUSED", what)
    }
    this.#checkTime(entry.timeMs)
    switch (entry.type) {
      case "genesis":
        if (entry.origin !== this.#origin) {
          // No longer than an origin may be: an entry has room for 64 KiB.
          const other = JSON.stringify(entry.origin.slice(0, 255))
          throw this.#refuse("VERIFIER_GENESIS_REFUSED", `the genesis is that of ${other}`)
        }
        this.#enforce(entry.schedule)
        this.#onSchedule?.(this.#leafIndex, entry.schedule)
        return -1
      case "event": {
        const known = this.#classes.get(entry.className)
        if (known === undefined) {
          throw this.#refuse(
            "VERIFIER_UNKNOWN_CLASS",
            `class ${JSON.stringify(entry.className)} is in no schedule`,
          )
        }
        const commitmentAt = findCommitment(bytes, start, end)
        this.#countEvent(known, bytes, commitmentAt)
        return commitmentAt
      }
      case "schedule":
        this.#checkSuccession(entry.schedule)
        this.#enforce(entry.schedule)
        this.#onSchedule?.(this.#leafIndex, entry.schedule)
        this.#counts.schedules++
        return -1
      case "notice":
        this.#counts.notices++
        return -1
      case "index":
        this.#counts.indexes++
        return -1
      case "unknown":
        this.#counts.unknown++
        return -1
    }
  }

  #decode(bytes: Uint8Array): Entry {
    try {
      return decodeEntry(bytes)
    } catch (cause) {
      const leafIndex = this.#leafIndex
      throw refusalBy(cause, "VERIFIER_ENTRY_REFUSED", `leaf ${leafIndex}`, { leafIndex })
    }
  }

  #checkTime(timeMs: number): void {
    if (timeMs < this.#lastTimeMs) {
      throw this.#refuse(
        "VERIFIER_TIME_WENT_BACK",
        `its time is ${this.#lastTimeMs - timeMs} ms before the leaf before`,
      )
    }
    this.#firstTimeMs ??= timeMs
    this.#lastTimeMs = timeMs
  }

  #countEvent(known: KnownClass, bytes: Uint8Array, commitmentAt: number): void {
    known.events++
    this.#counts.events++
    this.#commitments?.add(bytes, commitmentAt, this.#leafIndex, this.#onTwin)
  }

  // Bound once: a closure for each event would be garbage for each event.
  readonly #onTwin = (otherLeaf: number): void => {
    this.#twins.push({ leafIndex: this.#leafIndex, otherLeaf })
  }

  #enforce(schedule: Schedule): void {
    this.#schedule = schedule
    for (const name of Object.keys(schedule.classes)) {
      if (this.#classes.has(name)) continue
      this.#classes.set(name, { name, bytes: new TextEncoder().encode(name), events: 0 })
    }
    this.#inForce = [...this.#classes.values()]
  }

  #checkSuccession(schedule: Schedule): void {
    for (const [name, promised] of Object.entries(this.#schedule?.classes ?? {})) {
      const now = schedule.classes[name]
      if (now === undefined) {
        throw this.#refuse("VERIFIER_SCHEDULE_REFUSED", `the new schedule drops class ${name}`)
      }
      const shortened =
        now.keep_days < promised.keep_days ||
        (now.destroy_days ?? Number.POSITIVE_INFINITY) < (promised.destroy_days ?? Number.POSITIVE_INFINITY)
      if (shortened) {
        throw this.#refuse("VERIFIER_SCHEDULE_REFUSED", `the new schedule shortens class ${name}`)
      }
    }
  }

  #refuse(code: VerifierErrorCode, message: string): VerifierError {
    const leafIndex = this.#leafIndex
    return new VerifierError(code, `leaf ${leafIndex}: ${message}`, { leafIndex })
  }
}

/** uint32be. NaN-free: past the end the bytes read as 0, and the layout is refused further on. */
function wordAt(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  )
}
