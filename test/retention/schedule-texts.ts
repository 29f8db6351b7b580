/** Schedule files for tests, and logs in folders that outlive their servers. */

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { SCHEDULE_TEMPLATE } from "@prooflog/archive/schedule-template"
import { MemoryDisk } from "@prooflog/ledger/memory"
import type { LogStorage } from "@prooflog/ledger/storage"
import { parsePolicy } from "@prooflog/tlog/policy"
import { httpSource } from "@prooflog/verifier/source-http"
import { type VerifiedLog, verifyLog } from "@prooflog/verifier/verify-log"
import { type Got, type KeyName, type Served, type ServeOptions, serve } from "../http/served.js"
import { published } from "../running-log.js"

/** The template with more classes, each by its days at hand, and with rules. */
export function scheduleText(
  classes: Readonly<Record<string, string>> = {},
  rules: readonly string[] = [],
): string {
  const lines = Object.entries(classes).map(([name, times]) => `  ${name}: ${times}\n`)
  const text = SCHEDULE_TEMPLATE.replace(/^classes:\n/m, `classes:\n${lines.join("")}`)
  const listed = rules.map((rule) => `\n  - ${rule}`).join("")
  return text.replace(/^rules: \[\]/m, listed === "" ? "rules: []" : `rules:${listed}`)
}

/** A folder that is there before the server, and what its storage is opened over. */
export interface Place {
  readonly dir: string
  readonly disk: MemoryDisk
  readonly schedulePath: string
  readonly promisesPath: string
  write(schedule: string): Promise<void>
  serve(options?: ServeOptions): Promise<Served>
  remove(): Promise<void>
}

/** @param schedule - a schedule.yaml of its own */
export async function makePlace(schedule?: string): Promise<Place> {
  const dir = await mkdtemp(join(tmpdir(), "prooflog-schedule-"))
  const disk = new MemoryDisk()
  const schedulePath = join(dir, "schedule.yaml")
  const write = (text: string) => writeFile(schedulePath, text)
  if (schedule !== undefined) await write(schedule)
  let first: Pick<Served["keys"], "admin" | "writer"> | undefined
  return {
    dir,
    disk,
    schedulePath,
    promisesPath: join(dir, "retention", "promises.json"),
    write,
    async serve(options = {}) {
      let opened: LogStorage | undefined
      const wrap = (storage: LogStorage) => {
        opened = storage
        return options.wrap?.(storage) ?? storage
      }
      const served = await serve({ ...options, wrap, dir, disk }).catch(async (error: unknown) => {
        // A start that is refused before the log is opened leaves its storage to the one who opened it.
        await opened?.close().catch(() => {})
        throw error
      })
      first ??= served.keys
      const keys = { ...served.keys, admin: first.admin, writer: first.writer }
      // A second start makes no first keys; with this the server reads the others again.
      const body = '{"roles":["reader"]}'
      const type = "application/json"
      await served.request({ method: "POST", path: "v1/keys", key: keys.admin, type, body })
      return { ...served, keys }
    },
    remove: () => rm(dir, { recursive: true }),
  }
}

export function putSchedule(served: Served, text: string, key: KeyName = "admin"): Promise<Got> {
  return served.request({
    method: "PUT",
    path: "v1/schedule",
    ...(served.keys[key] && { key: served.keys[key] }),
    type: "application/yaml",
    body: text,
  })
}

/** Audits a log as anyone may; throws if one rule is broken. Waits until `treeSize` leaves are published. */
export async function audited(
  url: string,
  policyPath: string,
  treeSize: number,
): Promise<VerifiedLog & { readonly schedules: readonly number[] }> {
  const policy = parsePolicy(await readFile(policyPath))
  await published(url, treeSize)
  const schedules: number[] = []
  const verified = await verifyLog(httpSource(url), policy, {
    onSchedule: (leafIndex) => void schedules.push(leafIndex),
  })
  return { ...verified, schedules }
}
