import fc from "fast-check"
import { Compile } from "typebox/compile"
import { describe, expect, test } from "vitest"
import { arbitraryEvent, arbitrarySeed, arbitraryValue } from "./arbitrary.js"
import { type CborValue, encodeCbor } from "./cbor.js"
import { EVENT_PROBLEM_CODES } from "./error.js"
import { normalizeEvent } from "./event.js"
import { parseStrictJson } from "./json.js"
import { commitmentOf, MAX_RECORD_BYTES, sealRecord } from "./record.js"
import { type AccessEvent, AccessEventSchema, MAX_SOURCE_LENGTH } from "./schema.js"
import { checkEvent, MAX_EVENT_BYTES } from "./validate.js"

const NOW = Date.parse("2023-10-21T16:00:00Z")
const FAR = Date.parse("2200-01-01T00:00:00Z")

const EVENT: AccessEvent = {
  timestamp: "2023-10-21T15:32:00Z",
  user_id: "U12345",
  resource_accessed: "/secure-data",
  result: "success",
  ip_address: "192.168.1.10",
}

const problemsOf = (change: object, now = NOW) =>
  checkEvent({ ...EVENT, ...change }, now).map(({ code, pointer }) => `${code} ${pointer}`.trimEnd())

/** Objects nested so deep: 1 is an object of scalars. */
const nest = (depth: number): unknown => (depth === 0 ? 1 : { a: nest(depth - 1) })

