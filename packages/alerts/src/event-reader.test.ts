import { formatTimestamp } from "@prooflog/event/timestamp"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Enrich } from "./event-fields.js"
import { EventReader, type Leaves } from "./event-reader.js"
import { FIELD_NAMES } from "./field-places.js"
import { FieldSlots, type FieldValue, type SeenEvent } from "./seen-event.js"
import { normalEventOf, pageOf, type StandInLeaf, seenEvent } from "./stand-in-events.js"

const RECEIVED_MS = Date.UTC(2026, 2, 1, 12, 0, 1)

/** An event with a value in every field. */
const FULL: Readonly<Record<string, unknown>> = {
  timestamp: "2026-03-01T12:00:00.123456Z",
  user_id: "Ünï😀",
  action: "document.read",
  resource_accessed: "x".repeat(2048),
  result: "denied",
  ip_address: "2001:db8::1",
  source_address: "AWS Internal",
  ip_chain: ["1.2.3.4", ""],
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
  user_agent: "curl/8",
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
  tags: ["a", "B"],
  attributes: { n: 1.5, deep: { list: [1, "two", true] } },
  raw: '{"eventName":"X"}',
}

function slotsOf(...names: string[]): FieldSlots {
  const slots = new FieldSlots()
  for (const name of names) slots.slotOf(name)
  return slots
}

function valuesOf(event: SeenEvent, slots: FieldSlots): Record<string, FieldValue | undefined> {
  return Object.fromEntries(slots.names().map((name, slot) => [name, event.value(slot)]))
}

/** Both ways to see an event: out of a page, and by itself. */
const WAYS: [
  string,
  (fields: Readonly<Record<string, unknown>>, slots: FieldSlots, enrich?: Enrich) => SeenEvent,
][] = [
  ["of a page", (fields, slots, enrich) => onlyOf(new EventReader(slots, enrich), [leafOf(fields)])],
  ["by itself", (fields, slots, enrich) => seenEvent(fields, slots, enrich === undefined ? {} : { enrich })],
]

function leafOf(fields: Readonly<Record<string, unknown>>): StandInLeaf {
  return { event: normalEventOf(fields), receivedMs: RECEIVED_MS }
}

function onlyOf(reader: EventReader, leaves: readonly StandInLeaf[]): SeenEvent {
  const [event, other] = [...reader.eventsOf(pageOf(leaves))]
  if (event === undefined || other !== undefined) throw new Error("not one event")
  return event
}

