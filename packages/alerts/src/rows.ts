/**
 * Rows under keys, bounded: the one that was not used for longest goes.
 *
 *     oldest ─► [ eve ][ bob ][ … ][ ada ]  ◄─ used or new
 *                 │
 *                 └─ goes when there are too many rows, or too many bytes
 *
 * The order is kept with the rows, so that rows that were put back go in the same order as rows that were never away.
 * It is exact to {@link PACE} leaves: a row that is used all the time is not moved, and so not written, each time.
 *
 * Bytes are an estimate: what V8 takes on a 64-bit machine, give or take a third.
 *
 * Pure: no I/O, no clock.
 */

import { KeptFields } from "./kept-fields.js"

/** Leaves after which a row that is used is moved behind the others again; an eighth of the rows where that is less. */
export const PACE = 65_536

/** What the map takes for an entry, and a string besides its characters. */
const PLACE_BYTES = 48 + 24

/** What every row has. */
export abstract class Row {
  /** Leaf for which it was last moved behind the others. */
  used = 0
  /** Bytes it took when it last changed, its key and place included. */
  size = 0
  /** Whether it has changed since changes were taken. */
  dirty = false
}

/** How rows of one kind are kept. */
export interface RowForm<R extends Row> {
  /** Returns what is kept of it: anything that JSON holds. */
  fields(row: R): readonly unknown[]
  /** Makes a row of what was kept. Throws RangeError if that is none. @param used - of the row */
  read(fields: KeptFields, used: number): R
  /** Bytes in memory, without its key and place. */
  bytes(row: R): number
}

/** Returns about how many bytes a list of numbers takes that was begun with one and grew to so many. */
export function listBytes(length: number): number {
  return 48 + 8 * (length > 1 ? Math.max(17, Math.ceil(1.25 * length)) : length)
}

export interface RowLimits {
  readonly rows: number
  /** Held against the estimate. One row stays, however large. */
  readonly bytes: number
}

/** Is told of a row that had to go. */
export type Gone<R> = (key: string, row: R) => void

export class Rows<R extends Row> {
  readonly #form: RowForm<R>
  readonly #limits: RowLimits
  readonly #pace: number
  /** From the least recently used to the most. */
  #rows = new Map<string, R>()
  #bytes = 0
  /** Keys of rows that changed or went; some twice, some back again. */
  #touched: string[] = []
  #unsorted = false
  /** Goes from the least recently used on: rows that were used since stand behind it again. */
  #walk: Iterator<[string, R]> = this.#rows.entries()
  #walked: { readonly key: string; readonly row: R; readonly used: number } | undefined

  constructor(form: RowForm<R>, limits: RowLimits) {
    this.#form = form
    this.#limits = limits
    this.#pace = Math.min(PACE, Math.floor(limits.rows / 8))
  }

  get count(): number {
    return this.#rows.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Returns a row as it stands, without using it. */
  get(key: string): R | undefined {
    return this.#rows.get(key)
  }

  /** Returns a row and puts it behind all others. @param leaf - of the event; never decreases */
  use(key: string, leaf: number): R | undefined {
    if (this.#unsorted) this.#sort()
    const row = this.#rows.get(key)
    if (row === undefined || leaf - row.used < this.#pace) return row
    row.used = leaf
    this.#rows.delete(key)
    this.#rows.set(key, row)
    this.#touch(key, row)
    return row
  }

  /** Puts a new row behind all others. There must be none under this key. */
  add(key: string, row: R, leaf: number, gone?: Gone<R>): void {
    if (this.#unsorted) this.#sort()
    row.used = leaf
    this.#rows.set(key, row)
    this.changed(key, row, gone)
  }

  /** To be called after every change of a row: counts its bytes anew and lets others go. */
  changed(key: string, row: R, gone?: Gone<R>): void {
    const size = PLACE_BYTES + key.length + this.#form.bytes(row)
    this.#bytes += size - row.size
    row.size = size
    this.#touch(key, row)
    if (this.#rows.size > this.#limits.rows || this.#bytes > this.#limits.bytes) this.#letGo(gone)
  }

  delete(key: string): void {
    const row = this.#rows.get(key)
    if (row === undefined) return
    this.#rows.delete(key)
    this.#bytes -= row.size
    this.#touched.push(key)
  }

  /** Returns the row that was not used for longest. */
  oldest(): readonly [key: string, row: R] | undefined {
    if (this.#unsorted) this.#sort()
    for (;;) {
      const walked = this.#walked
      if (
        walked !== undefined &&
        walked.row.used === walked.used &&
        this.#rows.get(walked.key) === walked.row
      ) {
        return [walked.key, walked.row]
      }
      if (this.#rows.size === 0) return undefined
      const next = this.#walk.next()
      if (next.done === true) this.#walk = this.#rows.entries()
      else this.#walked = { key: next.value[0], row: next.value[1], used: next.value[1].used }
    }
  }

  /** All rows, the least recently used first. Rows may be deleted meanwhile. */
  entries(): IterableIterator<[string, R]> {
    if (this.#unsorted) this.#sort()
    return this.#rows.entries()
  }

  /** Puts a kept row back, before anything else is done. @throws RangeError if it is none */
  restore(key: string, value: string): void {
    const fields = new KeptFields(value)
    const used = fields.whole()
    const row = this.#form.read(fields, used)
    fields.end()
    row.used = used
    row.size = PLACE_BYTES + key.length + this.#form.bytes(row)
    this.#bytes += row.size
    this.#rows.set(key, row)
    this.#unsorted = true
  }

  /** Hands out what has changed since it was last asked. */
  takeChanges(keep: (key: string, value: string) => void, remove: (key: string) => void): void {
    for (const key of this.#touched) {
      const row = this.#rows.get(key)
      if (row === undefined) remove(key)
      else if (row.dirty) {
        row.dirty = false
        keep(key, JSON.stringify([row.used, ...this.#form.fields(row)]))
      }
    }
    this.#touched = []
  }

  #touch(key: string, row: R): void {
    if (row.dirty) return
    row.dirty = true
    this.#touched.push(key)
  }

  #letGo(gone: Gone<R> | undefined): void {
    const { rows, bytes } = this.#limits
    while (this.#rows.size > 1 && (this.#rows.size > rows || this.#bytes > bytes)) {
      const [key, row] = this.oldest() as readonly [string, R]
      this.delete(key)
      gone?.(key, row)
    }
  }

  /** Rows are put back in the order of their keys, and were used in another. */
  #sort(): void {
    this.#unsorted = false
    this.#rows = new Map([...this.#rows].sort(([, a], [, b]) => a.used - b.used))
    this.#walk = this.#rows.entries()
    this.#walked = undefined
  }
}
