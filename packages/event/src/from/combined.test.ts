import { describe, expect, it } from "vitest"
import { EventError } from "../error.js"
import { checkEvent } from "../validate.js"
import { parseCombined } from "./combined.js"

const LINE =
  '203.0.113.7 - ada [20/Feb/2016:00:00:45 -0500] "GET /a/b?c=d HTTP/1.1" 200 187 "https://example.org/" "curl/8.5"'

const NOW = Date.UTC(2026, 0, 1)

function refusal(line: string): string {
  try {
    parseCombined(line)
  } catch (error) {
    expect(error).toBeInstanceOf(EventError)
    expect((error as EventError).code).toBe("EVENT_UNMAPPABLE")
    return (error as EventError).message
  }
  throw new Error("the line was mapped")
}

describe("a combined log line", () => {
  it("tells who did what, when, from where and with what result", () => {
    expect(parseCombined(LINE)).toEqual({
      timestamp: "2016-02-20T00:00:45-05:00",
      user_id: "ada",
      action: "http.GET",
      resource_accessed: "/a/b",
      result: "success",
      category: "network",
      ip_address: "203.0.113.7",
      http_method: "GET",
      http_path: "/a/b",
      http_query: "c=d",
      http_protocol: "HTTP/1.1",
      http_status: 200,
      response_bytes: 187,
      http_referrer: "https://example.org/",
      user_agent: "curl/8.5",
    })
  })

  it("has an anonymous user and no referrer, agent or size where it says -", () => {
    const event = parseCombined(
      '203.0.113.7 - - [20/Feb/2016:00:00:45 -0500] "HEAD / HTTP/1.1" 304 - "-" "-"',
    )
    expect(event.user_id).toBe("anonymous")
    for (const name of ["http_referrer", "user_agent", "response_bytes", "attributes", "http_query"]) {
      expect(event).not.toHaveProperty(name)
    }
  })

  it.each([
    [200, "success"],
    [304, "success"],
    [401, "denied"],
    [403, "denied"],
    [404, "failure"],
    [429, "failure"],
    [500, "error"],
    [503, "error"],
    [999, "unknown"],
  ])("with status %i has the result %s", (status, result) => {
    expect(parseCombined(LINE.replace(" 200 ", ` ${status} `)).result).toBe(result)
  })

  it("may come from a host name", () => {
    const event = parseCombined(LINE.replace("203.0.113.7", "crawler.example.net"))
    expect(event.source_address).toBe("crawler.example.net")
    expect(event).not.toHaveProperty("ip_address")
  })

  it("may come from an IPv6 address", () => {
    expect(parseCombined(LINE.replace("203.0.113.7", "2001:db8::7")).ip_address).toBe("2001:db8::7")
  })

  it("keeps an identity that is not -", () => {
    expect(parseCombined(LINE.replace(" - ada ", " ident ada ")).attributes).toEqual({ ident: "ident" })
  })

  it('may have a user with an empty name, which Apache writes as ""', () => {
    const event = parseCombined(LINE.replace("ada", '""'))
    expect(event.user_id).toBe('""')
    expect(checkEvent(event, NOW)).toEqual([])
  })

  it.each(["000", "099", "600", "999"])("keeps the status %s, though HTTP has none such", (status) => {
    const event = parseCombined(LINE.replace(" 200 ", ` ${status} `))
    expect(event).not.toHaveProperty("http_status")
    expect(event.attributes).toEqual({ status })
    expect(checkEvent(event, NOW)).toEqual([])
  })

  it("keeps escapes as they stand", () => {
    const event = parseCombined(LINE.replace("curl/8.5", String.raw`say \"hi\" \x22 \\`))
    expect(event.user_agent).toBe(String.raw`say \"hi\" \x22 \\`)
  })

  it("keeps a query that holds ? and a path that is not one", () => {
    expect(parseCombined(LINE.replace("/a/b?c=d", "/a?b?c")).http_query).toBe("b?c")
    expect(parseCombined(LINE.replace("/a/b?c=d", "http://example.org/x?y")).http_path).toBe(
      "http://example.org/x",
    )
    expect(parseCombined(LINE.replace("/a/b?c=d", "?x")).resource_accessed).toBe("?x")
  })

  it.each([["-"], [String.raw`\x16\x03\x01\x02`], ["GET /"], ["GET  HTTP/1.1"]])(
    "is an event though its request is %s",
    (request) => {
      const event = parseCombined(LINE.replace("GET /a/b?c=d HTTP/1.1", request))
      expect(event.action).toBe("http.request")
      expect(event.resource_accessed).toBe(request)
      expect(checkEvent(event, NOW)).toEqual([])
    },
  )

  it("names the resource - where the request is empty", () => {
    expect(parseCombined(LINE.replace("GET /a/b?c=d HTTP/1.1", "")).resource_accessed).toBe("-")
  })

  it("may have a user with spaces and brackets, even one that looks like a time", () => {
    const user = "a [b] - [20/Feb/2016:00:00:45 -0500] c"
    expect(parseCombined(LINE.replace("ada", user)).user_id).toBe(user)
  })

  it("keeps a user agent of 8,192 characters, and cuts a longer one in the open", () => {
    const agent = "x".repeat(8192)
    expect(parseCombined(LINE.replace("curl/8.5", agent)).user_agent).toBe(agent)
    const line = LINE.replace("curl/8.5", `${agent}y`)
    const event = parseCombined(line)
    expect(event.user_agent).toBe(agent)
    expect(event.attributes).toMatchObject({
      truncated: true,
      truncated_names: ["user_agent"],
      original_bytes: line.length,
    })
    expect(event.attributes?.original_sha256).toMatch(/^[0-9a-f]{64}$/)
    expect(checkEvent(event, NOW)).toEqual([])
  })

  it("never cuts a character in two", () => {
    const event = parseCombined(LINE.replace("curl/8.5", `${"x".repeat(8191)}😀`))
    expect(event.user_agent).toBe("x".repeat(8191))
    expect(checkEvent(event, NOW)).toEqual([])
  })

  it("makes an event of a line that would take more than a record holds, and says what it cut", () => {
    const wide = "語".repeat(8192)
    const line = LINE.replace("/a/b?c=d", `/${wide}?${wide}`).replace("curl/8.5", wide)
    const event = parseCombined(line)
    expect(checkEvent(event, NOW)).toEqual([])
    expect(event.user_id).toBe("ada")
    expect(event.attributes?.truncated_names).toEqual([
      "resource_accessed",
      "http_path",
      "http_query",
      "user_agent",
    ])
  })

  it("cuts a path where the resource's limit is smaller than the path's", () => {
    const path = `/${"p".repeat(3000)}`
    const event = parseCombined(LINE.replace("/a/b?c=d", path))
    expect(event.http_path).toBe(path)
    expect(event.resource_accessed).toBe(path.slice(0, 2048))
    expect(event.attributes?.truncated_names).toEqual(["resource_accessed"])
    expect(checkEvent(event, NOW)).toEqual([])
  })
})

