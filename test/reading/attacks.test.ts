/**
 * Hostile SQL against a log that is being written to: refused, or ended in time, alone; the writer does not notice.
 *
 * The server is a process of its own, so that its memory can be looked at from outside.
 */

import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { initFolder } from "@prooflog/server/folder"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { post, type ServingChild, sampleEvent, serve, temporaryFolder } from "../running-log.js"
import { type Askable, followed, rows, sql } from "./asking.js"

const DEADLINE_MS = 2_000
const EVENTS = 2_000
/** Who writes while others attack. */
const WRITER = "writer-meanwhile"
/** A name that stands in rows and nowhere else. */
const SECRET = "dr.lindqvist-4711"

/** What could tell of files, settings and other tables, or change anything at all. */
const REFUSED: readonly [why: string, text: string, code: RegExp][] = [
  ["reads a file", "SELECT * FROM read_csv('/etc/passwd')", /QUERY_FORBIDDEN/],
  ["reads a file as text", "SELECT * FROM read_text('/etc/passwd')", /QUERY_FORBIDDEN/],
  ["reads a file as bytes", "SELECT * FROM read_blob('/etc/*')", /QUERY_FORBIDDEN/],
  ["reads a file by its name alone", "SELECT * FROM '/etc/passwd'", /QUERY_(FORBIDDEN|UNKNOWN_TABLE)/],
  ["lists files", "SELECT * FROM glob('/etc/*')", /QUERY_FORBIDDEN/],
  ["reads Parquet from the network", "SELECT * FROM parquet_scan('https://127.0.0.1/x')", /QUERY_FORBIDDEN/],
  ["guesses at a file", "SELECT * FROM sniff_csv('/etc/passwd')", /QUERY_FORBIDDEN/],
  ["reads settings", "SELECT * FROM duckdb_settings()", /QUERY_FORBIDDEN/],
  ["reads secrets", "SELECT * FROM duckdb_secrets()", /QUERY_FORBIDDEN/],
  ["reads a setting", "SELECT current_setting('memory_limit')", /QUERY_FORBIDDEN/],
  ["reads the catalog", "SELECT * FROM information_schema.tables", /QUERY_FORBIDDEN/],
  ["reads the table behind the view", "SELECT * FROM prooflog_events", /QUERY_FORBIDDEN/],
  ["reads it by its whole name", "SELECT * FROM main.prooflog_events", /QUERY_FORBIDDEN/],
  ["reads it in a subquery", "SELECT (SELECT max(leaf_index) FROM prooflog_events)", /QUERY_FORBIDDEN/],
  ["reads the cursor", "SELECT * FROM prooflog_cursor", /QUERY_FORBIDDEN/],
  ["runs SQL in SQL", "SELECT * FROM query('DROP TABLE prooflog_events')", /QUERY_FORBIDDEN/],
  ["writes a file", "COPY (SELECT 1) TO '/tmp/evil'", /QUERY_NOT_ONE_SELECT/],
  ["attaches a file", "ATTACH '/tmp/evil.db'", /QUERY_NOT_ONE_SELECT/],
  ["installs an extension", "INSTALL httpfs", /QUERY_NOT_ONE_SELECT/],
  ["loads an extension", "LOAD httpfs", /QUERY_NOT_ONE_SELECT/],
  ["changes a setting", "SET memory_limit = '100GB'", /QUERY_NOT_ONE_SELECT/],
  ["opens the world again", "SET enable_external_access = true", /QUERY_NOT_ONE_SELECT/],
  ["deletes", "DELETE FROM prooflog_events", /QUERY_NOT_ONE_SELECT/],
  ["drops", "DROP TABLE prooflog_events", /QUERY_NOT_ONE_SELECT/],
  ["creates", "CREATE TABLE mine AS SELECT 1", /QUERY_NOT_ONE_SELECT/],
  ["asks twice", "SELECT 1; SELECT 2", /QUERY_NOT_ONE_SELECT/],
  ["hides a second statement", "SELECT 1; /* */ DROP TABLE prooflog_events", /QUERY_NOT_ONE_SELECT/],
  ["calls a procedure", "CALL pragma_version()", /QUERY_NOT_ONE_SELECT/],
  ["asks a pragma", "PRAGMA database_list", /QUERY_/],
  ["is no SQL", "SELEC 1", /QUERY_SYNTAX/],
  ["is nothing", "", /QUERY_|SERVER_/],
]

/** Past its deadline. */
const LATE = /^QUERY_TIMEOUT$/

/** Past its deadline, or past its memory: which comes first is the machine's. */
const DIES = /^QUERY_(TIMEOUT|TOO_MUCH_MEMORY|RESTARTED)$/

const STATUSES: Readonly<Record<string, number>> = {
  QUERY_TIMEOUT: 422,
  QUERY_TOO_MUCH_MEMORY: 422,
  QUERY_RESTARTED: 503,
}

/** What would take all there is, and how it may end. */
const RUNAWAYS: readonly [why: string, text: string, codes: RegExp][] = [
  ["folds a constant of 3 GB", "SELECT length(repeat('x', 3000000000))", DIES],
  ["counts for ever", "SELECT count(*) FROM range(1000000000) a, range(1000000) b", LATE],
  [
    "recurses for ever",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
    DIES,
  ],
  ["lists a billion", "SELECT length(list(i)) FROM range(1000000000) t(i)", DIES],
  ["sorts a billion", "SELECT i FROM range(1000000000) t(i) ORDER BY hash(i) LIMIT 1 OFFSET 500000000", DIES],
  [
    "joins the log with itself again and again",
    "SELECT count(*) FROM access_logs a, access_logs b, access_logs c, access_logs d WHERE a.leaf_index + b.leaf_index < c.leaf_index * d.leaf_index",
    LATE,
  ],
]

