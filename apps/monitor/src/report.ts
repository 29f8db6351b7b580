/**
 * What a monitor found: the verdict, text for people, JSON for machines; and what its config means.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { escapeText } from "@prooflog/verifier/report"
import type { MonitorConfig } from "./config.js"
import { FINDING_KINDS, type Finding, weightOf } from "./finding.js"
import type { WatchStatus } from "./watch.js"

export interface MonitorReport {
  /** By origin. */
  readonly findings: ReadonlyMap<string, readonly Finding[]>
  readonly logs: readonly WatchStatus[]
  /** 0 nothing is wrong; 1 something is, of weight `proven` or `alarm`; 2 something could not be told. */
  readonly exitCode: 0 | 1 | 2
}

/** @param goesOn - whether heads that could not be compared may be at the next look */
export function reportOn(
  logs: readonly WatchStatus[],
  { goesOn }: { readonly goesOn: boolean },
): MonitorReport {
  const weights = logs.flatMap(({ findings }) => findings.map((finding) => weightOf(finding)))
  const isWrong = weights.some((weight) => weight !== "unknown")
  const isOpen = !goesOn && logs.some(({ openHeads }) => openHeads.length > 0)
  const isUnknown = isOpen || weights.length > 0 || logs.some(({ audited }) => audited === undefined)
  return {
    findings: new Map(logs.map(({ log, findings }) => [log.origin, findings])),
    logs,
    exitCode: isWrong ? 1 : isUnknown ? 2 : 0,
  }
}

/**
 * Returns a line for each log, and one for each finding below it; each ends in a newline.
 *
 * Messages quote what logs and peers said: they are escaped.
 */
export function formatReport({ logs }: MonitorReport): string {
  const lines = logs.flatMap(({ log, latest, audited, findings, openHeads }) => {
    const size = audited?.end.checkpoint.checkpoint.treeSize
    const state = size === undefined ? "not read to an end" : `${leaves(size)} read`
    return [
      `${log.origin}: ${state}, ${outcome(findings.length, openHeads.length)}`,
      ...findings.map(({ kind, message, accusation }) => {
        const proof = accusation === undefined ? "" : ` (proof: accusations/${accusation})`
        return `  ${kind}: ${FINDING_KINDS[kind].means}: ${message}${proof}`
      }),
      ...openHeads.map(({ by, head }) => {
        const ours = latest === undefined ? "no head of ours" : `ours of ${latest.checkpoint.treeSize}`
        return `  not compared: ${by} showed a signed head of ${leaves(head.checkpoint.treeSize)}, which could not be held against ${ours}`
      }),
    ]
  })
  return lines.map((line) => `${escapeText(line)}\n`).join("")
}

function outcome(findings: number, openHeads: number): string {
  if (findings > 0) return findings === 1 ? "1 finding" : `${findings} findings`
  return openHeads > 0 ? "nothing is wrong that could be told" : "nothing is wrong"
}

function leaves(count: number): string {
  return count === 1 ? "1 leaf" : `${count} leaves`
}

/** Returns the same for `JSON.stringify`; texts stand in it as they were said. */
export function reportToJson({ logs, exitCode }: MonitorReport): Readonly<Record<string, unknown>> {
  return {
    exit_code: exitCode,
    logs: logs.map(({ log, latest, audited, findings, openHeads }) => ({
      origin: log.origin,
      latest_size: latest?.checkpoint.treeSize ?? null,
      audited_size: audited?.end.checkpoint.checkpoint.treeSize ?? null,
      findings: findings.map(({ kind, by, message, sinceMs, seenMs, accusation, heads }) => ({
        kind,
        by,
        message,
        since: new Date(sinceMs).toISOString(),
        seen: new Date(seenMs).toISOString(),
        ...(accusation && { accusation }),
        ...(heads && { heads }),
      })),
      not_compared: openHeads.map(({ by, sinceMs, head }) => {
        return { by, size: head.checkpoint.treeSize, since: new Date(sinceMs).toISOString(), head: head.note }
      }),
    })),
  }
}

/** Returns a line for each thing that a monitor of this config would do; each ends in a newline. */
export function formatConfig({ logs, peers, listen, witness, alarm, folder }: MonitorConfig): string {
  const lines = [
    `State in ${folder}`,
    ...logs.map(({ origin, url, policy }) => `Watches ${origin} at ${url}, quorum ${policy.quorum}`),
    ...peers.map((url) => `Compares heads with ${url}`),
    ...(witness?.logs.map(({ origin }) => `Cosigns for ${origin} as ${witness.signerKey.name}`) ?? []),
    listen === undefined ? "Does not listen" : `Listens at ${listen.host}:${listen.port}`,
    alarm === undefined ? "Has no webhook" : "Posts what it finds to a webhook",
  ]
  return lines.map((line) => `${escapeText(line)}\n`).join("")
}