describe("a line that is none", () => {
  it.each([
    ["is empty", "", "column 1: expected a remote address, found the end of the line"],
    ["stops after the address", "203.0.113.7", "column 1: expected a remote address"],
    ["has no time", LINE.replace(/\[.*\] /, ""), "column 15: expected a user"],
    [
      "has a time of another form",
      LINE.replace("20/Feb/2016", "2016-02-20"),
      "column 19: expected a time like",
    ],
    ["has a day that never was", LINE.replace("20/Feb", "30/Feb"), "column 19: there is no such time"],
    ["has a month that never was", LINE.replace("Feb", "Feu"), "column 19: there is no such time"],
    [
      "has an hour that never was",
      LINE.replace(":00:00:45", ":24:00:45"),
      "column 19: there is no such time",
    ],
    ["has no quotes around its request", LINE.replace('"GET', "GET"), "column 19: expected a time like"],
    [
      "has a status of two digits",
      LINE.replace(" 200 ", " 20 "),
      "column 72: expected a status of three digits",
    ],
    [
      "has a size that is no number",
      LINE.replace(" 187 ", " 1x7 "),
      "column 76: expected a number of bytes or -",
    ],
    ["has an agent without end", LINE.slice(0, -1), "column 103: expected a user agent in quotes"],
    ["goes on after the agent", `${LINE} 0.123`, "column 113: expected the end of the line"],
    ["is too long", `${LINE}${"x".repeat(70_000)}`, "column 65536: a line has at most 65535 characters"],
  ])("is refused and says where: it %s", (_why, line, message) => {
    expect(refusal(line)).toContain(message)
  })

  it("is refused without repeating what it says", () => {
    expect(refusal("secret.example.org - secret-user [secret]")).not.toContain("secret")
  })

  it.each([
    ["times", "a [20/Feb/2016:00:00:45 -0500] ", ""],
    ["times before an escaped quote", '[20/Feb/2016:00:00:45 -0500] \\"', ""],
    ["brackets", " [", ""],
    ["spaces", " ", ""],
    ["escapes", "\\x", ""],
    ["escapes in a request without end", "\\x", 'ada [20/Feb/2016:00:00:45 -0500] "'],
    ["protocols in a request without end", " HTTP/1.", 'ada [20/Feb/2016:00:00:45 -0500] "GET /'],
  ])("is refused in no more than linear time, be it made of %s", (_what, part, start) => {
    const head = `203.0.113.7 - ${start}`
    const hostile = head + part.repeat(Math.floor((65_535 - head.length) / part.length))
    const started = performance.now()
    expect(refusal(hostile)).toMatch(/^column/)
    expect(performance.now() - started).toBeLessThan(500)
  })
})
