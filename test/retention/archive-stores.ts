/**
 * Many records, archived to whatever keeps them, for the test that is run each time and for the long one.
 *
 *     logged, asked about ─► hot no more: archived, their bytes gone from the log's own store ─► asked about: the same answers
 *                         ─► rows thrown away and made anew, out of the archive ─► the same again; a few of them proven
 *                         ─► due: destroyed ─► nothing of them is left where the segments were
 */

import { mkdtemp, readdir, rm, stat } from "node:fs/promises"
import { createRequire } from "node:module"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { SCHEDULE_TEMPLATE } from "@prooflog/archive/schedule-template"
import { StandInBucket } from "@prooflog/objects/stand-in-bucket"
import { expect } from "vitest"
import { prooflogHere } from "../cli/prooflog.js"
import { post } from "../running-log.js"
import { filesWith, type Json, rowsOf, tell } from "./asked.js"
import { LivingLog } from "./living-log.js"
import { archiveOf, DAY_MS } from "./log-at.js"

const BEGIN_MS = Date.parse("2024-02-05T09:00:00Z")

/** Events of one request. */
const BATCH = 10_000

/** Where segments lie. */
export interface Store {
  /** Of `prooflog.json`. */
  readonly archive: Json
  /** What the archive's process finds in its environment. */
  readonly environment: Readonly<Record<string, string>>
  /** Keys of all that is there, or of all versions of it. */
  keys(log: LivingLog): Promise<readonly string[]>
  close(): Promise<void>
}

export const STORES = {
  "a directory": async (): Promise<Store> => ({
    archive: { directory: "../segments" },
    environment: {},
    keys: (log) => filesBelow(join(log.path, "segments")),
    close: async () => {},
  }),
  s3rver: startS3rver,
  "a bucket that keeps versions": startVersionedBucket,
} as const

interface S3rver {
  readonly httpServer: { closeAllConnections(): void }
  run(): Promise<AddressInfo>
  close(): Promise<void>
}

const BUCKET = "archive"

/** A server by others, which knows no versions. */
async function startS3rver(): Promise<Store> {
  const require = createRequire(new URL("../../packages/objects/package.json", import.meta.url))
  const Server = require("s3rver") as new (options: object) => S3rver
  const directory = await mkdtemp(join(tmpdir(), "s3rver-"))
  const configureBuckets = [{ name: BUCKET }]
  const server = new Server({ address: "127.0.0.1", port: 0, silent: true, directory, configureBuckets })
  const { port } = await server.run()
  return {
    archive: {
      s3: { bucket: BUCKET, prefix: "logs/one", region: "us-east-1", endpoint: `http://127.0.0.1:${port}` },
    },
    environment: { AWS_ACCESS_KEY_ID: "S3RVER", AWS_SECRET_ACCESS_KEY: "S3RVER" },
    async keys() {
      const names = await filesBelow(join(directory, BUCKET, "logs/one"))
      return names.flatMap((name) => (name.endsWith("._S3rver_object") ? [name.slice(0, -15)] : []))
    },
    async close() {
      server.httpServer.closeAllConnections()
      await server.close()
      await rm(directory, { recursive: true })
    },
  }
}

async function startVersionedBucket(): Promise<Store> {
  const server = await StandInBucket.start({ versioning: true })
  const { bucket, region, endpoint, credentials } = server.options
  return {
    archive: { s3: { bucket, prefix: "logs/one", region, endpoint } },
    environment: {
      AWS_ACCESS_KEY_ID: credentials?.accessKeyId ?? "",
      AWS_SECRET_ACCESS_KEY: credentials?.secretAccessKey ?? "",
    },
    keys: async () => server.versions.map(({ key }) => key.replace("logs/one/", "")),
    close: () => server.stop(),
  }
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.flatMap((each) =>
    each.isFile() ? [join(each.parentPath, each.name).slice(folder.length + 1)] : [],
  )
}

/** A user whose events are all over the log. Who asks for them leaves the name in the log again, but not what they used. */
const USER = "U4711-4711"
const NEEDLE = "needle-4711-4711"

const THEIRS = "FROM access_logs WHERE source <> 'prooflog'"

