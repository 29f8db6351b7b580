/** Segments that are damaged or away: said so with their key, by whoever needs them, and by nobody else; mended, and clean. */

import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { prooflogHere } from "../cli/prooflog.js"
import { post, published } from "../running-log.js"
import { eventually, get, type Json, logFor } from "./asked.js"
import { archiveJob, archiveOf, DAY_MS, endOf, LogAt } from "./log-at.js"

const BEGIN_MS = Date.parse("2026-03-01T12:00:00Z")

/** Events that are archived while their ids are still known. */
const SCHEDULE = `
classes:
  brief: { hot: 1d, archive: 30d }
  other: { hot: 2d, archive: 30d }
  audit: { hot: 7y }
default: brief
rules:
  - { class: other, action: ping }
`

describe("an archive with a damaged segment", () => {
  let log: LogAt
  let briefs: number[]
  let others: number[]
  const told: { level: string; code?: string; message: string }[] = []
  const event = {
    timestamp: "2023-10-21T15:32:00Z",
    user_id: "U1",
    resource_accessed: "/x",
    result: "success",
  }
  const sent = { ...event, event_id: "sent-again" }

  const tell = (level: string) => (details: { code?: string } | string, message?: string) =>
    void told.push(
      typeof details === "string"
        ? { level, message: details }
        : { level, message: message ?? "", ...(details.code && { code: details.code }) },
    )
  const logger = { info: tell("info"), warn: tell("warn"), error: tell("error") }

  /** Path of the one segment of a class. */
  async function segmentOf(className: string): Promise<string> {
    const folder = join(log.dir, "data/archive/segments", className, "2026-03")
    const [name] = (await readdir(folder)).filter((each) => each.endsWith(".parquet"))
    return join(folder, name as string)
  }

  const resend = (changes: Json = {}) => post(`${log.url}v1/events`, log.writerKey, { ...sent, ...changes })

  beforeAll(async () => {
    // Nothing here is asked of rows.
    log = await LogAt.make(SCHEDULE, { follow: false, logger: logger as never })
    await log.at(BEGIN_MS)
    const { body } = await post(`${log.url}v1/events`, log.writerKey, sent)
    briefs = [body.leaf_index as number, ...(await logFor(log, "U1", 20))]
    others = await logFor(log, "U2", 5, () => ({ action: "ping" }))
    await published(log.url, (others.at(-1) as number) + 1)
    await log.at(BEGIN_MS + 3 * DAY_MS)
  })
  afterAll(() => log.remove())

  it("was begun by a run that went on where a stop had cut it off", async () => {
    const { body } = await post(`${log.url}v1/archive/run`, log.adminKey, {})
    expect(body).toMatchObject({ kind: "run", state: "running" })
    await eventually(async () => {
      const { job } = (await get(log, "v1/archive")).body as { job: Json }
      return job.step !== "wait" || job.state === "done" ? true : undefined
    })
    await log.at(BEGIN_MS + 3 * DAY_MS)
    const { job } = (await get(log, "v1/archive")).body as { job?: Json }
    if (job !== undefined) await endOf(log, job.id as string)
    else await archiveJob(log, "run")
    expect(await archiveOf(log)).toMatchObject({
      segments: 2,
      records: 26,
      by_class: { brief: { records: 21 }, other: { records: 5 } },
    })
    expect(told.filter(({ level }) => level === "error")).toEqual([])
  })

  it("knows a repeat of an archived event, and another event with its id, as before", async () => {
    expect(await resend()).toMatchObject({ status: 200, body: { leaf_index: briefs[0], duplicate: true } })
    expect((await resend()).body).not.toHaveProperty("unchecked")
    expect(await resend({ user_id: "U9" })).toMatchObject({ status: 409, body: { code: "SERVER_CONFLICT" } })
  })

  it("refuses what it would show of a segment with other bytes: 500, key and leaf, an alarm", async () => {
    const path = await segmentOf("brief")
    const whole = await readFile(path)
    const other = Buffer.from(whole)
    const middle = Math.floor(other.length / 3)
    other[middle] = (other[middle] as number) ^ 1
    await log.stop()
    await writeFile(path, other)
    await log.at(BEGIN_MS + 3 * DAY_MS)
    told.length = 0
    const { status, body } = await get(log, `v1/events/${briefs[5]}`)
    expect([status, body.code]).toEqual([500, "SERVER_ARCHIVE_DAMAGED"])
    expect(body.detail).toContain("segments/brief/2026-03/")
    expect(told).toContainEqual(expect.objectContaining({ level: "error", code: "SERVER_ARCHIVE_DAMAGED" }))
    expect((await get(log, `v1/evidence?leaf_index=${briefs[5]},${others[1]}`)).body.code).toBe(
      "SERVER_ARCHIVE_DAMAGED",
    )
    // What lies elsewhere is answered.
    expect((await get(log, `v1/evidence?leaf_index=${others.join()}`)).status).toBe(200)

    const args = ["archive", "verify", "--json", "--url", log.url]
    const run = await prooflogHere(args, { PROOFLOG_KEY: log.adminKey })
    expect(run.verdict ?? (run.thrown as { code?: string }).code).toEqual(1)
    const { faults, last_run } = await archiveOf(log)
    expect(faults).toEqual([expect.objectContaining({ key: expect.stringContaining("segments/brief/") })])
    expect((last_run as Json).error).toMatchObject({ code: expect.stringMatching(/^ARCHIVE_SEGMENT_/) })
    expect((await get(log, "metrics")).body.text).toMatch(/^prooflog_archive_faults 1$/m)

    await log.stop()
    await writeFile(path, whole)
    await log.at(BEGIN_MS + 3 * DAY_MS)
    expect(await archiveJob(log, "verify")).toMatchObject({
      result: { segments: 2, records: 26, faults: [] },
    })
    expect((await archiveOf(log)).faults).toEqual([])
    expect((await get(log, `v1/events/${briefs[5]}`)).status).toBe(200)
  })

  it("says 503 of a segment that is away, and answers when it is there again", async () => {
    const away = join(log.path, "away")
    await log.stop()
    await rename(join(log.dir, "data/archive"), away)
    await log.at(BEGIN_MS + 3 * DAY_MS)
    const response = await fetch(`${log.url}v1/events/${briefs[5]}`, {
      headers: { authorization: `Bearer ${log.adminKey}` },
    })
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "5"])
    expect(await response.json()).toMatchObject({ code: "SERVER_ARCHIVE_UNAVAILABLE" })
    // What is sent is taken, though nobody can say whether it is the same.
    expect(await resend()).toMatchObject({ status: 200, body: { duplicate: true, unchecked: true } })
    await mkdir(join(log.dir, "data/archive"), { recursive: true })
    await rename(join(away, "segments"), join(log.dir, "data/archive/segments"))
    expect((await get(log, `v1/events/${briefs[5]}`)).status).toBe(200)
  })
})
