import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { defaultDatabase } from "@prooflog/enrich/enrich"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { ownEvents } from "./own-events.js"
import {
  anEvent,
  ask as askServed,
  disappearingDisk,
  eventually,
  type Got,
  type KeyName,
  type Served,
  serve,
} from "./served.js"

/** What is asked of a log that is followed by the processes that follow it in earnest. */
describe("questions to a log that is followed", () => {
  let served: Served
  beforeAll(async () => {
    served = await serve({
      follow: true,
      serving: {
        withhold: { reader: ["ip_address", "user_name"] },
        query: { max_rows: 500, timeout_ms: 5_000 },
      },
    })
    const events = Array.from({ length: 120 }, (_, n) =>
      anEvent({
        event_id: `e-${n}`,
        user_id: n % 10 === 0 ? "U12345" : `U${n}`,
        user_name: `name ${n}`,
        result: n % 4 === 0 ? "denied" : "success",
        timestamp: new Date(Date.parse("2023-10-21T15:00:00Z") + n * 60_000).toISOString(),
      }),
    )
    await ask("v1/events?wait=receipt", "writer", events)
    await eventually(async () => {
      const { json } = await ask("v1/reading", "reader")
      return json.state === "following" && (json.through as number) >= 121 ? true : undefined
    })
  })
  afterAll(() => served.stop())

  const ask = (path: string, key?: KeyName, body?: unknown): Promise<Got> =>
    askServed(served, path, key, body)

  async function rows(sql: string, key: KeyName = "auditor", more: object = {}): Promise<unknown> {
    const { status, json, body } = await ask("v1/query", key, { sql, ...more })
    if (status !== 200) throw new Error(body.toString())
    return json.rows
  }

  it("are answered with columns, rows and how far they saw", async () => {
    const { status, json } = await ask("v1/query", "auditor", {
      sql: "SELECT * FROM access_logs WHERE user_id = 'U12345' AND timestamp > '2023-10-01';",
    })
    expect(status).toBe(200)
    const columns = json.columns as { name: string; type: string }[]
    expect(columns.slice(0, 3)).toEqual([
      { name: "leaf_index", type: "BIGINT" },
      { name: "timestamp", type: "TIMESTAMP" },
      { name: "user_id", type: "VARCHAR" },
    ])
    expect((json.rows as unknown[][])[0]?.slice(0, 3)).toEqual([1, "2023-10-21T15:00:00.000000Z", "U12345"])
    expect(json).toMatchObject({ row_count: 12, truncated: false, ms: expect.any(Number) })
    expect(Math.round((json.ms as number) * 10) / 10).toBe(json.ms)
    expect(json.through).toBeGreaterThanOrEqual(121)
  })

  it("take parameters in order and by name, and SQL as the body itself", async () => {
    const sql = "SELECT count(*) FROM access_logs WHERE user_id = $1 AND result = $2"
    expect(await rows(sql, "auditor", { parameters: ["U12345", "denied"] })).toEqual([[6]])
    const named = "SELECT count(*) FROM access_logs WHERE user_id = $who"
    expect(await rows(named, "auditor", { parameters: { who: "U12345" } })).toEqual([[12]])
    const got = await served.request({
      method: "POST",
      path: "v1/query",
      key: served.keys.reader,
      type: "application/sql; charset=utf-8",
      body: "SELECT 'ü'",
    })
    expect(got.json.rows).toEqual([["ü"]])
  })

  it("have no more rows than they ask for, and say so", async () => {
    const sql = "SELECT leaf_index FROM access_logs WHERE source <> 'prooflog' ORDER BY 1"
    expect((await ask("v1/query", "reader", { sql, limit: 7 })).json).toMatchObject({
      row_count: 7,
      truncated: true,
      rows: [[1], [2], [3], [4], [5], [6], [7]],
    })
    expect((await ask("v1/query", "reader", { sql, limit: 120 })).json).toMatchObject({
      row_count: 120,
      truncated: false,
    })
  })

  it("wait for what was just logged", async () => {
    const { json } = await ask("v1/events", "writer", anEvent({ event_id: "just-now", user_id: "U-now" }))
    const size = (json.leaf_index as number) + 1
    const sql = "SELECT event_id FROM access_logs WHERE user_id = 'U-now'"
    const got = await ask(`v1/query?min_size=${size}`, "reader", { sql })
    expect(got.json).toMatchObject({ rows: [["just-now"]] })
    expect(got.json.through).toBeGreaterThanOrEqual(size)
    expect((await ask(`v1/events?user_id=U-now&min_size=${size}`, "reader")).json.events).toHaveLength(1)
  })

  it("do not show what is withheld from a role: not in SQL, filters, facets or the schema", async () => {
    const sql = "SELECT DISTINCT ip_address, user_name, country FROM access_logs"
    expect(await rows(sql, "reader")).toEqual([[null, null, null]])
    expect((await rows(`${sql} WHERE source <> 'prooflog'`, "auditor")) as unknown[]).toHaveLength(121)
    const listed = await ask("v1/events?limit=1", "reader")
    expect(JSON.stringify(listed.json)).not.toMatch(/ip_address|user_name|192\.168/)
    for (const path of [
      "v1/events?user_name=name+1",
      "v1/facets?field=user_name",
      "v1/facets?field=country",
    ]) {
      const got = await ask(path, "reader")
      expect({ path, status: got.status, code: got.json.code }).toEqual({
        path,
        status: 400,
        code: "QUERY_BAD_FILTER",
      })
    }
    const named = async (key: KeyName) =>
      ((await ask("v1/schema", key)).json.columns as { name: string }[]).map(({ name }) => name)
    const hidden = ["ip_address", "user_name", "country", "asn", "as_organization"]
    expect(await named("auditor")).toEqual(expect.arrayContaining(hidden))
    expect((await named("reader")).filter((name) => hidden.includes(name))).toEqual([])
  })

  it("do not tell a reader what others asked about what is withheld, in any answer", async () => {
    const secret = "8.8.3.3"
    const asked = await ask("v1/query", "auditor", {
      sql: "SELECT count(*) FROM access_logs WHERE ip_address = $1",
      parameters: [secret],
    })
    await ask(`v1/events?ip_address=${secret}`, "auditor")
    const own = (await ownEvents(served)).filter(({ fields }) => JSON.stringify(fields).includes(secret))
    expect(own).toHaveLength(2)
    const leaves = own.map(({ leafIndex }) => leafIndex)
    const at = `min_size=${Math.max(...leaves, asked.json.through as number) + 1}`
    const sql = `SELECT leaf_index, attributes FROM access_logs WHERE leaf_index IN (${leaves}) ORDER BY 1`
    const answers = async (key: KeyName) => {
      const { json } = await eventually(async () => {
        const got = await ask(`v1/query?${at}`, key, { sql })
        return got.status === 200 ? got : undefined
      })
      expect(json.row_count).toBe(2)
      // Evidence is there once the leaves are published.
      const others = await eventually(async () => {
        const got = [
          await ask(`v1/events?source=prooflog&limit=1000&${at}`, key),
          await ask(`v1/evidence?leaf_index=${leaves}`, key),
          ...(await Promise.all(leaves.map((leaf) => ask(`v1/events/${leaf}`, key)))),
        ]
        return got.every(({ status }) => status === 200) ? got : undefined
      })
      return [json, ...others.map((got) => got.json)].map((each) => JSON.stringify(each).includes(secret))
    }
    expect(await answers("auditor")).toEqual([true, true, true, true, true])
    expect(await answers("reader")).toEqual([false, false, false, false, false])
    const { json } = await ask(`v1/events/${leaves[0]}`, "reader")
    expect(json.withheld).toEqual(expect.arrayContaining(["attributes", "ip_address"]))
    const event = await ask("v1/events/1", "reader")
    expect(event.json.withheld).not.toContain("attributes")
  })

  it("are refused in words, not as a bug, where no JSON can hold them", async () => {
    for (const [sql, status, code] of [
      ["SELECT 1e400", 400, "QUERY_SYNTAX"],
      ["SELECT (repeat('[', 50000) || repeat(']', 50000))::JSON", 422, "QUERY_FAILED"],
      ["SELECT ROW(1, 2)", 400, "QUERY_INVALID"],
    ] as const) {
      const got = await ask("v1/query", "auditor", { sql })
      expect({ sql, status: got.status, code: got.json.code }).toEqual({ sql, status, code })
    }
  })

  it("are told what they may ask for", async () => {
    const { json } = await ask("v1/schema", "auditor")
    expect(json).toMatchObject({
      table: "access_logs",
      limits: { rows: 500, timeout_ms: 5_000, question_bytes: 1_048_576 },
      databases: [{ type: expect.any(String), built: expect.stringMatching(/^\d{4}-/) }],
    })
    expect((json.columns as unknown[])[0]).toMatchObject({
      name: "leaf_index",
      type: "BIGINT",
      origin: "position",
      meaning: expect.any(String),
    })
  })

  it("by filters page through the log, in either order, and repeat and skip nothing", async () => {
    for (const order of ["asc", "desc"]) {
      const seen: number[] = []
      for (let cursor: unknown = ""; cursor !== undefined; ) {
        const path = `v1/events?source=api&order=${order}&limit=50${cursor === "" ? "" : `&cursor=${cursor}`}`
        const { json } = await ask(path, "reader")
        seen.push(...(json.events as { leaf_index: number }[]).map(({ leaf_index }) => leaf_index))
        cursor = json.next_cursor
        // What arrives meanwhile is at the end: it is in no page before.
        await ask("v1/events", "other", anEvent())
      }
      const sorted = [...new Set(seen)].sort((a, b) => (order === "asc" ? a - b : b - a))
      expect(seen).toEqual(sorted)
      expect(seen.length).toBeGreaterThanOrEqual(121)
    }
  })

  it("by filters find what they say, count values, and count by time", async () => {
    const { json } = await ask("v1/events?user_id=U12345&result=denied&limit=2", "auditor")
    const events = json.events as Record<string, unknown>[]
    expect(events).toHaveLength(2)
    expect(events[0]).toMatchObject({ user_id: "U12345", result: "denied", ip_address: "192.168.1.10" })
    expect(Object.values(events[0] ?? {})).not.toContain(null)

    const facets = await ask("v1/facets?field=result&field=user_id&source=api&user_id.prefix=U1", "auditor")
    expect((facets.json.facets as Record<string, unknown[]>).user_id?.[0]).toEqual({
      value: "U12345",
      count: 12,
    })
    const few = await ask("v1/facets?field=result,user_id&top=1&source=api&user_id.not=U-now", "auditor")
    expect(few.json.facets).toEqual({
      result: [{ value: "success", count: 90 }],
      user_id: [{ value: "U12345", count: 12 }],
    })
    const all = await ask("v1/facets?field=user_id&top=1000&source=api&user_id.not=U-now", "auditor")
    expect((all.json.facets as Record<string, unknown[]>).user_id).toHaveLength(109)
    const query = "interval=1h&source=api&from=2023-10-21T15:00:00Z&to=2023-10-21T17:00:00Z&user_id.not=U-now"
    const histogram = await ask(`v1/histogram?${query}`, "auditor")
    const buckets = histogram.json.buckets as { count: number; by_result: Record<string, number> }[]
    expect(buckets.map(({ count, by_result }) => [count, by_result.denied])).toEqual([
      [60, 15],
      [60, 15],
    ])
  })

  it("leave out the log's own events by filter, unless they are named", async () => {
    const plain = await ask("v1/events?limit=1000", "reader")
    expect((plain.json.events as { source: string }[]).some(({ source }) => source === "prooflog")).toBe(
      false,
    )
    await ask("v1/query", "reader", { sql: "SELECT 1" })
    const query = `source=prooflog&action=log.query&limit=1&min_size=${await served.storage.treeSize()}`
    const { json } = await ask(`v1/events?${query}`, "auditor")
    expect(json.events).toMatchObject([{ class: "audit", source: "prooflog", action: "log.query" }])
  })

  it.each([
    ["SELEC 1", "QUERY_SYNTAX", { line: 1, column: 1 }],
    ["SELECT usr_id FROM access_logs", "QUERY_UNKNOWN_COLUMN", { line: 1, column: 8, hint: /user_id/ }],
    ["SELECT * FROM access_log", "QUERY_UNKNOWN_TABLE", { hint: /access_logs/ }],
    ["SELECT 1; SELECT 2", "QUERY_NOT_ONE_SELECT", {}],
    ["SELECT * FROM read_text('/etc/passwd')", "QUERY_FORBIDDEN", {}],
    ["SELECT * FROM access_logs WHERE user_id = $1", "QUERY_BAD_PARAMETERS", {}],
  ])("are refused with their place and a hint: %s", async (sql, code, has) => {
    const got = await ask("v1/query", "reader", { sql })
    expect({ status: got.status, code: got.json.code }).toEqual({ status: 400, code })
    for (const [name, value] of Object.entries(has)) {
      if (value instanceof RegExp) expect(got.json[name]).toMatch(value)
      else expect(got.json[name]).toBe(value)
    }
  })

  it("that fail on a value of a row do not show the value", async () => {
    const got = await ask("v1/query", "reader", { sql: "SELECT user_id::INTEGER FROM access_logs" })
    expect({ status: got.status, code: got.json.code }).toEqual({ status: 422, code: "QUERY_FAILED" })
    expect(got.body.toString()).not.toContain("U12345")
  })

  it.each([
    ["a member of another name", { sqll: "SELECT 1" }, 422, "SERVER_REFUSED_REQUEST", "sqll"],
    ["no SQL", {}, 422, "SERVER_REFUSED_REQUEST", "sql"],
    ["what goes into the URL", { sql: "SELECT 1", min_size: 7 }, 422, "SERVER_REFUSED_REQUEST", "min_size"],
    ["no limit", { sql: "SELECT 1", limit: 0 }, 422, "SERVER_REFUSED_REQUEST", "limit"],
    ["a limit past the server's", { sql: "SELECT 1", limit: 501 }, 422, "SERVER_REFUSED_REQUEST", "limit"],
    [
      "parameters that are a text",
      { sql: "SELECT 1", parameters: "x" },
      400,
      "QUERY_BAD_PARAMETERS",
      "parameters",
    ],
    ["a list in a list", { sql: "SELECT 1", parameters: [[1]] }, 400, "QUERY_BAD_PARAMETERS", "parameters"],
    [
      "too many parameters",
      { sql: "SELECT 1", parameters: new Array(1_001).fill(1) },
      400,
      "QUERY_BAD_PARAMETERS",
      "parameters",
    ],
  ] as const)("are refused with %s", async (_, body, status, code, parameter) => {
    const got = await ask("v1/query", "reader", body)
    expect({ status: got.status, code: got.json.code, parameter: got.json.parameter }).toEqual({
      status,
      code,
      parameter,
    })
  })

  it.each([
    ["no JSON", "application/json", "{", 400, "malformed_json"],
    ["a name twice", "application/json", '{"sql":"SELECT 1","sql":"SELECT 2"}', 422, "duplicate_key"],
    ["another type", "text/plain", "SELECT 1", 415, "SERVER_UNSUPPORTED_MEDIA_TYPE"],
    ["more than 1 MiB", "application/sql", `SELECT '${"x".repeat(2 ** 20)}'`, 413, "SERVER_BODY_TOO_LARGE"],
  ])("are refused as %s", async (_, type, body, status, code) => {
    const path = "v1/query"
    const got = await served.request({ method: "POST", path, key: served.keys.reader, type, body })
    expect({ status: got.status, code: got.json.code }).toEqual({ status, code })
    if (status === 415)
      expect(got.json.detail).toBe("Content-Type must be application/json or application/sql")
  })

  it("say where it goes what belongs in the URL", async () => {
    const { json } = await ask("v1/query", "reader", { sql: "SELECT 1", min_size: 7 })
    expect(json.detail).toContain("v1/query?min_size=")
  })

  it.each([
    ["v1/events?user=U1", "QUERY_BAD_FILTER", "user"],
    ["v1/events?from=yesterday", "QUERY_BAD_FILTER", "from"],
    ["v1/events?ip_address=x", "QUERY_BAD_FILTER", "ip_address"],
    ["v1/events?cursor=x", "QUERY_BAD_FILTER", "cursor"],
    ["v1/events?limit=0", "QUERY_BAD_FILTER", "limit"],
    ["v1/events?min_size=x", "SERVER_MALFORMED_QUERY", "min_size"],
    ["v1/facets?user_id=U1", "SERVER_MALFORMED_QUERY", "field"],
    ["v1/facets?field=colour", "QUERY_BAD_FILTER", "colour"],
    ["v1/facets?field=result&top=0", "SERVER_MALFORMED_QUERY", "top"],
    ["v1/facets?field=result&top=1001", "SERVER_MALFORMED_QUERY", "top"],
    ["v1/facets?field=result&top=ten", "SERVER_MALFORMED_QUERY", "top"],
    ["v1/facets?field=result&top=1&top=2", "SERVER_MALFORMED_QUERY", "top"],
    ["v1/histogram?interval=7", "QUERY_BAD_FILTER", "interval"],
    ["v1/histogram?zone=Atlantis", "QUERY_BAD_FILTER", "zone"],
    ["v1/facets?field=result&limit=10", "QUERY_BAD_FILTER", "limit"],
    ["v1/facets?field=result&cursor=before-9", "QUERY_BAD_FILTER", "cursor"],
    ["v1/histogram?order=asc", "QUERY_BAD_FILTER", "order"],
  ])("by filters are refused by the name of the parameter: %s", async (path, code, parameter) => {
    const got = await ask(path, "auditor")
    expect({ status: got.status, code: got.json.code, parameter: got.json.parameter }).toEqual({
      status: 400,
      code,
      parameter,
    })
  })

  it.each([
    ["POST", "v1/query"],
    ["GET", "v1/events"],
    ["GET", "v1/facets?field=result"],
    ["GET", "v1/histogram"],
    ["GET", "v1/schema"],
    ["GET", "v1/tail"],
    ["GET", "v1/reading"],
  ])("are for readers: %s %s", async (method, path) => {
    const body = method === "POST" ? { body: '{"sql":"SELECT 1"}', type: "application/json" } : {}
    expect((await served.request({ method, path, ...body })).json.code).toBe("SERVER_NO_KEY")
    const got = await served.request({ method, path, key: served.keys.writer, ...body })
    expect({ status: got.status, code: got.json.code }).toEqual({ status: 403, code: "SERVER_WRONG_ROLE" })
  })

  it("are events themselves, with what was asked and how many rows that was", async () => {
    const sql = "SELECT leaf_index FROM access_logs WHERE user_id = $1 -- once"
    await ask("v1/query", "reader", { sql, parameters: ["U12345"], limit: 5 })
    const own = (await ownEvents(served)).at(-1)
    expect(own).toMatchObject({
      className: "audit",
      core: { action: "log.query", result: "success" },
      fields: {
        user_id: `key:${served.keys.reader.slice(3, 11)}`,
        attributes: { sql, parameters: '["U12345"]', rows: 5, truncated: true, through: expect.any(Number) },
      },
    })
  })

  it("end when their asker leaves", async () => {
    const leaving = new AbortController()
    const sql = "SELECT count(*) FROM range(1000000000) a, range(1000000) b -- left alone"
    const asked = fetch(`${served.server.url}v1/query`, {
      method: "POST",
      headers: { authorization: `Bearer ${served.keys.reader}`, "content-type": "application/sql" },
      body: sql,
      signal: leaving.signal,
    })
    const refused = expect(asked).rejects.toThrow("aborted")
    await new Promise((resolve) => setTimeout(resolve, 300))
    leaving.abort()
    await refused
    const own = await eventually(async () =>
      (await ownEvents(served)).find(({ fields }) => saidIn(fields) === sql),
    )
    // Left alone it would have run for 5 seconds, and into QUERY_TIMEOUT.
    expect(own.core).toMatchObject({ action: "log.query", result: "error", error_code: "QUERY_INTERRUPTED" })

    function saidIn({ attributes }: Readonly<Record<string, unknown>>): unknown {
      return (attributes as { sql?: string }).sql
    }
  })

  it("answer HEAD, OPTIONS and other methods as every route does", async () => {
    const get = await ask("v1/schema", "reader")
    const head = await served.request({ method: "HEAD", path: "v1/schema", key: served.keys.reader })
    expect(head.headers).toEqual({ ...get.headers, date: head.headers.date })
    expect(head.body).toHaveLength(0)
    const other = await served.request({ method: "DELETE", path: "v1/query", key: served.keys.reader })
    expect({ status: other.status, allow: other.headers.allow }).toEqual({
      status: 405,
      allow: "OPTIONS, POST",
    })
    const events = await served.request({ method: "OPTIONS", path: "v1/events" })
    expect(events).toMatchObject({ status: 204, headers: { allow: "OPTIONS, POST, GET, HEAD" } })
  })

  it("have their state in readiness, at a path, and in metrics", async () => {
    const state = {
      state: "following",
      through: expect.any(Number),
      lag_leaves: expect.any(Number),
      restarts: 0,
    }
    expect((await ask("v1/reading", "reader")).json).toMatchObject(state)
    expect((await ask("readyz")).json.reading).toMatchObject(state)
    expect((await ask("readyz?for=reading")).status).toBe(200)
    expect((await ask("readyz?for=writing")).json.code).toBe("SERVER_MALFORMED_QUERY")
    const metrics = (await ask("metrics", "admin")).body.toString()
    expect(metrics).toMatch(/^prooflog_reader_following 1$/m)
    expect(metrics).toMatch(/^prooflog_reader_through [1-9]\d*$/m)
    expect(metrics).toMatch(/^prooflog_reader_lag_leaves \d+$/m)
    expect(metrics).toMatch(/^prooflog_reader_lag_seconds [\d.]+$/m)
    expect(metrics).toMatch(/^prooflog_reader_restarts_total 0$/m)
  })

  it("are answered again when the rows are made anew", async () => {
    expect(
      (await served.request({ method: "POST", path: "v1/reindex", key: served.keys.reader })).status,
    ).toBe(403)
    const size = await served.storage.treeSize()
    const got = await served.request({ method: "POST", path: "v1/reindex", key: served.keys.admin })
    expect(got.status).toBe(202)
    await eventually(async () => {
      const { json } = await ask("v1/reading", "reader")
      return json.state === "following" && (json.through as number) >= size ? true : undefined
    })
    expect(
      await rows("SELECT count(*) FROM access_logs WHERE user_id = 'U12345' AND source = 'api'"),
    ).toEqual([[12]])
  })

  it("never told the operator of a caller's mistake", () => {
    expect(served.told.filter(({ level }) => level === "error")).toEqual([])
  })
})

