/**
 * A retention schedule as a table: days, and the dates that they are for an event received now.
 *
 *     class     at hand           in the archive  kept              destroyed
 *     routine   183  2027-05-25   731             914  2029-05-25   944  2029-06-24   default
 *
 * Pure.
 */

import { escapeText } from "@prooflog/verifier/report"
import type { ShownSchedule } from "./schedule-answer.js"

const DAY_MS = 86_400_000

/** The last day that a date can be written for. */
const LAST_DATE_MS = Date.parse("9999-12-31T00:00:00Z")

/** What one class is promised. Dates are those of an event received now. */
export interface ClassRow {
  readonly hot_days?: number
  readonly hot_until?: string
  readonly archive_days?: number
  readonly keep_days: number
  readonly kept_until?: string
  readonly destroy_days?: number
  readonly destroyed_on?: string
  readonly raised_by?: string
}

/** @param nowMs - ms since 1970 */
export function classRows(
  { schedule, hotDays, raisedBy }: ShownSchedule,
  nowMs: number,
): Readonly<Record<string, ClassRow>> {
  const rows = Object.entries(schedule.classes).map(([name, { keep_days: keep, destroy_days: destroy }]) => {
    const hot = hotDays.get(name)
    const preset = raisedBy.get(name)
    const row: ClassRow = {
      ...(hot !== undefined && {
        hot_days: hot,
        ...dated("hot_until", hot, nowMs),
        archive_days: keep - hot,
      }),
      keep_days: keep,
      ...dated("kept_until", keep, nowMs),
      ...(destroy !== undefined && { destroy_days: destroy, ...dated("destroyed_on", destroy, nowMs) }),
      ...(preset !== undefined && { raised_by: preset }),
    }
    return [name, row] as const
  })
  return Object.fromEntries(rows)
}

/** Returns the lines of the table, its head first. */
export function scheduleTable(shown: ShownSchedule, nowMs: number): readonly string[] {
  const rows = Object.entries(classRows(shown, nowMs)).map(([name, row]) => [
    name,
    cell(row.hot_days, row.hot_until, "unknown"),
    row.archive_days === undefined ? "unknown" : String(row.archive_days),
    cell(row.keep_days, row.kept_until),
    cell(row.destroy_days, row.destroyed_on, "never"),
    [
      ...(name === shown.schedule.default ? ["default"] : []),
      ...(row.raised_by === undefined ? [] : [`raised by ${row.raised_by}`]),
    ].join(", "),
  ])
  const table = [["class", "at hand", "in the archive", "kept", "destroyed", ""], ...rows]
  const widths = (table[0] as string[]).map((_, i) => Math.max(...table.map((row) => row[i]?.length ?? 0)))
  return table.map((row) =>
    escapeText(
      row
        .map((text, i) => text.padEnd(widths[i] as number))
        .join("  ")
        .trimEnd(),
    ),
  )
}

function cell(days: number | undefined, date: string | undefined, otherwise = ""): string {
  if (days === undefined) return otherwise
  return date === undefined ? String(days) : `${String(days).padEnd(5)} ${date}`
}

function dated(name: string, days: number, nowMs: number): Readonly<Record<string, string>> {
  const timeMs = nowMs + days * DAY_MS
  return timeMs > LAST_DATE_MS ? {} : { [name]: new Date(timeMs).toISOString().slice(0, 10) }
}
