/** Room comes back: nine in ten records are destroyed, hot and archived ones, and no file below the folder has a byte of them. */

import { randomBytes } from "node:crypto"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { post } from "../running-log.js"
import { eventually, get, type Json, rowsOf, tell } from "./asked.js"
import { bytesOnDisk, filesHiding } from "./hidden-bytes.js"
import { LivingLog } from "./living-log.js"
import { DAY_MS } from "./log-at.js"

const BEGIN_MS = Date.parse("2024-02-05T09:00:00Z")

const SCHEDULE = `
classes:
  brief: { hot: 1d, archive: 0, destroy_after: 1d }
  stored: { hot: 1d, archive: 10d, destroy_after: 1d }
  long: { hot: 1d, archive: 10y }
  audit: { hot: 7y }
default: long
rules:
  - { class: brief, action: brief }
  - { class: stored, action: stored }
`

/** Of ten events, four are brief, five are stored, and one stays for long. */
const EVENTS = 10_000
const CLASSES = ["brief", "stored"] as const
const classOf = (n: number) => (n % 10 === 0 ? "long" : (CLASSES[n % 2] as string))

const needles: Readonly<Record<string, string>> = { brief: word(), stored: word(), long: word() }

function word(): string {
  return `needle-${randomBytes(8).toString("hex")}`
}

function sampleEvent(n: number): Json {
  const className = classOf(n)
  return {
    timestamp: new Date(BEGIN_MS - n * 1_000).toISOString(),
    user_id: `U${n % 997}`,
    action: className,
    resource_accessed: `/documents/${n}`,
    result: "success",
    // What no compression makes small, and what says whose record it is.
    user_agent: randomBytes(150).toString("base64"),
    reason: `${needles[className]}/${n}`,
  }
}

describe("a log of which nine in ten records are destroyed", () => {
  let log: LivingLog
  const sizes: Record<string, number>[] = []

  async function measure(): Promise<void> {
    const [all, records, rows, segments] = await Promise.all(
      ["", "data/log", "query", "data/archive"].map((name) =>
        bytesOnDisk(join(log.dir, name)).catch(() => 0),
      ),
    )
    sizes.push({ all, records, rows, segments } as Record<string, number>)
  }

  const hiding = (className: string) => filesHiding(log.path, needles[className] as string)

  beforeAll(async () => {
    log = await LivingLog.begin(SCHEDULE, BEGIN_MS, { alerts: true })
    for (let at = 0; at < EVENTS; at += 5_000) {
      const batch = Array.from({ length: 5_000 }, (_, i) => sampleEvent(at + i))
      expect((await post(`${log.url}v1/events`, log.writerKey, batch)).status).toBe(200)
    }
    await log.see()
    await log.followed()
  })
  afterAll(() => log.end())

  it("has them in its records, its rows, and what was exported", async () => {
    const order = { sql: "SELECT * FROM access_logs", format: "parquet" }
    const begun = await tell(log, "v1/exports", order)
    expect(begun.status).toBe(202)
    await eventually(async () => {
      const { state } = (await get(log, `v1/exports/${begun.body.id}`)).body
      return state === "done" ? true : undefined
    })
    await measure()
    for (const className of Object.keys(needles)) {
      const files = await hiding(className)
      for (const place of [
        /^log\/data\/log\/\d+\.(?:ldb|log)$/,
        /^log\/query\//,
        /^log\/exports\/.*\/file$/,
      ]) {
        expect(files).toContainEqual(expect.stringMatching(place))
      }
    }
  })

  it("has no byte of those that were hot in any file, and its others in segments", async () => {
    log.pass(BEGIN_MS + 2 * DAY_MS)
    const { result } = await log.run()
    expect(result).toMatchObject({ withdrawn: 0.4 * EVENTS, archived: 0.6 * EVENTS, failed: [] })
    await measure()
    expect(await hiding("brief")).toEqual([])
    for (const className of ["stored", "long"]) {
      expect(await hiding(className)).toEqual([
        expect.stringMatching(new RegExp(`^log/data/archive/segments/${className}/.*parquet$`)),
        expect.stringMatching(/^log\/query\//),
      ])
    }
  })

  it("has no byte of those that were archived, and gives back their room", async () => {
    log.pass(BEGIN_MS + 13 * DAY_MS)
    expect((await log.run()).result).toMatchObject({ withdrawn: 0.5 * EVENTS, archived: 0, failed: [] })
    await measure()
    for (const className of CLASSES) expect(await hiding(className)).toEqual([])
    expect(await hiding("long")).toHaveLength(2)
    const left = `SELECT count(*) FROM access_logs WHERE source <> 'prooflog'`
    await log.followed()
    expect(await rowsOf(log, left)).toEqual([[0.1 * EVENTS]])
    const [full, half, end] = sizes as [
      Record<string, number>,
      Record<string, number>,
      Record<string, number>,
    ]
    console.log(
      sizes
        .map((each) =>
          Object.entries(each)
            .map(([name, bytes]) => `${name} ${(bytes / 2 ** 20).toFixed(1)} MiB`)
            .join(", "),
        )
        .join("\n"),
    )
    const share = (name: string, of: Record<string, number>) => (end[name] as number) / (of[name] as number)
    // Entries and tiles stay, of each.
    expect(share("records", full)).toBeLessThan(0.5)
    expect(share("rows", full)).toBeLessThan(0.5)
    expect(share("segments", half)).toBeLessThan(0.4)
    expect(share("all", full)).toBeLessThan(0.5)
  })
})
