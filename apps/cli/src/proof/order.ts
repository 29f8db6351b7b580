/**
 * The order of an answer's rows, among those that it has:
 *
 *     computed here, with keys      answered
 *     U1  ·  3   ┐ first            U2
 *     U2  ·  3   ┘                  U1      they tie: either may be first
 *     U7  ·  5     second           U7
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { isDeepStrictEqual } from "node:util"
import type { JsonValue, OutputColumn } from "@prooflog/query/store"
import type { Row } from "../sql-answer.js"
import { differenceOf, isSame, keyOf } from "./compare.js"

/** Rows of an answer that was made here. */
export interface OrderedRows {
  readonly rows: readonly Row[]
  /** The place of each, from 0, the same for those that tie: ascending. `undefined`: nobody can tell. */
  readonly places: readonly number[] | undefined
}

/** Of values of these, the same text means that they tie, and only the same text does. */
const TELLING =
  /^(?:VARCHAR|BOOLEAN|DATE|TIMESTAMP|JSON|U?(?:TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DOUBLE|FLOAT|DECIMAL\(.*\))(?:\[\])*$/

/**
 * Takes the keys off rows that have them behind their columns.
 *
 * @param rows - in order
 * @param keys - how many there are; 0: no order is known
 * @param isExact - whether fractions tie only if they are the same; else also if they differ by rounding
 */
export function withoutKeys(
  columns: readonly OutputColumn[],
  rows: readonly Row[],
  keys: number,
  isExact: boolean,
): OrderedRows {
  if (keys === 0) return { rows, places: undefined }
  const width = columns.length - keys
  const bare = rows.map((row) => row.slice(0, width))
  if (!columns.slice(width).every(({ type }) => TELLING.test(type))) return { rows: bare, places: undefined }
  const same = isExact ? isDeepStrictEqual : isSame
  let place = 0
  const places = rows.map((row, i) => {
    const before = rows[i - 1]
    const ties = before?.every((value, at) => at < width || same(value, row[at] as JsonValue)) ?? true
    if (!ties) place++
    return place
  })
  return { rows: bare, places }
}

/**
 * @param ours - with their places
 * @param theirs - the same rows, in any order
 * @param skip - positions that are not compared
 */
export function isWholeInOrder(
  { rows, places = [] }: OrderedRows,
  theirs: readonly Row[],
  skip: ReadonlySet<number>,
): boolean {
  for (let start = 0, end = 0; start < rows.length; start = end) {
    while (end < rows.length && places[end] === places[start]) end++
    const { onlyTheirs } = differenceOf(rows.slice(start, end), theirs.slice(start, end), skip)
    if (onlyTheirs.length > 0) return false
  }
  return true
}

/**
 * @param ours - with their places
 * @param theirs - some of the same rows
 * @param leafAt - the position that names a row; without it, all that is compared does
 */
export function isPartInOrder(
  { rows, places = [] }: OrderedRows,
  theirs: readonly Row[],
  leafAt: number | undefined,
  skip: ReadonlySet<number>,
): boolean {
  const nameOf = (row: Row) => (leafAt === undefined ? keyOf(row, skip) : String(row[leafAt]))
  /** Of rows that are the same, the one that comes first is taken first. */
  const waiting = new Map<string, number[]>()
  rows.forEach((row, i) => {
    const name = nameOf(row)
    const same = waiting.get(name)
    if (same === undefined) waiting.set(name, [places[i] as number])
    else same.push(places[i] as number)
  })
  for (const same of waiting.values()) same.reverse()
  let at = 0
  return theirs.every((row) => {
    const same = waiting.get(nameOf(row)) ?? []
    let place = same.pop()
    while (place !== undefined && place < at) place = same.pop()
    at = place ?? at
    return place !== undefined
  })
}
