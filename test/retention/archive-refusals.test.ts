/** A store that refuses, breaks off or is full: the job stops, nothing is destroyed, the operator is told. */

import { readdir, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { SCHEDULE_TEMPLATE } from "@prooflog/archive/schedule-template"
import { type Operation, StandInBucket } from "@prooflog/objects/stand-in-bucket"
import type { ServerConfig } from "@prooflog/server"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { temporaryFolder } from "../running-log.js"
import { get, type Json, logFor } from "./asked.js"
import { LivingLog } from "./living-log.js"
import { archiveOf, DAY_MS } from "./log-at.js"

const FULL_DISK = fileURLToPath(new URL("full-disk.mjs", import.meta.url))

const BEGIN_MS = Date.parse("2024-02-05T09:00:00Z")
const EVENTS = 20

/** Once all are archived. One that may not be destroyed keeps no other from going. */
const SEGMENTS = 2

/** When one record is archived, twenty days later when the others are, and when all of them are due. */
const FIRST_MS = BEGIN_MS + 190 * DAY_MS
const COLD_MS = FIRST_MS + 20 * DAY_MS
const DUE_MS = BEGIN_MS + 970 * DAY_MS

/** What a store can do to a run, and what the run says of it. */
interface Refusal {
  readonly code: string
  arrange(bucket: StandInBucket): void
}

const refuses =
  (operation: Operation, status: number, code: string, times = 1) =>
  (bucket: StandInBucket) =>
    bucket.fail(operation, ...Array.from({ length: times }, () => ({ status, code })))

let log: LivingLog
let leaves: readonly number[]
const alarms: { code: string; message: string }[] = []
const ending: (() => Promise<unknown>)[] = []

beforeEach(() => void alarms.splice(0))
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
  vi.unstubAllEnvs()
})

