/**
 * A log in a folder with every kind of leaf that a challenge can meet, as old as it has to be.
 *
 *     40 days ago     events of several classes; a hold; a person erased
 *     closed          a record lost, as by a restore, with a notice
 *     now             served again; the daily run has destroyed what is due and not held, and archived what it had to
 */

import { mkdir, readdir, readFile, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { join } from "node:path"
import type { Schedule } from "@prooflog/event/schedule"
import { encodeTombstone } from "@prooflog/event/tombstone"
import type { ServerConfig } from "@prooflog/server"
import { initFolder } from "@prooflog/server/folder"
import { openLevelStorage } from "@prooflog/storage-level"
import type { SignerKey } from "@prooflog/tlog/key"
import { parsePolicy } from "@prooflog/tlog/policy"
import { makeItems } from "@prooflog/verifier/notice"
import { httpSource } from "@prooflog/verifier/source-http"
import { verifyLog } from "@prooflog/verifier/verify-log"
import { expect } from "vitest"
import {
  announceLost,
  formatLost,
  type LostNotice,
  noticeOf,
} from "../../apps/cli/dist/backup/lost-records.js"
import { published } from "../running-log.js"
import { type Asked, followed, logFor, runNow, tell } from "./asked.js"
import { archiveJob, archiveOf, DAY_MS, LogAt } from "./log-at.js"
import { scheduleText } from "./schedule-texts.js"

/** Kept for a day, and destroyed a day later. */
export const BRIEF = "{ hot: 1d, archive: 0, destroy_after: 1d }"

/** In the archive after a day. */
const DISTANT = "{ hot: 1d, archive: 10y }"

export const CLASSES = { brief: BRIEF, distant: DISTANT }

/** LevelDB as any program can use it. */
interface LevelDb {
  readonly Level: new (
    folder: string,
    options: object,
  ) => {
    get(key: Uint8Array): Promise<Uint8Array | undefined>
    put(key: Uint8Array, value: Uint8Array): Promise<void>
    del(key: Uint8Array): Promise<void>
    close(): Promise<void>
  }
}

const { Level } = createRequire(new URL("../../packages/storage-level/package.json", import.meta.url))(
  "level",
) as LevelDb

export interface ChallengedLog extends Asked {
  readonly dir: string
  /** Holds the log's. */
  readonly path: string
  readonly policyFile: string
  readonly signerKey: SignerKey
  /** By role; from `reader` addresses are withheld. */
  readonly keys: Readonly<Record<"admin" | "auditor" | "reader" | "writer", string>>
  /** What the operator was told as an error. */
  readonly alarms: readonly unknown[]
  /** The head before the log was closed. */
  readonly earlierHead: string
  readonly leaves: {
    readonly kept: readonly number[]
    readonly archived: readonly number[]
    readonly due: readonly number[]
    readonly held: readonly number[]
    readonly erased: readonly number[]
    readonly lost: number
  }
  /** The head that everyone is shown, once it has so many leaves. */
  head(atLeast?: number): Promise<string>
  /** Does something to the closed folder, and serves it again. */
  whileClosed(change: (dir: string) => Promise<void>): Promise<void>
  close(): Promise<void>
}

export async function startChallengedLog(): Promise<ChallengedLog> {
  const alarms: unknown[] = []
  const told = { info() {}, warn() {}, error: (words: unknown) => void alarms.push(words) }
  const rules = [
    '{ class: brief, resource_accessed: "/brief/*" }',
    '{ class: distant, resource_accessed: "/distant/*" }',
  ]
  const logger = told as unknown as NonNullable<ServerConfig["logger"]>
  const log = await LogAt.make(scheduleText(CLASSES, rules), { logger })
  const { dir } = log
  const { signerKey, policyPath, signerKeyPath } = await initFolder(dir)
  const config = join(dir, "prooflog.json")
  const settings = { ...JSON.parse(await readFile(config, "utf8")), withhold: { reader: ["ip_address"] } }
  await writeFile(config, JSON.stringify(settings))

  await log.at(Date.now() - 40 * DAY_MS)
  const keyOf = async (role: string) => (await tell(log, "v1/keys", { roles: [role] })).body.key as string
  const keys = {
    admin: log.adminKey,
    writer: log.writerKey,
    auditor: await keyOf("auditor"),
    reader: await keyOf("reader"),
  }
  const under = (folder: string) => (n: number) => ({ resource_accessed: `/${folder}/${n}` })
  const kept = await logFor(log, "U1", 12, () => ({ ip_address: "192.0.2.17" }))
  const archived = await logFor(log, "U3", 6, under("distant"))
  const due = await logFor(log, "U2", 5, under("brief"))
  const held = await logFor(log, "H1", 2, under("brief"))
  const erased = await logFor(log, "P1", 4)
  // A start looks at the last bundle of a log again: what is tampered with is not in it.
  await logFor(log, "U9", 256)
  await followed(log)
  expect((await tell(log, "v1/holds", { user_id: "H1", why: "case 4711" })).status).toBe(201)
  expect((await tell(log, "v1/erasures", { user_id: "P1", why: "request 17" })).status).toBe(201)
  expect((await runNow(log)).error).toBeUndefined()
  const head = async (atLeast = 1) => {
    await published(log.url, atLeast)
    return (await fetch(`${log.url}checkpoint`)).text()
  }
  const earlierHead = await head()
  await log.stop()
  const lost = kept.at(-1) as number
  await lose(dir, lost, signerKeyPath, signerKey)
  await log.at(Date.now())
  await followed(log)
  expect(await archiveJob(log, "run")).toMatchObject({ state: "done" })
  expect((await archiveOf(log)).records).toBe(archived.length)
  expect(alarms).toEqual([])

  return {
    dir,
    path: log.path,
    policyFile: policyPath,
    signerKey,
    adminKey: log.adminKey,
    keys,
    alarms,
    earlierHead,
    leaves: { kept: kept.slice(0, -1), archived, due, held, erased, lost },
    get url() {
      return log.url
    },
    head,
    async whileClosed(change) {
      await log.stop()
      await change(dir)
      await log.at(Date.now())
    },
    close: () => log.remove(),
  }
}

/** As a restore does that has lost a record: notice first, then what stands in its place. */
async function lose(
  dir: string,
  leafIndex: number,
  signerKeyPath: string,
  signerKey: SignerKey,
): Promise<void> {
  const sizeOf = await openLevelStorage(join(dir, "data", "log"))
  const treeSize = await sizeOf.treeSize()
  await sizeOf.close()
  // A notice names more than one, so that it is not about this leaf alone.
  const items = makeItems([leafIndex - 1, leafIndex], (bytes) => void crypto.getRandomValues(bytes))
  const notice = noticeOf(items, treeSize) as LostNotice
  await announceLost(dir, notice, signerKeyPath, signerKey, false)
  await mkdir(join(dir, "retention", "lost"), { recursive: true })
  await writeFile(join(dir, "retention", "lost", `${notice.leaf}.json`), formatLost(notice, items))
  const salt = items[1]?.salt as Uint8Array
  const bytes = encodeTombstone({ state: "destroyed", reason: 3, reference: notice.leaf, salt })
  const storage = await openLevelStorage(join(dir, "data", "log"))
  await storage.withdraw([{ kind: "tombstone", leafIndex, bytes }])
  await storage.close()
}

/** What somebody with a shell does to a log that has settled: deletes the row of a record, or puts that of another leaf in its place. */
export async function tamper(dir: string, leafIndex: number, other?: number): Promise<void> {
  const storage = await openLevelStorage(join(dir, "data", "log"))
  await storage.settle()
  await storage.close()
  const db = new Level(join(dir, "data", "log"), { keyEncoding: "view", valueEncoding: "view" })
  const key = (leaf: number) => Uint8Array.of(0x72, 0, 0, 0, 0, 0, leaf >> 8, leaf & 0xff)
  try {
    expect(await db.get(key(leafIndex))).toBeDefined()
    if (other === undefined) await db.del(key(leafIndex))
    else await db.put(key(leafIndex), (await db.get(key(other))) as Uint8Array)
  } finally {
    await db.close()
  }
}

/** What the log promised, as an audit of all of it finds. */
export async function auditedPromises({ url, policyFile }: ChallengedLog) {
  const policy = parsePolicy(await readFile(policyFile))
  const promises: [number, Schedule][] = []
  const onSchedule = (leaf: number, schedule: Schedule) => void promises.push([leaf, schedule])
  await verifyLog(httpSource(url), policy, { onSchedule })
  return { policy, promises }
}

/** The files of the archive's only segments. */
export async function segmentsOf(dir: string): Promise<readonly string[]> {
  const root = join(dir, "data", "archive")
  const names = await readdir(root, { recursive: true })
  return names.filter((name) => name.endsWith(".parquet")).map((name) => join(root, name))
}
