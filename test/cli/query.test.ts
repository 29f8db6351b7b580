/**
 * Questions on the command line, and the proof of their answers.
 */

import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { createSignerKey, formatVerifierKey, verifierKeyOf } from "@prooflog/tlog/key"
import { parsePolicy } from "@prooflog/tlog/policy"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { CliError } from "../../apps/cli/dist/error.js"
import { AnswerTooLong, LogServer } from "../../apps/cli/dist/log-server.js"
import { verifyAnswer } from "../../apps/cli/dist/proof/verify-answer.js"
import { askSql, type Question, type SqlAnswer } from "../../apps/cli/dist/sql-answer.js"
import { sampleEvent } from "../running-log.js"
import { type AskedLog, startAskedLog } from "./asked-log.js"

/** One event is of the user that every example asks for, with all that a terminal must not be shown. */
const STRANGE = {
  timestamp: "2023-10-21T15:32:00Z",
  user_id: "U12345",
  resource_accessed: "/secure-data\u001b[2J\n=1+1",
  result: "success",
  ip_address: "192.168.1.10",
  user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
  tags: ["vip", "eu"],
  attributes: { role: "nurse", shifts: [1, 2] },
  duration_ms: 12.25,
  mfa: true,
}

let log: AskedLog

beforeAll(async () => {
  const events = Array.from({ length: 60 }, (_, n) => sampleEvent(n + 1, `e-${n + 1}`))
  // An admin is not a reader: only who asks with a reader's key is kept from these.
  const settings = { withhold: { reader: ["ip_address", "user_id"] } }
  log = await startAskedLog([...events, { ...STRANGE, event_id: "strange" }], settings)
  await log.level()
})

afterAll(() => log.close())

const EXAMPLE = "SELECT * FROM access_logs WHERE user_id = 'U12345' AND timestamp > '2023-10-01';"
const BY_RESULT =
  "SELECT result, count(*) AS n, min(ip_address) AS first, avg(leaf_index) AS middle FROM access_logs WHERE source = 'api' GROUP BY ALL ORDER BY n"
const ROWS = "SELECT leaf_index, user_id, timestamp, country FROM access_logs WHERE result = 'denied'"

/** What `query --verify` does, without a process for it. */
async function proof(
  question: Question,
  edit: (answer: SqlAnswer) => SqlAnswer = (answer) => answer,
  key = log.adminKey,
) {
  const server = new LogServer({ url: log.url, key })
  const policy = parsePolicy(await readFile(log.policy))
  return verifyAnswer(server, policy, question, edit(await askSql(server, question)))
}

/** Columns of other names or types. */
function renamed(
  columns: readonly ({ readonly name: string } | undefined)[],
  types: readonly string[],
): SqlAnswer["columns"] {
  return columns.map((column, i) => ({ name: column?.name ?? "", type: types[i] ?? "" }))
}

const verified = (sql: string, ...more: string[]) =>
  log.run(["query", sql, "--verify", "--policy", log.policy, ...more])

