import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { COLUMNS } from "./columns.js"
import { facets } from "./facets.js"
import { type Filter, parseFilter } from "./filter.js"
import { filterSql, type SqlText } from "./filter-sql.js"
import { listEvents } from "./listing.js"
import { matches, openTestTable, type TestRow, type TestTable } from "./listing-oracle.js"

const USERS = ["U1", "U2", "u1", "U_1", "U%"]
const PATHS = ["/a", "/a/b", "/A", "/%41", "/a_b", null]
const ADDRESSES = ["10.0.0.1", "10.4.255.255", "10.8.0.1", "1.2.3.4", "2001:db8::1", "10::1", null]
const RESULTS = ["success", "failure", "denied", "error", "unknown"]
const TAGS = [["vip"], ["vip", "eu"], [], ["v%"], null]

/** A row by its leaf: what it says repeats in other steps for each column. */
function rowOf(leaf: number, source = leaf % 13 === 0 ? "prooflog" : "api"): TestRow {
  return {
    leaf_index: leaf,
    timestamp: new Date(Date.UTC(2023, 9, 1) + leaf * 60_000).toISOString().replace("Z", "000Z"),
    user_id: USERS[leaf % 5] as string,
    action: "read",
    resource_accessed: "/x",
    result: RESULTS[(leaf * 3) % 5] as string,
    event_id: `e${leaf}`,
    source,
    ip_address: ADDRESSES[(leaf * 5) % 7] ?? null,
    http_path: PATHS[(leaf * 7) % 6] ?? null,
    http_status: leaf % 4 === 0 ? null : 200 + (leaf % 3) * 100,
    duration_ms: leaf % 3 === 0 ? null : leaf / 8,
    mfa: [true, false, null][leaf % 3] ?? null,
    tags: TAGS[leaf % 5] ?? null,
    attributes: leaf % 2 === 0 ? { deep: { n: leaf } } : null,
  }
}

const FILTERS = [
  "",
  "user_id=U1",
  "user_id=U1&user_id=U2&result=error",
  "user_id.not=U1&user_id.not=U2",
  "user_id.prefix=U_&user_id.prefix=U%25",
  "user_id.contains=%25",
  "http_path.prefix=/a",
  "http_path.contains=a&http_path.not=/a",
  "http_path.exists=false",
  "ip_address=10.0.0.0/8",
  "ip_address=10.0.0.1/14&ip_address=1.2.3.4/32",
  "ip_address=10.4.0.0/13",
  "ip_address=0.0.0.0/0",
  "ip_address.not=10.0.0.0/8",
  "ip_address=2001:DB8::1",
  "ip_address.prefix=10.",
  "http_status.min=300",
  "http_status=200&http_status=400",
  "duration_ms.max=10.5",
  "mfa=false",
  "mfa.not=true",
  "tags=vip",
  "tags.not=vip",
  "source=prooflog",
  "source.exists=true",
  "from=2023-10-01T01:00:00Z&to=2023-10-01T02:00:00Z",
  "leaf_index.min=100&leaf_index.max=120",
  "timestamp=2023-10-01T00:07:00Z",
  "event_id=nobody",
]

const parse = (text: string): Filter => parseFilter(new URLSearchParams(text))

let table: TestTable
const ROWS = Array.from({ length: 300 }, (_, leaf) => rowOf(leaf))

beforeAll(async () => {
  table = await openTestTable()
  await table.insert(ROWS, 305)
})

afterAll(() => table.close())

