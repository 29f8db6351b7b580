import { normalizeEvent } from "@prooflog/event/event"
import { openRecord, sealRecord } from "@prooflog/event/record"
import type { AccessEvent } from "@prooflog/event/schema"
import { formatTimestamp } from "@prooflog/event/timestamp"
import { afterEach, describe, expect, test } from "vitest"
import { COLUMNS } from "./columns.js"
import { CHUNK_ROWS } from "./row-chunk.js"
import {
  eventLeaf,
  isSampleRow,
  type Leaf,
  pageOf,
  rowsOf,
  START_MS,
  sampleLeaf,
  samplePage,
} from "./sample-log.js"
import { type JsonValue, openQueryStore, type QueryStore, type QueryStoreOptions } from "./store.js"

let store: QueryStore

const openStore = async (options: Partial<QueryStoreOptions> = {}) => {
  store = await openQueryStore({ path: ":memory:", memoryMb: 256, ...options })
}

afterEach(() => store.close())

/** Every field of the schema, with texts that are hard to carry. */
const FULL: Partial<AccessEvent> = {
  timestamp: "2023-10-21T17:32:00.123456+02:00",
  user_id: "Ünï😀 \"quoted\" 'and' \\ \n \u0000 end",
  action: "document.read",
  resource_accessed: "x".repeat(2048),
  result: "denied",
  ip_address: "2001:db8::1",
  source_address: "first\uFEFF",
  ip_chain: ["1.2.3.4", "", "ä,[]\"'"],
  category: "auth",
  activity: "login",
  user_type: "service",
  user_name: "",
  user_email: "a@example.org",
  on_behalf_of: "b",
  session_id: "s",
  request_id: "r",
  resource_type: "t",
  resource_id: "i",
  resource_name: "n",
  reason: "because",
  error_code: "E1",
  severity: "high",
  service: "files",
  host: "h",
  environment: "production",
  region: "eu",
  user_agent: "é".repeat(4000),
  http_method: "GET",
  http_host: "example.org",
  http_path: "/a",
  http_query: "q=1",
  http_status: 403,
  http_referrer: "-",
  http_protocol: "HTTP/1.1",
  request_bytes: 0,
  response_bytes: Number.MAX_SAFE_INTEGER,
  duration_ms: 0.125,
  trace_id: "0123456789abcdef0123456789abcdef",
  span_id: "0123456789abcdef",
  mfa: false,
  tags: ["a", "b"],
  attributes: { n: 1.5, deep: { list: [1, "two", true] }, ä: "\u2028" },
  raw: "127.0.0.1 - -\t[x]",
}

/** What a row must be, taken from the record by the reader that checks everything. */
function oracleRow(leaf: number, { record }: Leaf, className = "routine"): JsonValue[] {
  const { core, fields } = openRecord(record)
  const said = new Map<string, unknown>([...core, ...fields])
  return COLUMNS.map(({ name, origin }) => {
    if (name === "leaf_index") return leaf
    if (name === "class") return className
    if (name === "received_at") return formatTimestamp((START_MS + leaf) * 1000)
    const value = origin === "committed" ? said.get(name) : undefined
    return name === "timestamp" ? formatTimestamp(value as number) : ((value ?? null) as JsonValue)
  })
}

