/** Two folders of one log that are pointed at one place of segments, as a restore and its prooflog.json can: one has it. */

import { cp, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { SCHEDULE_TEMPLATE } from "@prooflog/archive/schedule-template"
import { startServer } from "@prooflog/server"
import { afterAll, beforeAll, expect, it } from "vitest"
import { published } from "../running-log.js"
import { get, logFor } from "./asked.js"
import { filesIn, restored, runBackup } from "./backup-log.js"
import { archiveJob, archiveOf, LogAt } from "./log-at.js"

const EVENTS = 20

let log: LogAt
let leaves: readonly number[]
beforeAll(async () => {
  const schedule = SCHEDULE_TEMPLATE.replace("hot: 6mo, archive: 2y", "hot: 0, archive: 2y")
  log = await LogAt.make(schedule, { follow: false })
  await setPlace(log.dir, "segments")
  await log.at(Date.now())
  leaves = await logFor(log, "U1", EVENTS)
  await published(log.url, (leaves.at(-1) as number) + 1)
  expect(await archiveJob(log, "run")).toMatchObject({ result: { archived: EVENTS } })
})
afterAll(() => log.remove())

/** Keeps segments in a folder beside those of the logs. */
async function setPlace(dir: string, name: string): Promise<void> {
  const config = join(dir, "prooflog.json")
  const archive = { directory: join(log.path, name) }
  await writeFile(config, JSON.stringify({ ...JSON.parse(await readFile(config, "utf8")), archive }))
}

/** Serves a folder of the log, and has its daily run come. */
async function runOf(dir: string) {
  const server = await startServer({ dir, port: 0, follow: false, logger: false, adoptHead: true })
  try {
    const asked = { url: server.url, adminKey: log.adminKey }
    return { job: await archiveJob(asked, "run"), status: await archiveOf(asked) }
  } finally {
    await server.close()
  }
}

it("is the first one's: the other destroys none of its segments, and archives elsewhere", async () => {
  const [backup, twin, key] = ["backup", "twin", "signer.key"].map((name) => join(log.path, name)) as [
    string,
    string,
    string,
  ]
  expect((await runBackup(log, backup)).verdict).toBe(0)
  await cp(join(log.dir, "keys/signer.key"), key)
  await restored(backup, twin, key, "--adopt-head")
  await setPlace(twin, "segments")
  const before = await filesIn(join(log.path, "segments"))
  const foreign = { code: "ARCHIVE_FOREIGN_STORE" }
  const { job, status } = await runOf(twin)
  expect(job).toMatchObject({ state: "failed", error: foreign, result: { archived: 0, withdrawn: 0 } })
  expect(status).toMatchObject({ segments: 0, last_run: { error: foreign } })
  expect(await filesIn(join(log.path, "segments"))).toEqual(before)
  expect(await archiveJob(log, "verify")).toMatchObject({ result: { records: EVENTS, faults: [] } })
  expect((await get(log, `v1/events/${leaves[0]}`)).status).toBe(200)
  await setPlace(twin, "others")
  expect((await runOf(twin)).job).toMatchObject({ state: "done", result: { archived: EVENTS } })
})
