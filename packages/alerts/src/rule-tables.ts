/**
 * The rows of a rule, which may be of several kinds: each kind has a table, and a letter before its keys.
 *
 *     w ada   what is in the window of ada
 *     e ada   that ada's alert is open
 *
 * Pure.
 */

import type { GroupKey } from "./group-key.js"
import { notKept } from "./kept-fields.js"
import type { Row, Rows } from "./rows.js"
import type { RuleRows } from "./rule.js"

/** One table, as far as it does not matter what its rows are. */
export type Table = Omit<Rows<Row>, "add" | "changed" | "oldest" | "entries"> & {
  entries(): IterableIterator<[string, unknown]>
}

export class RuleTables implements RuleRows {
  readonly stateId: string
  readonly #group: GroupKey
  readonly #tables: ReadonlyMap<string, Table>
  readonly #forgetInside: (field: string, values: ReadonlySet<string>) => void

  /**
   * @param group - what all tables are keyed by
   * @param tables - by their letters
   * @param forgetInside - forgets values inside rows
   */
  constructor(
    stateId: string,
    group: GroupKey,
    tables: Readonly<Record<string, Table>>,
    forgetInside: (field: string, values: ReadonlySet<string>) => void = () => {},
  ) {
    this.stateId = stateId
    this.#group = group
    this.#tables = new Map(Object.entries(tables))
    this.#forgetInside = forgetInside
  }

  restore(key: string, value: string): void {
    const table = this.#tables.get(key.slice(0, 1))
    if (table === undefined) throw notKept()
    table.restore(key.slice(1), value)
  }

  takeChanges(keep: (key: string, value: string) => void, remove: (key: string) => void): void {
    for (const [letter, table] of this.#tables) {
      table.takeChanges(
        (key, value) => keep(letter + key, value),
        (key) => remove(letter + key),
      )
    }
  }

  forget(field: string, values: ReadonlySet<string>): void {
    const isTheirs = this.#group.holding(field, values)
    if (isTheirs !== undefined) {
      for (const table of this.#tables.values()) {
        for (const [key] of table.entries()) if (isTheirs(key)) table.delete(key)
      }
    }
    this.#forgetInside(field, values)
  }

  get size(): { readonly rows: number; readonly bytes: number } {
    let rows = 0
    let bytes = 0
    for (const table of this.#tables.values()) {
      rows += table.count
      bytes += table.bytes
    }
    return { rows, bytes }
  }
}
