/** The archive's process over a bucket that stands in for S3: copies of segments, refusals, credentials. */

import { mkdtemp, readdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { StandInBucket } from "@prooflog/objects/stand-in-bucket"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import {
  type ArchivedLog,
  children,
  erase,
  movedOf,
  openArchivedLog,
  othersThan,
  range,
  standingsOf,
} from "../../fixtures/archived-log.js"

describe("an archive in a bucket", () => {
  let dir: string
  let bucket: StandInBucket
  let log: ArchivedLog
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "prooflog-bucket-"))
    bucket = await StandInBucket.start({ versioning: true })
    const { bucket: name, region, endpoint = "", credentials } = bucket.options
    vi.stubEnv("AWS_ACCESS_KEY_ID", credentials?.accessKeyId ?? "")
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", credentials?.secretAccessKey ?? "")
    const store = { kind: "s3", bucket: name, prefix: "acme", region, endpoint } as const
    log = await openArchivedLog(dir, { archive: { store } })
  })
  afterEach(async () => {
    vi.unstubAllEnvs()
    await log.close()
    await bucket.stop()
    await rm(dir, { recursive: true })
  })

  const codes = async () => {
    const { failed } = await log.daily(20)
    return failed.map(({ step, error }) => [step, (error as { code?: string }).code])
  }

  it("has a copy of what is asked for, until a record in it is destroyed", async () => {
    await log.submit(50)
    expect(log.archive.place).toBe("s3://bucket/acme")
    expect(await log.daily(20)).toMatchObject({ archived: { records: 50 }, failed: [] })
    const moved = await movedOf(log, range(1, 51))
    const gets = () =>
      bucket.asked.filter(({ operation, key }) => operation === "GetObject" && key.endsWith(".parquet"))
        .length
    const before = gets()
    const [all, some] = await Promise.all([log.archive.records(moved), log.archive.records(moved.slice(9))])
    expect(othersThan(log, range(1, 51), all)).toEqual([])
    expect(othersThan(log, range(10, 51), some)).toEqual([])
    expect(gets() - before).toBe(1)
    expect(await readdir(log.folder.archiveScratchPath)).toHaveLength(1)
    await erase(log, [10])
    await log.archive.gone([10])
    expect(await readdir(log.folder.archiveScratchPath)).toEqual([])
    await erase(log, [20])
    const [gone, found] = await Promise.all([log.archive.gone([20]), log.archive.records(moved)])
    expect(gone).toBeUndefined()
    expect(othersThan(log, range(1, 51), found).filter((leaf) => leaf !== 20)).toEqual([10])
    await log.archive.verify()
    expect(bucket.holds(Buffer.from(log.records.get(20) ?? []))).toBe(false)
    expect(othersThan(log, range(1, 51), await log.archive.records(moved))).toEqual([10, 20])
    await log.archive.close()
    expect(await readdir(log.folder.archiveScratchPath)).toEqual([])
  })

  it("fails with the code of the store, and nothing is destroyed; then it goes on", async () => {
    await log.submit(10)
    vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIAWRONG")
    expect(await codes()).toEqual(
      ["archive", "destroy", "verify"].map((step) => [step, "OBJECTS_BAD_CREDENTIALS"]),
    )
    expect(await standingsOf(log, range(1, 11))).toEqual(["hot"])
    vi.stubEnv("AWS_ACCESS_KEY_ID", bucket.options.credentials?.accessKeyId ?? "")
    // The next process has the right ones.
    for (const pid of children()) process.kill(pid, "SIGKILL")
    await vi.waitFor(() => log.archive.numbers(), { timeout: 20_000 })
    bucket.fail("PutObject", { status: 403, code: "AccessDenied" })
    expect(await codes()).toEqual([["archive", "OBJECTS_ACCESS_DENIED"]])
    expect(await standingsOf(log, range(1, 11))).toEqual(["hot"])
    expect(await codes()).toEqual([])
    const found = await log.archive.records(await movedOf(log, range(1, 11)))
    expect(othersThan(log, range(1, 11), found)).toEqual([])
  })
})
