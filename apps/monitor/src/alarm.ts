/**
 * The alarm: each new finding is posted to a webhook, until it is taken.
 *
 *     { "format": "prooflog-alarm/1", "origin": …, "kind": …, "weight": …, "means": …, "message": …, "since": RFC 3339,
 *       "state": "open" | "settled", "accusation": { … }? }
 *
 * At least once while it is open: a finding counts as told when the webhook answered 2xx, and that is kept; what was
 * given up is told again at the next look, or after the next start. That something is over is told once, at best.
 *
 * Effects: the network; timers.
 */

import { setTimeout as sleep } from "node:timers/promises"
import type { Logger } from "pino"
import { ask } from "./ask.js"
import type { AlarmConfig } from "./config.js"
import { FINDING_KINDS, type Finding, weightOf } from "./finding.js"
import { openQueue, type Queue } from "./queue.js"

const FIRST_DELAY_MS = 1_000
const MAX_DELAY_MS = 60_000
const ATTEMPTS = 5

/** Posts that may wait: past it a finding is told at a later look. */
const MAX_WAITING = 256

export interface AlarmOptions {
  readonly config: AlarmConfig
  readonly logger: Logger
  readonly signal: AbortSignal
  /** Between two tries; 1 s, doubled each time, unless set. */
  readonly firstDelayMs?: number
}

export class Alarm {
  readonly #options: AlarmOptions
  readonly #queue: Queue = openQueue(MAX_WAITING)
  /** Posts that were given up. */
  failures = 0

  constructor(options: AlarmOptions) {
    this.#options = options
  }

  /** Posts one finding; resolves to whether it was taken. Never rejects. */
  async tell(
    origin: string,
    finding: Finding,
    state: "open" | "settled",
    accusation?: string,
  ): Promise<boolean> {
    const body = formatAlarm(origin, finding, state, accusation)
    return (await this.#queue.tryRun(() => this.#post(body))) ?? false
  }

  async #post(body: string): Promise<boolean> {
    const { config, logger, signal, firstDelayMs = FIRST_DELAY_MS } = this.#options
    for (let attempt = 0; attempt < ATTEMPTS && !signal.aborted; attempt++) {
      try {
        if (attempt > 0)
          await sleep(Math.min(MAX_DELAY_MS, firstDelayMs * 2 ** (attempt - 1)), undefined, { signal })
        const headers = { ...config.headers, "content-type": "application/json" }
        const { status } = await ask(config.webhook, {
          method: "POST",
          headers,
          body,
          timeoutMs: 10_000,
          limit: 65_536,
          signal,
        })
        if (status >= 200 && status < 300) return true
        logger.warn({ status, attempt }, "the webhook did not take an alarm")
      } catch (error) {
        if (!signal.aborted) logger.warn({ err: error, attempt }, "the webhook did not answer")
      }
    }
    this.failures++
    return false
  }
}

/** @param accusation - the file's text */
export function formatAlarm(
  origin: string,
  finding: Finding,
  state: "open" | "settled",
  accusation?: string,
): string {
  const { kind, message, sinceMs, heads } = finding
  return JSON.stringify({
    format: "prooflog-alarm/1",
    origin,
    kind,
    weight: weightOf(finding),
    means: FINDING_KINDS[kind].means,
    message,
    since: new Date(sinceMs).toISOString(),
    state,
    ...(heads && { heads }),
    ...(accusation && { accusation: JSON.parse(accusation) as unknown }),
  })
}