describe("a question", () => {
  it.concurrent("is answered as a table, the line that everyone tries first too", async () => {
    const { code, out, err } = await log.run(["query", EXAMPLE])
    expect({ code, err }).toEqual({
      code: 0,
      err: expect.stringMatching(
        /^\d+ columns, NULL in every row, left out: .*\n1 row · through \d+ leaves · .* m?s/,
      ),
    })
    const [head = "", rule = "", row = "", ...others] = out.trimEnd().split("\n")
    expect(others).toEqual([])
    expect(head).toMatch(/^leaf_index {2}timestamp {20}user_id {2}action /)
    expect(rule).toMatch(/^─+ {2}─/)
    expect(row).toContain("2023-10-21T15:32:00.000000Z  U12345")
    expect(row).toContain("/secure-data\\u001b[2J\\u000a=1+1")
    expect(row).not.toContain("NULL")
  })

  it.concurrent("keeps every column where a machine reads it, and those that were named", async () => {
    const [asJson, asCsv, asTable] = await Promise.all([
      log.runHere(["query", EXAMPLE, "--json"]),
      log.runHere(["query", EXAMPLE, "--csv"]),
      log.runHere(["query", "SELECT leaf_index, reason FROM access_logs WHERE leaf_index = 1"]),
    ])
    const names = JSON.parse(asJson.out).columns.map(({ name }: { name: string }) => name)
    expect(names).toContain("reason")
    expect(asCsv.out.split("\r\n")[0]).toBe(names.join(","))
    expect(asTable.out).toContain("NULL")
    for (const { verdict, err } of [asJson, asCsv, asTable]) {
      expect(verdict).toBe(0)
      expect(err).toMatch(/^1 row · /)
    }
  })

  it.concurrent("is answered as JSON and as CSV", async () => {
    const sql =
      "SELECT user_id, resource_accessed, tags, mfa, reason FROM access_logs WHERE event_id = 'strange'"
    const [asJson, asCsv] = await Promise.all([
      log.run(["query", sql, "--json"]),
      log.run(["query", sql, "--csv"]),
    ])
    expect(JSON.parse(asJson.out)).toEqual({
      columns: [
        { name: "user_id", type: "VARCHAR" },
        { name: "resource_accessed", type: "VARCHAR" },
        { name: "tags", type: "VARCHAR[]" },
        { name: "mfa", type: "BOOLEAN" },
        { name: "reason", type: "VARCHAR" },
      ],
      rows: [["U12345", "/secure-data\u001b[2J\n=1+1", ["vip", "eu"], true, null]],
      row_count: 1,
      truncated: false,
      through: expect.any(Number),
      ms: expect.any(Number),
    })
    expect(asJson.out).not.toContain("\u001b")
    expect(asCsv.out).toBe(
      `user_id,resource_accessed,tags,mfa,reason\r\nU12345,"/secure-data\u001b[2J\n=1+1","[""vip"",""eu""]",true,\r\n`,
    )
  })

  it.concurrent("has parameters, as text and as JSON", async () => {
    const sql = "SELECT count(*) AS n FROM access_logs WHERE user_id = $1 AND mfa = $2"
    const run = await log.runHere(["query", sql, "--param", "U12345", "--param-json", "true", "--json"])
    expect(JSON.parse(run.out).rows).toEqual([[1]])
    const named = ["query", sql.replace("$1", "$user").replace("$2", "$mfa"), "--param-json"]
    const byName = await log.runHere([...named, '{"user":"U12345","mfa":true}', "--json"])
    expect(JSON.parse(byName.out).rows).toEqual([[1]])
  })

  it.concurrent("may come from stdin", async () => {
    const { code, out } = await log.run(["query", "-", "--csv"], { input: "SELECT 1 + 1 AS two" })
    expect({ code, out }).toEqual({ code: 0, out: "two\r\n2\r\n" })
  })

  it.concurrent("says that there are more rows than were asked for", async () => {
    const { out, err } = await log.run([
      "query",
      "SELECT leaf_index FROM access_logs",
      "--limit",
      "3",
      "--csv",
    ])
    expect(out.trimEnd().split("\r\n")).toHaveLength(4)
    expect(err).toContain("and there are more")
  })

  it.concurrent("that is wrong is shown with its place and what may have been meant", async () => {
    const { code, out, err } = await log.run(["query", "SELECT user_id,\n  usr_id\nFROM access_logs"])
    expect({ code, out }).toEqual({ code: 2, out: "" })
    const [first, line, caret, hint] = err.split("\n")
    expect(first).toMatch(/^prooflog: .*usr_id.* \(QUERY_UNKNOWN_COLUMN\)$/)
    expect(line).toBe("    usr_id")
    expect(caret).toBe("    ^")
    expect(hint).toContain("user_id")
  })

  it.concurrent.each([
    ["about a file", ["SELECT * FROM read_csv('/etc/passwd')"], "QUERY_FORBIDDEN"],
    ["that is empty", ["  "], "no SQL"],
    ["to be verified by nobody's word", ["SELECT 1", "--verify"], "--policy"],
    ["with a policy and nothing to verify", ["SELECT 1", "--policy", "x"], "--verify"],
    ["with something to withhold from nothing", ["SELECT 1", "--withhold", "ip_address"], "--evidence"],
  ])("%s has no answer", async (_, args, words) => {
    const { verdict, out, thrown } = await log.runHere(["query", ...args])
    expect({ verdict, out }).toEqual({ verdict: undefined, out: "" })
    expect(thrown).toBeInstanceOf(CliError)
    expect((thrown as CliError).message).toContain(words)
  })

  it.concurrent.each([
    ["that is two", ["SELECT 1; SELECT 2"], "QUERY_NOT_ONE_SELECT"],
    ["with two forms of answer", ["SELECT 1", "--json", "--csv"], "--json and --csv"],
    ["with a limit that is none", ["SELECT 1", "--limit", "few"], "integer"],
    ["with a parameter that is none", ["SELECT 1", "--param-json", "[1]"], "parameter"],
  ])("%s ends with exit code 2", async (_, args, words) => {
    const { code, out, err } = await log.run(["query", ...args])
    expect({ code, out }).toEqual({ code: 2, out: "" })
    expect(err).toContain(words)
  })
})

