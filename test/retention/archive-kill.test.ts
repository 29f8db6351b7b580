/** A server that is killed with its archive, at each step: the next one goes on by itself, and nothing is lost or repeated. */

import { once } from "node:events"
import { cp } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { serve, temporaryFolder } from "../running-log.js"
import { type Asked, eventually, filesWith, followed, get, type Json, logFor, rowsOf, tell } from "./asked.js"

const KILL_ARCHIVE = fileURLToPath(new URL("kill-archive.mjs", import.meta.url))

const NEEDLE = "needle-of-many-years"

/** Days from the events to the run that archives them, and to the one that destroys them. */
const ARCHIVED = 214
const DESTROYED = 950

const COUNT = 40

describe("a server that is killed while it archives and destroys", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let fresh: string
  let archived: string
  let keys: { adminKey: string; writerKey: string }
  let leaves: number[]

  /** A log with events, and a copy of it in which they are archived. */
  beforeAll(async () => {
    folder = await temporaryFolder()
    fresh = join(folder.path, "fresh")
    archived = join(folder.path, "archived")
    const server = await serveAt(fresh, 0)
    const keyOf = (role: string) => new RegExp(`${role} key\\s+(\\S+)`).exec(server.printed)?.[1] ?? "none"
    keys = { adminKey: keyOf("admin"), writerKey: keyOf("writer") }
    const log = { url: server.url, ...keys }
    leaves = await logFor(log, "U1", COUNT, () => ({ user_agent: NEEDLE }))
    await followed(log)
    await server.stop()
    await cp(fresh, archived, { recursive: true })
    const next = await serveAt(archived, ARCHIVED)
    await followed({ url: next.url, ...keys })
    await tell({ url: next.url, ...keys }, "v1/archive/run")
    await ranOnce({ url: next.url, ...keys })
    await next.stop()
  })
  afterAll(() => folder.remove())

  /** The log begins so long ago that its end is now. */
  function serveAt(dir: string, days: number, killAt = 0) {
    return serve(dir, {
      NODE_OPTIONS: `--import=${KILL_ARCHIVE}`,
      CLOCK_DAYS: String(days - DESTROYED),
      KILL_AT: String(killAt),
    })
  }

  async function ranOnce(log: Asked): Promise<Json> {
    return eventually(async () => {
      const { body } = await get(log, "v1/archive")
      const job = body.job as Json | undefined
      return body.last_run !== undefined && job?.state !== "running" ? body : undefined
    })
  }

  /** Kills a run in a copy of a folder, and serves that again until it has gone on. */
  async function afterKill(
    of: string,
    days: number,
    step: number,
    check: (log: Asked, dir: string) => Promise<void>,
  ) {
    const copy = join(folder.path, `${days}-${step}`)
    await cp(of, copy, { recursive: true })
    const killed = await serveAt(copy, days, step)
    const exited = once(killed.process, "exit")
    const log = { url: killed.url, adminKey: keys.adminKey }
    await followed(log)
    await tell(log, "v1/archive/run").catch(() => {})
    expect(await Promise.race([exited, sleep(20_000)])).toEqual([null, "SIGKILL"])
    const server = await serveAt(copy, days)
    const again = { url: server.url, adminKey: keys.adminKey }
    try {
      const { last_run } = await eventually(async () => {
        const { body } = await get(again, "v1/archive")
        const { job } = body as { job?: Json }
        return job !== undefined && job.state !== "running" ? body : undefined
      })
      expect((last_run as Json).error).toBeUndefined()
      await followed(again)
      await check(again, copy)
    } finally {
      await server.stop()
    }
  }

  it.each([
    ["that a segment is being put", 2],
    ["that it is verified", 3],
    ["that its records are moved", 4],
  ])("after it has kept %s: every record is in one segment, told once", async (_, step) => {
    await afterKill(fresh, ARCHIVED, step, async (log, dir) => {
      expect((await get(log, "v1/archive")).body).toMatchObject({ segments: 1, records: COUNT, faults: [] })
      expect(await filesWith(join(dir, "data/log"), NEEDLE)).toEqual([])
      for (const leaf of [leaves[0], leaves.at(-1)])
        expect(((await get(log, `v1/events/${leaf}`)).body.event as Json).user_agent).toBe(NEEDLE)
      const told = "SELECT count(*) FROM access_logs WHERE action = 'log.archive.archived'"
      expect(await rowsOf(log, told)).toEqual([[1]])
    })
  })

  it.each([
    ["what it has withdrawn", 2],
    ["that their segment goes", 4],
    ["that no row is left", 7],
  ])("after it has kept %s: nothing is left, told once", async (_, step) => {
    await afterKill(archived, DESTROYED, step, async (log, dir) => {
      expect((await get(log, "v1/archive")).body).toMatchObject({
        segments: 0,
        records: 0,
        owed: { purge: false, rewrite: false, stale: 0 },
      })
      expect((await get(log, `v1/events/${leaves[3]}`)).body).toMatchObject({
        status: 410,
        reason: "schedule",
      })
      expect(await filesWith(dir, NEEDLE)).toEqual([])
      const told =
        "SELECT action, count(*) FROM access_logs WHERE action LIKE 'log.destroy.%' GROUP BY ALL ORDER BY ALL"
      expect(await rowsOf(log, told)).toEqual([
        ["log.destroy.gone", 1],
        ["log.destroy.withdrawn", 1],
      ])
    })
  })
})