describe.each(WAYS)("an event %s", (_, see) => {
  it("says what its record says, in every field", () => {
    const slots = slotsOf(...FIELD_NAMES, "class")
    const { timestamp, attributes, ...plain } = FULL
    expect(valuesOf(see(FULL, slots), slots)).toEqual({
      ...plain,
      timestamp: formatTimestamp(Date.parse("2026-03-01T12:00:00Z") * 1000 + 123_456),
      attributes: JSON.stringify({ n: 1.5, deep: { list: [1, "two", true] } }),
      event_id: "event1",
      source: "test",
      source_key_id: "key1",
      class: _ === "of a page" ? "routine" : undefined,
    })
    expect(timestamp).toBe("2026-03-01T12:00:00.123456Z")
    expect(attributes).toBeDefined()
  })

  it("has nothing where its record has nothing, or no such name", () => {
    const slots = slotsOf(
      ...FIELD_NAMES,
      "country",
      "attributes.a",
      "raw.a",
      "nobody",
      "class.x",
      "cloudtrail.a",
    )
    const event = see({}, slots)
    const said = [
      "timestamp",
      "user_id",
      "action",
      "resource_accessed",
      "result",
      "event_id",
      "source",
      "source_key_id",
    ]
    const present = slots.names().filter((_, slot) => event.value(slot) !== undefined)
    expect(present.sort()).toEqual(said.sort())
    expect(slots.names().every((name, slot) => said.includes(name) || event.folded(slot) === undefined)).toBe(
      true,
    )
  })

  it("is compared in lower case, numbers and truths as text", () => {
    const slots = slotsOf("user_id", "http_status", "mfa", "tags")
    expect([0, 1, 2, 3].map((slot) => see(FULL, slots).folded(slot))).toEqual([
      "ünï😀",
      "403",
      "false",
      ["a", "b"],
    ])
  })

  it("is searched for words in raw, or else in all it says", () => {
    expect(see(FULL, slotsOf()).texts()).toEqual(['{"eventName":"X"}'])
    expect(see(FULL, slotsOf()).foldedTexts()).toEqual(['{"eventname":"x"}'])
    const { raw: _raw, ...rest } = FULL
    const texts = see(rest, slotsOf()).texts()
    for (const text of ["Ünï😀", "403", "0.125", "B", "two", "1.5", "event1"]) expect(texts).toContain(text)
    expect(texts).not.toContain("deep")
  })

  it("is enriched by what is asked, once, and only then", () => {
    const asked: unknown[] = []
    const enrich: Enrich = (ip, userAgent) => {
      asked.push([ip, userAgent])
      return ip === undefined
        ? { browser: "curl", os: "Linux" }
        : { country: "PT", asn: 3243, latitude: 38.7, longitude: -9.1 }
    }
    const slots = slotsOf(
      "country",
      "asn",
      "as_organization",
      "latitude",
      "longitude",
      "browser",
      "os",
      "user_id",
    )
    const event = see(FULL, slots, enrich)
    event.value(7)
    expect(asked).toEqual([])
    expect([0, 1, 2, 3, 4].map((slot) => event.value(slot))).toEqual(["PT", 3243, undefined, 38.7, -9.1])
    expect(asked).toEqual([["2001:db8::1", undefined]])
    expect([5, 6, 5].map((slot) => event.value(slot))).toEqual(["curl", "Linux", "curl"])
    expect(asked).toEqual([
      ["2001:db8::1", undefined],
      [undefined, "curl/8"],
    ])
    expect(see({}, slots, enrich).value(0)).toBe(undefined)
    expect(asked.length).toBe(2)
  })

  it.each([
    ["attributes.n", 1.5],
    ["attributes.deep.list", ["1", "two", "true"]],
    ["attributes.deep", '{"list":[1,"two",true]}'],
    ["attributes.deep.nobody", undefined],
    ["attributes.n.more", undefined],
    ["raw.eventName", "X"],
    ["raw.toString", undefined],
    ["raw.__proto__", undefined],
    ["cloudtrail.eventName", undefined],
  ])("has %s: %o", (name, expected) => {
    expect(see(FULL, slotsOf(name)).value(0)).toEqual(expected)
  })

  it.each([
    ["a list is gone into", { items: [{ n: "a" }, { n: "b" }, {}, 5] }, "raw.items.n", ["a", "b"]],
    ["of a list of lists, all", { items: [{ n: ["a", "b"] }, { n: "c" }] }, "raw.items.n", ["a", "b", "c"]],
    ["objects in a list are JSON", { items: [{ n: 1 }, null, true] }, "raw.items", ['{"n":1}', "true"]],
    ["null is nothing", { a: null }, "raw.a", undefined],
    ["an empty text is one", { a: "" }, "raw.a", ""],
    ["an empty list is one", { a: [] }, "raw.a", []],
    ["a list of what has nothing is nothing", { a: [{}, {}] }, "raw.a.b", undefined],
    [
      "names have dots",
      { annotations: { "k8s.io/decision": "allow" } },
      "raw.annotations.k8s.io/decision",
      "allow",
    ],
    ["a name with dots goes on", { "a.b": { c: 1 } }, "raw.a.b.c", 1],
    ["JSON in a text is gone into", { a: '{"b":[{"c":1}]}' }, "raw.a.b.c", ["1"]],
    ["and is a text where the way ends", { a: '{"b":1}' }, "raw.a", '{"b":1}'],
    ["what only looks like JSON is none", { a: "{b" }, "raw.a.b", undefined],
    ["large integers are numbers", JSON.parse('{"a": 12345678901234567890}'), "raw.a", 12345678901234567000],
  ])("in raw, %s", (_why, raw, name, expected) => {
    expect(see({ raw: JSON.stringify(raw) }, slotsOf(name)).value(0)).toEqual(expected)
  })

  it("takes at most 256 items of a list", () => {
    const raw = JSON.stringify({ a: Array.from({ length: 400 }, (_unused, b) => ({ b })) })
    const slots = slotsOf("raw.a.b", "raw.a")
    const event = see({ raw }, slots)
    expect([0, 1].map((slot) => (event.value(slot) as string[]).length)).toEqual([256, 256])
  })

  it("of web requests has the whole address, and looks in it for the query", () => {
    const slots = slotsOf("webserver.uri", "webserver.query")
    const values = (fields: Readonly<Record<string, unknown>>) =>
      Object.values(valuesOf(see(fields, slots), slots))
    expect(values({ http_path: "/a", http_query: "b=c" })).toEqual(["/a?b=c", ["b=c", "/a?b=c"]])
    expect(values({ http_path: "/a" })).toEqual(["/a", "/a"])
    expect(values({ http_query: "b" })).toEqual(["?b", ["b", "?b"]])
    expect(values({})).toEqual([undefined, undefined])
  })

  it("never throws, whatever raw and attributes are", () => {
    const slots = slotsOf(
      "raw.a.b",
      "raw.a",
      "attributes.a.b",
      "cloudtrail.eventName",
      "kubernetes.verb",
      "raw",
    )
    const json = fc.json({ maxDepth: 4 })
    const raw = fc.oneof(
      fc.string({ maxLength: 30 }),
      json,
      json.map((text) => `{"a":${text}}`),
      json.map((text) => JSON.stringify({ a: { b: text } })),
    )
    fc.assert(
      fc.property(raw, (text) => {
        const event = see({ raw: text.slice(0, 60_000) }, slots)
        for (const slot of slots.names().keys()) {
          event.value(slot)
          event.folded(slot)
        }
        event.foldedTexts()
      }),
    )
    for (const text of [
      "[".repeat(60_000),
      `${'{"a":'.repeat(10_000)}1`,
      `{"a":${"[".repeat(60)}${"]".repeat(60)}}`,
      '{"a":"\\ud800"}',
    ]) {
      expect(() => see({ raw: text }, slots).value(0)).not.toThrow()
      expect(() => see({ raw: text }, slots).value(1)).not.toThrow()
    }
  })
})

