/**
 * The status page: what a person wants to know of the logs, without script and without anything from elsewhere.
 *
 * Pure: the clock is an argument. Everything that comes from outside is escaped and cut.
 */

import { encodeBase64 } from "@prooflog/tlog/base64"
import { escapeText } from "@prooflog/verifier/report"
import { FINDING_KINDS, type Finding, weightOf } from "./finding.js"
import type { PeerStatus } from "./peers.js"
import type { SentFork } from "./sent-heads.js"
import type { WatchStatus } from "./watch.js"
import type { WitnessedLog } from "./witness.js"

export interface StatusPage {
  readonly name: string
  readonly nowMs: number
  readonly logs: readonly WatchStatus[]
  readonly peers: readonly PeerStatus[]
  /** `undefined` unless this monitor cosigns. */
  readonly witness: WitnessSection | undefined
}

export interface WitnessSection {
  readonly key: string
  readonly logs: readonly WitnessedLog[]
  /** Requests since the start, by the status of the answer. */
  readonly answers: ReadonlyMap<number, number>
  /** Of logs that are not watched. */
  readonly forks: readonly SentFork[]
}

/** Characters of the longest text from outside that is shown. */
const MAX_SHOWN = 500

/** Rows of heads that are not compared yet. */
const MAX_OPEN_SHOWN = 3