describe("listEvents", () => {
  it.each(FILTERS)("lists what the filter says: %s", async (text) => {
    const filter = parse(`${text}&limit=1000`)
    const expected = ROWS.filter((row) => matches(filter, row)).map((row) => row.leaf_index)
    const newest = await listEvents(table, filter)
    expect(newest.events.map((event) => event.leaf_index)).toEqual(expected.toReversed())
    expect(newest.through).toBe(305)
    expect(newest.nextCursor).toBeUndefined()
    const oldest = await listEvents(table, { ...filter, order: "asc" })
    expect(oldest.events.map((event) => event.leaf_index)).toEqual(expected)
  })

  it("lists events flat, without what they do not say", async () => {
    const { events } = await listEvents(table, parse("leaf_index=10"))
    const said = Object.entries(ROWS[10] as TestRow).filter(([, value]) => value !== null)
    const beside = { received_at: "2023-10-21T15:32:00.010000Z", class: "routine", source_key_id: "k_01" }
    expect(events).toEqual([{ ...beside, ...Object.fromEntries(said) }])
  })

  it("gives the exports' statement the same rows, in the order of the log", async () => {
    for (const text of FILTERS) {
      const filter = parse(text)
      const { sql, parameters }: SqlText = filterSql(filter)
      const leaves: unknown[] = []
      for await (const batch of (await table.run({ sql, parameters })).batches) {
        leaves.push(...batch.map((row) => row[0]))
      }
      expect(leaves).toEqual(ROWS.filter((row) => matches(filter, row)).map((row) => row.leaf_index))
    }
  })

  it("meets each row once, page by page, while rows arrive between the pages", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          order: fc.constantFrom("asc", "desc"),
          limit: fc.integer({ min: 2, max: 12 }),
          filter: fc.constantFrom("", "user_id=U1", "result=error&result=denied", "http_path.prefix=/a"),
          first: fc.integer({ min: 0, max: 40 }),
          // Leaves that arrive after each page; some of them make no row.
          arrivals: fc.array(fc.array(fc.boolean(), { maxLength: 15 }), { maxLength: 6 }),
        }),
        async ({ order, limit, filter: text, first, arrivals }) => {
          const growing = await openTestTable()
          const rows: TestRow[] = []
          let through = 0
          const arrive = async (leaves: readonly boolean[]) => {
            const added = leaves.flatMap((isEvent, at) => (isEvent ? [rowOf(through + at)] : []))
            through += leaves.length
            rows.push(...added)
            if (added.length > 0) await growing.insert(added, through)
          }
          try {
            await arrive(Array.from({ length: first }, () => true))
            const query = new URLSearchParams(`${text}&limit=${limit}&order=${order}`)
            const seen: number[] = []
            const waiting = [...arrivals]
            let firstThrough: number | undefined
            for (;;) {
              const page = await listEvents(growing, parseFilter(query))
              firstThrough ??= page.through
              expect(page.events.length).toBeLessThanOrEqual(limit)
              seen.push(...page.events.map((event) => Number(event.leaf_index)))
              if (page.nextCursor === undefined) break
              query.set("cursor", page.nextCursor)
              await arrive(waiting.shift() ?? [])
            }
            const filter = parseFilter(query)
            const wanted = rows
              .filter(
                (row) => matches(filter, row) && (order === "asc" || row.leaf_index < (firstThrough ?? 0)),
              )
              .map((row) => row.leaf_index)
            // Oldest first may end before the last arrivals: what it met has no gap, and is all there was.
            expect(order === "desc" ? seen.toReversed() : seen).toEqual(wanted)
          } finally {
            await growing.close()
          }
        },
      ),
      { numRuns: 15 },
    )
  })

  it("looks at the newest leaves first, and at each only once", async () => {
    const long = await openTestTable()
    await long.insert([rowOf(1, "api"), rowOf(1_499_999, "api")], 1_500_000)
    const ranges = async (text: string) => {
      long.asked.length = 0
      await listEvents(long, parse(text))
      const looks = long.asked.filter(({ sql }) => sql.includes("ORDER BY"))
      return looks.map(({ parameters }) => (parameters as readonly number[]).slice(0, 2))
    }
    expect(await ranges("limit=1")).toEqual([[1_495_904, 1_500_000]])
    expect(await ranges("limit=2")).toEqual([
      [1_495_904, 1_500_000],
      [1_487_712, 1_495_904],
      [1_463_136, 1_487_712],
      [1_389_408, 1_463_136],
      [1_168_224, 1_389_408],
      [504_672, 1_168_224],
      [0, 504_672],
    ])
    expect(await ranges("limit=1&user_id=nobody")).toEqual([
      [1_254_240, 1_500_000],
      [0, 1_254_240],
    ])
    expect(await ranges("limit=1&order=asc")).toEqual([[0, 4_096]])
    expect(await ranges("cursor=before-0")).toEqual([])
    await long.close()
  })

  it.each([
    ["cursor=before-305", 0],
    ["cursor=before-306", undefined],
    ["cursor=after-304&order=asc", 0],
    ["cursor=after-305&order=asc", undefined],
  ])("that begins past the rows there are is refused, never cut short: %s", async (text, count) => {
    const page = listEvents(table, parse(`event_id=nobody&${text}`))
    if (count === undefined) await expect(page).rejects.toMatchObject({ code: "QUERY_BEHIND" })
    else expect((await page).events).toHaveLength(count)
  })

  it("ends a page at its bytes, behind a whole event, and goes on there without loss", async () => {
    const wide = await openTestTable()
    const text = "\u0001".repeat(1_000)
    await wide.insert(
      Array.from({ length: 40 }, (_, leaf) => ({
        leaf_index: leaf,
        timestamp: "2023-10-01T00:00:00.000000Z",
        user_agent: text,
      })),
    )
    for (const order of ["asc", "desc"] as const) {
      const seen: unknown[] = []
      let cursor: string | undefined
      const sizes: number[] = []
      do {
        const filter = parse(`limit=15&order=${order}${cursor === undefined ? "" : `&cursor=${cursor}`}`)
        const page = await listEvents(wide, filter, { maxBytes: 50_000 })
        expect(Buffer.byteLength(page.json)).toBeLessThan(50_100)
        expect(JSON.parse(page.json)).toEqual(page.events)
        sizes.push(page.events.length)
        seen.push(...page.events.map((event) => event.leaf_index))
        cursor = page.nextCursor
      } while (cursor !== undefined)
      const all = Array.from({ length: 40 }, (_, leaf) => leaf)
      expect(seen).toEqual(order === "asc" ? all : all.toReversed())
      expect(sizes).toEqual([7, 7, 7, 7, 7, 5])
    }
    // An event that is larger than a page is a page of its own.
    const { events, nextCursor } = await listEvents(wide, parse("order=asc"), { maxBytes: 1 })
    expect([events.length, nextCursor]).toEqual([1, "after-0"])
    await wide.close()
  })

  it("refuses a filter about what is withheld", async () => {
    await expect(listEvents(table, parse("country=DE"), { withheld: ["ip_address"] })).rejects.toMatchObject({
      code: "QUERY_BAD_FILTER",
      parameter: "country",
    })
  })

  it("tells whoever answers what is withheld, and when to stop", async () => {
    const { signal } = new AbortController()
    table.asked.length = 0
    await listEvents(table, parse(""), { withheld: ["ip_address"], signal })
    for (const question of table.asked) expect(question).toMatchObject({ withheld: ["ip_address"], signal })
  })
})

