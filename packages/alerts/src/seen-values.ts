/**
 * The half of a seen event that is the same wherever it comes from: each value is made when it is first asked for, and
 * folded when it is first compared.
 *
 *     rule 1, rule 2, … rule 50 ─► value(7), folded(7) ─► read once, folded once
 *
 * Pure, if what reads is.
 */

import { fold } from "./fold.js"
import type { FieldValue, SeenEvent } from "./seen-event.js"

type Folded = string | readonly string[]

export abstract class SeenValues implements SeenEvent {
  abstract readonly leafIndex: number
  abstract readonly timestampMs: number
  abstract readonly receivedMs: number
  /** By slot: `null` is asked for and absent, `undefined` not asked for. */
  readonly #values: (FieldValue | null | undefined)[]
  readonly #folded: (Folded | undefined)[]
  #texts: readonly string[] | undefined
  #foldedTexts: readonly string[] | undefined

  /** @param slots - how many there are */
  constructor(slots: number) {
    this.#values = new Array(slots)
    this.#folded = new Array(slots)
  }

  /** Reads the value of a field; asked once for each slot. */
  protected abstract readValue(slot: number): FieldValue | undefined

  /** Reads every text; asked once. */
  protected abstract readTexts(): readonly string[]

  value(slot: number): FieldValue | undefined {
    const known = this.#values[slot]
    if (known !== undefined) return known ?? undefined
    const value = this.readValue(slot)
    this.#values[slot] = value ?? null
    return value
  }

  folded(slot: number): Folded | undefined {
    const known = this.#folded[slot]
    if (known !== undefined) return known
    const value = this.value(slot)
    if (value === undefined) return undefined
    const folded = typeof value === "object" ? value.map(fold) : fold(String(value))
    this.#folded[slot] = folded
    return folded
  }

  texts(): readonly string[] {
    this.#texts ??= this.readTexts()
    return this.#texts
  }

  foldedTexts(): readonly string[] {
    this.#foldedTexts ??= this.texts().map(fold)
    return this.#foldedTexts
  }
}