/** A log of which one record was archived, so that the place is its own; the others are hot, and cold by its clock. */
async function begin(archive?: Json, follow = false): Promise<void> {
  const logger = {
    info() {},
    warn() {},
    error: (details: { code?: string }, message = "") =>
      void alarms.push({ code: details.code ?? "none", message }),
  } as unknown as NonNullable<ServerConfig["logger"]>
  const settings = archive && { archive }
  log = await LivingLog.begin(SCHEDULE_TEMPLATE, BEGIN_MS, {
    logger,
    follow,
    ...(settings && { settings }),
  })
  ending.push(() => log.end())
  const timestamp = new Date(BEGIN_MS).toISOString()
  const [first = 0] = await logFor(log, "U0", 1, () => ({ timestamp }))
  log.pass(BEGIN_MS + 20 * DAY_MS)
  leaves = await logFor(log, "U1", EVENTS, () => ({ timestamp }))
  log.pass(FIRST_MS)
  await log.see((leaves.at(-1) as number) + 1)
  expect(await log.run()).toMatchObject({ state: "done", result: { archived: 1, failed: [] } })
  expect((await log.standing())[first]).toMatch(/^segments\/routine\/2024-02\//)
  log.pass(COLD_MS)
}

/** @param follow - whether rows can be forgotten: without that nothing is destroyed */
async function beginInBucket(follow = false): Promise<StandInBucket> {
  const bucket = await StandInBucket.start({ versioning: true })
  ending.push(() => bucket.stop())
  const { bucket: name, region, endpoint, credentials } = bucket.options
  vi.stubEnv("AWS_ACCESS_KEY_ID", credentials?.accessKeyId ?? "")
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", credentials?.secretAccessKey ?? "")
  await begin({ s3: { bucket: name, prefix: "acme", region, endpoint } }, follow)
  return bucket
}

/** What stands at each leaf that was logged, without the keys. */
async function places(): Promise<readonly string[]> {
  const standing = await log.standing()
  return [...new Set(leaves.map((leaf) => standing[leaf]?.split("/")[0] as string))]
}

/** Of a step that failed: the job has failed, the operator was told, and whoever asks is. */
async function expectTold(job: Json, step: string, code: string): Promise<void> {
  expect(job).toMatchObject({ state: "failed", error: { code } })
  expect(alarms).toContainEqual({
    code,
    message: expect.stringMatching(/^alarm of retention: a step of the daily run failed/),
  })
  const { last_run } = await archiveOf(log)
  expect(last_run).toMatchObject({
    error: { code, message: expect.stringMatching(new RegExp(`^${step}: `)) },
  })
  const { body } = await get(log, "metrics")
  expect(body.text).toContain(`prooflog_retention_failed_steps{step="${step}"} 1`)
}

/** The run after it does what this one could not. */
async function expectArchivedNext(): Promise<void> {
  expect(await log.run()).toMatchObject({ state: "done", result: { archived: EVENTS, failed: [] } })
  expect(await places()).toEqual(["segments"])
  expect((await archiveOf(log)).last_run).not.toHaveProperty("error")
  for (const leaf of [leaves[0], leaves.at(-1)])
    expect((await get(log, `v1/events/${leaf}`)).status).toBe(200)
}

describe("a run that is to archive", () => {
  it.each<[string, Refusal]>([
    ["may not put", { code: "OBJECTS_ACCESS_DENIED", arrange: refuses("PutObject", 403, "AccessDenied") }],
    [
      "may not list",
      { code: "OBJECTS_ACCESS_DENIED", arrange: refuses("ListObjectsV2", 403, "AccessDenied") },
    ],
    [
      "finds its credentials expired",
      { code: "OBJECTS_BAD_CREDENTIALS", arrange: refuses("PutObject", 400, "ExpiredToken") },
    ],
    [
      "finds half an object where it put a whole",
      {
        code: "OBJECTS_EXISTS",
        arrange: (bucket) =>
          bucket.afterNext("PutObject", () => {
            const last = bucket.versions.at(-1)
            if (last?.bytes !== undefined) last.bytes = last.bytes.subarray(0, last.bytes.length >> 1)
          }),
      },
    ],
    [
      "finds other bytes than it put",
      {
        code: "ARCHIVE_SEGMENT_UNREADABLE",
        arrange: (bucket) =>
          bucket.afterNext("PutObject", () => {
            const bytes = bucket.versions.at(-1)?.bytes ?? Buffer.alloc(0)
            const at = bytes.length >> 1
            bytes[at] = (bytes[at] ?? 0) ^ 1
          }),
      },
    ],
    [
      "is cut off while it reads back",
      {
        code: "ARCHIVE_SEGMENT_UNREADABLE",
        arrange: (bucket) => bucket.afterNext("PutObject", () => bucket.fail("GetObject", "cut body")),
      },
    ],
  ])("stops if it %s: every record is hot, and the next run goes on", async (_, { code, arrange }) => {
    const bucket = await beginInBucket()
    arrange(bucket)
    await expectTold(await log.run(), "archive", code)
    expect(await places()).toEqual(["hot"])
    await expectArchivedNext()
    // Nothing is left of what came of it: there is an owner, and two segments.
    expect(bucket.versions).toHaveLength(5)
  })
})

describe("a run that is to destroy", () => {
  it.each<[string, Refusal]>([
    [
      "may not delete",
      { code: "OBJECTS_ACCESS_DENIED", arrange: refuses("DeleteObject", 403, "AccessDenied", SEGMENTS) },
    ],
    [
      "may not look at versions",
      {
        code: "OBJECTS_ACCESS_DENIED",
        arrange: refuses("ListObjectVersions", 403, "AccessDenied", SEGMENTS),
      },
    ],
    [
      "finds a lock on it",
      {
        code: "OBJECTS_LOCKED",
        arrange: (bucket) => {
          for (const version of bucket.versions) version.legalHold = true
        },
      },
    ],
  ])("stops if it %s: no object goes, and the next run goes on", async (_, { code, arrange }) => {
    const bucket = await beginInBucket(true)
    await expectArchivedNext()
    const before = [...bucket.versions]
    log.pass(DUE_MS)
    arrange(bucket)
    await expectTold(await log.run(), "destroy", code)
    // Their time is over, and nobody is shown them any more; but they are owed.
    expect(await places()).toEqual(["gone"])
    expect(bucket.versions).toEqual(before)
    expect((await archiveOf(log)).owed).not.toMatchObject({ withdrawn: 0 })
    for (const version of bucket.versions) delete version.legalHold
    expect(await log.run()).toMatchObject({ state: "done", result: { failed: [] } })
    expect(bucket.versions.map(({ key }) => key)).toEqual(["acme/owner.json"])
  })
})

describe("credentials that are wrong", () => {
  it("stop every step of a run, and no event that is logged", async () => {
    vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIAWRONG")
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "wrong")
    const bucket = await StandInBucket.start({ versioning: true })
    ending.push(() => bucket.stop())
    const { bucket: name, region, endpoint } = bucket.options
    await begin({ s3: { bucket: name, prefix: "acme", region, endpoint } }).catch(() => {})
    const job = await log.run()
    await expectTold(job, "archive", "OBJECTS_BAD_CREDENTIALS")
    expect((job.result as { failed: Json[] }).failed.map(({ step }) => step)).toEqual([
      "archive",
      "destroy",
      "verify",
    ])
    expect(await places()).toEqual(["hot"])
    expect(bucket.versions).toEqual([])
    expect(await logFor(log, "U2", 1)).toHaveLength(1)
  })
})

describe("a disk that is full", () => {
  it("stops the run with what it has, and the next one goes on when there is room", async () => {
    const folder = await temporaryFolder()
    ending.push(() => folder.remove())
    const full = join(folder.path, "full")
    vi.stubEnv("NODE_OPTIONS", `--import=${FULL_DISK}`)
    vi.stubEnv("FULL_WHILE", full)
    await begin()
    await writeFile(full, "")
    await expectTold(await log.run(), "archive", "OBJECTS_NO_ROOM")
    expect(await places()).toEqual(["hot"])
    expect(await readdir(join(log.dir, "data/archive/.drafts"))).toEqual([])
    await rm(full)
    await expectArchivedNext()
    expect(await readdir(join(log.dir, "data/archive/segments/routine/2024-02"))).toHaveLength(4)
  })
})
