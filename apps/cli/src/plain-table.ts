/**
 * Rows in columns, for terminal and pipe alike: nothing is cut, and each row is one line.
 *
 *     id             severity  events
 *     error-rate     medium       120
 *
 * Pure.
 */

import { escapeText } from "@prooflog/verifier/report"

export interface Column {
  readonly name: string
  readonly align: "left" | "right"
}

/** Where a cell is longer, the rest of its line gives way: one of them must not widen every line. */
const MAX_WIDTH = 60

/**
 * Returns the lines of a table, its head first.
 *
 * @param rows - each as long as `columns`; suspect
 */
export function plainTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const table = [columns.map(({ name }) => name), ...rows].map((row) => row.map(escapeText))
  const widths = columns.map((_, i) =>
    Math.min(MAX_WIDTH, Math.max(...table.map((row) => (row[i] as string).length))),
  )
  return table.map((row) =>
    row
      .map((text, i) => {
        const width = widths[i] as number
        return columns[i]?.align === "right" ? text.padStart(width) : text.padEnd(width)
      })
      .join("  ")
      .trimEnd(),
  )
}

/** Returns columns by their names, those after a `>` to the right: `columnsOf("id", ">events")`. */
export function columnsOf(...names: readonly string[]): readonly Column[] {
  return names.map((name) =>
    name.startsWith(">") ? { name: name.slice(1), align: "right" } : { name, align: "left" },
  )
}