describe("an event", () => {
  test("of the design is accepted as it stands", () => {
    const text =
      '{"timestamp":"2023-10-21T15:32:00Z","user_id":"U12345","resource_accessed":"/secure-data","result":"success","ip_address":"192.168.1.10"}'
    expect(checkEvent(parseStrictJson(text), NOW)).toEqual([])
  })

  test("with every field is accepted", () => {
    const full = {
      ...EVENT,
      action: "document.read",
      source_address: "AWS Internal",
      ip_chain: ["10.0.0.1", "unknown"],
      event_id: "Az09._:/-",
      category: "api",
      activity: "read",
      user_type: "user",
      user_name: "Ada",
      user_email: "ada@example.org",
      on_behalf_of: "root",
      session_id: "s",
      request_id: "r",
      resource_type: "file",
      resource_id: "1",
      resource_name: "secure data",
      reason: "",
      error_code: "",
      severity: "info",
      service: "web",
      host: "h1",
      environment: "production",
      region: "eu",
      user_agent: "x".repeat(8192),
      http_method: "GET",
      http_host: "example.org",
      http_path: "/",
      http_query: "a=b",
      http_status: 200,
      http_referrer: "-",
      http_protocol: "HTTP/1.1",
      request_bytes: 0,
      response_bytes: Number.MAX_SAFE_INTEGER,
      duration_ms: 0.25,
      trace_id: "0af7651916cd43dd8448eb211c80319c",
      span_id: "b7ad6b7169203331",
      mfa: true,
      tags: ["a", ""],
      attributes: { "any key": [1, { deep: { er: true } }], "": -1.5e300 },
      raw: "\0 line\u0001",
    }
    expect(checkEvent(full, NOW)).toEqual([])
    expect(Object.keys(full).sort()).toEqual(Object.keys(AccessEventSchema.properties).sort())
  })

  test.each([null, undefined, 1, "x", [], true, new Date(), new Map()])("is an object, not %s", (value) => {
    expect(checkEvent(value, NOW)).toMatchObject([{ code: "not_an_object", pointer: "" }])
  })

  test("without a prototype is an event too", () => {
    expect(checkEvent(Object.assign(Object.create(null), EVENT), NOW)).toEqual([])
  })

  test("says what it must", () => {
    expect(checkEvent({}, NOW).map(({ code, pointer }) => `${code} ${pointer}`)).toEqual([
      "missing_field /timestamp",
      "missing_field /user_id",
      "missing_field /resource_accessed",
      "missing_field /result",
    ])
    expect(problemsOf({ user_id: null })).toEqual(["missing_field /user_id"])
    expect(problemsOf({ user_id: undefined })).toEqual(["missing_field /user_id"])
  })

  test("may have nulls for what it does not say", () => {
    expect(
      problemsOf({ ip_address: null, tags: null, attributes: null, mfa: undefined, source: null }),
    ).toEqual([])
  })

  test.each([
    [{ colour: "red" }, "unknown_field /colour"],
    [{ Timestamp: 1 }, "unknown_field /Timestamp"],
    [{ toString: "x" }, "unknown_field /toString"],
    [{ "a/b": null }, "unknown_field /a~1b"],
    [{ ["x".repeat(200)]: 1 }, `unknown_field /${"x".repeat(128)}…`],
    [{ constructor: 1 }, "forbidden_key /constructor"],
    [{ source: "api" }, "server_field /source"],
    [{ source_key_id: "k" }, "server_field /source_key_id"],
    [{ tenant_id: "t" }, "server_field /tenant_id"],
    [{ received_at: 1 }, "server_field /received_at"],
    [{ schema_version: "1" }, "server_field /schema_version"],
    [{ leaf_index: 1 }, "server_field /leaf_index"],
    [{ derived_country: "CH" }, "server_field /derived_country"],
    [{ retention_class: "high" }, "server_field /retention_class"],
  ])("refuses the name in %j", (change, problem) => {
    expect(problemsOf(change)).toEqual([problem])
  })

  test.each([
    ["user_id", 256, 1],
    ["action", 256, 1],
    ["resource_accessed", 2048, 1],
    ["source_address", 255, 0],
    ["user_name", 256, 0],
    ["user_email", 320, 0],
    ["on_behalf_of", 256, 0],
    ["session_id", 128, 0],
    ["request_id", 128, 0],
    ["resource_type", 128, 0],
    ["resource_id", 1024, 0],
    ["resource_name", 512, 0],
    ["reason", 1024, 0],
    ["error_code", 128, 0],
    ["service", 128, 0],
    ["host", 128, 0],
    ["environment", 128, 0],
    ["region", 128, 0],
    ["user_agent", 8192, 0],
    ["http_method", 16, 0],
    ["http_host", 255, 0],
    ["http_path", 4096, 0],
    ["http_query", 8192, 0],
    ["http_referrer", 2048, 0],
    ["http_protocol", 16, 0],
  ])("has a %s of at most %i characters and at least %i", (name, max, min) => {
    for (const unit of ["x", "é", "\u{1F600}"]) expect(problemsOf({ [name]: unit.repeat(max) })).toEqual([])
    for (const unit of ["x", "\u{1F600}"])
      expect(problemsOf({ [name]: unit.repeat(max + 1) })).toEqual([`too_long /${name}`])
    expect(problemsOf({ [name]: "" })).toEqual(min === 1 ? [`too_short /${name}`] : [])
    for (const other of [1, true, ["x"], { x: 1 }, Number.NaN, 1n]) {
      expect(problemsOf({ [name]: other })).toEqual([`wrong_type /${name}`])
    }
    expect(problemsOf({ [name]: "a\ud800" })).toEqual([`lone_surrogate /${name}`])
    const [problem] = checkEvent({ ...EVENT, [name]: "secret".repeat(2000) }, NOW)
    expect(problem?.message).toContain(`${name} must have at most ${max} characters; it has 12000`)
    expect(problem?.message).not.toContain("secret")
  })

  test.each([
    [{ result: "ok" }, "bad_format /result"],
    [{ result: "SUCCESS" }, "bad_format /result"],
    [{ result: 1 }, "wrong_type /result"],
    [{ result: ["success"] }, "wrong_type /result"],
    [{ category: "" }, "bad_format /category"],
    [{ activity: "reading" }, "bad_format /activity"],
    [{ user_type: "robot" }, "bad_format /user_type"],
    [{ severity: "fatal" }, "bad_format /severity"],
    [{ event_id: "" }, "too_short /event_id"],
    [{ event_id: "a b" }, "bad_format /event_id"],
    [{ event_id: "ü" }, "bad_format /event_id"],
    [{ event_id: "a\n" }, "bad_format /event_id"],
    [{ event_id: "x".repeat(129) }, "too_long /event_id"],
    [{ trace_id: "0".repeat(32) }, "bad_format /trace_id"],
    [{ trace_id: "A".repeat(32) }, "bad_format /trace_id"],
    [{ trace_id: "a".repeat(31) }, "bad_format /trace_id"],
    [{ trace_id: `${"a".repeat(32)}\n` }, "bad_format /trace_id"],
    [{ span_id: "0".repeat(16) }, "bad_format /span_id"],
    [{ span_id: "a".repeat(17) }, "bad_format /span_id"],
    [{ http_status: 99 }, "out_of_range /http_status"],
    [{ http_status: 600 }, "out_of_range /http_status"],
    [{ http_status: 200.5 }, "wrong_type /http_status"],
    [{ http_status: "200" }, "wrong_type /http_status"],
    [{ request_bytes: -1 }, "out_of_range /request_bytes"],
    [{ response_bytes: 2 ** 53 }, "out_of_range /response_bytes"],
    [{ response_bytes: Number.POSITIVE_INFINITY }, "unsafe_number /response_bytes"],
    [{ duration_ms: -0.001 }, "out_of_range /duration_ms"],
    [{ duration_ms: Number.NaN }, "unsafe_number /duration_ms"],
    [{ duration_ms: "1" }, "wrong_type /duration_ms"],
    [{ mfa: "yes" }, "wrong_type /mfa"],
    [{ mfa: 1 }, "wrong_type /mfa"],
    [{ tags: "a" }, "wrong_type /tags"],
    [{ tags: new Array(33).fill("a") }, "too_many /tags"],
    [{ tags: ["a", 1] }, "wrong_type /tags/1"],
    [{ tags: ["a", null] }, "nested_null /tags/1"],
    [{ tags: ["x".repeat(65)] }, "too_long /tags/0"],
    [{ ip_chain: new Array(17).fill("a") }, "too_many /ip_chain"],
    [{ ip_chain: ["x".repeat(256)] }, "too_long /ip_chain/0"],
    [{ raw: "x".repeat(65_536) }, "too_long /raw"],
    [{ ip_address: "example.org" }, "bad_ip /ip_address"],
    [{ ip_address: "" }, "bad_ip /ip_address"],
    [{ ip_address: "::1%eth0" }, "bad_ip /ip_address"],
    [{ ip_address: 1 }, "wrong_type /ip_address"],
  ])("refuses %j", (change, problem) => {
    expect(problemsOf(change)).toEqual([problem])
  })

  test.each([
    ["yesterday", "bad_timestamp"],
    ["2023-10-21T15:32:00", "bad_timestamp"],
    ["2023-02-30T15:32:00Z", "bad_timestamp"],
    ["1969-12-31T23:59:59Z", "bad_timestamp"],
    [1697902320, "bad_timestamp"],
    [1697902320123456, "bad_timestamp"],
    [1697902320.5, "bad_timestamp"],
    [-1, "bad_timestamp"],
    [true, "wrong_type"],
    [[1697902320123], "wrong_type"],
    ["2023-10-21T16:10:00.000001Z", "future_timestamp"],
    ["9999-12-31T23:59:59Z", "future_timestamp"],
    [NOW + 600_001, "future_timestamp"],
  ])("refuses the timestamp %j: %s", (timestamp, code) => {
    expect(problemsOf({ timestamp })).toEqual([`${code} /timestamp`])
  })

  test("takes a timestamp up to ten minutes ahead, and any age", () => {
    for (const timestamp of [
      "2023-10-21T16:10:00Z",
      NOW + 600_000,
      "1970-01-01T00:00:00Z",
      100_000_000_000,
    ]) {
      expect(problemsOf({ timestamp })).toEqual([])
    }
    expect(problemsOf({ timestamp: "2255-06-05T23:47:34.740991Z" }, 9.1e12)).toEqual([])
    expect(problemsOf({ timestamp: "2255-06-05T23:47:34.740992Z" }, 9.1e12)).toEqual([
      "bad_timestamp /timestamp",
    ])
  })

  test("hints at the unit that a timestamp seems to have", () => {
    const messageOf = (timestamp: number) => checkEvent({ ...EVENT, timestamp }, NOW)[0]?.message
    expect(messageOf(1697902320)).toMatch(/looks like seconds/)
    expect(messageOf(1697902320123456)).toMatch(/looks like a finer unit/)
  })

  test("tells everything at once, up to 32 problems", () => {
    expect(problemsOf({ user_id: 1, result: "x", colour: 1, timestamp: "?" })).toEqual([
      "bad_timestamp /timestamp",
      "wrong_type /user_id",
      "bad_format /result",
      "unknown_field /colour",
    ])
    const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`x${i}`, 1]))
    expect(problemsOf(many).length).toBe(32)
  })
})

