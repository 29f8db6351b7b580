import { createHash } from "node:crypto"
import { readdir } from "node:fs/promises"
import { openMemoryStorage } from "@prooflog/ledger/memory"
import { startServer } from "@prooflog/server"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { ownEvents } from "./own-events.js"
import {
  anEvent,
  ask as askServed,
  eventually,
  exchange,
  type Got,
  type KeyName,
  type Served,
  serve,
} from "./served.js"

const sha256 = (bytes: string | Uint8Array) => createHash("sha256").update(bytes).digest("hex")

describe("exports by HTTP", () => {
  let served: Served
  beforeAll(async () => {
    served = await serve({
      follow: true,
      serving: { withhold: { reader: ["ip_address", "user_id"], admin: ["user_id"] } },
    })
    const events = Array.from({ length: 20 }, (_, n) =>
      anEvent({ event_id: `e-${n}`, user_id: `U${n}`, reason: n === 3 ? "=1+1" : `why "${n}"` }),
    )
    await ask("v1/events", "writer", events)
    await eventually(async () => {
      const { json } = await ask("v1/reading", "reader")
      return (json.through as number) >= 21 ? true : undefined
    })
  })
  afterAll(() => served.stop())

  const ask = (path: string, key?: KeyName, body?: unknown, method?: string) =>
    askServed(served, path, key, body, method)

  /** Begins an export, and waits until it has come to an end. */
  async function exported(order: object): Promise<Got> {
    const begun = await ask("v1/exports", "admin", order)
    expect(begun).toMatchObject({ status: 202, json: { state: "running", id: expect.any(String) } })
    return eventually(async () => {
      const got = await ask(`v1/exports/${begun.json.id}`, "admin")
      return got.json.state === "running" ? undefined : got
    })
  }

  it("write a file whose manifest is an event of the log, and answer the bytes that were hashed", async () => {
    const sql = "SELECT leaf_index, user_id, reason FROM access_logs WHERE event_id LIKE $1 ORDER BY 1"
    const { json } = await exported({ sql, parameters: ["e-%"], format: "csv" })
    expect(json).toMatchObject({ state: "done", format: "csv", rows: 20 })
    const manifest = await ask(`v1/exports/${json.id}/manifest`, "admin")
    const file = await ask(`v1/exports/${json.id}/file`, "admin")
    expect(file.headers).toMatchObject({
      "content-type": "text/csv; charset=utf-8",
      "content-length": String(file.body.length),
      "content-disposition": `attachment; filename="prooflog-${json.id}.csv"`,
      "cache-control": "no-store",
    })
    const lines = file.body.toString().split("\r\n")
    expect(lines[0]).toBe("leaf_index,user_id,reason")
    // Withheld from admins here; and a formula is a text.
    expect(lines[1]).toBe('1,,"why ""0"""')
    expect(lines[4]).toContain("'=1+1")
    expect(manifest.json).toEqual({
      format: "prooflog-export/1",
      origin: served.server.folder.origin,
      log_id: Buffer.from(served.server.folder.logId).toString("hex"),
      question: sql,
      parameters: ["e-%"],
      withheld: ["user_id"],
      file_format: "csv",
      through: expect.any(Number),
      rows: 20,
      bytes: file.body.length,
      sha256: sha256(file.body),
      created: expect.stringMatching(/^2026-03-01T12:00:01/),
    })
    expect(json.manifest_sha256).toBe(sha256(manifest.body))
    const own = (await ownEvents(served)).filter(({ core }) => core.action === "log.export")
    expect(own.at(-1)).toMatchObject({
      leafIndex: json.leaf_index,
      className: "audit",
      core: { result: "success" },
      fields: { attributes: { sql, rows: 20, manifest_sha256: sha256(manifest.body) } },
    })
  })

  it("log that a file was fetched, and by whom", async () => {
    const { json } = await exported({ filter: "result=success", format: "ndjson" })
    await ask(`v1/exports/${json.id}/file`, "admin")
    expect((await ownEvents(served)).at(-1)).toMatchObject({
      core: { action: "log.read", result: "success" },
      fields: {
        user_id: `key:${served.keys.admin.slice(3, 11)}`,
        resource_accessed: `export/${json.id}`,
        attributes: { manifest_sha256: json.manifest_sha256 },
      },
    })
  })

  it.each([
    ["ndjson", "application/x-ndjson"],
    ["parquet", "application/vnd.apache.parquet"],
    ["ocsf", "application/x-ndjson"],
  ])("write %s, of a filter, as a text or an object", async (format, type) => {
    const texts: string[] = []
    for (const filter of [
      "result=success&event_id=e-1&event_id=e-2",
      { result: "success", event_id: ["e-1", "e-2"] },
    ]) {
      const { json } = await exported({ filter, format })
      expect(json).toMatchObject({ state: "done", rows: 2 })
      const { headers, body } = await ask(`v1/exports/${json.id}/file`, "admin")
      expect(headers["content-type"]).toBe(type)
      texts.push(sha256(body))
    }
    if (format === "ndjson") expect(texts[0]).toBe(texts[1])
  })

  it("that fail say why, as a question does, and leave no file", async () => {
    const { json } = await exported({ sql: "SELECT usr_id FROM access_logs", format: "csv" })
    expect(json).toMatchObject({ state: "failed", error: { code: "QUERY_UNKNOWN_COLUMN" } })
    expect(await ask(`v1/exports/${json.id}/file`, "admin")).toMatchObject({
      status: 404,
      json: { code: "SERVER_NOT_FOUND" },
    })
    expect((await ownEvents(served)).at(-1)?.core).toMatchObject({
      action: "log.export",
      result: "failure",
      error_code: "QUERY_UNKNOWN_COLUMN",
    })
  })

  it.each([
    ["SELECT * REPLACE ('mallory' AS user_id) FROM access_logs WHERE leaf_index = 1", "user_id"],
    ["SELECT * EXCLUDE (user_name), user_id AS user_name FROM access_logs", "user_name"],
    ["SELECT *, upper(action) AS loud FROM access_logs", "loud"],
    ["SELECT * FROM (SELECT * REPLACE ('mallory' AS user_id) FROM access_logs)", "one event"],
    ["SELECT * FROM access_logs UNION ALL SELECT * FROM access_logs", "one event"],
    ["SELECT COLUMNS(*) FROM access_logs", "one event"],
  ])("attest nothing that was not logged: %s", async (sql, words) => {
    const { json } = await exported({ sql, format: "ocsf" })
    expect(json).toMatchObject({ state: "failed", error: { code: "QUERY_INVALID" } })
    expect((json.error as { detail?: string; message?: string }).message).toContain(words)
  })

  it("attest what a question finds as it was logged, without what is derived too", async () => {
    const sql = "SELECT * EXCLUDE (country) FROM access_logs WHERE leaf_index = 1 ORDER BY leaf_index LIMIT 1"
    const { json } = await exported({ sql, format: "ocsf" })
    expect(json).toMatchObject({ state: "done", rows: 1 })
    const { body } = await ask(`v1/exports/${json.id}/file`, "admin")
    expect(JSON.parse(body.toString()).attestation_list).toMatchObject([{ uid: "1" }])
  })

  it("are removed, their file too", async () => {
    const { json } = await exported({ filter: "", format: "csv" })
    const id = json.id as string
    expect(await readdir(served.server.folder.exportsPath)).toContain(id)
    expect((await ask(`v1/exports/${id}`, "admin", undefined, "DELETE")).status).toBe(204)
    expect((await ask(`v1/exports/${id}`, "admin")).status).toBe(404)
    expect(await readdir(served.server.folder.exportsPath)).not.toContain(id)
  })

  it("show no more to whoever fetches them than a question of their own would", async () => {
    // A key that is also an auditor's is shown what auditors are: everything.
    const made = await ask("v1/keys", "admin", { roles: ["admin", "auditor"] })
    const key = made.json.key as string
    const begun = await served.request({
      method: "POST",
      path: "v1/exports",
      key,
      type: "application/json",
      body: JSON.stringify({ sql: "SELECT user_id FROM access_logs", format: "csv" }),
    })
    const path = `v1/exports/${begun.json.id}/file`
    const file = await eventually(async () => {
      const got = await served.request({ path, key })
      return got.status === 200 ? got : undefined
    })
    expect(file.body.toString()).toContain("U7")
    expect(await ask(path, "admin")).toMatchObject({ status: 403, json: { code: "SERVER_NOT_YOURS" } })
  })

  it.each([
    [{ format: "csv" }, 422, "SERVER_REFUSED_REQUEST", "sql"],
    [{ sql: "SELECT 1" }, 422, "SERVER_REFUSED_REQUEST", "format"],
    [{ sql: "SELECT 1", format: "xlsx" }, 422, "SERVER_REFUSED_REQUEST", "format"],
    [{ sql: "SELECT 1", format: "toString" }, 422, "SERVER_REFUSED_REQUEST", "format"],
    [{ sql: "SELECT 1", fromat: "csv" }, 422, "SERVER_REFUSED_REQUEST", "fromat"],
    [{ sql: "SELECT 1", filter: "", format: "csv" }, 422, "SERVER_REFUSED_REQUEST", "filter"],
    [{ filter: 7, format: "csv" }, 422, "SERVER_REFUSED_REQUEST", "filter"],
    [{ filter: { user_id: {} }, format: "csv" }, 422, "SERVER_REFUSED_REQUEST", "filter"],
    [{ filter: "", parameters: [], format: "csv" }, 422, "SERVER_REFUSED_REQUEST", "parameters"],
    [{ filter: "user=U1", format: "csv" }, 400, "QUERY_BAD_FILTER", "user"],
    [{ filter: "user_id.not=U1", format: "csv" }, 400, "QUERY_BAD_FILTER", "user_id"],
    [{ filter: "result=denied&limit=10", format: "csv" }, 400, "QUERY_BAD_FILTER", "limit"],
    [{ filter: { order: "asc" }, format: "csv" }, 400, "QUERY_BAD_FILTER", "order"],
    [{ filter: "cursor=before-7", format: "csv" }, 400, "QUERY_BAD_FILTER", "cursor"],
    [{ sql: "SELECT $1", parameters: [[]], format: "csv" }, 400, "QUERY_BAD_PARAMETERS", "parameters"],
  ])("are refused as %j", async (order, status, code, parameter) => {
    const got = await ask("v1/exports", "admin", order)
    expect({ status: got.status, code: got.json.code, parameter: got.json.parameter }).toEqual({
      status,
      code,
      parameter,
    })
  })

  it.each([
    ["GET", "v1/exports"],
    ["GET", "v1/exports/x"],
    ["GET", "v1/exports/x/file"],
    ["GET", "v1/exports/x/manifest"],
    ["DELETE", "v1/exports/x"],
  ])("are for admins: %s %s", async (method, path) => {
    expect((await ask(path, "auditor", undefined, method)).json.code).toBe("SERVER_WRONG_ROLE")
    if (path !== "v1/exports")
      expect((await ask(path, "admin", undefined, method)).json.code).toBe("SERVER_NOT_FOUND")
  })

  it("are listed, newest first, and found again by the next server", async () => {
    const list = async () =>
      (await ask("v1/exports", "admin")).json.exports as { id: string; state: string; leaf_index: number }[]
    const done = (await list()).filter(({ state }) => state === "done")
    expect(done.length).toBeGreaterThan(3)
    await served.server.close()
    const again = await startServer({
      dir: served.dir,
      port: 0,
      logger: false,
      follow: false,
      clock: () => Date.parse("2026-03-01T12:00:02Z"),
      openStorage: () => openMemoryStorage(served.disk),
    })
    const got = await exchange(again.port, "/", { path: "v1/exports", key: served.keys.admin })
    const ids = (all: unknown) =>
      (all as { id: string; leaf_index: number }[]).map(({ id, leaf_index }) => `${id} ${leaf_index}`).sort()
    expect(ids(got.json.exports)).toEqual(ids(done))
    const [one] = done
    const file = await exchange(again.port, "/", {
      path: `v1/exports/${one?.id}/file`,
      key: served.keys.admin,
    })
    const manifest = await exchange(again.port, "/", {
      path: `v1/exports/${one?.id}/manifest`,
      key: served.keys.admin,
    })
    if (file.status === 200) expect(sha256(file.body)).toBe(manifest.json.sha256)
    else expect(file.json.code).toBe("SERVER_NOT_YOURS")
    await again.close()
  })
})
