/**
 * Derived columns by the bytes they are derived from.
 *
 *     bytes of a text ─► slot ─► the same bytes as last time? ─► values, encoded
 *                                  └ no: decode, derive, encode, keep
 *
 * Addresses and user agents come again and again, and to make a string of one costs more than all else that is done
 * with it. A slot is kept until another text falls into it.
 *
 * Pure, if what derives is.
 */

import { COLUMNS } from "./columns.js"
import type { RowChunk } from "./row-chunk.js"

/** What is made from an event's address and user agent. What is not known is left out. */
export interface Derived {
  /** ISO 3166-1, two letters. */
  readonly country?: string
  readonly asn?: number
  readonly as_organization?: string
  readonly browser?: string
  readonly os?: string
}

const SLOTS = 8192

/** Longer texts are derived from each time: bytes. */
const LONGEST_KEPT = 512

interface Slot {
  readonly key: Uint8Array
  readonly values: readonly Value[]
}

/** A column and its value: text, as UTF-8, or an integer. */
interface Value {
  readonly column: number
  readonly value: Uint8Array | number
}

/** Columns that are derived from one field. */
export class DerivedColumns {
  readonly #derive: (text: string) => Derived
  readonly #slots: (Slot | undefined)[] = new Array(SLOTS).fill(undefined)

  /** @param derive - from the field's text, of any length */
  constructor(derive: (text: string) => Derived) {
    this.#derive = derive
  }

  /** Sets the columns of the chunk's last row. @param bytes - have the text, UTF-8, at `[start, end)` */
  set(chunk: RowChunk, bytes: Buffer, start: number, end: number): void {
    for (const { column, value } of this.#valuesOf(bytes, start, end)) {
      if (typeof value === "number") chunk.setInt64(column, value)
      else chunk.setText(column, value, 0, value.length)
    }
  }

  #valuesOf(bytes: Buffer, start: number, end: number): readonly Value[] {
    if (end - start > LONGEST_KEPT) return this.#make(bytes, start, end)
    const slot = slotOf(bytes, start, end)
    const kept = this.#slots[slot]
    if (kept !== undefined && isAt(kept.key, bytes, start, end)) return kept.values
    const values = this.#make(bytes, start, end)
    this.#slots[slot] = { key: Uint8Array.prototype.slice.call(bytes, start, end), values }
    return values
  }

  #make(bytes: Buffer, start: number, end: number): readonly Value[] {
    const derived = Object.entries(this.#derive(bytes.toString("utf8", start, end)))
    // More may be known than there are columns for: coordinates, say.
    return derived.flatMap(([name, value]) => {
      const column = COLUMNS.findIndex((each) => each.name === name)
      return column < 0 ? [] : [{ column, value: typeof value === "number" ? value : Buffer.from(value) }]
    })
  }
}

function slotOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0
  for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + (bytes[i] as number)) | 0
  return (hash ^ (hash >>> 15)) & (SLOTS - 1)
}

function isAt(key: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (key.length !== end - start) return false
  for (let i = 0; i < key.length; i++) if (key[i] !== bytes[start + i]) return false
  return true
}
