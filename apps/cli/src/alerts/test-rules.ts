/**
 * `prooflog alerts test`: rules, tried on the events of a file, without a log.
 *
 *     access.log:1204  high  brute-force-address  ip_address=203.0.113.7  events=20 window=10m  lines 1185 … 1204
 */

import type { Firing } from "@prooflog/alerts/firing"
import { openEnricher } from "@prooflog/enrich/enrich"
import type { SyslogTime } from "@prooflog/event/from/sshd"
import { escapeText, formatJson } from "@prooflog/verifier/report"
import { CliError } from "../error.js"
import type { Format } from "../import-format.js"
import { openImport, type Place, type Problem } from "../import-source.js"
import { counted, type Terminal } from "../terminal.js"
import { leavesText, namedValues } from "./alert-table.js"
import { FileEvents, placeText } from "./file-events.js"
import { FiringTally, tallyTable } from "./firing-tally.js"
import { rulesAt } from "./rules-at.js"
import { requireAll, Trial } from "./trial.js"

export interface TestAsked {
  /** As `rulesAt` takes it. */
  readonly rules: string
  readonly path: string
  readonly format: Format
  /** For `sshd`. */
  readonly time?: SyslogTime
  /** Of the key that would send them. */
  readonly source: string
  /** Databases of addresses. */
  readonly mmdb?: readonly string[]
  readonly json: boolean
}

/** Lines that are no events are told each, up to so many. */
const MAX_REJECTS_TOLD = 3

/** Of numbers of lines in a line. */
const MAX_NUMBERS_TEXT = 60

/**
 * Says each firing as it comes, and what came of all.
 *
 * @throws {@link CliError} `CLI_FILE` if a rule was refused, or the file has no event; what `rulesAt` and `openImport` throw
 */
export async function testRules(asked: TestAsked, terminal: Terminal): Promise<void> {
  const { rules, path, format, time, source, mmdb, json } = asked
  const { print, say } = terminal
  const at = await rulesAt(rules)
  const { enrich } = await openEnricher(mmdb === undefined ? {} : { mmdb })
  const tally = new FiringTally()
  let rejected = 0
  const events = new FileEvents(await openImport(path, format, time), source, (place, problem) => {
    rejected++
    if (rejected <= MAX_REJECTS_TOLD) say(escapeText(rejectText(path, place, problem)))
  })
  const trial = new Trial(at, enrich, (firing, number) => {
    tally.add(firing)
    if (firing.kind === "resolves") return
    const places = firing.leaves.map((each) => events.placeOf(each))
    const place = number === undefined ? undefined : events.placeOf(number)
    if (json) print(formatJson(firingJson(firing, place, places)).trimEnd())
    else print(firingLine(firing, place === undefined ? path : placeText(path, place), places))
  })
  for (const { message, line, column } of trial.refused) {
    if (json) print(formatJson({ refused: message, line, column }).trimEnd())
    else say(`refused  ${escapeText(message)}`)
  }
  for await (const some of events.read()) for (const event of some) trial.take(event)
  if (!json && tally.rules.length > 0) for (const line of ["", ...tallyTable(tally.rules, false)]) say(line)
  say(summary(trial, events.count, rejected, tally))
  if (events.count === 0 && rejected > 0)
    throw new CliError("CLI_FILE", `nothing in ${path} is an event: is it really ${format}?`)
  requireAll(trial)
}

function summary({ heads, late }: Trial, events: number, rejected: number, { rules }: FiringTally): string {
  const alerts = rules.reduce((sum, { alerts }) => sum + alerts, 0)
  return [
    `${counted(events, "event")}, ${counted(heads.length, "rule")}: ${counted(alerts, "alert")}`,
    ...(rejected === 0 ? [] : [`${counted(rejected, "line")} rejected`]),
    ...(late === 0 ? [] : [`${counted(late, "time")} an event was too late for a window`]),
  ].join("; ")
}

function rejectText(path: string, place: Place, { code, message }: Problem): string {
  return `rejected ${placeText(path, place)}: ${message} (${code})`
}

function firingLine(
  { severity, rule, labels, details, count }: Firing,
  place: string,
  places: readonly Place[],
): string {
  const others = places.length > 1 ? othersText(places, count) : ""
  const parts = [place, severity, rule.id, namedValues(labels), namedValues(details), others]
  return escapeText(parts.filter((part) => part !== "").join("  "))
}

/** Of one file, the lines or records; of several, how many. */
function othersText(places: readonly Place[], count: number): string {
  const lines = places.flatMap(({ line }) => line ?? [])
  if (lines.length === places.length) return numbersText("lines", ascending(lines), count)
  const records = places.flatMap(({ file, record }) => (file === undefined ? (record ?? []) : []))
  if (records.length === places.length) return numbersText("records", ascending(records), count)
  return counted(count, "event")
}

/** Too many are not read one by one: where they begin and end says more. */
function numbersText(what: string, numbers: readonly number[], count: number): string {
  const text = leavesText(numbers, count)
  if (text.length <= MAX_NUMBERS_TEXT) return `${what} ${text}`
  return `${count} ${what} from ${numbers[0]} to ${numbers.at(-1)}`
}

function ascending(numbers: readonly number[]): readonly number[] {
  return [...new Set(numbers)].sort((a, b) => a - b)
}

function firingJson(
  { severity, rule, labels, details, count, timestampMs }: Firing,
  place: Place | undefined,
  places: readonly Place[],
) {
  return {
    rule: rule.id,
    version: rule.version,
    title: rule.title,
    severity,
    labels,
    details,
    events: count,
    time: new Date(timestampMs).toISOString(),
    place,
    places,
  }
}