describe("attributes", () => {
  const problemsOfAttributes = (attributes: unknown) => problemsOf({ attributes })
  const keys = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 1]))

  test.each([
    ["no object", [1], "wrong_type /attributes"],
    ["65 keys", keys(65), "too_many /attributes"],
    ["257 keys in all", { a: keys(200), b: keys(55) }, "too_many /attributes"],
    ["a key of 129 characters", { ["k".repeat(129)]: 1 }, "too_long /attributes"],
    ["such a key inside", { a: [{ ["k".repeat(129)]: 1 }] }, "too_long /attributes/a/0"],
    ["depth 5", nest(5), "too_deep /attributes/a/a/a/a"],
    ["depth 5 by arrays", { a: [[[[1]]]] }, "too_deep /attributes/a/0/0/0"],
    ["more than 16 KiB", { a: "x".repeat(16_384) }, "too_long /attributes"],
    ["more than 16 KiB in many", { a: new Array(6000).fill("xy") }, "too_long /attributes"],
    ["a null", { a: null }, "nested_null /attributes/a"],
    ["a null inside", { a: [1, { b: null }] }, "nested_null /attributes/a/1/b"],
    ["an undefined", { a: undefined }, "nested_null /attributes/a"],
    ["a forbidden key", { a: { constructor: 1 } }, "forbidden_key /attributes/a"],
    ["NaN", { a: Number.NaN }, "unsafe_number /attributes/a"],
    ["a bigint", { a: 1n }, "wrong_type /attributes/a"],
    ["a date", { a: new Date() }, "wrong_type /attributes/a"],
    ["bytes", { a: new Uint8Array(1) }, "wrong_type /attributes/a"],
    ["a function", { a: () => 1 }, "wrong_type /attributes/a"],
    ["a lone surrogate", { "a/b": "\udc00" }, "lone_surrogate /attributes/a~1b"],
    ["a lone surrogate in a key", { a: { "\udc00": 1 } }, "lone_surrogate /attributes/a"],
  ])("with %s are refused", (_, attributes, problem) => {
    expect(problemsOfAttributes(attributes)).toEqual([problem])
  })

  test("are accepted up to each limit", () => {
    for (const attributes of [
      {},
      keys(64),
      { a: keys(200), b: keys(54) },
      { ["k".repeat(128)]: 1 },
      { ["\u{1F600}".repeat(128)]: 1 },
      nest(4),
      { a: [[[1]]] },
      { a: "x".repeat(16_384 - 6) },
    ]) {
      expect(problemsOfAttributes(attributes)).toEqual([])
    }
    expect(problemsOfAttributes({ a: "x".repeat(16_384 - 5) })).toEqual(["too_long /attributes"])
  })

  test("are accepted up to 16,384 bytes of CBOR and not one more, whatever they are made of", () => {
    // Texts of 20 characters and 60 bytes, whose heads are longer than those of 20 bytes would be.
    for (const filler of [["語".repeat(20)], ["é".repeat(200)], [1000], [-1e-3], [["ü"]], ["x"]]) {
      const sized = (count: number, rest: number) => ({
        a: new Array(count).fill(filler[0]),
        b: "x".repeat(rest),
      })
      const sizeOf = (count: number, rest: number) => encodeCbor(sized(count, rest) as CborValue).length
      const each = encodeCbor(filler[0] as CborValue).length
      const count = Math.floor((16_384 - 400) / each)
      const rest = 300 + 16_384 - sizeOf(count, 300)
      expect(sizeOf(count, rest)).toBe(16_384)
      expect(problemsOfAttributes(sized(count, rest))).toEqual([])
      expect(problemsOfAttributes(sized(count, rest + 1))).toEqual(["too_long /attributes"])
    }
  })

  test("of a million nulls are left when there is no more to say", () => {
    const problems = problemsOfAttributes({ a: new Array(1_000_000).fill(null) })
    expect(problems.length).toBe(32)
    expect(new Set(problems.map((problem) => problem.split(" ")[0]))).toEqual(new Set(["nested_null"]))
    let wasRead = false
    const nulls = new Array(30_000).fill(null)
    Object.defineProperty(nulls, 20_000, {
      get: () => {
        wasRead = true
        return null
      },
    })
    problemsOfAttributes({ a: nulls })
    expect(wasRead).toBe(false)
  })

  test("that hold themselves are refused", () => {
    const loop: Record<string, unknown> = {}
    loop.a = loop
    expect(problemsOfAttributes(loop)).toEqual(["too_deep /attributes/a/a/a/a"])
  })
})