describe("facets", () => {
  /** Counts row by row. */
  function countByHand(filter: Filter, name: string) {
    const counts = new Map<unknown, number>()
    let missing = 0
    for (const row of ROWS.filter((each) => matches(filter, each))) {
      const value = row[name] ?? null
      const values = Array.isArray(value) ? value : value === null ? [] : [value]
      if (values.length === 0) missing++
      for (const each of values) counts.set(each, (counts.get(each) ?? 0) + 1)
    }
    return { counts, missing }
  }

  it.each(FILTERS)("counts values, and apart from them what says nothing: %s", async (text) => {
    const filter = parse(text)
    const names = [
      "user_id",
      "result",
      "ip_address",
      "http_path",
      "http_status",
      "mfa",
      "tags",
      "duration_ms",
    ]
    const answer = await facets(table, filter, names, { top: 1000 })
    expect(answer.total).toBe(ROWS.filter((row) => matches(filter, row)).length)
    expect(answer.through).toBe(305)
    for (const name of names) {
      const { counts, missing } = countByHand(filter, name)
      expect(new Map(answer.facets[name]?.map(({ value, count }) => [value, count]))).toEqual(counts)
      expect(answer.missing[name]).toBe(missing)
      const order = answer.facets[name]?.map(({ count }) => count) ?? []
      expect(order).toEqual(order.toSorted((a, b) => b - a))
    }
  })

  it("gives the most frequent only, equals in their own order", async () => {
    const { facets: found } = await facets(table, parse("source.exists=true"), ["user_id"], { top: 2 })
    expect(found.user_id).toEqual([
      { value: "U%", count: 60 },
      { value: "U1", count: 60 },
    ])
  })

  it.each([
    ["field", [], {}],
    ["usr_id", ["usr_id"], {}],
    ["raw", ["raw"], {}],
    ["event_id", ["event_id"], {}],
    ["country", ["country"], { withheld: ["ip_address"] }],
    ["top", ["user_id"], { top: 0 }],
    [
      "field",
      COLUMNS.filter(({ type }) => type === "VARCHAR")
        .map(({ name }) => name)
        .filter((name) => name !== "raw" && name !== "event_id"),
      {},
    ],
  ])("refuses, and names %s of %j", async (parameter, names, options) => {
    await expect(facets(table, parse(""), names, options)).rejects.toMatchObject({
      code: "QUERY_BAD_FILTER",
      parameter,
    })
  })
})