describe("a verified answer", () => {
  it.concurrent("is proven row by row, and says what it does not claim", async () => {
    const { code, out } = await verified(ROWS)
    expect(code).toBe(0)
    expect(out).toMatch(/^✓ verified: 5 rows of the answer are what was logged, in the log /m)
    expect(out).toMatch(/^Not claimed: that there are no other rows/m)
    expect(out).toMatch(/^ {2}proven leaves +5, each under the checkpoint of \d+ leaves$/m)
    expect(out).toMatch(/^ {2}derived +country: /m)
  })

  it.concurrent.each([
    ["every column", EXAMPLE, 1],
    ["rows in an order, from the middle", `${ROWS} ORDER BY timestamp DESC LIMIT 2 OFFSET 1`, 2],
    [
      "rows with what is computed from them",
      "SELECT leaf_index, upper(user_id) FROM access_logs WHERE mfa",
      1,
    ],
    ["rows that do not name their leaves", "SELECT user_id, tags, attributes FROM access_logs WHERE mfa", 1],
    ["some of them", "SELECT user_id FROM access_logs WHERE result = 'denied' LIMIT 2", 5],
    ["a count by groups", BY_RESULT, 61],
    ["a list of what there is", "SELECT DISTINCT result FROM access_logs WHERE leaf_index < 30", 29],
    ["a total", "SELECT count(DISTINCT user_id), sum(duration_ms) FROM access_logs WHERE source = 'api'", 61],
    ["the first groups", `${BY_RESULT} DESC LIMIT 1`, 61],
  ])("may be %s", async (_, sql, leaves) => {
    expect(await proof({ sql })).toMatchObject({ leaves, withheld: [] })
  })

  it.concurrent("may have parameters that only a part of the question uses", async () => {
    const sql =
      "SELECT result || $1 AS r, count(*) FROM access_logs WHERE user_id <> $2 AND source = 'api' GROUP BY ALL HAVING count(*) > $3"
    expect(await proof({ sql, parameters: ["!", "U12345", 1] })).toMatchObject({ rows: 2, leaves: 60 })
    const named = sql.replace("$1", "$mark").replace("$2", "$user").replace("$3", "$least")
    const parameters = { mark: "!", user: "U12345", least: 1 }
    expect(await proof({ sql: named, parameters })).toMatchObject({ rows: 2, leaves: 60 })
    const limited = "SELECT leaf_index FROM access_logs WHERE result = $2 LIMIT $1"
    expect(await proof({ sql: limited, parameters: [2, "denied"] })).toMatchObject({ rows: 2, leaves: 2 })
  })

  it.concurrent("leaves its CSV alone: the verdict goes to stderr", async () => {
    const { code, out, err } = await verified("SELECT leaf_index FROM access_logs WHERE mfa", "--csv")
    expect({ code, out }).toEqual({ code: 0, out: "leaf_index\r\n61\r\n" })
    expect(err).toContain("✓ verified: 1 row")
  })

  it.concurrent("leaves evidence that anyone can check, with fields withheld", async () => {
    const file = join(log.folder, "rows.json")
    const { code, out } = await verified(ROWS, "--evidence", file, "--withhold", "ip_address,user_id")
    expect(code).toBe(0)
    expect(out).toContain(`evidence           ${file}`)
    const text = await readFile(file, "utf8")
    expect(text).not.toContain("192.168.")
    const check = await log.run(["verify", file, "--policy", log.policy, "--json"])
    expect(check.code).toBe(0)
    const { events } = JSON.parse(check.out)
    expect(events).toHaveLength(5)
    expect(events[0].withheld).toEqual(["user_id", "ip_address"])
  })

  it.concurrent.each([
    ["a join", "SELECT a.leaf_index FROM access_logs a JOIN access_logs b USING (user_id)"],
    ["a subquery", "SELECT leaf_index FROM access_logs WHERE leaf_index IN (SELECT 1)"],
    ["a common table", "WITH a AS (SELECT * FROM access_logs) SELECT leaf_index FROM a"],
    ["a window", "SELECT leaf_index, row_number() OVER (ORDER BY timestamp) FROM access_logs"],
    ["the time of asking", "SELECT leaf_index FROM access_logs WHERE timestamp < now()"],
    ["a condition on what is derived", "SELECT leaf_index, os FROM access_logs WHERE os = 'Linux'"],
    ["what is made of what is derived", "SELECT leaf_index, upper(os) FROM access_logs"],
    [
      "what is made of what is derived, beside it",
      "SELECT *, coalesce(os, '-') AS o FROM access_logs WHERE mfa",
    ],
    ["what is made of a derived name", "SELECT leaf_index, os AS o, upper(o) FROM access_logs WHERE mfa"],
    ["an order of what is derived", "SELECT leaf_index, os FROM access_logs WHERE mfa ORDER BY 2"],
    ["whole rows, in which something is derived", "SELECT leaf_index, a FROM access_logs a WHERE a.mfa"],
    ["groups of what is derived", "SELECT browser, count(*) FROM access_logs GROUP BY 1"],
    ["no row", "SELECT leaf_index FROM access_logs WHERE user_id = 'nobody'"],
  ])("is not to be had of %s: nobody can tell", async (_, sql) => {
    await expect(proof({ sql })).rejects.toMatchObject({ code: "CLI_CANNOT_TELL" })
  })

  it.concurrent("that nobody can tell of ends with exit code 2, and the reason", async () => {
    const { code, out, err } = await verified("SELECT browser, count(*) FROM access_logs GROUP BY 1")
    expect(code).toBe(2)
    expect(out).not.toContain("verified:")
    expect(err).toContain("could not tell: browser is derived from user_agent, not logged")
  })

  it.concurrent.each<[string, string, (row: SqlAnswer["rows"][number]) => SqlAnswer["rows"][number], string]>(
    [
      [
        "a cell that was not logged",
        ROWS,
        ([leaf, , ...rest]) => [leaf as number, "U0", ...rest],
        "not what was logged",
      ],
      [
        "a row of another leaf",
        ROWS,
        ([leaf, ...rest]) => [(leaf as number) + 1, ...rest],
        "not what was logged",
      ],
      [
        "a leaf that does not meet the question",
        "SELECT leaf_index FROM access_logs WHERE result = 'denied'",
        ([leaf]) => [(leaf as number) + 1],
        "do not meet",
      ],
      [
        "something else computed",
        "SELECT leaf_index, user_id || '!' FROM access_logs WHERE mfa",
        ([leaf]) => [leaf as number, "U1!"],
        "do not meet",
      ],
      ["a row twice", ROWS, ([, ...rest]) => [11, ...rest], "twice"],
      ["a leaf that is none", ROWS, ([, ...rest]) => [-1, ...rest], "no leaf"],
      [
        "another count",
        BY_RESULT,
        ([result, n, ...rest]) => [result as string, (n as number) + 1, ...rest],
        "something else",
      ],
      [
        "another average",
        BY_RESULT,
        ([result, n, first, middle]) => [
          result as string,
          n as number,
          first as string,
          (middle as number) * 1.000001,
        ],
        "something else",
      ],
    ],
  )("is not verified with %s", async (_, sql, edit, words) => {
    const lie = proof({ sql }, (answer) => ({ ...answer, rows: answer.rows.map(edit) }))
    await expect(lie).rejects.toMatchObject({
      code: "CLI_NOT_VERIFIED",
      message: expect.stringContaining(words),
    })
  })

  it.concurrent.each<[string, string, (columns: SqlAnswer["columns"]) => SqlAnswer["columns"]]>([
    [
      "names of groups that were changed round",
      "SELECT 'x' AS k, count(*) FILTER (result = 'denied') AS denied, count(*) FILTER (result <> 'denied') AS other FROM access_logs WHERE source = 'api'",
      ([k, denied, other]) => renamed([k, other, denied], ["VARCHAR", "BIGINT", "BIGINT"]),
    ],
    [
      "names of columns that were changed round",
      "SELECT leaf_index, user_id, resource_accessed FROM access_logs WHERE mfa",
      ([leaf, user, resource]) => renamed([leaf, resource, user], ["BIGINT", "VARCHAR", "VARCHAR"]),
    ],
    [
      "another type",
      "SELECT leaf_index, user_id FROM access_logs WHERE mfa LIMIT 1",
      (columns) => renamed(columns, ["BIGINT", "DOUBLE"]),
    ],
    ["no columns at all", "SELECT leaf_index, user_id FROM access_logs WHERE mfa", () => []],
  ])("is not verified under %s", async (_, sql, edit) => {
    await expect(proof({ sql })).resolves.toBeDefined()
    const lie = proof({ sql }, (answer) => ({ ...answer, columns: edit(answer.columns) }))
    await expect(lie).rejects.toMatchObject({
      code: "CLI_NOT_VERIFIED",
      message: expect.stringContaining("columns"),
    })
  })

  it.concurrent("keeps the names that expressions and parameters have of themselves", async () => {
    const sql = "SELECT leaf_index, user_id || '!', $2 FROM access_logs WHERE user_id <> $3 LIMIT $1"
    expect(await proof({ sql, parameters: [2, "x", "U1"] })).toMatchObject({ rows: 2 })
  })

  it.concurrent("compares every digit of what was logged, if not of what adds up", async () => {
    const close = (sql: string) =>
      proof({ sql }, (answer) => ({
        ...answer,
        rows: answer.rows.map(([first, ms]) => [first as number, (ms as number) * (1 + 9e-10)]),
      }))
    await expect(close("SELECT leaf_index, duration_ms FROM access_logs WHERE mfa")).rejects.toMatchObject({
      code: "CLI_NOT_VERIFIED",
      details: [expect.stringContaining("logged was 12.25")],
    })
    await expect(
      close("SELECT mfa, sum(duration_ms) FROM access_logs WHERE mfa GROUP BY 1"),
    ).resolves.toBeDefined()
  })

  it.concurrent.each([
    ["LIMIT 1", undefined],
    ["LIMIT 2 - 1", undefined],
    ["LIMIT $1 OFFSET 1", [1]],
  ])("is not verified with more rows than its %s", async (limit, parameters) => {
    const sql = `SELECT leaf_index, user_id FROM access_logs WHERE result = 'denied' ORDER BY timestamp DESC ${limit}`
    const question = { sql, ...(parameters !== undefined && { parameters }) }
    await expect(proof(question)).resolves.toMatchObject({ rows: 1 })
    const { rows } = await askSql(new LogServer({ url: log.url, key: log.adminKey }), { sql: ROWS })
    const three = rows.slice(0, 3).map((row) => row.slice(0, 2))
    await expect(proof(question, (answer) => ({ ...answer, rows: three }))).rejects.toMatchObject({
      code: "CLI_NOT_VERIFIED",
      message: expect.stringContaining("more rows"),
    })
  })

  it.concurrent("is not verified with more rows than were asked for", async () => {
    const question = { sql: "SELECT user_id FROM access_logs WHERE result = 'denied'" }
    const { rows } = await askSql(new LogServer({ url: log.url, key: log.adminKey }), question)
    const lie = proof({ ...question, limit: 2 }, (answer) => ({ ...answer, rows }))
    await expect(lie).rejects.toMatchObject({ code: "CLI_NOT_VERIFIED" })
  })

  it.concurrent.each([
    ["of its leaves", "SELECT leaf_index FROM access_logs WHERE result = 'denied' ORDER BY leaf_index DESC"],
    [
      "of a column that it does not show",
      "SELECT leaf_index FROM access_logs a WHERE result = 'denied' ORDER BY a.timestamp",
    ],
    ["of a name", "SELECT user_id AS u FROM access_logs WHERE result = 'denied' ORDER BY u DESC LIMIT 4"],
    ["of a place", "SELECT leaf_index, lower(user_id) FROM access_logs WHERE result = 'denied' ORDER BY 2"],
    ["of groups", "SELECT user_id, count(*) FROM access_logs WHERE source = 'api' GROUP BY 1 ORDER BY 1"],
    ["of counts", BY_RESULT],
  ])("is in the order that was asked for, %s", async (_, sql) => {
    expect(await proof({ sql })).toMatchObject({ order: "proven" })
    const lie = proof({ sql }, (answer) => ({ ...answer, rows: [...answer.rows].reverse() }))
    await expect(lie).rejects.toMatchObject({
      code: "CLI_NOT_VERIFIED",
      message: expect.stringContaining("order"),
    })
  })

  it.concurrent("may have rows that tie in any order", async () => {
    const sql = `${ROWS} ORDER BY result, class DESC`
    const any = proof({ sql }, (answer) => ({ ...answer, rows: [...answer.rows].reverse() }))
    expect(await any).toMatchObject({ order: "proven" })
    const groups = "SELECT user_id, count(*) AS n FROM access_logs WHERE source = 'api' GROUP BY 1 ORDER BY n"
    const others = proof({ sql: groups }, (answer) => ({ ...answer, rows: [...answer.rows].reverse() }))
    expect(await others).toMatchObject({ order: "proven" })
  })

  it.concurrent("says that it did not compare an order that it cannot follow", async () => {
    const sql = `${ROWS} ORDER BY length(user_id), user_id COLLATE NOCASE DESC`
    const any = proof({ sql }, (answer) => ({ ...answer, rows: [...answer.rows].reverse() }))
    expect(await any).toMatchObject({ order: "unproven" })
    expect((await verified(sql)).out).toMatch(/^ {2}order +not compared/m)
    expect((await verified(`${ROWS} ORDER BY 3`)).out).toMatch(
      /^Not claimed: that there are no other rows, or /m,
    )
    expect(await proof({ sql: ROWS })).toMatchObject({ order: undefined })
  })

  it.concurrent("that was cut short is provable only where it was asked for so short", async () => {
    const cut = (to: number, limit: number | undefined, sql = BY_RESULT) =>
      proof({ sql, ...(limit !== undefined && { limit }) }, (answer) => ({
        ...answer,
        rows: answer.rows.slice(0, to),
        truncated: true,
      }))
    for (const [to, limit] of [
      [0, undefined],
      [1, undefined],
      [0, 1],
    ] as const) {
      await expect(cut(to, limit)).rejects.toMatchObject({ code: "CLI_CANNOT_TELL" })
    }
    expect(await cut(1, 1)).toMatchObject({ rows: 1, leaves: 61, order: "proven" })
    const whole = await askSql(new LogServer({ url: log.url, key: log.adminKey }), { sql: BY_RESULT })
    const last = proof({ sql: BY_RESULT, limit: 1 }, (answer) => ({ ...answer, rows: whole.rows.slice(-1) }))
    await expect(last).rejects.toMatchObject({
      code: "CLI_CANNOT_TELL",
      message: expect.stringContaining("whether they are the first"),
    })
  })

  it.concurrent("is not verified with a row too few where they were counted", async () => {
    const lie = proof({ sql: BY_RESULT }, (answer) => ({ ...answer, rows: answer.rows.slice(1) }))
    await expect(lie).rejects.toMatchObject({ code: "CLI_NOT_VERIFIED" })
  })

  it.concurrent.each([
    [
      "a text put together in an order that may tie",
      "SELECT string_agg(user_id, ',' ORDER BY result) FROM access_logs WHERE leaf_index < 9",
    ],
    ["a rounded fraction", "SELECT round(sum(duration_ms), 1) FROM access_logs WHERE source = 'api'"],
  ])("accuses nobody over %s", async (_, sql) => {
    await expect(proof({ sql })).resolves.toBeDefined()
    const other = proof({ sql }, (answer) => ({
      ...answer,
      rows: answer.rows.map(([first, ...rest]) => [
        typeof first === "number" ? first + 0.1 : `${first}0`,
        ...rest,
      ]),
    }))
    await expect(other).rejects.toMatchObject({ code: "CLI_CANNOT_TELL" })
  })

  it.concurrent("accuses nobody over ties among the first rows, but of a row that is not there", async () => {
    const sql =
      "SELECT user_id, count(*) AS n FROM access_logs WHERE source = 'api' GROUP BY 1 ORDER BY 2 LIMIT 2"
    const first = (...rows: [string, number][]) => proof({ sql }, (answer) => ({ ...answer, rows }))
    await expect(first(["U5", 1], ["U40", 1])).rejects.toMatchObject({ code: "CLI_CANNOT_TELL" })
    await expect(first(["U5", 1], ["U40", 2])).rejects.toMatchObject({ code: "CLI_NOT_VERIFIED" })
    await expect(first(["U5", 1])).rejects.toMatchObject({ code: "CLI_NOT_VERIFIED" })
  })

  it.concurrent("needs the policy of this log", async () => {
    const { code, out } = await log.run([
      "query",
      ROWS,
      "--verify",
      "--policy",
      await strangersPolicy(),
      "--json",
    ])
    expect(code).toBe(1)
    expect(JSON.parse(out).verification).toMatchObject({
      verdict: "not verified",
      code: "VERIFIER_CHECKPOINT_REFUSED",
    })
  })
})

