/**
 * What a monitor found, as text for people and as JSON for machines.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { escapeText } from "@prooflog/verifier/report"
import { FINDING_KINDS } from "./finding.js"
import type { MonitorReport } from "./main.js"

/**
 * Returns a line for each log, and one for each finding below it; each ends in a newline.
 *
 * Messages quote what logs and peers said: they are escaped.
 */
export function formatReport({ logs }: MonitorReport): string {
  const lines = logs.flatMap(({ log, audited, findings }) => {
    const size = audited?.end.checkpoint.checkpoint.treeSize
    const state = size === undefined ? "not read to an end" : `${size} leaves read`
    return [
      `${log.origin}: ${state}, ${findings.length === 0 ? "nothing is wrong" : `${findings.length} findings`}`,
      ...findings.map(({ kind, message, accusation }) => {
        const proof = accusation === undefined ? "" : ` (proof: accusations/${accusation})`
        return `  ${kind}: ${FINDING_KINDS[kind].means}: ${message}${proof}`
      }),
    ]
  })
  return lines.map((line) => `${escapeText(line)}\n`).join("")
}

/** Returns the same for `JSON.stringify`; texts stand in it as they were said. */
export function reportToJson({ logs, exitCode }: MonitorReport): Readonly<Record<string, unknown>> {
  return {
    exit_code: exitCode,
    logs: logs.map(({ log, latest, audited, findings }) => ({
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
    })),
  }
}
