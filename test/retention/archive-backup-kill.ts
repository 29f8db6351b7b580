/**
 * A backup of a log whose records lie in its archive, killed, for the test that is run each time and for the one that
 * kills at every step: the former backup is whole, the next run completes it, and it has every record.
 */

import { cp, readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { SCHEDULE_TEMPLATE } from "@prooflog/archive/schedule-template"
import { parseSignerKey, verifierKeyOf } from "@prooflog/tlog/key"
import { expect } from "vitest"
import { KeptBackup } from "../../apps/cli/dist/backup/kept-backup.js"
import { prooflog } from "../cli/prooflog.js"
import { published } from "../running-log.js"
import { filesWith, logFor } from "./asked.js"
import { backedUp } from "./backup-log.js"
import { archiveJob, LogAt } from "./log-at.js"

const KILL_AT = fileURLToPath(new URL("backup-kill-at.mjs", import.meta.url))

const NEEDLES = { before: "needle-before", since: "needle-since" }

export class KilledBackups {
  readonly #log: LogAt
  readonly #former: string
  #formerSize = 0

  private constructor(log: LogAt) {
    this.#log = log
    this.#former = join(log.path, "former")
  }

  /** A log, all of it archived, half of it backed up. */
  static async make(): Promise<KilledBackups> {
    const schedule = SCHEDULE_TEMPLATE.replace("hot: 6mo, archive: 2y", "hot: 0, archive: 2y")
    const log = await LogAt.make(schedule, { follow: false })
    const backups = new KilledBackups(log)
    await log.at(Date.now())
    await backups.#archive(NEEDLES.before)
    const { tree_size = 0 } = await backedUp(log, backups.#former)
    backups.#formerSize = tree_size
    await backups.#archive(NEEDLES.since)
    expect(await filesWith(join(log.dir, "data/log"), NEEDLES.since)).toEqual([])
    return backups
  }

  remove(): Promise<void> {
    return this.#log.remove()
  }

  async #archive(needle: string): Promise<void> {
    const leaves = await logFor(this.#log, "U1", 300, () => ({ user_agent: needle }))
    await published(this.#log.url, (leaves.at(-1) as number) + 1)
    expect(await archiveJob(this.#log, "run")).toMatchObject({ state: "done", result: { archived: 300 } })
  }

  /**
   * Kills a backup before its n-th step.
   *
   * @returns what was there then: the former backup or the next one; `undefined` if it had come to its end before
   */
  async killed(n: number): Promise<"former" | "next" | undefined> {
    const log = this.#log
    const to = join(log.path, "killed")
    await rm(to, { recursive: true, force: true })
    await cp(this.#former, to, { recursive: true })
    const env = { PROOFLOG_KEY: log.adminKey, KILL_AT: `${n}`, NODE_OPTIONS: `--import=${KILL_AT}` }
    const { code, err } = await prooflog(["backup", to, "--url", log.url], { env })
    expect([n, code, err]).toEqual([n, code === 0 ? 0 : null, expect.any(String)])
    const size = await this.#wholeSize(to)
    const { tree_size } = await backedUp(log, to)
    expect(await this.#wholeSize(to)).toBe(tree_size)
    for (const needle of Object.values(NEEDLES))
      expect(await filesWith(join(to, "records"), needle)).not.toEqual([])
    if (code === 0) return undefined
    return size === this.#formerSize ? "former" : "next"
  }

  /** Reads all that a backup lists, and holds it against its head: each event has its record. */
  async #wholeSize(backup: string): Promise<number> {
    const text = await readFile(join(this.#log.dir, "keys/signer.key"), "utf8")
    const kept = await KeptBackup.open(backup, verifierKeyOf(parseSignerKey(text.trim())))
    for (let index = 0; index < kept.entries.bundles; index++) await kept.entries.bundle(index)
    let tombstones = 0
    for (const file of kept.manifest.records) {
      for (const { kind } of await kept.leaves(file)) if (kind === "tombstone") tombstones++
    }
    expect(tombstones).toBe(0)
    return kept.manifest.treeSize
  }
}