describe("a row", () => {
  test("says what its record says, in every column", async () => {
    await openStore()
    const leaf = eventLeaf(0, FULL, "high-1")
    await store.append(pageOf([leaf, eventLeaf(1)], 0))
    await store.commit()
    const rows = await rowsOf(store, "SELECT * FROM access_logs")
    expect(rows).toEqual([oracleRow(0, leaf, "high-1"), oracleRow(1, eventLeaf(1))])
    expect(rows[0]?.filter((value) => value === null)).toHaveLength(5)
  })

  test("keeps a byte order mark, though the client that reads texts drops it", async () => {
    await openStore()
    await store.append(pageOf([eventLeaf(0, { user_id: "\uFEFFU1" })], 0))
    await store.commit()
    const rows = await rowsOf(store, "SELECT user_id, length(user_id), user_id = 'U1' FROM access_logs")
    expect(rows).toEqual([["U1", 3, false]])
  })

  test("is made of event leaves that have a record, and of no others", async () => {
    await openStore()
    const leaves = 2 * CHUNK_ROWS + 77
    await store.append(samplePage(0, 5))
    await store.append(samplePage(5, leaves - 1))
    await store.append(samplePage(leaves - 1, leaves))
    await store.commit()
    const expected = Array.from({ length: leaves }, (_, leaf) => leaf).filter(isSampleRow)
    const rows = await rowsOf(store, "SELECT * FROM access_logs")
    expect(rows).toEqual(expected.map((leaf) => oracleRow(leaf, sampleLeaf(leaf))))
    expect(store.through).toBe(leaves)
  })

  test("leaves out names that are no column, and values that are of no type of it", async () => {
    await openStore()
    const normal = normalizeEvent(
      { timestamp: START_MS, user_id: "U", resource_accessed: "/", result: "success" },
      ADDED,
    )
    const { record } = sealRecord(
      {
        core: [
          ...normal.core.filter(([name]) => name !== "result"),
          ["http_status", "no number"] as const,
          ["result", 7] as const,
        ].sort(byName),
        fields: [
          ...normal.fields,
          ["unheard_of", [1, { a: "b" }]] as const,
          ["host", "h"] as const,
          ["tags", ["a", 1]] as const,
        ].sort(byName),
      },
      new Uint8Array(32),
    )
    await store.append(pageOf([{ entry: eventLeaf(0).entry, record }], 0))
    await store.commit()
    const rows = await rowsOf(store, "SELECT user_id, host, http_status, tags, result FROM access_logs")
    expect(rows).toEqual([["U", "h", null, null, null]])
  })

  test("has derived columns, made from its address and user agent", async () => {
    const asked: unknown[] = []
    await openStore({
      enrich: (ip, userAgent) => {
        asked.push(ip ?? userAgent)
        if (ip === undefined) return { browser: `B ${userAgent}`.slice(0, 8) }
        const known = { country: "PT", asn: 64_512 + ip.length, as_organization: "Org" }
        // For which there is no column.
        return { ...known, latitude: 38.72, longitude: -9.14 }
      },
    })
    const long = "é".repeat(300)
    const said = [
      ["1.2.3.4", "x"],
      [],
      ["1.2.3.4", "y"],
      ["1.2.3.40", "x"],
      ["1.2.3.4", long],
      ["1.2.3.4", long],
    ]
    const leaves = said.map(([ip_address, user_agent], leaf) =>
      eventLeaf(leaf, { ...(ip_address && { ip_address }), ...(user_agent && { user_agent }) }),
    )
    await store.append(pageOf(leaves, 0))
    await store.commit()
    const rows = await rowsOf(store, "SELECT country, asn, as_organization, browser, os FROM access_logs")
    expect(rows).toEqual([
      ["PT", 64_519, "Org", "B x", null],
      [null, null, null, null, null],
      ["PT", 64_519, "Org", "B y", null],
      ["PT", 64_520, "Org", "B x", null],
      ["PT", 64_519, "Org", "B éééééé", null],
      ["PT", 64_519, "Org", "B éééééé", null],
    ])
    // What came before is not asked about again, if it is short.
    expect(asked).toEqual(["1.2.3.4", "x", "y", "1.2.3.40", long, long])
  })

  test("has those of its own address, though many share the place where they are kept", async () => {
    await openStore({ enrich: (ip) => (ip === undefined ? {} : { as_organization: `Org ${ip}` }) })
    const leaves = Array.from({ length: 20_000 }, (_, leaf) =>
      eventLeaf(leaf, { ip_address: `10.0.${Math.floor((leaf % 12_000) / 250)}.${leaf % 250}` }),
    )
    await store.append(pageOf(leaves, 0))
    await store.commit()
    const sql = `SELECT count(*), count(DISTINCT ip_address), count(*) FILTER (as_organization = 'Org ' || ip_address)
      FROM access_logs`
    const [counted] = await rowsOf(store, sql)
    expect(counted).toEqual([20_000, expect.any(Number), 20_000])
    expect(counted?.[1]).toBeGreaterThan(8_192)
  })
})

const ADDED = { source: "api", source_key_id: "k", event_id: "e" }

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]) =>
  a.length - b.length || (a < b ? -1 : 1)

describe("a page", () => {
  test.each([
    ["skips a leaf", { ...samplePage(1, 3) }],
    ["repeats a leaf", { ...samplePage(0, 2), firstLeaf: -1 }],
    ["has fewer entries than leaves", { ...samplePage(0, 2), count: 3 }],
    ["has more entries than leaves", { ...samplePage(0, 2), count: 1 }],
    ["is cut short", { ...samplePage(0, 2), records: samplePage(0, 2).records.subarray(0, 9) }],
    ["has no leaves", { ...samplePage(0, 2), count: 0 }],
    ["names leaves it does not have", { ...samplePage(0, 2), leafIndices: [0] }],
    ["names leaves out of order", { ...samplePage(0, 2), leafIndices: [0, 0] }],
  ])("is refused if it %s", async (_, page) => {
    await openStore()
    await expect(store.append(page)).rejects.toThrow(RangeError)
    await store.close().catch(() => undefined)
    await openStore()
  })

  test("in memory may leave leaves out", async () => {
    await openStore()
    const leaves = [3, 7, 1_000_000]
    await store.append(
      pageOf(
        leaves.map((leaf) => eventLeaf(leaf)),
        3,
        leaves,
      ),
    )
    await store.append(pageOf([eventLeaf(2_000_000)], 2_000_000, [2_000_000]))
    await expect(store.append(pageOf([eventLeaf(9)], 9, [9]))).rejects.toThrow(RangeError)
    await store.commit()
    expect(await rowsOf(store, "SELECT leaf_index, user_id FROM access_logs")).toEqual(
      [...leaves, 2_000_000].map((leaf) => [leaf, `U${leaf % 7}`]),
    )
  })
})
