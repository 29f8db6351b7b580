import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { COLUMNS } from "./columns.js"
import { QueryError } from "./error.js"
import { openTestTable } from "./listing-oracle.js"
import { errorOf, eventLeaf, pageOf, rowsOf } from "./sample-log.js"
import { openQueryStore, type QueryStore } from "./store.js"

let store: QueryStore

const LEAVES = 5000

const PAGE = pageOf(
  Array.from({ length: LEAVES }, (_, leaf) =>
    eventLeaf(leaf, { ip_address: `10.0.0.${leaf % 5}`, user_agent: "agent", http_status: 200 + (leaf % 3) }),
  ),
  0,
)

beforeAll(async () => {
  const enrich = () => ({ country: "PT", asn: 7, as_organization: "Org", browser: "B", os: "O" })
  store = await openQueryStore({ path: ":memory:", memoryMb: 256, enrich })
  await store.append(PAGE)
  await store.commit()
})

afterAll(() => store.close())

test("the line that everyone tries first runs as it is", async () => {
  const sql = "SELECT * FROM access_logs WHERE user_id = 'U12345' AND timestamp > '2023-10-01';"
  const answer = await store.run({ sql })
  expect(answer.columns.map(({ name, type }) => ({ name, type }))).toEqual(
    COLUMNS.map(({ name, type }) => ({ name, type })),
  )
  for await (const _ of answer.batches) throw new Error("nobody has that name")
})

test("times are UTC, whatever the zone of the machine, and zones are known", async () => {
  const sql = `SELECT timestamp, timezone('Europe/Berlin', timestamp AT TIME ZONE 'UTC'), timestamp AT TIME ZONE 'UTC',
    date_trunc('day', timezone('America/New_York', timestamp AT TIME ZONE 'UTC')), (timestamp AT TIME ZONE 'UTC')::VARCHAR,
    (now() - timestamp) > INTERVAL 1 DAY
    FROM access_logs WHERE leaf_index = 0`
  expect(await rowsOf(store, sql)).toEqual([
    [
      "2023-10-21T15:32:00.000000Z",
      "2023-10-21T17:32:00.000000Z",
      "2023-10-21T15:32:00.000000Z",
      "2023-10-21T00:00:00.000000Z",
      "2023-10-21 15:32:00+00",
      true,
    ],
  ])
})

describe("parameters", () => {
  test.each([
    ["by place", "SELECT ?, ?", [1, "a"], [1, "a"]],
    ["by number, in any order", "SELECT $2, $1, $2", [1, "a"], ["a", 1, "a"]],
    ["by name", "SELECT $b, $a", { a: 1, b: null }, [null, 1]],
    ["by number, as a name", "SELECT $1::BIGINT", { "1": 7 }, [7]],
    [
      "of every kind",
      "SELECT ?, ?, ?, ?, ?",
      [true, 1.5, 2 ** 53 - 1, -0, "\u0000é'"],
      [true, 1.5, 2 ** 53 - 1, 0, "\u0000é'"],
    ],
    [
      "that are times",
      "SELECT count(*) FROM access_logs WHERE timestamp >= ? AND timestamp < ?",
      ["2023-10-21", "2023-10-21T15:32:02"],
      [2],
    ],
    ["in LIMIT", "SELECT count(*) FROM (SELECT 1 FROM access_logs LIMIT $n)", { n: 3 }, [3]],
    ["in IN", "SELECT count(*) FROM access_logs WHERE leaf_index IN (?, ?)", [1, 2], [2]],
    ["that are none", "SELECT 1", [], [1]],
  ] as const)("%s", async (_, sql, parameters, row) => {
    expect(await rowsOf(store, { sql, parameters })).toEqual([row])
  })

  test.each([
    ["too few", "SELECT ?, ?", [1]],
    ["too many", "SELECT ?", [1, 2]],
    ["none", "SELECT $a", undefined],
    ["of another name", "SELECT $a", { b: 1 }],
    ["of one name too many", "SELECT $a", { a: 1, b: 1 }],
    ["by place and by name", "SELECT ?, $a", [1]],
    ["of no type of SQL", "SELECT ?", [["SECRET"]]],
    ["no number", "SELECT ?", [Number.NaN]],
    ["undefined", "SELECT ?", [undefined]],
    ["inherited", "SELECT $constructor", {}],
  ])("are refused if there are %s", async (_, sql, parameters) => {
    const question = parameters === undefined ? { sql } : { sql, parameters: parameters as never }
    const error = (await errorOf(store, question)) as QueryError
    expect(error.code).toBe("QUERY_BAD_PARAMETERS")
    expect(error.message).not.toContain("SECRET")
  })
})

