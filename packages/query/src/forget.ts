/**
 * Which rows are forgotten, as SQL.
 *
 * Pure.
 */

import { BIGINT, type DuckDBType, type DuckDBValue, LIST, listValue, VARCHAR } from "@duckdb/node-api"

/** Leaves of one class. */
export interface LeafRange {
  readonly from: number
  /** The leaf after the last. */
  readonly to: number
  readonly className: string
}

/** Leaves one by one, in any order, or those of one class in a range. */
export type LeavesToForget = readonly number[] | LeafRange

/** Rows that a condition holds for, and the values and types of its parameters. */
export interface RowsToForget {
  readonly where: string
  readonly values: DuckDBValue[]
  readonly types: DuckDBType[]
}

/** @throws RangeError if these are no leaves */
export function rowsToForget(leaves: LeavesToForget): RowsToForget {
  if (!("className" in leaves)) {
    const where = "leaf_index IN (SELECT unnest($1))"
    return { where, values: [listValue(leaves.map(leaf))], types: [LIST(BIGINT)] }
  }
  const { from, to, className } = leaves
  const where = "leaf_index >= $1 AND leaf_index < $2 AND class = $3"
  return { where, values: [leaf(from), leaf(to), className], types: [BIGINT, BIGINT, VARCHAR] }
}

function leaf(index: number): bigint {
  if (Number.isSafeInteger(index) && index >= 0) return BigInt(index)
  throw new RangeError("leaves: expected leaf indices")
}
