/**
 * Alerts, silences, rules and sinks as a person reads them.
 *
 *     id                      state   severity  rule                 events  last seen             about
 *     alert_caff07e17d9ce987  firing  high      brute-force-address      20  2026-11-23T18:55:01Z  ip_address=203.0.113.7
 *
 * Labels and details are values of a log, written by whoever it is about: each stands in one line, and where it could be
 * misread in quotes.
 *
 * Pure.
 */

import { escapeText } from "@prooflog/verifier/report"
import { sizeText } from "../archive-table.js"
import { columnsOf, plainTable } from "../plain-table.js"
import { count, counted } from "../terminal.js"
import type { ToldAlert, ToldRules, ToldSilence, ToldSink } from "./alert-answer.js"

const ALERTS = columnsOf("id", "state", "severity", "rule", ">events", "last seen", "about")

/** Returns the lines of a table of alerts. */
export function alertsTable(alerts: readonly ToldAlert[]): readonly string[] {
  const rows = alerts.map((alert) => {
    const { id, severity, rule, count: events, lastAt, labels } = alert
    return [id, stateText(alert), severity, rule.id, count(events), lastAt, namedValues(labels)]
  })
  return plainTable(ALERTS, rows)
}

/** How it is with an alert, in a word or two. */
function stateText({ state, acknowledged, silencedBy, inhibitedBy }: ToldAlert): string {
  if (state !== "firing") return state
  if (acknowledged !== undefined) return "acknowledged"
  if (silencedBy.length > 0) return "silenced"
  return inhibitedBy === undefined ? state : "inhibited"
}

/** Returns the lines that show one alert whole. */
export function alertLines(alert: ToldAlert): readonly string[] {
  const { id, rule, severity, state, leaves, acknowledged, silencedBy, inhibitedBy, endsAt } = alert
  return [
    `${id}  ${state}  ${severity}`,
    rule.title,
    rule.why,
    "",
    row("rule", `${rule.id}, version ${rule.version}`),
    ...Object.entries(alert.labels).map(([name, value]) => row(name, quoted(value))),
    ...(Object.keys(alert.details).length === 0 ? [] : [row("seen", namedValues(alert.details))]),
    row("events", alert.count === 0 ? "none" : count(alert.count)),
    ...(leaves.length === 0 ? [] : [row("leaves", leavesText(leaves, alert.count))]),
    row("began", alert.startsAt),
    row("last seen", alert.lastAt),
    ...(endsAt === undefined ? [] : [row("over", endsAt)]),
    ...(acknowledged === undefined
      ? []
      : [row("acknowledged", `${acknowledged.at} by ${acknowledged.by}${noteText(acknowledged.note)}`)]),
    ...silencedBy.map((silence) => row("silenced by", silence)),
    ...(inhibitedBy === undefined ? [] : [row("inhibited by", inhibitedBy)]),
  ].map(escapeText)
}

function noteText(note: string): string {
  return note === "" ? "" : `: ${quoted(note)}`
}

/** One line for each change, as it comes. @param change - what happened; suspect */
export function changeLine(change: string, alert: ToldAlert): string {
  const { id, severity, rule, labels, count: events, lastAt, endsAt } = alert
  const about = namedValues(labels)
  const parts = [endsAt ?? lastAt, change, severity, rule.id, about, counted(events, "event"), id]
  return escapeText(parts.filter((part) => part !== "").join("  "))
}

/** One line, whatever the server said. */
export function silenceLine({ id, isInForce, matchers, starts, ends, by, why }: ToldSilence): string {
  const state = isInForce ? "in force" : "not in force"
  return escapeText(`${id}  ${state}  ${starts} to ${ends}  by ${by}  on ${matchers.join(", ")}  (${why})`)
}

const RULES = columnsOf("id", "severity", "version", ">rows", ">memory", ">late", "title")

/** Returns the lines of a table of rules. */
export function rulesTable({ rules }: ToldRules): readonly string[] {
  return plainTable(
    RULES,
    rules.map(({ id, severity, version, rows, bytes, late, title }) => [
      id,
      severity,
      version,
      count(rows),
      sizeText(bytes),
      count(late),
      title,
    ]),
  )
}

const SINKS = columnsOf("sink", "type", "circuit", ">waiting", ">dead", "last delivered")

/** Returns the lines of a table of sinks, and below it what is wrong with each. */
export function sinkLines(sinks: readonly ToldSink[]): readonly string[] {
  if (sinks.length === 0) return ["alerts.yaml has no sinks: alerts are kept and listed, and nobody is told"]
  const table = plainTable(
    SINKS,
    sinks.map(({ name, kind, circuit, waiting, dead, lastDelivered }) => [
      name,
      kind,
      circuit,
      count(waiting),
      count(dead.length),
      lastDelivered ?? "–",
    ]),
  )
  return [...table, ...sinks.flatMap(troubleOf)]
}

function troubleOf({ name, lastError, triedAgain, oldest, dead }: ToldSink): readonly string[] {
  const wait = oldest === undefined ? "" : `, waiting since ${oldest}`
  const again = triedAgain === undefined ? "" : `, tried again at ${triedAgain}`
  return [
    ...(lastError === undefined ? [] : [`${name}: last error: ${lastError}${wait}${again}`]),
    ...dead.map(
      ({ id, alerts, since, attempts, error }) =>
        `${name}: given up after ${counted(attempts, "try", "tries")}: ${error} (${id} since ${since}, about ${alerts.join(", ")})`,
    ),
  ].map(escapeText)
}

/** `{ ip_address: "203.0.113.7", user_id: "a b" }` → `ip_address=203.0.113.7 user_id="a b"` */
export function namedValues(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${quoted(value)}`)
    .join(" ")
}

/** A value that could pass for anything else is in quotes. @param text - suspect */
function quoted(text: string): string {
  return /^[^\s"'=(),]+$/.test(text) ? text : JSON.stringify(text)
}

/** [3, 4, 5, 9] → "3 … 5, 9" */
export function leavesText(leaves: readonly number[], all: number = leaves.length): string {
  const parts: string[] = []
  for (let at = 0; at < leaves.length; ) {
    let end = at
    while (leaves[end + 1] === (leaves[end] as number) + 1) end++
    const first = leaves[at] as number
    if (end === at) parts.push(String(first))
    else parts.push(`${first}${end === at + 1 ? ", " : " … "}${leaves[end]}`)
    at = end + 1
  }
  const text = parts.join(", ")
  return all > leaves.length ? `${text} (the newest ${leaves.length} of ${count(all)})` : text
}

function row(name: string, text: string): string {
  return `  ${name.padEnd(14)} ${text}`
}
