/**
 * An answer as a table, or, where it is too wide for one, row by row:
 *
 *     leaf_index  timestamp                    user_id        row 1
 *     ──────────  ───────────────────────────  ───────        leaf_index   17
 *             17  2023-10-21T15:32:00.000000Z  U12345         timestamp    2023-10-21T15:32:00.000000Z
 *
 * Every cell is one line, escaped: no value moves the cursor or passes for another row. What does not fit a terminal is
 * cut, and the reader is told; in a pipe nothing is.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import type { JsonValue } from "@prooflog/query/store"
import { escapeText } from "@prooflog/verifier/report"
import Table from "cli-table3"
import type { SqlAnswer } from "./sql-answer.js"
import type { Paint } from "./terminal.js"

/** No column of text is cut to less than this. */
const MIN_WIDTH = 10

/** Of a column that is no text, everything is shown: as long as the longest of a timestamp. */
const WHOLE_WIDTH = 27

/** Where nothing is cut, a longer cell stands out of its column: one of them must not widen every line. */
const MAX_PADDED = 60

const GAP = "  "

/** Rows that are laid out together, all with the same widths. */
const CHUNK = 500

/** With more columns than these nobody has named each of them: those that say nothing are in the way. */
const MANY_COLUMNS = 12

/**
 * Leaves out the columns that are NULL in every row, of an answer that has many: `SELECT *` has each column that an
 * event can have, and most events have few.
 *
 * @returns how many were left out; none where all of them would be, or there is no row to tell by
 */
export function withoutEmptyColumns(answer: SqlAnswer): {
  readonly answer: SqlAnswer
  readonly left: number
} {
  const { columns, rows } = answer
  if (columns.length <= MANY_COLUMNS) return { answer, left: 0 }
  const kept = [...columns.keys()].filter((i) => rows.some((row) => row[i] !== null))
  if (kept.length === 0 || kept.length === columns.length) return { answer, left: 0 }
  const pick = <Value>(values: readonly Value[]) => kept.map((i) => values[i] as Value)
  return {
    answer: { ...answer, columns: pick(columns), rows: rows.map((row) => pick(row)) },
    left: columns.length - kept.length,
  }
}

export interface Shown {
  /** Without a line end after the last line. */
  readonly text: string
  /** Whether a cell was cut. */
  readonly isCut: boolean
}

/**
 * @param width - columns of the terminal; `undefined`: nothing is cut
 */
export function showAnswer(answer: SqlAnswer, width: number | undefined, paint: Paint): Shown {
  const { columns } = answer
  const cells = answer.rows.map((row) => row.map((value) => showCell(value, width)))
  const natural = columns.map(({ name }, i) =>
    cells.reduce((most, row) => Math.max(most, widthOf(row[i] as string)), widthOf(escapeText(name))),
  )
  if (width === undefined) return { text: layOutWhole(answer, cells, natural, paint), isCut: false }
  const widths = fit(natural, columns.map(isWhole), width)
  if (widths === undefined) return showRowByRow(answer, cells, width, paint)
  const isCut = natural.some((needed, i) => needed > (widths[i] as number))
  return { text: layOut(answer, cells, widths, paint), isCut }
}

/** Returns a value as one line; text bare, all else as JSON. */
export function showCell(value: JsonValue, width?: number): string {
  if (value === null) return "NULL"
  const text = typeof value === "string" ? value : JSON.stringify(value)
  // What is cut anyway need not be escaped first.
  return escapeText(width !== undefined && text.length > 4 * width ? text.slice(0, 4 * width) : text)
}

function isWhole({ type }: SqlAnswer["columns"][number]): boolean {
  return /^(?:TIMESTAMP|DATE|TIME|BOOLEAN|DOUBLE|FLOAT|DECIMAL|U?(?:HUGE|BIG|SMALL|TINY)?INT|U?INTEGER)/.test(
    type,
  )
}

function isNumber({ type }: SqlAnswer["columns"][number]): boolean {
  return isWhole({ name: "", type }) && !/^(?:TIMESTAMP|DATE|TIME|BOOLEAN)/.test(type)
}

/**
 * Returns widths that fit together, the widest cut first; `undefined` if that leaves too little of them.
 */