async function strangersPolicy(): Promise<string> {
  const key = createSignerKey("stranger.example/log", new Uint8Array(32).fill(7), 0x01)
  const path = join(log.folder, "stranger.policy")
  await writeFile(path, `log ${formatVerifierKey(verifierKeyOf(key))}\nquorum none\n`)
  return path
}

describe("evidence of many rows", () => {
  const ALL = { sql: "SELECT leaf_index, user_id FROM access_logs WHERE session_id = 'many'", limit: 2000 }

  beforeAll(async () => {
    await log.log(Array.from({ length: 700 }, (_, n) => ({ ...sampleEvent(n), session_id: "many" })))
    await log.level()
  })

  /** The log's server, whose answers to requests for evidence are changed on their way. */
  class Between extends LogServer {
    readonly asked: (number | undefined)[] = []
    readonly #change: (request: number, evidence: string) => string

    constructor(change: (request: number, evidence: string) => string) {
      super({ url: log.url, key: log.adminKey })
      this.#change = change
    }

    override async text(...[path, ask]: Parameters<LogServer["text"]>): Promise<string> {
      const answer = await super.text(path, ask)
      if (path !== "v1/evidence") return answer
      const { tree_size } = JSON.parse(ask?.body ?? "{}") as { readonly tree_size?: number }
      return this.#change(this.asked.push(tree_size), answer)
    }
  }

  async function proofBy(server: LogServer) {
    const policy = parsePolicy(await readFile(log.policy))
    return verifyAnswer(server, policy, ALL, await askSql(server, ALL))
  }

  it.concurrent("comes in batches under one checkpoint", async () => {
    const server = new Between((_, evidence) => evidence)
    const { leaves, checkpoint } = await proofBy(server)
    expect(leaves).toBe(700)
    const { treeSize } = checkpoint.checkpoint
    expect(server.asked).toEqual([undefined, treeSize, treeSize])
  })

  it.concurrent("begins again when the server no longer knows the checkpoint", async () => {
    const server = new Between((request, evidence) => {
      if (request !== 2) return evidence
      throw new CliError("CLI_REFUSED", "404", { problem: { code: "SERVER_NOT_PUBLISHED" } })
    })
    expect(await proofBy(server)).toMatchObject({ rows: 700, leaves: 700 })
    expect(server.asked.filter((treeSize) => treeSize === undefined)).toHaveLength(2)
  })

  it.concurrent("comes in smaller batches where an answer would be too long", async () => {
    const counts: number[] = []
    class Short extends LogServer {
      override async text(...[path, ask]: Parameters<LogServer["text"]>): Promise<string> {
        if (path === "v1/evidence") {
          const { leaf_index } = JSON.parse(ask?.body ?? "") as { readonly leaf_index: readonly number[] }
          if (counts.push(leaf_index.length) && leaf_index.length > 100) throw new AnswerTooLong(path)
        }
        return super.text(path, ask)
      }
    }
    const server = new Short({ url: log.url, key: log.adminKey })
    expect(await proofBy(server)).toMatchObject({ rows: 700, leaves: 700 })
    expect(counts.filter((count) => count > 100)).toEqual([256, 128])
  })

  it.concurrent("is refused where a value, a leaf or the order is another than was asked for", async () => {
    const altered = new Between((request, text) =>
      request === 2 ? text.replace('"result":"success"', '"result":"denied"') : text,
    )
    await expect(proofBy(altered)).rejects.toMatchObject({ code: "VERIFIER_DISCLOSURE_REFUSED" })
    let first: string | undefined
    const repeated = new Between((_, text) => {
      first ??= text
      return first
    })
    await expect(proofBy(repeated)).rejects.toMatchObject({ code: "CLI_UNEXPECTED_ANSWER" })
  })
})