describe("size", () => {
  const added = {
    source: "s".repeat(MAX_SOURCE_LENGTH),
    source_key_id: "k".repeat(MAX_SOURCE_LENGTH),
    event_id: "e".repeat(36),
  }

  test("an event at the limit still makes a record; one byte more is refused", () => {
    const sizeAt = (length: number) => problemsOf({ raw: "x".repeat(length) })
    let length = MAX_EVENT_BYTES
    while (sizeAt(length).length > 0) length--
    expect(sizeAt(length + 1)).toEqual(["event_too_large"])
    const event = { ...EVENT, raw: "x".repeat(length) }
    expect(encodeCbor(event as CborValue).length).toBe(MAX_EVENT_BYTES)
    const { record } = sealRecord(normalizeEvent(event, added), new Uint8Array(32))
    expect(record.length).toBeLessThanOrEqual(MAX_RECORD_BYTES)
    expect(record.length).toBeGreaterThan(MAX_EVENT_BYTES)
  })

  test("is not counted where it cannot be passed, and a record fits all the same", () => {
    // As much text as is taken on trust, each character of three bytes, beside full attributes.
    const event = {
      ...EVENT,
      user_agent: "語".repeat(8192),
      http_query: "語".repeat(6700),
      tags: new Array(32).fill(""),
      ip_chain: new Array(16).fill(""),
      attributes: { a: "x".repeat(16_384 - 6) },
    }
    expect(checkEvent(event, NOW)).toEqual([])
    expect(encodeCbor(event).length).toBeLessThanOrEqual(MAX_EVENT_BYTES)
    expect(problemsOf({ ...event, http_query: "語".repeat(8192) })).toEqual(["event_too_large"])
    const { record } = sealRecord(normalizeEvent(event, added), new Uint8Array(32))
    expect(record.length).toBeLessThanOrEqual(MAX_RECORD_BYTES)
  })

  test("counts bytes, not characters", () => {
    expect(problemsOf({ raw: "é".repeat(40_000) })).toEqual(["event_too_large"])
    const wide = { user_agent: "é".repeat(8192), http_query: "é".repeat(8192), http_path: "é".repeat(4096) }
    expect(problemsOf(wide)).toEqual([])
    expect(problemsOf({ ...wide, raw: "é".repeat(20_000) })).toEqual(["event_too_large"])
  })
})

