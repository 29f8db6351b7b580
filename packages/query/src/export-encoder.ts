/**
 * What a file format is to an export: bytes before the rows, bytes for some rows, bytes after them.
 *
 *     begin() ─► encode(rows) ─► encode(rows) ─► … ─► end()
 *
 * An encoder keeps no more than a bounded number of rows.
 */

import type { JsonValue, OutputColumn } from "./store.js"

/** The values of one row, in the order of the columns. */
export type Row = readonly JsonValue[]

export interface Encoder {
  begin(): Uint8Array
  encode(rows: readonly Row[]): Uint8Array | Promise<Uint8Array>
  end(): Uint8Array
}

/** What a file may say of where its rows are from. */
export interface ExportSource {
  /** Leaves whose rows were there. */
  readonly through: number
  /** Origin of the log. */
  readonly origin?: string
  /** Identifier of the log. */
  readonly logId?: string
  /** Leaf hashes (32 bytes each) of these leaves, in their order. */
  readonly leafHashes?: (leafIndices: readonly number[]) => Promise<readonly Uint8Array[]>
}

export const NO_BYTES: Uint8Array = new Uint8Array(0)

/**
 * Returns the names of an answer's columns, each once: in SQL two columns may have one name, in a file of
 * named values they may not.
 *
 *     user_id, n, n   ─►   user_id, n, n_2
 */
export function distinctNames(columns: readonly OutputColumn[]): readonly string[] {
  const given = new Set(columns.map(({ name }) => name))
  const taken = new Set<string>()
  return columns.map(({ name }) => {
    let distinct = name
    for (let n = 2; taken.has(distinct); n++) {
      // A name made up here must be no other column's either.
      distinct = `${name}_${n}`
      if (given.has(distinct)) distinct = name
    }
    taken.add(distinct)
    return distinct
  })
}