describe("what is withheld", () => {
  test("is NULL, and so is what derives from it, in every clause", async () => {
    const shown =
      "SELECT user_id, ip_address, country, asn, as_organization, user_agent, browser, os FROM access_logs LIMIT 1"
    const ask = async (withheld: readonly string[]) => (await rowsOf(store, { sql: shown, withheld }))[0]
    expect(await ask([])).toEqual(["U0", "10.0.0.0", "PT", 7, "Org", "agent", "B", "O"])
    expect(await ask(["ip_address"])).toEqual(["U0", null, null, null, null, "agent", "B", "O"])
    expect(await ask(["user_agent", "user_id"])).toEqual([null, "10.0.0.0", "PT", 7, "Org", null, null, null])
    expect(await ask(["nothing of that name", "leaf_index"])).toEqual(await ask([]))
    const found = "SELECT count(*) FROM access_logs WHERE ip_address LIKE '10%' OR country = 'PT'"
    expect(await rowsOf(store, { sql: found, withheld: ["ip_address"] })).toEqual([[0]])
    expect(await rowsOf(store, found)).toEqual([[LEAVES]])
  })

  test("is not told by the log's own events either, which hold the questions of others", async () => {
    const table = await openTestTable()
    const attributes = { sql: "SELECT 1 FROM access_logs WHERE ip_address = '8.8.3.3'", rows: "7" }
    await table.insert(
      ["api", "prooflog"].map((source, leaf_index) => ({
        leaf_index,
        source,
        attributes,
        ip_address: "8.8.3.3",
      })),
    )
    const ask = async (withheld: readonly string[], sql: string) => {
      const rows: unknown[] = []
      for await (const batch of (await table.run({ sql, withheld })).batches) rows.push(...batch)
      return rows
    }
    const shown = "SELECT source, attributes FROM access_logs ORDER BY leaf_index"
    expect(await ask([], shown)).toEqual([
      ["api", attributes],
      ["prooflog", attributes],
    ])
    for (const withheld of [["ip_address"], ["user_name"], ["raw", "user_id"]]) {
      expect(await ask(withheld, shown)).toEqual([
        ["api", attributes],
        ["prooflog", null],
      ])
      const found = "SELECT leaf_index FROM access_logs WHERE attributes->>'sql' LIKE '%8.8.3.3%'"
      expect(await ask(withheld, found)).toEqual([[0]])
    }
    expect(await ask(["attributes"], shown)).toEqual([
      ["api", null],
      ["prooflog", null],
    ])
    // A core name hides nothing, here as in evidence.
    expect(await ask(["source"], shown)).toEqual(await ask([], shown))
    await table.close()
  })

  test("keeps its type", async () => {
    const described = async (withheld: readonly string[]) =>
      (await rowsOf(store, { sql: "DESCRIBE access_logs", withheld })).map(([name, type]) => [name, type])
    expect(await described(["tags", "attributes", "ip_address"])).toEqual(await described([]))
    expect(await described(["ip_address"])).toEqual(await described([]))
  })
})

