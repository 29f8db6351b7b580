import { describe, expect, it } from "vitest"
import { sayAttributes } from "../asked-text.js"
import type { Reading, SqlAnswer, SqlAsked } from "../reading.js"
import { findLeaves, personSql, quotes } from "./erase-leaves.js"

describe("attributes of an own event", () => {
  it.each([
    ["SQL", { sql: "SELECT * FROM access_logs WHERE user_id = 'U1'" }],
    ["SQL with a pattern", { sql: "… WHERE user_id LIKE 'U1%'" }],
    ["a filter", { filter: "user_id=U1&from=2023-10-01" }],
    ["parameters", { parameters: '["U1",5]' }],
    ["deep within", { asked: { of: ["U1"] } }],
    ["the whole of it", { user: "U1" }],
  ])("quote a person in %s", (_, attributes) => {
    expect(quotes(attributes, "U1")).toBe(true)
    expect(quotes(attributes, "U2")).toBe(false)
  })

  it.each([
    ["another id that begins so", { sql: "… = 'U12'" }],
    ["another id that ends so", { filter: "user_id=AU1" }],
    ["another word", { sql: "U1_x, xU1" }],
    ["words", { sql: "SELECT 1 -- what U1 did" }, "-"],
    ["numbers and nothing", { rows: 1, truncated: false, other: null }],
  ])("do not quote a person in %s", (_, attributes, id = "U1") => {
    expect(quotes(attributes, id)).toBe(false)
  })

  it.each(["O'Brien", 'a "b"', "zoë@example.com", "a b+c&d=e", "50%", "\\n", "a/b", "線"])(
    "quote %j however it was asked for, and are found by what is asked of the rows",
    (id) => {
      const asked = [
        { sql: `SELECT * FROM access_logs WHERE user_id = '${id.replaceAll("'", "''")}'` },
        { filter: new URLSearchParams([["user_id", id]]).toString() },
        { parameters: JSON.stringify([id]) },
        { parameters: JSON.stringify({ who: id }) },
      ]
      for (const said of asked) {
        const attributes = sayAttributes(said as Record<string, string>)
        expect(quotes(attributes, id), JSON.stringify(said)).toBe(true)
        // As the rows have it.
        const text = JSON.stringify(attributes)
        expect(
          personSql(id).parameters.some((each) => text.includes(String(each))),
          text,
        ).toBe(true)
      }
    },
  )
})

describe("leaves of a person", () => {
  /** Answers page by page what it is given, by what is asked for. */
  function answering(theirs: readonly number[], quoting: readonly [number, object][], through = 1_000_000) {
    const asked: string[] = []
    const sql = async ({ sql: text }: SqlAsked): Promise<SqlAnswer> => {
      asked.push(text)
      const [, last = ""] = /leaf_index > (-?\d+)/.exec(text) ?? []
      const [, limit = ""] = /LIMIT (\d+)$/.exec(text) ?? []
      const rows: unknown[][] = text.includes("'prooflog'")
        ? quoting.map(([leaf, attributes]) => [leaf, "audit", "2026-03-01 12:00:00", attributes])
        : theirs.map((leaf) => [leaf, "routine", "2026-03-01 12:00:00", null])
      const page = rows.filter(([leaf]) => (leaf as number) > Number(last)).slice(0, Number(limit))
      const rowsJson = new Uint8Array(Buffer.from(JSON.stringify(page)))
      return { columns: [], rowsJson, rowCount: page.length, truncated: false, through, ms: 1 }
    }
    return { reading: { sql } as unknown as Reading, asked }
  }

  it("are all of theirs, page by page, and those of the log's own that do quote them", async () => {
    const theirs = Array.from({ length: 25_000 }, (_, i) => i * 2)
    const { reading, asked } = answering(theirs, [
      [3, { sql: "'U1'" }],
      [5, { sql: "'U12'" }],
      [8, { sql: "'U1'" }],
    ])
    const found = await findLeaves(reading, { user_id: "U1" }, 10)
    expect(found).toHaveLength(25_001)
    expect(found.slice(0, 5).map(({ leafIndex }) => leafIndex)).toEqual([0, 2, 3, 4, 6])
    expect(asked).toHaveLength(4)
  })

  it("are not known while the rows are behind", async () => {
    const { reading } = answering([1], [], 9)
    await expect(findLeaves(reading, { user_id: "U1" }, 10)).rejects.toMatchObject({ code: "QUERY_BEHIND" })
  })
})