const QUESTIONS = [
  `SELECT result, class, count(*), sum(duration_ms), sum(leaf_index), min(received_at), max(received_at) ${THEIRS} GROUP BY ALL ORDER BY ALL`,
  `SELECT count(DISTINCT user_id), count(DISTINCT resource_accessed), sum(length(user_agent)) ${THEIRS}`,
  `SELECT leaf_index, timestamp, resource_accessed, ip_address, result ${THEIRS} AND user_id = '${USER}' ORDER BY leaf_index LIMIT 1000`,
]

/**
 * Goes through all of it.
 *
 * @param count - events
 */
export async function keepsItsAnswers(count: number, log: LivingLog, store: Store): Promise<void> {
  await fill(log, count)
  await log.followed()
  const before = await answers(log)
  const [first, , point] = before as readonly unknown[][][]
  expect(first?.reduce((sum, row) => sum + Number(row[2]), 0)).toBe(count)
  expect(point?.length).toBe(Math.min(1_000, Math.ceil(count / 997)))
  expect(await filesWith(join(log.dir, "data/log"), NEEDLE)).not.toEqual([])

  log.pass(BEGIN_MS + 200 * DAY_MS)
  expect(await log.run()).toMatchObject({ state: "done", result: { archived: count, failed: [] } })
  await log.see()
  const standing = await log.standing()
  expect(standing.filter((each) => each.startsWith("segments/routine/2024-02/"))).toHaveLength(count)
  expect(await filesWith(join(log.dir, "data/log"), NEEDLE)).toEqual([])
  expect(await archiveOf(log)).toMatchObject({ records: count, faults: [] })
  expect(await answers(log)).toEqual(before)

  const rows = join(log.dir, "query/access_logs.duckdb")
  const { birthtimeMs } = await stat(rows)
  expect((await tell(log, "v1/reindex")).status).toBe(202)
  await log.followed()
  expect((await stat(rows)).birthtimeMs).toBeGreaterThan(birthtimeMs)
  expect(await answers(log)).toEqual(before)
  const sql = `SELECT * ${THEIRS} AND user_id = '${USER}'`
  const args = ["query", sql, "--verify", "--policy", join(log.dir, "policy"), "--json", "--url", log.url]
  const { verdict, out, thrown } = await prooflogHere(args, { PROOFLOG_KEY: log.adminKey })
  expect([thrown, verdict]).toEqual([undefined, 0])
  expect(out).toContain(NEEDLE)

  log.pass(BEGIN_MS + 945 * DAY_MS)
  expect(await log.run()).toMatchObject({ state: "done", result: { withdrawn: count, failed: [] } })
  expect(await store.keys(log)).toEqual(["owner.json"])
  await log.followed()
  expect(await rowsOf(log, `SELECT count(*) ${THEIRS}`)).toEqual([[0]])
  expect(await filesWith(log.path, NEEDLE)).toEqual([])
}

async function fill(log: LivingLog, count: number): Promise<void> {
  for (let at = 0; at < count; at += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, count - at) }, (_, i) => sampleEvent(at + i))
    expect((await post(`${log.url}v1/events`, log.writerKey, batch)).status).toBe(200)
  }
}

function sampleEvent(n: number): Json {
  return {
    timestamp: new Date(BEGIN_MS - 86_400_000 + n * 37).toISOString(),
    user_id: n % 997 === 0 ? USER : `U${(n * 7_919) % 50_000}`,
    action: "document.read",
    resource_accessed: `/documents/${(n * 104_729) % 100_003}`,
    result: n % 20 === 0 ? "denied" : "success",
    ip_address: `10.${n % 200}.${(n >> 3) % 250}.${(n * 3) % 250}`,
    user_agent: n % 997 === 0 ? NEEDLE : `Mozilla/5.0 (X11; Linux x86_64) Chrome/${n % 130}.0`,
    duration_ms: n % 400,
  }
}

async function answers(log: LivingLog): Promise<readonly unknown[]> {
  const found: unknown[] = []
  for (const sql of QUESTIONS) found.push(await rowsOf(log, sql))
  return found
}

/** Begins a log whose segments lie in a store. */
export function logOver(store: Store): Promise<LivingLog> {
  return LivingLog.begin(SCHEDULE_TEMPLATE, BEGIN_MS, { settings: { archive: store.archive } })
}