describe("hostile SQL against a log that is written to", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let server: ServingChild
  let log: Askable
  let writerKey: string

  beforeAll(async () => {
    folder = await temporaryFolder()
    const dir = join(folder.path, "log")
    await initFolder(dir)
    const config = join(dir, "prooflog.json")
    const query = { timeout_ms: DEADLINE_MS, memory_mb: 256 }
    writeFileSync(config, JSON.stringify({ ...JSON.parse(readFileSync(config, "utf8")), query }))
    server = await serve(dir)
    const key = (role: string) =>
      new RegExp(`${role} key\\s+(\\S+)`).exec(server.printed)?.[1] ?? "none was printed"
    writerKey = key("writer")
    log = { url: server.url, key: key("admin") }
    const events = Array.from({ length: EVENTS }, (_, n) => ({
      ...sampleEvent(n),
      user_id: `${SECRET}-${n}`,
    }))
    await post(`${server.url}v1/events`, writerKey, events)
    await followed(log, EVENTS + 1)
  }, 60_000)

  afterAll(async () => {
    await server.stop()
    await folder.remove()
  })

  it.each(REFUSED)("refuses SQL that %s", async (_, text, code) => {
    const { status, body } = await sql(log, text)
    expect(status).toBe(400)
    expect(body.code).toMatch(code)
    expect(JSON.stringify(body)).not.toContain("root:")
  })

  it("never quotes a row in what it says of a failing question", async () => {
    const failing = [
      "SELECT CAST(user_id AS INTEGER) FROM access_logs",
      "SELECT error(user_id) FROM access_logs",
      "SELECT strptime(user_id, '%Y') FROM access_logs",
      "SELECT user_id::JSON FROM access_logs",
      "SELECT user_id::TIMESTAMP FROM access_logs",
      "SELECT [1, 2][user_id] FROM access_logs",
      "SELECT (SELECT user_id FROM access_logs)",
      "SELECT regexp_matches('x', '(' || user_id) FROM access_logs",
      "SELECT user_id::UUID FROM access_logs",
      "SELECT printf(user_id || '%d', 'x') FROM access_logs",
      "PIVOT access_logs ON user_id",
    ]
    for (const text of failing) {
      const { status, body } = await sql(log, text)
      expect([text, status]).toEqual([text, expect.toSatisfy((code: number) => code >= 400 && code < 500)])
      expect(JSON.stringify(body)).not.toContain(SECRET)
    }
  })

  it("ends runaways in time and alone, while events keep coming and others are answered", async () => {
    const before = memoryOf(server)
    const taken = { stop: false, count: 0, leaf: 0, others: new Set<number>() }
    const writer = (async () => {
      while (!taken.stop) {
        const { status, body } = await post(`${server.url}v1/events`, writerKey, written(taken.count))
        if (status !== 201) taken.others.add(status)
        else Object.assign(taken, { count: taken.count + 1, leaf: body.leaf_index })
      }
    })()
    for (const [why, text, codes] of RUNAWAYS) {
      const takenBefore = taken.count
      // Who ended the process of all questions waits before the next one: each attacker comes with a key of its own.
      const { body: attacker } = await post(`${server.url}v1/keys`, log.key, { roles: ["reader"] })
      const runaway = sql({ url: server.url, key: attacker.key as string }, text)
      const bystander = rows(log, `SELECT count(*) FROM access_logs WHERE user_id LIKE '${SECRET}-%'`)
      expect(await bystander).toEqual([[EVENTS]])
      const { status, body } = await runaway
      expect([why, body.code, status]).toEqual([why, expect.stringMatching(codes), STATUSES[`${body.code}`]])
      // It had its two seconds: a writer that was held up by it stands where it stood.
      if (body.code === "QUERY_TIMEOUT")
        expect([why, taken.count - takenBefore]).toEqual([why, expect.toSatisfy(isSome)])
    }
    taken.stop = true
    await writer
    expect([...taken.others]).toEqual([])
    // Each event that was taken is there, once.
    await followed(log, taken.leaf + 1)
    const found = await rows(
      log,
      `SELECT count(*), count(DISTINCT resource_accessed) FROM access_logs WHERE user_id = '${WRITER}'`,
    )
    expect(found).toEqual([[taken.count, taken.count]])
    const grown = memoryOf(server) - before
    // The answers of the questions pass through the server; what the questions take does not.
    if (before > 0) expect(grown).toBeLessThan(128 * 2 ** 20)
    const logged = await rows(log, `SELECT count(*) FROM access_logs WHERE user_id LIKE '${SECRET}-%'`)
    expect(logged).toEqual([[EVENTS]])
  }, 120_000)
})

function written(n: number) {
  return { ...sampleEvent(n), user_id: WRITER }
}

function isSome(count: number): boolean {
  return count > 0
}

/** Resident bytes of the server's own process; 0 where the system does not tell. */
function memoryOf({ process: { pid } }: ServingChild): number {
  const path = `/proc/${pid}/statm`
  if (!existsSync(path)) return 0
  return Number(readFileSync(path, "utf8").split(" ")[1]) * 4096
}
