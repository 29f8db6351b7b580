/** Nothing under a hold is destroyed: by no erasure, whenever the hold was placed, and whatever came after it. */

import { readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import { decodeEntry } from "@prooflog/event/entry"
import { openRecord } from "@prooflog/event/record"
import { verifyCertificate } from "@prooflog/verifier/certificate"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { published, startLog, temporaryFolder } from "../running-log.js"
import {
  eventually,
  filesWith,
  followed,
  get,
  type Json,
  logFor,
  prooflog,
  rowsOf,
  runNow,
  tell,
} from "./asked.js"

let log: Awaited<ReturnType<typeof startLog>>
beforeAll(async () => {
  log = await startLog({ follow: true })
})
afterAll(() => log.close())

/** Which of some leaves still have a record. */
async function standing(leaves: readonly number[]): Promise<number[]> {
  const found: number[] = []
  await published(log.url, Math.max(...leaves) + 1)
  for (const leaf of leaves) {
    const { status } = await get(log, `v1/events/${leaf}`)
    expect([200, 410]).toContain(status)
    if (status === 200) found.push(leaf)
  }
  return found
}

async function place(what: Json): Promise<string> {
  const { status, body } = await tell(log, "v1/holds", { ...what, why: "case 4711" })
  expect([status, body.code]).toEqual([201, undefined])
  return body.id as string
}

async function release(id: string): Promise<void> {
  expect((await tell(log, `v1/holds/${id}/release`, { why: "settled" })).status).toBe(200)
}

async function eraseNow(what: Json): Promise<Json> {
  const { status, body } = await tell(log, "v1/erasures", { ...what, why: "request 17" })
  expect([status, body.code]).toEqual([201, undefined])
  const { error } = await runNow(log)
  expect(error).toBeUndefined()
  return (await get(log, `v1/erasures/${body.id}`)).body
}

describe("a hold", () => {
  const placed: string[] = []
  afterEach(async () => {
    for (const id of placed.splice(0)) await release(id)
  })

  it.each([
    ["a user", (user: string) => ({ user_id: user })],
    ["a filter", (user: string) => ({ filter: `user_id=${user}` })],
    [
      "a question",
      (user: string) => ({ sql: `SELECT leaf_index FROM access_logs WHERE user_id = '${user}';` }),
    ],
  ])("on %s keeps what was there, what comes later, and is lifted again", async (what, scopeOf) => {
    const user = `H-${what.replace(" ", "-")}`
    const leaves = await logFor(log, user, 3)
    await followed(log)
    const id = await place(scopeOf(user))
    leaves.push(...(await logFor(log, user, 2)))
    await followed(log)
    const one = await eraseNow({ user_id: user })
    expect(one).toMatchObject({ state: "queued", held_back: { holds: [id] } })
    expect((one.held_back as Json).records as number).toBeGreaterThanOrEqual(5)
    expect(await standing(leaves)).toEqual(leaves)
    await release(id)
    await runNow(log)
    expect(await standing(leaves)).toEqual([])
    // What it said of them is forgotten with them.
    expect(await filesWith(join(log.dir, "retention"), user)).toEqual([])
    expect((await get(log, "v1/holds")).body).toMatchObject({
      holds: expect.arrayContaining([
        expect.objectContaining({
          id,
          in_force: false,
          placed: expect.anything(),
          released: expect.anything(),
        }),
      ]),
    })
  })

  it("that is placed between asking and running keeps its part, which waits as a case of its own", async () => {
    const leaves = await logFor(log, "H-part", 6)
    await followed(log)
    const { body } = await tell(log, "v1/erasures", { user_id: "H-part", why: "request 18" })
    const id = await place({ filter: "user_id=H-part&resource_accessed=/secure-data/4" })
    await runNow(log)
    const one = (await get(log, `v1/erasures/${body.id}`)).body
    expect(one).toMatchObject({ state: "gone", held_back: { records: 1, holds: [id] } })
    expect(await standing(leaves)).toEqual([leaves[4]])
    await release(id)
    await runNow(log)
    expect(await standing(leaves)).toEqual([])
    const rest = (one.held_back as Json).case as string
    expect((await get(log, `v1/erasures/${rest}`)).body).toMatchObject({
      state: "gone",
      continues: body.id,
      records: 1,
    })
  })

  it("that cannot be asked any more lets nothing be destroyed, whatever that is about", async () => {
    const id = await place({ sql: "SELECT leaf_index FROM access_logs WHERE region::INTEGER = 5" })
    const leaves = await logFor(log, "H-bomb", 2, () => ({ region: "no number" }))
    await followed(log)
    const { body } = await tell(log, "v1/erasures?dry_run=1", { user_id: "H-bomb" })
    expect(body).toMatchObject({ status: 503, code: "SERVER_HOLD_UNDECIDED" })
    const asked = await tell(log, "v1/erasures", { user_id: "H-bomb", why: "request 19" })
    expect(asked.body.code).toBe("SERVER_HOLD_UNDECIDED")
    await release(id)
    const one = await eraseNow({ user_id: "H-bomb" })
    expect(one).toMatchObject({ state: "gone", records: 2 })
    expect(await standing(leaves)).toEqual([])
  })

  it("on a time keeps the events of the log about itself, too", async () => {
    placed.push(await place({ filter: "from=2020-01-01" }))
    const { body } = await tell(log, "v1/erasures?dry_run=true", { filter: "source=prooflog" })
    expect(body.records).toBe(0)
    expect((body.held as Json).records as number).toBeGreaterThan(0)
  })

  it("stands in public as that it was placed and lifted, and opens for whoever has its record", async () => {
    const id = await place({ user_id: "U-public" })
    await release(id)
    const { holds } = (await get(log, "v1/holds")).body as { holds: Json[] }
    const { notices } = holds.find((hold) => hold.id === id) as { notices: number[] }
    const kept = JSON.parse(await readFile(join(log.dir, "retention/holds.json"), "utf8")) as {
      holds: Json[]
    }
    const { placed: act } = kept.holds.find((hold) => hold.id === id) as { placed: { record: string } }
    const entries = await Promise.all(notices.map(noticeAt))
    expect(entries).toMatchObject([
      { kind: 16, count: 0 },
      { kind: 17, count: 0 },
    ])
    const { fields } = openRecord(new Uint8Array(Buffer.from(act.record, "base64")))
    expect(Object.fromEntries(fields).attributes).toMatchObject({ hold: id, why: "case 4711" })
    await followed(log)
    const said = await rowsOf(
      log,
      `SELECT action, attributes FROM access_logs WHERE resource_accessed = 'hold/${id}' ORDER BY 1`,
    )
    expect(said).toEqual([
      ["log.hold.place", { hold: id, notice_leaf: notices[0] }],
      ["log.hold.release", { hold: id, notice_leaf: notices[1] }],
    ])
  })

  it.each([
    ["nothing", {}, "SERVER_REFUSED_REQUEST", "user_id"],
    ["an empty filter", { filter: "" }, "SERVER_REFUSED_REQUEST", "filter"],
    ["an unknown column", { filter: "userid=U1" }, "QUERY_BAD_FILTER", "userid"],
    ["two of them", { user_id: "U1", sql: "SELECT 1" }, "SERVER_REFUSED_REQUEST", "sql"],
    ["no leaf", { sql: "SELECT user_id FROM access_logs" }, "QUERY_INVALID", undefined],
    [
      "two leaves, of which only one would be held",
      { sql: "SELECT a.leaf_index, b.leaf_index FROM access_logs a JOIN access_logs b USING (request_id)" },
      "QUERY_INVALID",
      undefined,
    ],
    ["no SELECT", { sql: "DELETE FROM access_logs" }, "QUERY_NOT_ONE_SELECT", undefined],
    ["an unknown table", { sql: "SELECT leaf_index FROM logs" }, "QUERY_UNKNOWN_TABLE", undefined],
    [
      "more than one statement",
      { sql: "SELECT leaf_index FROM access_logs; SELECT 1" },
      "QUERY_NOT_ONE_SELECT",
      undefined,
    ],
  ])("on %s is refused, and the fault is named", async (_, what, code, parameter) => {
    const before = ((await get(log, "v1/holds")).body.holds as Json[]).length
    const { body } = await tell(log, "v1/holds", { ...what, why: "case 4711" })
    expect([body.code, body.parameter]).toEqual([code, parameter])
    expect(((await get(log, "v1/holds")).body.holds as Json[]).length).toBe(before)
  })

  it("that fails by what the rows say is logged, as any other question is; so is an erasure of nobody", async () => {
    await logFor(log, "no-number", 1)
    await followed(log)
    const { body } = await tell(log, "v1/holds", {
      sql: "SELECT leaf_index FROM access_logs WHERE user_id::INTEGER = 5",
      why: "case 4712",
    })
    expect(body.code).toBe("QUERY_FAILED")
    await followed(log)
    const nobody = await tell(log, "v1/erasures", { user_id: "H-nobody", why: "request 20" })
    expect(nobody.body.code).toBe("SERVER_NOTHING_TO_ERASE")
    for (const [action, code] of [
      ["log.hold.place", "QUERY_FAILED"],
      ["log.erase.ask", "SERVER_NOTHING_TO_ERASE"],
    ]) {
      const sql = `SELECT leaf_index FROM access_logs WHERE action = '${action}' AND error_code = '${code}'`
      expect(await eventually(async () => (await rowsOf(log, sql))[0])).toHaveLength(1)
    }
  })

  it("that is not there cannot be lifted", async () => {
    expect((await tell(log, "v1/holds/hold_0000000000000000/release", { why: "w" })).status).toBe(404)
  })
})

async function noticeAt(leaf: number) {
  await published(log.url, leaf + 1)
  const text = await (await fetch(`${log.url}v1/receipts/${leaf}`)).text()
  const [, extra = ""] = /^extra (\S+)$/m.exec(text) ?? []
  return decodeEntry(new Uint8Array(Buffer.from(extra, "base64")))
}

describe("prooflog", () => {
  const environment = () => ({ PROOFLOG_URL: log.url, PROOFLOG_KEY: log.adminKey })

  it("places, lists and lifts holds", async () => {
    const env = environment()
    const { code, stdout } = await prooflog(
      ["hold", "place", "--user", "C-1", "--reason", "case 1", "--json"],
      { env },
    )
    expect(code).toBe(0)
    const { id } = JSON.parse(stdout) as { id: string }
    const list = async () =>
      (await prooflog(["hold", "list"], { env })).stdout.split("\n").find((line) => line.startsWith(id))
    expect(await list()).toMatch(/in force .* on user C-1 {2}\(case 1\)/)
    expect((await prooflog(["hold", "release", id, "--reason", "over"], { env })).stdout).toMatch(/lifted/)
    expect(await list()).toMatch(/lifted/)
    expect((await prooflog(["hold", "place", "--reason", "case 1"], { env })).code).toBe(2)
    const bad = await prooflog(["hold", "place", "user=C-1", "--reason", "case 1"], { env })
    expect([bad.code, bad.stderr]).toEqual([2, expect.stringContaining("user")])
  })

  it("erases a person, and has the certificate verified in an empty folder with nothing but the policy", async () => {
    const env = environment()
    await logFor(log, "C-2", 4)
    await followed(log)
    const look = await prooflog(["erase", "--user", "C-2", "--dry-run"], { env })
    expect(look).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^4 records to destroy: 4 routine\nreceived /),
    })
    const unasked = await prooflog(["erase", "--user", "C-2", "--reason", "request 3"], { env })
    expect(unasked).toMatchObject({ code: 2, stderr: expect.stringContaining("--yes") })
    const done = await prooflog(
      ["erase", "--user", "C-2", "--reason", "request 3", "--now", "--yes", "--json"],
      { env },
    )
    expect(done.code).toBe(0)
    const { id, state } = JSON.parse(done.stdout) as { id: string; state: string }
    expect(state).toBe("gone")
    expect((await prooflog(["erase", "list"], { env })).stdout).toContain(`${id}  gone  4 records`)
    expect((await prooflog(["erase", "show", id], { env })).stdout).toContain(`${id}  gone`)
    const empty = await temporaryFolder()
    const file = join(empty.path, "erased.json")
    expect((await prooflog(["erase", "certificate", id, "-o", file], { env })).code).toBe(0)
    const policy = join(log.dir, "policy")
    const verified = await prooflog(["verify", file, "--policy", policy], { cwd: empty.path })
    expect(verified).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("4 records are erased for persons"),
    })
    const against = await prooflog(["verify", file, "--policy", policy, "--against", log.url], {
      cwd: empty.path,
    })
    expect(against.code).toBe(0)
    const text = await readFile(file, "utf8")
    expect(verifyCertificate(text, log.policy).items).toHaveLength(4)
    const nobody = await prooflog(["erase", "--user", "C-2", "--reason", "request 3", "--yes"], { env })
    expect(nobody).toMatchObject({ code: 2, stderr: expect.stringContaining("SERVER_NOTHING_TO_ERASE") })
    await rm(empty.path, { recursive: true })
  })
})
