/**
 * The archive as a table, for whoever answers for retention: a class each, and what all of them hold together.
 *
 *     class    segments    records      size  first received  last received  archived before  held back
 *     routine        14  1,204,882  96.2 MiB  2025-11-23      2026-05-24     leaf 2,411,002           0
 *
 * Pure.
 */

import { escapeText } from "@prooflog/verifier/report"
import type {
  ArchivedClass,
  ArchiveJob,
  ArchiveStatus,
  Expiring,
  Failure,
  RunCounts,
} from "./archive-answer.js"
import { columnsOf, plainTable } from "./plain-table.js"
import { count, counted } from "./terminal.js"

const COLUMNS = columnsOf(
  "class",
  ">segments",
  ">records",
  ">size",
  "first received",
  "last received",
  "archived before",
  ">held back",
)

/** Returns the lines that say how an archive stands; the table first. */
export function archiveLines(status: ArchiveStatus): readonly string[] {
  const { classes, store, place, lastRun, faults, owed, expiring, job } = status
  return [
    ...(classes.length === 0
      ? ["nothing was archived yet: prooflog retention show says when each class is"]
      : tableOf(classes.length > 1 ? [...classes, sumOf(status)] : classes)),
    "",
    `in        ${store} ${escapeText(place)}`,
    ...(lastRun === undefined
      ? ["last run  none yet"]
      : [`last run  ${escapeText(lastRun.at)}: ${countsText(lastRun)}`]),
    ...troubleIn(status).map((each) => `trouble   ${failureText(each)}`),
    ...(faults.length === 0 ? [] : ["          prooflog archive verify looks again"]),
    ...(owed.size === 0 ? [] : [`next run  ${[...owed].map(owedText).join(", ")}`]),
    ...(expiring.records === 0 ? [] : [`expiring  ${expiringText(expiring)}`]),
    ...(job === undefined
      ? []
      : [`${job.state === "running" ? "now" : "last job"}`.padEnd(10) + jobText(job)]),
  ]
}

/** Segments that are known to be damaged are shown each, but for what is said of the first of them already. */
function troubleIn({ lastRun, faults }: ArchiveStatus): readonly Failure[] {
  const error = lastRun?.error
  if (error === undefined) return faults
  const isOfFault = faults.some(({ message }) => error.message.startsWith(message))
  return isOfFault ? faults : [error, ...faults]
}

function expiringText({ records, next }: Expiring): string {
  const until = next === undefined ? "" : `, the first of them until ${dateOf(next)}`
  return escapeText(`${counted(records, "record")} gone here, and in backups from before${until}`)
}

/** What an earlier run left undone, by the server's name of it. */
const OWED: ReadonlyMap<string, (n: number) => string> = new Map([
  ["unfinished", (n: number) => `${counted(n, "segment")} to be brought to an end`],
  ["stale", (n) => `${counted(n, "segment")} to be written anew`],
  ["withdrawn", (n) => `${counted(n, "record")} to be made gone`],
  ["purge", () => "storage to be purged"],
  ["rewrite", () => "rows to be written anew"],
  ["untold", (n) => `${counted(n, "event")} to be logged`],
])

/** One of another name is shown by that. */
function owedText([name, value]: readonly [string, number | true]): string {
  const n = value === true ? 1 : value
  return OWED.get(name)?.(n) ?? escapeText(value === true ? name : `${name} ${value}`)
}

/** Returns what a run did, in a few words. */
export function countsText({ archived, withdrawn, heldBack }: RunCounts): string {
  return `${counted(archived, "record")} archived, ${count(withdrawn)} destroyed, ${count(heldBack)} held back`
}

/** Returns what went wrong, in one line. */
export function failureText({ code, message }: Failure): string {
  return escapeText(`${message} (${code})`)
}

/** Returns how a job stands, in one line. */
export function jobText({ id, kind, state, step, className, key, done, of, error }: ArchiveJob): string {
  const at = [step, className, key].filter((part) => part !== undefined).join(" ")
  const share = of === undefined ? count(done) : `${count(done)} of ${count(of)}`
  const detail = state === "running" ? (at === "" ? "" : `: ${at}, ${share}`) : ""
  // Of a run, it is said of the run already.
  const why = error === undefined || kind === "run" ? "" : `: ${failureText(error)}`
  return escapeText(`${kind} ${state}${detail} (${id})`) + why
}

/** 1_536 → "1.5 KiB" */
export function sizeText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"]
  let size = bytes
  let unit = 0
  while (size >= 1_024 && unit < units.length - 1) {
    size /= 1_024
    unit++
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`
}

function tableOf(classes: readonly ArchivedClass[]): readonly string[] {
  const rows = classes.map((each) => [
    each.name,
    count(each.segments),
    count(each.records),
    sizeText(each.bytes),
    dateOf(each.firstTime),
    dateOf(each.lastTime),
    each.archivedBefore === undefined ? "" : `leaf ${count(each.archivedBefore)}`,
    count(each.heldBack),
  ])
  return plainTable(COLUMNS, rows)
}

function sumOf({ segments, records, bytes, classes }: ArchiveStatus): ArchivedClass {
  const heldBack = classes.reduce((sum, each) => sum + each.heldBack, 0)
  return { name: "all", segments, records, bytes, heldBack }
}

/** "2026-05-24T09:10:11.123Z" → "2026-05-24": the day says enough here. */
function dateOf(time: string | undefined): string {
  return time === undefined ? "–" : time.replace(/T.*/s, "")
}