describe("a page", () => {
  const leaves: StandInLeaf[] = [
    { event: undefined, receivedMs: RECEIVED_MS },
    { event: normalEventOf({ user_id: "ada" }), receivedMs: RECEIVED_MS + 1, className: "a".repeat(32) },
    { event: null, receivedMs: RECEIVED_MS + 2 },
    { event: normalEventOf({ user_id: "bob" }), receivedMs: RECEIVED_MS + 3, className: "x" },
    { event: normalEventOf({ user_id: "cleo" }), receivedMs: RECEIVED_MS + 4, className: "b".repeat(23) },
  ]
  const slots = slotsOf("user_id", "class")
  const read = (page: Leaves, from?: number) =>
    [...new EventReader(slots).eventsOf(page, from)].map((event) => [
      event.leafIndex,
      event.receivedMs - RECEIVED_MS,
      event.value(0),
      event.value(1),
    ])

  it("has the events of its leaves, and passes over what is none and what was destroyed", () => {
    const expected = [
      [101, 1, "ada", "a".repeat(32)],
      [103, 3, "bob", "x"],
      [104, 4, "cleo", "b".repeat(23)],
    ]
    expect(read(pageOf(leaves, 100))).toEqual(expected)
    expect(read(pageOf(leaves, 100), 103)).toEqual(expected.slice(1))
    expect(read(pageOf(leaves, 100), 105)).toEqual([])
  })

  it("has no events of leaves of another type, whatever their records are", () => {
    const [none, some] = [pageOf(leaves.slice(0, 1)), pageOf(leaves.slice(1, 2))]
    expect(read({ ...none, records: some.records })).toEqual([])
  })

  it("may have leaves that do not follow each other", () => {
    const page = { ...pageOf(leaves), leafIndices: [3, 7, 8, 20, 21] }
    expect(read(page).map(([leaf]) => leaf)).toEqual([7, 20, 21])
  })

  it("hands out events that stay right when the next one is read", () => {
    const events = [...new EventReader(slots).eventsOf(pageOf(leaves))]
    expect(events.map((event) => event.value(0))).toEqual(["ada", "bob", "cleo"])
    expect(events.map((event) => event.timestampMs)).toEqual(Array(3).fill(Date.UTC(2026, 2, 1, 12)))
    expect(events.reverse().map((event) => event.texts().includes("event1"))).toEqual([true, true, true])
  })

  it.each([
    [
      "too short a record",
      (page: Leaves) => ({ ...page, records: page.records.subarray(0, -1) }),
      "cut short",
    ],
    ["a missing length", (page: Leaves) => ({ ...page, entries: page.entries.subarray(0, 1) }), "cut short"],
    ["nothing", (page: Leaves) => ({ ...page, entries: new Uint8Array(0) }), "cut short"],
    ["more than it says", (page: Leaves) => ({ ...page, count: page.count - 1 }), "more than"],
  ])("is refused with %s", (_, change, message) => {
    expect(() => read(change(pageOf(leaves)))).toThrow(message)
  })
})
