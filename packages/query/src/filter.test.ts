import { describe, expect, it } from "vitest"
import { COLUMNS } from "./columns.js"
import { QueryError } from "./error.js"
import { DEFAULT_LIMIT, type Filter, MAX_LIMIT, MAX_VALUES, parseFilter, parseRowFilter } from "./filter.js"
import { formatCursor, parseCursor } from "./filter-cursor.js"
import { parseNetwork } from "./filter-network.js"
import { filterSql, requireVisible } from "./filter-sql.js"

const parse = (text: string) => parseFilter(new URLSearchParams(text))

function refusal(text: string): QueryError {
  try {
    parse(text)
  } catch (error) {
    if (error instanceof QueryError) return error
    throw error
  }
  throw new Error(`taken: ${text}`)
}

describe("parseFilter", () => {
  it("takes nothing for everything, newest first", () => {
    expect(parse("")).toEqual({ conditions: [], limit: DEFAULT_LIMIT, order: "desc" })
  })

  it("takes several values, tests, times and a page", () => {
    expect(
      parse(
        "user_id=U1&user_id=U2&http_path.prefix=/adm&action.not=x&http_status.min=500&mfa=true&tags=vip" +
          "&reason.exists=false&from=2023-10-01&to=2023-10-02T00:00:00%2B02:00&limit=10&order=asc&cursor=after-7",
      ),
    ).toEqual({
      conditions: [
        { column: "user_id", test: "is", values: ["U1", "U2"] },
        { column: "http_path", test: "prefix", values: ["/adm"] },
        { column: "action", test: "not", values: ["x"] },
        { column: "http_status", test: "min", values: [500] },
        { column: "mfa", test: "is", values: [true] },
        { column: "tags", test: "is", values: ["vip"] },
        { column: "reason", test: "exists", values: [false] },
      ],
      from: "2023-10-01T00:00:00.000000Z",
      to: "2023-10-01T22:00:00.000000Z",
      limit: 10,
      order: "asc",
      cursor: { side: "after", leafIndex: 7 },
    } satisfies Filter)
  })

  it("is the same after it crossed as JSON", () => {
    const filter = parse("ip_address=10.0.0.0/8&duration_ms.max=1.5&from=2023-10-01&cursor=before-3")
    expect(JSON.parse(JSON.stringify(filter))).toEqual(filter)
  })

  it.each([
    ["ip_address=2001:DB8:0:0::1", "2001:db8::1"],
    ["ip_address=::ffff:10.1.2.3", "10.1.2.3"],
    ["ip_address=10.6.1.9/14", "10.4.0.0/14"],
    ["received_at=2023-10-21T17:32:00.5%2B02:00", "2023-10-21T15:32:00.500000Z"],
    ["duration_ms=1e3", 1000],
    ["leaf_index=-0", 0],
    ["user_id=", ""],
    ["user_id.contains=%25_", "%_"],
  ])("reads %s as its column holds it", (text, value) => {
    expect(parse(text).conditions[0]?.values).toEqual([value])
  })

  it("takes every column but attributes and raw", () => {
    const texts: Record<string, string> = {
      BIGINT: "1",
      INTEGER: "1",
      DOUBLE: "1",
      BOOLEAN: "true",
      TIMESTAMP: "2023-10-01",
    }
    const words: Record<string, string> = {
      ip_address: "::1",
      result: "error",
      category: "api",
      activity: "read",
      severity: "low",
      user_type: "user",
    }
    const refused = COLUMNS.filter(({ name, type }) => {
      try {
        parse(`${name}=${words[name] ?? texts[type] ?? "x"}`)
        return false
      } catch {
        return true
      }
    })
    expect(refused.map(({ name }) => name)).toEqual(["attributes", "raw"])
  })

  it.each([
    ["from", "from=yesterday"],
    ["from", "from=2023-02-30"],
    ["from", "from=2023-10-01T00:00:00"],
    ["from", "from=2023-10-01&from=2023-10-02"],
    ["from", "from=9999-01-01"],
    ["to", "to="],
    ["to", "from=2023-10-02&to=2023-10-02"],
    ["limit", "limit=0"],
    ["limit", `limit=${MAX_LIMIT + 1}`],
    ["limit", "limit=1e2"],
    ["limit", "limit=1&limit=2"],
    ["order", "order=up"],
    ["cursor", "cursor=17"],
    ["cursor", "cursor=before-01"],
    ["cursor", "cursor=before--1"],
    ["cursor", "cursor=before-9999999999999999"],
    ["cursor", "cursor=after-3"],
    ["cursor", "order=asc&cursor=before-3"],
    ["ip_address", "ip_address=localhost"],
    ["ip_address", "ip_address=10.0.0.256"],
    ["ip_address", "ip_address=10.0.0.0/33"],
    ["ip_address", "ip_address=2001:db8::/32"],
    ["http_status", "http_status=5xx"],
    ["http_status.min", "http_status.min="],
    ["http_status.min", "http_status.min=1&http_status.min=2"],
    ["response_bytes", "response_bytes=9007199254740992"],
    ["duration_ms", "duration_ms=1e999"],
    ["mfa", "mfa=1"],
    ["result", "result=succes"],
    ["user_id.prefix", "user_id.prefix="],
    ["user_id.min", "user_id.min=1"],
    ["tags.contains", "tags.contains=x"],
    ["user_id.exists", "user_id.exists=maybe"],
    ["user_id", "user_id=a%00b"],
    ["raw.contains", "raw.contains=x"],
    ["attributes", "attributes=x"],
    ["usr_id", "usr_id=U1"],
    ["user_id.constructor", "user_id.constructor=x"],
    ["__proto__", "__proto__=x"],
  ])("refuses, and names %s in %s", (parameter, text) => {
    expect(refusal(text)).toMatchObject({ code: "QUERY_BAD_FILTER", parameter })
  })

  it.each(["limit=1", "order=asc", "cursor=before-1"])("refuses %s where an answer has no pages", (text) => {
    const query = new URLSearchParams(`user_id=U1&${text}`)
    const error = (() => {
      try {
        return parseRowFilter(query)
      } catch (caught) {
        return caught
      }
    })()
    expect(error).toMatchObject({ code: "QUERY_BAD_FILTER", parameter: text.split("=", 1)[0] })
  })

  it("suggests the nearest name", () => {
    expect(refusal("usr_id=U1").hint).toBe("Did you mean user_id?")
    expect(refusal("ipaddress.prefix=10.").hint).toBe("Did you mean ip_address?")
    expect(refusal("limt=3").hint).toBe("Did you mean limit?")
    expect(refusal("zzzzzz=3").hint).toBeUndefined()
  })

  it("says how a plus is written when a time has lost its own", () => {
    expect(refusal("from=2023-10-01T00:00:00+02:00").message).toContain("%2B")
  })

  it("shows no value in its words", () => {
    for (const text of [
      "user_id.min=SECRET",
      "ip_address=SECRET",
      "from=SECRET",
      "cursor=SECRET",
      "mfa=SECRET",
    ]) {
      expect(refusal(text).message).not.toContain("SECRET")
    }
  })

  it("escapes and cuts a strange name", () => {
    const { message } = refusal(`${encodeURIComponent(`\u001b[31m${"x".repeat(500)}`)}=1`)
    expect(message.length).toBeLessThan(200)
    expect(message).not.toContain("\u001b")
  })

  it("refuses more values than it may have", () => {
    const values = (count: number) => Array.from({ length: count }, (_, at) => `user_id=U${at}`).join("&")
    expect(parse(values(MAX_VALUES)).conditions[0]?.values).toHaveLength(MAX_VALUES)
    expect(refusal(values(MAX_VALUES + 1)).parameter).toBe("user_id")
  })
})

describe("cursors", () => {
  it("are read as they were written", () => {
    for (const leafIndex of [0, 1, 10, 2 ** 53 - 1]) {
      expect(parseCursor(formatCursor({ side: "before", leafIndex }), "desc")).toEqual({
        side: "before",
        leafIndex,
      })
      expect(parseCursor(formatCursor({ side: "after", leafIndex }), "asc")).toEqual({
        side: "after",
        leafIndex,
      })
    }
  })
})

describe("parseNetwork", () => {
  it.each([
    ["10.0.0.0/8", { prefix: "10.", octet: 2, first: 0, last: 255 }],
    ["10.6.1.9/14", { text: "10.4.0.0/14", prefix: "10.", octet: 2, first: 4, last: 7 }],
    ["10.1.2.200/26", { text: "10.1.2.192/26", prefix: "10.1.2.", octet: 4, first: 192, last: 255 }],
    ["10.1.2.3/32", { prefix: "10.1.2.", octet: 4, first: 3, last: 3 }],
    ["1.2.3.4/0", { text: "0.0.0.0/0", prefix: "", octet: 1, first: 0, last: 255 }],
  ])("reads %s", (text, expected) => {
    expect(parseNetwork(text)).toMatchObject(expected)
  })
})

describe("filterSql", () => {
  it("says values only as parameters", () => {
    const evil = "'; DROP TABLE events; --"
    const { sql, parameters } = filterSql(
      parse(`user_id=${encodeURIComponent(evil)}&http_host.contains=${encodeURIComponent(evil)}`),
    )
    expect(sql).toBe(
      "SELECT * FROM access_logs WHERE (user_id = $1::VARCHAR) AND (contains(http_host, $2::VARCHAR)) AND source <> 'prooflog'",
    )
    expect(parameters).toEqual([evil, evil])
  })

  it("refuses a name that is no column, wherever the filter came from", () => {
    const forged = {
      ...parse(""),
      conditions: [{ column: "1) OR (1=1", test: "is", values: ["x"] }],
    } as Filter
    expect(() => filterSql(forged)).toThrow(expect.objectContaining({ code: "QUERY_BAD_FILTER" }))
  })

  it("leaves the log's own events out, unless asked of the source", () => {
    expect(filterSql(parse("source.exists=true")).sql).not.toContain("prooflog")
    expect(filterSql(parse("source=prooflog")).parameters).toEqual(["prooflog"])
  })
})

describe("requireVisible", () => {
  it("refuses a withheld column and what derives from it", () => {
    expect(() => requireVisible(["country"], ["ip_address"])).toThrow(
      expect.objectContaining({ code: "QUERY_BAD_FILTER", parameter: "country" }),
    )
    expect(() => requireVisible(["browser", "user_id"], ["ip_address"])).not.toThrow()
  })
})