export function formatStatusPage({ name, nowMs, logs, peers, witness }: StatusPage): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="30">
<title>${shown(headline(logs, witness))} · ${shown(name)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${shown(name)}</h1>
<p class="${worst(logs, witness)}">${shown(headline(logs, witness))}</p>
${logs.map((log) => formatLog(log, nowMs)).join("")}
${peers.length === 0 ? "" : formatPeers(peers, nowMs)}
${witness === undefined ? "" : formatWitness(witness, nowMs)}
<p class="small">As of ${time(nowMs)}. <a href="metrics">Metrics</a></p>
</body>
</html>
`
}

function formatLog(status: WatchStatus, nowMs: number): string {
  const { log, latest, audited, readings, lookedMs, findings, rereadMs, commitmentsFrom, openHeads } = status
  const auditedSize = audited?.end.checkpoint.checkpoint.treeSize
  const rows: (readonly [string, string])[] = [
    ["Log", `<a href="${shown(log.url)}">${shown(log.url)}</a>`],
    ["Latest head", latest === undefined ? "none yet" : `${count(latest.checkpoint.treeSize)} leaves`],
    ["Root", latest === undefined ? "–" : `<code>${encodeBase64(latest.checkpoint.rootHash)}</code>`],
    ["Cosigned by", cosigners(status, nowMs)],
    ["Audited", auditedSize === undefined ? "nothing yet" : `${count(auditedSize)} leaves`],
    ["Entries", audited === undefined ? "–" : entries(audited.counts)],
    ["No commitment twice", commitmentsFrom === undefined ? "–" : `from leaf ${count(commitmentsFrom)} on`],
    ["Schedule", schedule(status)],
    ["Last look", lookedMs === undefined ? "none that was answered" : ago(nowMs - lookedMs)],
    ["Read from the start", rereadMs === 0 ? "not yet" : ago(nowMs - rereadMs)],
  ]
  for (const { by, head, sinceMs } of openHeads.slice(0, MAX_OPEN_SHOWN)) {
    const seen = `${count(head.checkpoint.treeSize)} leaves, shown by ${shown(by)} ${ago(nowMs - sinceMs)}`
    rows.push(["Not compared yet", seen])
  }
  for (const { what, leaves, treeSize } of readings) {
    rows.push(["Reading", `${what}: ${count(leaves)} of ${count(treeSize)} leaves`])
  }
  return `<h2>${shown(log.origin)}</h2>
${findings.length === 0 ? `<p class="good">Nothing is wrong that this monitor can see.</p>` : findings.map((finding) => formatFinding(finding)).join("")}
<table>${rows.map(([label, value]) => `<tr><th>${label}</th><td>${value}</td></tr>`).join("")}</table>
`
}

function formatFinding(finding: Finding): string {
  const { kind, message, sinceMs, seenMs, accusation } = finding
  const proof = accusation === undefined ? "" : `<br>Proof: <code>accusations/${shown(accusation)}</code>`
  const { means } = FINDING_KINDS[kind]
  return `<div class="${weightOf(finding)}"><strong>${kind}</strong>: ${means}.<br>${shown(message)}${proof}
<br><span class="small">Since ${time(sinceMs)}, last seen ${time(seenMs)}</span></div>
`
}

function formatPeers(peers: readonly PeerStatus[], nowMs: number): string {
  const rows = peers.map(({ url, faults, droppedUntilMs, lastAnswerMs }) => {
    const answer = lastAnswerMs === undefined ? "never" : ago(nowMs - lastAnswerMs)
    const state = droppedUntilMs === undefined ? "asked" : `dropped until ${time(droppedUntilMs)}`
    const counts = [faults.lie, faults.flood, faults.stall].map((each) => `<td>${count(each)}</td>`).join("")
    return `<tr><td>${shown(url)}</td><td>${answer}</td><td>${state}</td>${counts}</tr>`
  })
  return `<h2>Heads are compared with</h2>
<table><tr><th>Who</th><th>Good answer</th><th></th><th>Lies</th><th>Floods</th><th>Stalls</th></tr>${rows.join("")}</table>
`
}

function formatWitness({ key, logs, answers, forks }: WitnessSection, nowMs: number): string {
  const rows = logs.map(({ origin, treeSize, timeSeconds }) => {
    const size = treeSize === undefined ? "nothing yet" : `${count(treeSize)} leaves`
    const time = timeSeconds === undefined ? "never" : ago(nowMs - timeSeconds * 1_000)
    return `<tr><td>${shown(origin)}</td><td>${size}</td><td>${time}</td></tr>`
  })
  const caught = forks.map(({ origin, treeSize, file, seenMs }) => {
    const what = `${shown(origin)} sent two signed heads of ${count(treeSize)} leaves`
    return `<div class="proven"><strong>forked</strong>: ${what}.<br>Proof: <code>accusations/${shown(file)}</code>
<br><span class="small">Since ${time(seenMs)}</span></div>
`
  })
  const refused = [...answers].filter(([status]) => status !== 200).sort(([a], [b]) => a - b)
  const words = refused.map(([status, times]) => `${count(times)} with ${status}`)
  return `<h2>Witness</h2><p>Cosigns as <code>${shown(key)}</code>.</p>
${caught.join("")}<table><tr><th>Log</th><th>Cosigned</th><th>Last</th></tr>${rows.join("")}</table>
<p>Since the start: ${count(answers.get(200) ?? 0)} cosigned${words.length === 0 ? ", none refused" : `, refused ${words.join(", ")}`}.</p>
`
}

function headline(logs: readonly WatchStatus[], witness: WitnessSection | undefined): string {
  const weight = worst(logs, witness)
  if (weight === "proven") return "A log is caught: there is proof."
  if (weight === "alarm") return "Something is wrong."
  if (weight === "unknown") return "Something could not be checked."
  return logs.some(({ audited }) => audited === undefined) ? "Not everything is read yet." : "All is well."
}

function worst(
  logs: readonly WatchStatus[],
  witness: WitnessSection | undefined,
): "proven" | "alarm" | "unknown" | "good" {
  const weights = logs.flatMap(({ findings }) => findings.map((finding) => weightOf(finding)))
  if (witness !== undefined && witness.forks.length > 0) return "proven"
  return (["proven", "alarm", "unknown"] as const).find((weight) => weights.includes(weight)) ?? "good"
}

function cosigners({ latest }: WatchStatus, nowMs: number): string {
  if (latest === undefined) return "–"
  if (latest.cosignatures.length === 0) return "nobody: nothing says how old this head is"
  return latest.cosignatures
    .map(({ witness, timeSeconds }) => `${shown(witness)}, ${ago(nowMs - timeSeconds * 1000)}`)
    .join("<br>")
}

function schedule({ audited }: WatchStatus): string {
  const classes = Object.entries(audited?.end.schedule?.classes ?? {})
  const words = classes.map(([name, { keep_days, destroy_days }]) => {
    const destroyed =
      destroy_days === undefined ? "never destroyed" : `destroyed on day ${count(destroy_days)}`
    return `${shown(name)}: kept ${count(keep_days)} days, ${destroyed}`
  })
  return words.length === 0 ? "–" : words.join("<br>")
}

function entries(counts: NonNullable<WatchStatus["audited"]>["counts"]): string {
  const { events, schedules, notices, indexes, unknown } = counts
  const words = [`${count(events)} events`, `${count(schedules)} schedules`, `${count(notices)} notices`]
  if (indexes > 0) words.push(`${count(indexes)} indexes`)
  if (unknown > 0) words.push(`${count(unknown)} of unknown types`)
  return words.join(", ")
}

function shown(text: string): string {
  const cut = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text
  return escapeText(cut).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

function count(n: number): string {
  return n.toLocaleString("en-US")
}

function time(ms: number): string {
  return new Date(ms)
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, " UTC")
}

function ago(ms: number): string {
  if (ms < 0) return `${Math.round(-ms / 1000)} s ahead of our clock`
  if (ms < 120_000) return `${Math.round(ms / 1000)} s ago`
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min ago`
  return `${Math.round(ms / 3_600_000)} h ago`
}

const STYLE = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
table { border-collapse: collapse } th, td { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0 }
th { font-weight: 600; white-space: nowrap } code { font-size: .85em; overflow-wrap: anywhere } .small { color: #666; font-size: .85em }
.good, .proven, .alarm, .unknown { padding: .5rem .8rem; border-left: .4rem solid; margin: .5rem 0 }
.good { border-color: #2a7d2a; background: #eef7ee } .proven { border-color: #b00020; background: #fdecee }
.alarm { border-color: #c77700; background: #fff5e5 } .unknown { border-color: #777; background: #f3f3f3 }
@media (prefers-color-scheme: dark) {
body { color: #ddd; background: #181818 } .small { color: #999 } a { color: #8ab4f8 }
.good { background: #16281a } .proven { background: #331418 } .alarm { background: #33260f } .unknown { background: #262626 } }
`