describe("against a second opinion", () => {
  const second = Compile(AccessEventSchema)

  const part = fc.oneof(
    arbitraryValue(2),
    fc.constantFrom("", "a", "success", -1, 0, 99, 600, 1.5, [], ["x"], {}),
  )
  const named = fc.constantFrom(...Object.keys(AccessEventSchema.properties), "colour")
  const mangled = fc
    .tuple(arbitraryEvent, fc.dictionary(named, part, { maxKeys: 2, noNullPrototype: true }))
    .map(([event, change]) => ({ ...event, ...change }))

  /** Rules that the schema cannot say. */
  const BEYOND = /^(bad_timestamp|future_timestamp|bad_ip|nested_null|too_deep|lone_surrogate|forbidden_key)/

  test("whatever is accepted, TypeBox accepts by the schema", () => {
    fc.assert(
      fc.property(mangled, (event) => {
        const problems = checkEvent(event, FAR)
        const agreed = second.Check(event)
        if (problems.length === 0) expect(agreed).toBe(true)
        else if (agreed) {
          // Of `attributes` the schema says only how many keys they may have.
          expect(
            problems.every(({ code, pointer }) => BEYOND.test(code) || pointer.startsWith("/attributes")),
          ).toBe(true)
        }
        for (const { code, pointer, message } of problems) {
          expect(EVENT_PROBLEM_CODES).toContain(code)
          expect(pointer).toMatch(/^(\/|$)/)
          expect(message).not.toBe("")
        }
      }),
      { numRuns: 1500 },
    )
  })

  test("whatever is accepted can be sealed", () => {
    fc.assert(
      fc.property(mangled, arbitrarySeed, (event, seed) => {
        if (checkEvent(event, FAR).length > 0) return
        const normal = normalizeEvent(event as AccessEvent, {
          source: "api",
          source_key_id: "k",
          event_id: "e",
        })
        const { record, commitment } = sealRecord(normal, seed)
        expect(commitmentOf(record)).toEqual(commitment)
      }),
      { numRuns: 500 },
    )
  })
})