describe("an answer", () => {
  test("comes in batches, and its connection is free once it is read or closed", async () => {
    for (let i = 0; i < 20; i++) {
      const answer = await store.run({ sql: "SELECT leaf_index FROM access_logs ORDER BY 1" })
      let sizes = 0
      for await (const batch of answer.batches) {
        sizes += batch.length
        expect(batch.length).toBeLessThanOrEqual(2048)
        if (i % 3 === 0) break
      }
      if (i % 3 !== 0) expect(sizes).toBe(LEAVES)
      const unread = await store.run({ sql: "SELECT leaf_index FROM access_logs" })
      await unread.close()
      await unread.close()
    }
  })

  test("is of one snapshot: rows that come meanwhile are neither in it nor in `through`", async () => {
    const own = await openQueryStore({ path: ":memory:", memoryMb: 256 })
    await own.append(PAGE)
    await own.commit()
    const answer = await own.run({ sql: "SELECT leaf_index FROM access_logs" })
    await own.append({ ...PAGE, firstLeaf: LEAVES })
    await own.commit()
    let rows = 0
    for await (const batch of answer.batches) rows += batch.length
    expect([answer.through, rows]).toEqual([LEAVES, LEAVES])
    expect((await own.run({ sql: "SELECT 1" })).through).toBe(2 * LEAVES)
    await own.close()
  })

  test.each([
    ["few rows", "SELECT * FROM access_logs WHERE leaf_index % 97 = 3", 52],
    ["no row", "SELECT * FROM access_logs WHERE leaf_index < 0", 0],
    ["as many as are looked for first", "SELECT * FROM access_logs WHERE leaf_index < 2048", 2048],
    ["some more", "SELECT leaf_index, user_id FROM access_logs", LEAVES],
    ["large rows", "SELECT leaf_index, repeat('x', 20000) FROM access_logs", LEAVES],
    ["one row that is made of all", "SELECT count(*) FROM access_logs", 1],
  ])("that is gathered is the one that is streamed: %s", async (_, sql, count) => {
    const gathered = await rowsOf(store, sql)
    expect(gathered).toHaveLength(count)
    expect(gathered).toEqual(await rowsOf(store, { sql, isExport: true }))
  })

  test("of too many rows to be gathered has each of them once", async () => {
    const own = await openQueryStore({ path: ":memory:", memoryMb: 256 })
    const leaves = Array.from({ length: 11_000 }, (_, leaf) => eventLeaf(leaf))
    await own.append(pageOf(leaves, 0))
    await own.commit()
    const rows = await rowsOf(own, "SELECT leaf_index FROM access_logs")
    expect(rows.flat()).toEqual(Array.from({ length: 11_000 }, (_, leaf) => leaf))
    await own.close()
  })

  test("has a column's values as soon as the first of them is committed", async () => {
    const own = await openQueryStore({ path: ":memory:", memoryMb: 256 })
    const asked = { sql: "SELECT count(*), count(mfa), count(session_id), max(session_id) FROM access_logs" }
    const page = (leaf: number, event: object) => pageOf([eventLeaf(leaf, event)], leaf)
    await own.append(page(0, { mfa: true }))
    await own.commit()
    expect(await rowsOf(own, asked)).toEqual([[1, 1, 0, null]])
    const before = await own.run({ sql: "SELECT session_id FROM access_logs", isExport: true })
    await own.append(page(1, { session_id: "s-1" }))
    await own.commit()
    expect(await rowsOf(own, asked)).toEqual([[2, 1, 1, "s-1"]])
    expect(await rowsOf(own, { ...asked, withheld: ["session_id"] })).toEqual([[2, 1, 0, null]])
    for await (const batch of before.batches) expect(batch).toEqual([[null]])
    // The connection that looked before looks again.
    expect(await rowsOf(own, asked)).toEqual([[2, 1, 1, "s-1"]])
    await own.close()
  })

  test("many at once, each has its own", async () => {
    const asked = Array.from({ length: 12 }, (_, i) =>
      rowsOf(store, { sql: "SELECT count(*) FROM access_logs WHERE leaf_index < ?", parameters: [i] }),
    )
    expect((await Promise.all(asked)).flat(2)).toEqual(Array.from({ length: 12 }, (_, i) => i))
  })

  test("is not held in memory as a whole", async () => {
    const sql = "SELECT repeat('x', 1000) FROM access_logs a, range(40)"
    const answer = await store.run({ sql })
    let bytes = 0
    for await (const batch of answer.batches) bytes += batch.length * 1000
    expect(bytes).toBe(LEAVES * 40 * 1000)
  })
})

describe("an interrupt", () => {
  const ENDLESS =
    "SELECT count(*) FROM range(1000000) a, range(1000000) b, access_logs WHERE a.range + b.range < leaf_index - 9"

  test("ends a question that runs, and frees what it held", async () => {
    const controller = new AbortController()
    const answer = errorOf(store, { sql: ENDLESS, signal: controller.signal })
    setTimeout(() => controller.abort(), 100)
    expect(await answer).toMatchObject({ code: "QUERY_INTERRUPTED" })
    expect(await rowsOf(store, "SELECT 1")).toEqual([[1]])
  })

  test("at any moment ends it", async () => {
    for (let turns = 0; turns < 40; turns++) {
      const controller = new AbortController()
      const answer = errorOf(store, { sql: ENDLESS, signal: controller.signal })
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve))
      controller.abort()
      expect(await answer).toMatchObject({ code: "QUERY_INTERRUPTED" })
    }
  })

  test("says why, if it is told", async () => {
    const signal = AbortSignal.timeout(50)
    const reason = new QueryError("QUERY_TIMEOUT", "too long")
    const controller = new AbortController()
    signal.addEventListener("abort", () => controller.abort(reason))
    expect(await errorOf(store, { sql: ENDLESS, signal: controller.signal })).toBe(reason)
  })

  test("ends an answer between two batches", async () => {
    const controller = new AbortController()
    const answer = await store.run({
      sql: "SELECT * FROM access_logs",
      signal: controller.signal,
      isExport: true,
    })
    const batches = answer.batches[Symbol.asyncIterator]()
    await batches.next()
    controller.abort()
    await expect(batches.next()).rejects.toMatchObject({ code: "QUERY_INTERRUPTED" })
  })

  test("before the question is one too", async () => {
    expect(await errorOf(store, { sql: "SELECT 1", signal: AbortSignal.abort() })).toMatchObject({
      code: "QUERY_INTERRUPTED",
    })
  })

  test("is what closing the store is to a question", async () => {
    const own = await openQueryStore({ path: ":memory:", memoryMb: 256 })
    await own.append(PAGE)
    await own.commit()
    const answer = errorOf(own, ENDLESS)
    const unread = await own.run({ sql: "SELECT * FROM access_logs" })
    await own.close()
    expect(await answer).toMatchObject({ code: "QUERY_INTERRUPTED" })
    await unread.close()
  })
})
