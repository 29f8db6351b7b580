/**
 * Telling the webhook: each finding with its proof, again until it is taken.
 *
 * Effects: those of the alarm; reads accusations.
 */

import { readFile } from "node:fs/promises"
import { join } from "node:path"
import type { Alarm } from "./alarm.js"
import type { Beside } from "./beside.js"
import type { Finding } from "./finding.js"
import type { SentFork } from "./sent-heads.js"
import type { LogWatch } from "./watch.js"

export interface TellingOptions {
  readonly alarm: Alarm
  /** Where accusations are kept. */
  readonly accusationsFolder: string
  readonly beside: Beside
}

export class Telling {
  readonly #options: TellingOptions
  /** Findings whose post is under way. */
  readonly #underWay = new Set<string>()

  constructor(options: TellingOptions) {
    this.#options = options
  }

  /** Tells what the webhook does not have yet: it may have been given up before. */
  tellAll(watch: LogWatch): void {
    for (const finding of watch.status().findings) this.tell(watch, finding)
  }

  tell(watch: LogWatch, finding: Finding): void {
    const { origin } = watch.log
    const name = [origin, finding.kind, finding.by, finding.sinceMs, finding.accusation].join(" ")
    if (finding.isTold || this.#underWay.has(name)) return
    this.#underWay.add(name)
    this.#options.beside.run(this.#tellNow(watch, finding).finally(() => this.#underWay.delete(name)))
  }

  /** That a finding is over: told once, if it was told. */
  tellOver(origin: string, finding: Finding): void {
    const { alarm, beside } = this.#options
    if (finding.isTold) beside.run(alarm.tell(origin, finding, "settled"))
  }

  /** Of a log that only our witness knows: told at once, and kept by its accusation. */
  tellFork({ origin, file, heads, seenMs }: SentFork, message: string): void {
    const finding = { kind: "forked", by: "gossip", message, heads, accusation: file } as const
    this.#options.beside.run(this.#post(origin, { ...finding, sinceMs: seenMs, seenMs, isTold: false }))
  }

  async #tellNow(watch: LogWatch, finding: Finding): Promise<void> {
    if (await this.#post(watch.log.origin, finding)) await watch.told(finding)
  }

  /** Posts a finding with its proof; resolves to whether it was taken. */
  async #post(origin: string, finding: Finding): Promise<boolean> {
    const { alarm, accusationsFolder } = this.#options
    const { accusation } = finding
    const proof = accusation && (await readFile(join(accusationsFolder, accusation), "utf8"))
    return await alarm.tell(origin, finding, "open", proof)
  }
}