describe("a question whose event cannot be made durable", () => {
  it("is refused, and no row leaves", async () => {
    const disk = disappearingDisk()
    const served = await serve({ follow: true, wrap: disk.wrap })
    await askServed(served, "v1/events", "writer", anEvent())
    const sql = "SELECT user_id FROM access_logs WHERE leaf_index = 1"
    const question = () => askServed(served, "v1/query?min_size=2", "reader", { sql })
    await eventually(async () => ((await question()).status === 200 ? true : undefined))
    disk.fail()
    for (const answer of [question, () => askServed(served, "v1/events", "reader")]) {
      const got = await answer()
      expect({ status: got.status, code: got.json.code }).toEqual({ status: 503, code: "LEDGER_POISONED" })
      expect(got.body.toString()).not.toContain("U12345")
    }
    await served.stop()
  })
})

describe("a database of addresses that is damaged", () => {
  it("leaves its addresses unknown, and the operator is told in words, in the state and in metrics", async () => {
    const folder = await mkdtemp(join(tmpdir(), "prooflog-mmdb-"))
    const path = join(folder, "damaged.mmdb")
    const bytes = await readFile(defaultDatabase())
    // Every record becomes a pointer far behind the end.
    bytes.fill(
      0x3b,
      bytes.indexOf("country_code") - 2,
      bytes.lastIndexOf("\xab\xcd\xefMaxMind.com", undefined, "latin1"),
    )
    await writeFile(path, bytes)
    const served = await serve({ follow: true, serving: { query: { mmdb: [path] } } })
    const post = (ip_address: string) => askServed(served, "v1/events", "writer", anEvent({ ip_address }))
    for (const address of ["8.8.8.8", "8.8.8.8", "193.0.6.139"]) await post(address)
    const sql = "SELECT country FROM access_logs WHERE leaf_index < 4 ORDER BY leaf_index"
    const answered = await eventually(async () => {
      const { status, json } = await askServed(served, "v1/query?min_size=4", "reader", { sql })
      return status === 200 ? json : undefined
    })
    // No country is left in it, so that the default one is asked after it.
    expect(answered.rows).toEqual([["US"], ["US"], ["NL"]])
    await eventually(() => served.told.find(({ level, words }) => level === "warn" && isOf(words, path)))
    expect((await askServed(served, "v1/reindex", "admin", undefined, "POST")).status).toBe(202)
    const { json } = await askServed(served, "v1/reading", "reader")
    const databases = json.databases as { type: string; built: string; faults: number }[]
    expect(databases.map(({ faults }) => faults)).toEqual([2, 0])
    expect(JSON.stringify(json)).not.toContain(folder)
    expect((await askServed(served, "metrics", "admin")).body.toString()).toContain(
      `prooflog_reader_database_faults{type="${databases[0]?.type}"} 2\n`,
    )
    await served.stop()
    await rm(folder, { recursive: true })
  })

  const isOf = (words: unknown, path: string) => (words as { path?: unknown }).path === path
})

describe("a log that is not followed", () => {
  it("says so to whoever asks, and takes events all the same", async () => {
    const served = await serve()
    const ready = await served.request({ path: "readyz" })
    expect(ready.json).toMatchObject({ status: "ready", reading: { state: "off" } })
    const reading = await served.request({ path: "readyz?for=reading" })
    expect(reading).toMatchObject({ status: 503, json: { code: "SERVER_NOT_READY" } })
    const listed = await served.request({ path: "v1/events", key: served.keys.reader })
    expect(listed).toMatchObject({
      status: 503,
      json: { code: "QUERY_UNAVAILABLE" },
      headers: { "retry-after": "5" },
    })
    expect((await served.request({ path: "metrics", key: served.keys.admin })).body.toString()).toMatch(
      /^prooflog_reader_following 0$/m,
    )
    await served.stop()
  })
})