function fit(
  natural: readonly number[],
  whole: readonly boolean[],
  width: number,
): readonly number[] | undefined {
  const room = width - GAP.length * (natural.length - 1)
  const least = natural.map((needed, i) => Math.min(needed, whole[i] ? WHOLE_WIDTH : MIN_WIDTH))
  if (sum(least) > room) return undefined
  let low = MIN_WIDTH
  let high = Math.max(MIN_WIDTH, ...natural)
  const cutAt = (cap: number) => natural.map((needed, i) => Math.min(needed, Math.max(cap, least[i] ?? 0)))
  while (low < high) {
    const cap = Math.ceil((low + high) / 2)
    if (sum(cutAt(cap)) <= room) low = cap
    else high = cap - 1
  }
  return cutAt(low)
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0)
}

function layOut(
  { columns, rows }: SqlAnswer,
  cells: readonly (readonly string[])[],
  widths: readonly number[],
  paint: Paint,
): string {
  const aligned = columns.map((column) => (isNumber(column) ? ("right" as const) : ("left" as const)))
  const table = (lines: readonly (readonly string[])[]) => {
    const made = new Table({
      chars: NO_BORDERS,
      style: { head: [], border: [], "padding-left": 0, "padding-right": 0, compact: true },
      colWidths: [...widths],
      colAligns: aligned,
    })
    made.push(...lines.map((line) => [...line]))
    return made.toString().replace(/[^\S\n]+$/gm, "")
  }
  const head = columns.map(({ name }) => escapeText(name))
  const rule = widths.map((width) => "─".repeat(width))
  const body: string[] = []
  for (let at = 0; at < cells.length; at += CHUNK) {
    const chunk = cells.slice(at, at + CHUNK)
    const painted = chunk.map((row, r) =>
      row.map((cell, i) => (rows[at + r]?.[i] === null ? paint("dim", cell) : cell)),
    )
    body.push(table(painted))
  }
  return [
    ...table([head.map((name) => paint("bold", name))]).split("\n"),
    paint("dim", rule.join(GAP)),
    ...body,
  ].join("\n")
}

/** Columns stand below each other as far as their cells are of common length; every cell is there in full. */
function layOutWhole(
  { columns, rows }: SqlAnswer,
  cells: readonly (readonly string[])[],
  natural: readonly number[],
  paint: Paint,
): string {
  const widths = natural.map((needed) => Math.min(needed, MAX_PADDED))
  const toRight = columns.map(isNumber)
  const line = (texts: readonly string[], painted: readonly string[]) =>
    texts
      .map((text, i) => {
        const blanks = " ".repeat(Math.max(0, (widths[i] as number) - widthOf(text)))
        return toRight[i] ? blanks + painted[i] : painted[i] + blanks
      })
      .join(GAP)
      .trimEnd()
  const head = columns.map(({ name }) => escapeText(name))
  const bold = head.map((name) => paint("bold", name))
  const rule = widths.map((width) => "─".repeat(width)).join(GAP)
  const body = cells.map((row, r) =>
    line(
      row,
      row.map((cell, i) => (rows[r]?.[i] === null ? paint("dim", cell) : cell)),
    ),
  )
  return [line(head, bold), paint("dim", rule), ...body].join("\n")
}

const NO_BORDERS = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: GAP,
}

/** Columns that have no value in a row are left out of it. */
function showRowByRow(
  { columns, rows }: SqlAnswer,
  cells: readonly (readonly string[])[],
  width: number,
  paint: Paint,
): Shown {
  const names = columns.map(({ name }) => escapeText(name))
  const nameWidth = Math.min(Math.max(...names.map(widthOf)), Math.floor(width / 2))
  const room = Math.max(MIN_WIDTH, width - nameWidth - GAP.length)
  let isCut = false
  const cut = (text: string) => {
    if (widthOf(text) <= room) return text
    isCut = true
    return `${cutTo(text, room - 1)}…`
  }
  const blocks = cells.map((row, r) => {
    const lines = row.flatMap((cell, i) =>
      rows[r]?.[i] === null
        ? []
        : [`${paint("dim", (names[i] as string).padEnd(nameWidth))}${GAP}${cut(cell)}`],
    )
    return [paint("bold", `row ${r + 1}`), ...lines].join("\n")
  })
  return { text: blocks.join("\n\n"), isCut }
}

/** Characters that take two places on a terminal, nearly all of them. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{20000}-\u{3fffd}]/gu

function widthOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  return [...text].length + (text.match(WIDE)?.length ?? 0)
}

function cutTo(text: string, room: number): string {
  let taken = ""
  let width = 0
  for (const character of text) {
    width += widthOf(character)
    if (width > room) break
    taken += character
  }
  return taken
}