describe("rows that are made anew between an answer and the question for its leaves", () => {
  /** The log's server, whose answer about leaves is changed on its way. */
  class Between extends LogServer {
    readonly asked: string[] = []
    readonly #change: (answer: SqlAnswer) => SqlAnswer

    constructor(change: (answer: SqlAnswer) => SqlAnswer) {
      super({ url: log.url, key: log.adminKey })
      this.#change = change
    }

    override async text(...[path, ask]: Parameters<LogServer["text"]>): Promise<string> {
      const answer = await super.text(path, ask)
      if (!path.startsWith("v1/query")) return answer
      return this.asked.push(path) < 2 ? answer : JSON.stringify(this.#change(JSON.parse(answer)))
    }
  }

  const asked = async (server: LogServer) => {
    const policy = parsePolicy(await readFile(log.policy))
    const question = { sql: BY_RESULT.replace("WHERE", "WHERE leaf_index < 60 AND") }
    const answer = await askSql(server, question)
    return { through: answer.through, proof: verifyAnswer(server, policy, question, answer) }
  }

  it.concurrent("are waited for", async () => {
    const server = new Between((answer) => answer)
    const { through, proof } = await asked(server)
    expect(await proof).toMatchObject({ leaves: 59 })
    expect(server.asked).toEqual(["v1/query", `v1/query?min_size=${through}`])
  })

  it.concurrent("accuse nobody where they are still fewer", async () => {
    const fewer = new Between(({ rows, ...answer }) => ({
      ...answer,
      rows: rows.filter(([leaf]) => (leaf as number) < 10),
      through: 10,
    }))
    const { proof } = await asked(fewer)
    await expect(proof).rejects.toMatchObject({
      code: "CLI_CANNOT_TELL",
      message: expect.stringContaining("made anew"),
    })
  })

  it.concurrent("accuse nobody where they do not come in time", async () => {
    const { proof } = await asked(
      new Between(() => {
        throw new CliError("CLI_REFUSED", "503", { problem: { code: "QUERY_BEHIND" } })
      }),
    )
    await expect(proof).rejects.toMatchObject({ code: "CLI_CANNOT_TELL" })
  })

  it.concurrent("accuse whoever leaves some of them out all the same", async () => {
    const { proof } = await asked(new Between(({ rows, ...answer }) => ({ ...answer, rows: rows.slice(1) })))
    await expect(proof).rejects.toMatchObject({ code: "CLI_NOT_VERIFIED" })
  })
})

describe("what is withheld from a role", () => {
  let readerKey: string

  beforeAll(async () => {
    const { out } = await log.runHere(["key", "create", "--role", "reader", "--json"])
    readerKey = JSON.parse(out).key
  })

  const asReader = (sql: string) =>
    log.run(["query", sql, "--verify", "--policy", log.policy, "--json"], {
      env: { PROOFLOG_KEY: readerKey },
    })

  it.concurrent("is listed, and the rest is proven", async () => {
    const { code, out } = await asReader(
      "SELECT * FROM access_logs WHERE result = 'denied' AND leaf_index < 30",
    )
    expect(code).toBe(0)
    const { rows, verification } = JSON.parse(out)
    expect(rows[0].slice(0, 3)).toEqual([11, "2023-10-21T15:32:11.000000Z", null])
    expect(verification).toMatchObject({ verdict: "verified", rows: 2, withheld: ["ip_address", "user_id"] })
  })

  it.concurrent("is nothing that an answer may name a value for", async () => {
    const sql =
      "SELECT leaf_index, user_id, result FROM access_logs WHERE result = 'denied' AND leaf_index < 30"
    expect(await proof({ sql }, undefined, readerKey)).toMatchObject({ rows: 2, withheld: ["user_id"] })
    const invented = (answer: SqlAnswer) => ({
      ...answer,
      rows: answer.rows.map(([leaf, , result]) => [leaf as number, "MALLORY", result as string]),
    })
    await expect(proof({ sql }, invented, readerKey)).rejects.toMatchObject({
      code: "CLI_CANNOT_TELL",
      message: expect.stringContaining("user_id"),
    })
  })

  it.concurrent("makes an answer that depends on it unprovable only if it comes out otherwise", async () => {
    const sql = "SELECT count(*), count(ip_address) FROM access_logs WHERE leaf_index < 30"
    expect(await proof({ sql }, undefined, readerKey)).toMatchObject({ leaves: 29, withheld: ["ip_address"] })
  })
})

describe("an event, by its id", () => {
  it.concurrent("is proven", async () => {
    const file = join(log.folder, "by-id.json")
    const { code } = await log.run(["prove", "3", "--event-id", "strange", "--event-id", "e-5", "-o", file])
    expect(code).toBe(0)
    const { out } = await log.run(["verify", file, "--policy", log.policy, "--json"])
    expect(JSON.parse(out).events.map((event: { leaf_index: number }) => event.leaf_index)).toEqual([
      3, 5, 61,
    ])
  })

  it.concurrent("that no event has cannot be proven", async () => {
    const { code, out, err } = await log.run(["prove", "--event-id", "nobody's\u001b[2J"])
    expect({ code, out }).toEqual({ code: 2, out: "" })
    expect(err).toContain('no event has the id "nobody\'s\\u001b[2J"')
  })
})

describe("a row that was altered behind the log's back", () => {
  beforeAll(() => log.alter("UPDATE prooflog_events SET result = 'success' WHERE leaf_index = 22"))

  it.concurrent("is named, with what was logged, and leaves no evidence file", async () => {
    const file = join(log.folder, "never.json")
    const sql = "SELECT leaf_index, result FROM access_logs WHERE leaf_index IN (21, 22)"
    const { code, out } = await verified(sql, "--evidence", file)
    expect(code).toBe(1)
    expect(out).toContain("✗ not verified: 1 cell of 1 leaf is not what was logged (CLI_NOT_VERIFIED)")
    expect(out).toContain('leaf 22, result: the server says "success", logged was "denied"')
    await expect(readFile(file)).rejects.toThrow("ENOENT")
  })

  it.concurrent("is named in JSON", async () => {
    const { code, out } = await verified("SELECT * FROM access_logs WHERE leaf_index IN (21, 22)", "--json")
    expect(code).toBe(1)
    expect(JSON.parse(out).verification).toMatchObject({
      verdict: "not verified",
      differences: [{ leaf_index: 22, column: "result", answered: "success", logged: "denied" }],
    })
  })

  it.concurrent("spoils the counts that it is in, and no others", async () => {
    await expect(proof({ sql: BY_RESULT })).rejects.toMatchObject({
      code: "CLI_NOT_VERIFIED",
      details: ['leaf 22, result: the server says "success", logged was "denied"'],
    })
    const sql = BY_RESULT.replace("WHERE", "WHERE leaf_index < 22 AND")
    expect(await proof({ sql })).toMatchObject({ leaves: 21, withheld: [] })
  })
})
