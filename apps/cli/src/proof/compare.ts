/**
 * Comparing what was answered with what was logged.
 *
 * Values are compared in the form in which answers give them. Sums of fractions may differ in their last digits,
 * because they depend on the order of adding, so two fractions that are that close count as one.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { isDeepStrictEqual } from "node:util"
import type { JsonValue } from "@prooflog/query/store"
import type { Row } from "../sql-answer.js"

/** A cell that is not what was logged. */
export interface Difference {
  readonly leafIndex: number
  readonly column: string
  /** Suspect. */
  readonly answered: JsonValue
  readonly logged: JsonValue
}

/** Relative. */
const CLOSE = 1e-9

/** @returns whether two values are the same, or fractions that differ by rounding alone */
export function isSame(one: JsonValue, other: JsonValue): boolean {
  if (one === other) return true
  if (typeof one === "number" && typeof other === "number") {
    if (Number.isInteger(one) && Number.isInteger(other)) return false
    return Math.abs(one - other) <= CLOSE * Math.max(Math.abs(one), Math.abs(other))
  }
  return typeof one === "object" && typeof other === "object" && isDeepStrictEqual(one, other)
}

/** @returns whether two values are the same to the last digit: of what was logged, nothing is a sum */
export function isExact(one: JsonValue, other: JsonValue): boolean {
  return one === other || isDeepStrictEqual(one, other)
}

/** @param skip - positions that are not compared */
export function isSameRow(one: Row, other: Row, skip: ReadonlySet<number>): boolean {
  return (
    one.length === other.length &&
    one.every((value, i) => skip.has(i) || isSame(value, other[i] as JsonValue))
  )
}

/**
 * Compares two answers as multisets of rows.
 *
 * @param skip - positions that are not compared
 * @returns the rows of each that the other does not have
 */
export function differenceOf(
  ours: readonly Row[],
  theirs: readonly Row[],
  skip: ReadonlySet<number>,
): { readonly onlyOurs: readonly Row[]; readonly onlyTheirs: readonly Row[] } {
  const waiting = new Map<string, Row[]>()
  for (const row of ours) {
    const key = keyOf(row, skip)
    const same = waiting.get(key)
    if (same === undefined) waiting.set(key, [row])
    else same.push(row)
  }
  const unmatched = theirs.filter((row) => waiting.get(keyOf(row, skip))?.pop() === undefined)
  const left = [...waiting.values()].flat()
  // Few are left, unless the answers have nothing to do with each other: then all pairs are too many.
  if (left.length * unmatched.length > MAX_PAIRS) return { onlyOurs: left, onlyTheirs: unmatched }
  const onlyTheirs = unmatched.filter((row) => {
    const at = left.findIndex((candidate) => isSameRow(candidate, row, skip))
    if (at >= 0) left.splice(at, 1)
    return at < 0
  })
  return { onlyOurs: left, onlyTheirs }
}

const MAX_PAIRS = 4_000_000

/** The same for rows that are exactly the same: members of objects in one order. */
export function keyOf(row: Row, skip: ReadonlySet<number>): string {
  return JSON.stringify(
    row.map((value, i) => (skip.has(i) ? null : value)),
    (_, value: unknown) =>
      typeof value === "object" && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
        : value,
  )
}
