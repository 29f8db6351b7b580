/**
 * The rows of several rules that are one to whoever keeps them: each has a letter before its keys.
 *
 * Pure.
 */

import { notKept } from "./kept-fields.js"
import type { RuleRows } from "./rule.js"

export class JoinedRows implements RuleRows {
  readonly stateId: string
  readonly #parts: readonly RuleRows[]

  /** @param parts - at most 26, always in the same order */
  constructor(stateId: string, parts: readonly RuleRows[]) {
    this.stateId = stateId
    this.#parts = parts
  }

  restore(key: string, value: string): void {
    const part = this.#parts[key.charCodeAt(0) - FIRST]
    if (part === undefined) throw notKept()
    part.restore(key.slice(1), value)
  }

  takeChanges(keep: (key: string, value: string) => void, remove: (key: string) => void): void {
    for (const [place, part] of this.#parts.entries()) {
      const letter = String.fromCharCode(FIRST + place)
      part.takeChanges(
        (key, value) => keep(letter + key, value),
        (key) => remove(letter + key),
      )
    }
  }

  forget(field: string, values: ReadonlySet<string>): void {
    for (const part of this.#parts) part.forget(field, values)
  }

  get size(): { readonly rows: number; readonly bytes: number } {
    const sizes = this.#parts.map(({ size }) => size)
    return {
      rows: sizes.reduce((sum, { rows }) => sum + rows, 0),
      bytes: sizes.reduce((sum, { bytes }) => sum + bytes, 0),
    }
  }
}

const FIRST = 97
