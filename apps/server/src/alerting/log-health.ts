/**
 * How a log is, in the words of the rules that watch it: one sentence for each thing that is wrong.
 *
 * It is told, and tells; what it remembers is since when leaves wait for a published head.
 */

import type { HealthName } from "@prooflog/alerts/health"
import type { LedgerStatus } from "@prooflog/ledger"
import type { ReadingStatus } from "../reading.js"
import { timeText } from "../time-text.js"

export interface LogState {
  readonly ledger: LedgerStatus
  readonly reading: ReadingStatus
  /** What speaks against this log. */
  readonly alarms: readonly string[]
  /** Least time between two published heads: ms. */
  readonly publishEveryMs: number
  /** ms since 1970. */
  readonly nowMs: number
}

/** A head is late if events wait for one so long, or so many times as long as they have to. */
const LATE_MS = 60_000
const LATE_TIMES = 10

/** How far whoever reads the log may be behind it. */
const MAX_LAG_SECONDS = 60

/** Of the device: less than this is worth a word long before events are refused. */
const LEAST_FREE_SHARE = 0.1

export class LogHealth {
  /** Leaves there were at a time; all of them wait to be published, or did at the last look. */
  #waiting = { treeSize: 0, sinceMs: 0 }

  /** Returns what is wrong. */
  look(state: LogState): Readonly<Partial<Record<HealthName, string>>> {
    return {
      ...named("checkpoint_late", this.#lateHead(state)),
      ...named("quorum_missing", missingQuorum(state)),
      ...named("verification_failed", failedCheck(state)),
      ...named("follower_lag", lag(state)),
      ...named("disk", fullDisk(state)),
    }
  }

  #lateHead({ ledger, publishEveryMs, nowMs }: LogState): string | undefined {
    const { treeSize, publishedSize } = ledger
    if (publishedSize >= this.#waiting.treeSize) this.#waiting = { treeSize, sinceMs: nowMs }
    const { sinceMs } = this.#waiting
    if (publishedSize === treeSize || nowMs - sinceMs <= Math.max(LATE_MS, LATE_TIMES * publishEveryMs))
      return undefined
    return `${treeSize - publishedSize} leaves are in no published head; some wait since ${timeText(sinceMs)}`
  }
}

function named(name: HealthName, problem: string | undefined): Partial<Record<HealthName, string>> {
  return problem === undefined ? {} : { [name]: problem }
}

function missingQuorum({ ledger }: LogState): string | undefined {
  const { quorum, quorumMissingSince, renewalFailingSince } = ledger
  if (quorum === "missing" && quorumMissingSince !== undefined)
    return `no quorum of witnesses has cosigned a head since ${timeText(quorumMissingSince)}`
  if (quorum === "stale" && renewalFailingSince !== undefined)
    return `no quorum of witnesses has renewed its cosignatures since ${timeText(renewalFailingSince)}`
  return undefined
}

function failedCheck({ ledger, reading, alarms }: LogState): string | undefined {
  if (alarms[0] !== undefined) return alarms[0]
  if (ledger.damage !== undefined) return `what is stored is damaged: ${ledger.damage.message}`
  if (reading.state !== "stopped") return undefined
  const { code, message } = reading.stoppedBy ?? { code: "", message: "" }
  return `the log failed a check of its own reader: ${message} (${code})`
}

function lag({ reading: { state, lagSeconds } }: LogState): string | undefined {
  if (state === "off" || lagSeconds <= MAX_LAG_SECONDS) return undefined
  return `answers are ${Math.round(lagSeconds)} seconds behind the log`
}

function fullDisk({ ledger }: LogState): string | undefined {
  const { accepting, reason, freeBytes, totalBytes } = ledger
  if (!accepting) return `events are not taken: ${reason}`
  if (freeBytes === undefined || totalBytes === undefined || freeBytes >= totalBytes * LEAST_FREE_SHARE)
    return undefined
  return `${Math.floor((100 * freeBytes) / totalBytes)} % of the device are free`
}
