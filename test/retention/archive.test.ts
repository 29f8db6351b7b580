/** Records grow old under the default schedule: archived, answered as before, destroyed when it is time, held, erased. */

import { randomBytes } from "node:crypto"
import { readdir, readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { SCHEDULE_TEMPLATE } from "@prooflog/archive/schedule-template"
import { parsePolicy } from "@prooflog/tlog/policy"
import { verifyCertificate } from "@prooflog/verifier/certificate"
import { verifyEvidence } from "@prooflog/verifier/verify-evidence"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { prooflogHere } from "../cli/prooflog.js"
import { filesWith, followed, get, type Json, logFor, rowsOf, runNow, tell } from "./asked.js"
import { filesIn, restored, runBackup } from "./backup-log.js"
import { archiveJob, archiveOf, DAY_MS, endOf, LogAt } from "./log-at.js"

const BEGIN_MS = Date.parse("2024-01-10T09:00:00Z")

/** As a new log has it, with rules that give every class. */
const SCHEDULE = SCHEDULE_TEMPLATE.replace(
  "rules: []",
  `rules:
  - { class: critical, action: ["iam.*", "key.*"] }
  - { class: high, result: [denied, failure], resource_accessed: "/admin/*" }`,
)

const SQL = [
  "SELECT user_id, class, count(*), min(received_at), max(received_at), sum(leaf_index) FROM access_logs WHERE source <> 'prooflog' GROUP BY ALL ORDER BY ALL",
  "SELECT leaf_index, timestamp, user_agent, resource_accessed FROM access_logs WHERE user_id = 'U7' ORDER BY leaf_index",
]

/** Given to several people and never to others: so it is found wherever their records lie. */
const needles = { person: word(), others: word(), held: word() }

function word(): string {
  return `needle-${randomBytes(8).toString("hex")}`
}

describe("a log that grows old", () => {
  let log: LogAt
  const leaves = {
    person: [] as number[],
    others: [] as number[],
    held: [] as number[],
    kept: [] as number[],
    late: [] as number[],
  }
  let before: Awaited<ReturnType<typeof answers>>
  let bytesOf: ReadonlyMap<number, string>

  /** Whatever reads records, asked about all that is there. */
  async function answers() {
    await followed(log)
    const rows: unknown[] = []
    for (const sql of SQL) rows.push(await rowsOf(log, sql))
    const { body } = await get(log, "v1/events?user_id=U7&limit=5&order=asc&from=2023-01-01")
    const all = [...leaves.person, ...leaves.others, ...leaves.held]
    const evidence = await get(log, `v1/evidence?leaf_index=${all.slice(0, 200).join()}`)
    expect(evidence.status).toBe(200)
    const policy = parsePolicy(await readFile(join(log.dir, "policy")))
    const { events } = verifyEvidence(JSON.stringify(evidence.body), policy)
    return {
      rows,
      listed: body.events,
      event: (await get(log, `v1/events/${all[3]}`)).body,
      proven: events.length,
    }
  }

  /** Records as auditors get them, by leaf. */
  async function recordsUpTo(end: number): Promise<ReadonlyMap<number, string>> {
    const { body } = await get(log, `v1/records?start=0&end=${end}`)
    return new Map([[end, body.text as string]])
  }

  beforeAll(async () => {
    log = await LogAt.make(SCHEDULE)
    await log.at(BEGIN_MS)
    leaves.person = await logFor(log, "P1", 30, () => ({ user_agent: needles.person }))
    leaves.others = await logFor(log, "U7", 300, () => ({ user_agent: needles.others }))
    leaves.held = await logFor(log, "H1", 5, () => ({ user_agent: needles.held }))
    leaves.kept = await logFor(log, "U8", 10, () => ({ action: "key.rotate" }))
    leaves.kept.push(
      ...(await logFor(log, "U8", 10, () => ({ result: "denied", resource_accessed: "/admin/x" }))),
    )
    await log.at(BEGIN_MS + 40 * DAY_MS)
    leaves.late = await logFor(log, "U9", 50)
    before = await answers()
    bytesOf = await recordsUpTo(400)
  })
  afterAll(() => log.remove())

  it("has nothing to archive while all of it is hot, and begins nothing for that", async () => {
    const job = await archiveJob(log, "run")
    expect(job).toMatchObject({
      kind: "run",
      state: "done",
      result: { archived: 0, withdrawn: 0, held_back: 0, failed: [] },
    })
    expect(await archiveOf(log)).toMatchObject({ store: "directory", segments: 0, records: 0, by_class: {} })
    expect(await isThere(join(log.dir, "retention/archive.json"))).toBe(false)
    expect(await isThere(join(log.dir, "data/archive-scratch"))).toBe(false)
  })

  it("after seven months has its routine records of the first day in a segment, and no other", async () => {
    await log.at(BEGIN_MS + 214 * DAY_MS)
    await followed(log)
    const job = await archiveJob(log, "run")
    expect(job).toMatchObject({
      state: "done",
      result: { archived: 335, withdrawn: 0, verified: { segments: 1, records: 335 } },
    })
    const status = await archiveOf(log)
    expect(status).toMatchObject({
      segments: 1,
      records: 335,
      faults: [],
      last_run: { archived: 335, withdrawn: 0, held_back: 0 },
      by_class: {
        routine: {
          segments: 1,
          records: 335,
          first_leaf: leaves.person[0],
          last_leaf: leaves.held.at(-1),
          held_back: 0,
        },
      },
    })
    expect((status.last_run as Json).error).toBeUndefined()
    const keys = await readdir(join(log.dir, "data/archive/segments/routine/2024-01"))
    expect(keys).toHaveLength(2)
  })

  it("is said to have been archived, by an event, once", async () => {
    await archiveJob(log, "run")
    await followed(log)
    const told = await rowsOf(
      log,
      "SELECT user_id, class, attributes FROM access_logs WHERE action = 'log.archive.archived'",
    )
    expect(told).toEqual([
      [
        "server",
        "audit",
        expect.objectContaining({ class: "routine", records: 335, first_leaf: leaves.person[0] }),
      ],
    ])
    expect(await rowsOf(log, "SELECT count(*) FROM access_logs WHERE action = 'log.archive.run'")).toEqual([
      [3],
    ])
  })

  it("answers what it answered before, from wherever the records lie", async () => {
    expect(before.proven).toBe(200)
    expect(await answers()).toEqual(before)
    expect(await recordsUpTo(400)).toEqual(bytesOf)
    expect(await filesWith(join(log.dir, "data/log"), needles.others)).toEqual([])
  })

  it("proves rows of archived records to whoever has the policy", async () => {
    const sql = "SELECT * FROM access_logs WHERE user_id = 'P1' ORDER BY leaf_index"
    const args = ["query", sql, "--verify", "--policy", join(log.dir, "policy"), "--json", "--url", log.url]
    const { verdict, out, thrown } = await prooflogHere(args, { PROOFLOG_KEY: log.adminKey })
    expect([thrown, verdict]).toEqual([undefined, 0])
    expect(out).toContain(needles.person)
  })

  it("makes its rows anew out of archived records", async () => {
    expect((await tell(log, "v1/reindex")).status).toBe(202)
    expect(await answers()).toEqual(before)
  })

  it("is backed up with the records of its archive, and restored without it", async () => {
    const backup = join(log.path, "backup")
    const first = await runBackup(log, backup, "--json")
    expect([first.thrown, first.verdict]).toEqual([undefined, 0])
    const again = await runBackup(log, backup, "--json")
    expect([again.thrown, again.verdict]).toEqual([undefined, 0])
    expect(await filesWith(join(backup, "records"), needles.others)).not.toEqual([])
    const twin = join(log.path, "twin")
    const key = join(log.path, "signer.key")
    for (const suffix of ["", ".signed"])
      await writeFile(key + suffix, await readFile(join(log.dir, "keys", `signer.key${suffix}`)))
    await restored(backup, twin, key, "--adopt-head")
    // What the log knows of its archive is of no use to one whose records are all hot.
    const backedUp = JSON.parse(await readFile(join(backup, "prooflog-backup.json"), "utf8")) as Json
    const names = [...(backedUp.files as Json[]).map(({ name }) => String(name)), ...(await filesIn(twin))]
    expect(names.filter((name) => name === "prooflog.json")).toHaveLength(2)
    expect(names.filter((name) => /(archive|daily)\.json$|\.parquet/.test(name))).toEqual([])
    expect(await filesWith(join(twin, "data/log"), needles.others)).not.toEqual([])
  })

  it("erases what is archived as what is hot: announced, gone from the segment, certified", async () => {
    const { body } = await tell(log, "v1/erasures", { user_id: "P1", why: "request 17" })
    const { error } = await runNow(log)
    expect(error).toBeUndefined()
    const one = (await get(log, `v1/erasures/${body.id}`)).body
    expect(one).toMatchObject({ state: "gone", certificates: 1 })
    expect(one.records).toBeGreaterThanOrEqual(30)
    expect(await get(log, `v1/events/${leaves.person[0]}`)).toMatchObject({
      status: 410,
      body: { reason: "erased-for-person", notice_leaf: one.notice_leaf },
    })
    expect(await filesWith(log.dir, needles.person)).toEqual([])
    const certificate = (await get(log, `v1/erasures/${body.id}/certificate`)).body
    const policy = parsePolicy(await readFile(join(log.dir, "policy")))
    const { items } = verifyCertificate(JSON.stringify(certificate), policy)
    expect(items.map(({ leafIndex }) => leafIndex)).toEqual(expect.arrayContaining(leaves.person))
    expect(await archiveOf(log)).toMatchObject({
      segments: 1,
      records: 305,
      owed: { stale: 0, purge: false, rewrite: false },
    })
    // The others are where they were, in a segment that was written anew.
    expect((await get(log, `v1/events/${leaves.others[0]}`)).status).toBe(200)
    expect(await archiveJob(log, "verify")).toMatchObject({
      state: "done",
      result: { segments: 1, records: 305, faults: [] },
    })
  })

  it("makes a range hot again", async () => {
    const [from, to] = [leaves.others[10] as number, leaves.others[20] as number]
    expect(await archiveJob(log, "restore", { from_leaf: from, to_leaf: to })).toMatchObject({
      state: "done",
      result: { records: 10 },
    })
    expect((await get(log, `v1/events/${from}`)).status).toBe(200)
    const byTime = { class: "routine", from: "2024-01-09", to: "2024-01-10" }
    expect(await archiveJob(log, "restore", byTime)).toMatchObject({ state: "done", result: { records: 0 } })
  })

  it.each([
    ["nothing", {}, "from_leaf"],
    ["a range that ends where it begins", { from_leaf: 5, to_leaf: 5 }, "to_leaf"],
    [
      "a leaf beside a class",
      { class: "routine", from: "2024-01-01", to: "2024-02-01", to_leaf: 5 },
      "to_leaf",
    ],
    ["an unknown class", { class: "rotuine", from: "2024-01-01", to: "2024-02-01" }, "class"],
    ["no time", { class: "routine", from: "yesterday", to: "2024-02-01" }, "from"],
    ["a time that ends before it begins", { class: "routine", from: "2024-02-01", to: "2024-01-01" }, "to"],
    ["another member", { from_leaf: 5, to_leaf: 9, until: 9 }, "until"],
  ])("does not restore %s", async (_, asked, parameter) => {
    const { status, body } = await tell(log, "v1/archive/restore", asked)
    expect([status, body.code, body.parameter]).toEqual([422, "SERVER_REFUSED_REQUEST", parameter])
  })

  it("does one thing at a time, and names it", async () => {
    const both = await Promise.all([tell(log, "v1/archive/verify"), tell(log, "v1/archive/run")])
    const [begun, refused] = both.sort((a, b) => a.status - b.status)
    expect([begun?.status, refused?.status, refused?.body.code]).toEqual([202, 409, "SERVER_ARCHIVE_BUSY"])
    expect(refused?.body.detail).toContain(begun?.body.id)
    await endOf(log, begun?.body.id as string)
  })

  it("tells Prometheus of it", async () => {
    const { body } = await get(log, "metrics")
    expect(body.text).toMatch(/^prooflog_archive_faults 0$/m)
    expect(body.text).toMatch(/^prooflog_retention_failed_steps\{step="destroy"\} 0$/m)
    expect(body.text).toMatch(/^prooflog_retention_run_seconds 17\d{8}/m)
  })

  it("destroys what is due on its day, hot or archived, but for what is held", async () => {
    const placed = await tell(log, "v1/holds", { user_id: "H1", why: "case 4711" })
    expect(placed.status).toBe(201)
    await log.at(BEGIN_MS + 945 * DAY_MS)
    await followed(log)
    const job = await archiveJob(log, "run")
    expect(job).toMatchObject({
      state: "done",
      result: { withdrawn: 300, held_back: 5, archived: 50, failed: [] },
    })
    for (const leaf of [leaves.others[0], leaves.others[15]]) {
      expect(await get(log, `v1/events/${leaf}`)).toMatchObject({
        status: 410,
        body: { code: "SERVER_DESTROYED", reason: "schedule", schedule_leaf: 0, leaf_index: leaf },
      })
    }
    await followed(log)
    const counted =
      "SELECT user_id, count(*) FROM access_logs WHERE source <> 'prooflog' GROUP BY ALL ORDER BY ALL"
    expect(await rowsOf(log, counted)).toEqual([
      ["H1", 5],
      ["U8", 20],
      ["U9", 50],
    ])
    expect(await filesWith(log.dir, needles.others)).toEqual([])
    expect(await filesWith(log.dir, "U9")).not.toEqual([])
    const held = await get(log, `v1/events/${leaves.held[0]}`)
    expect([held.status, (held.body.event as Json).user_agent]).toEqual([200, needles.held])
    for (const leaf of leaves.kept) expect((await get(log, `v1/events/${leaf}`)).status).toBe(200)
    const { id } = placed.body
    expect((await tell(log, `v1/holds/${id}/release`, { why: "settled" })).status).toBe(200)
    expect(await archiveJob(log, "run")).toMatchObject({ result: { withdrawn: 5, held_back: 0 } })
    expect(await filesWith(log.dir, needles.held)).toEqual([])
  })

  it("says when what is gone is in no backup any more, and can be made anew without it", async () => {
    await log.at(BEGIN_MS + 976 * DAY_MS)
    expect(await archiveJob(log, "run")).toMatchObject({ state: "done" })
    expect((await tell(log, "v1/reindex")).status).toBe(202)
    await followed(log)
    const told = await rowsOf(
      log,
      "SELECT action, sum(CAST(attributes->>'records' AS INTEGER)) FROM access_logs WHERE action LIKE 'log.destroy.%' GROUP BY ALL ORDER BY ALL",
    )
    expect(told).toEqual([
      ["log.destroy.expired", 305],
      ["log.destroy.gone", 305],
      ["log.destroy.withdrawn", 305],
    ])
    expect(await filesWith(log.dir, needles.others)).toEqual([])
    expect(await rowsOf(log, "SELECT count(*) FROM access_logs WHERE user_id = 'U7'")).toEqual([[0]])
  })
})

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
