import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { arbitraryEvent } from "./arbitrary.js"
import { compareEncodedText } from "./cbor-writer.js"
import { CORE_NAMES } from "./core-names.js"
import { normalizeEvent } from "./event.js"
import { type AccessEvent, AccessEventSchema, FIELDS, SERVER_NAMES } from "./schema.js"

const EVENT: AccessEvent = {
  timestamp: "2023-10-21T15:32:00Z",
  user_id: "U12345",
  resource_accessed: "/secure-data",
  result: "success",
}
const ADDED = { source: "api", source_key_id: "k_01", event_id: "e1" }

const membersOf = (event: AccessEvent, added = ADDED) => {
  const { core, fields } = normalizeEvent(event, added)
  return Object.fromEntries([...core, ...fields])
}

describe("a normalised event", () => {
  test("adds what the server knows and nothing else", () => {
    expect(membersOf(EVENT)).toEqual({
      ...EVENT,
      timestamp: 1697902320000000,
      action: "access",
      event_id: "e1",
      source: "api",
      source_key_id: "k_01",
    })
  })

  test("keeps the producer's own action and event_id", () => {
    const said = membersOf({ ...EVENT, action: "document.read", event_id: "mine" })
    expect(said).toMatchObject({ action: "document.read", event_id: "mine" })
  })

  test("has one form for one meaning", () => {
    expect(membersOf({ ...EVENT, timestamp: 1697902320000 })).toEqual(membersOf(EVENT))
    expect(membersOf({ ...EVENT, timestamp: "2023-10-21T17:32:00.000+02:00" })).toEqual(membersOf(EVENT))
    expect(membersOf({ ...EVENT, ip_address: "2001:DB8::0:1" }).ip_address).toBe("2001:db8::1")
    expect(Object.is(membersOf({ ...EVENT, duration_ms: -0 }).duration_ms, 0)).toBe(true)
    const nulls = { ...EVENT, user_name: null, action: null, event_id: undefined } as unknown as AccessEvent
    expect(membersOf(nulls)).toEqual(membersOf(EVENT))
  })

  test.each([
    ["an unknown name", { colour: "red" }],
    ["a name of the server", { source: "other" }],
    ["another name of the server", { source_key_id: "k_02" }],
    ["a bad timestamp", { timestamp: "yesterday" }],
    ["a timestamp past the safe integers", { timestamp: "9999-01-01T00:00:00Z" }],
    ["a bad address", { ip_address: "localhost" }],
  ])("refuses %s", (_, change) => {
    const event = { ...EVENT, ...change } as AccessEvent
    expect(() => normalizeEvent(event, ADDED)).toThrow(
      expect.objectContaining({ code: "EVENT_INVALID_EVENT" }),
    )
    expect(membersOf(EVENT).event_id).toBe("e1")
  })

  test("refuses a caller that gives no event_id, or no plain source", () => {
    expect(() => normalizeEvent(EVENT, { source: "api", source_key_id: "k" })).toThrow(TypeError)
    for (const source of ["", "a b", "a\0", "é", "x".repeat(129)]) {
      expect(() => normalizeEvent(EVENT, { ...ADDED, source })).toThrow(RangeError)
      expect(() => normalizeEvent(EVENT, { ...ADDED, source_key_id: source })).toThrow(RangeError)
    }
  })

  test("is sorted and parted, whatever the order of the members", () => {
    const ascending = (names: string[]) => [...names].sort(compareEncodedText)
    fc.assert(
      fc.property(arbitraryEvent, fc.infiniteStream(fc.nat()), (event, random) => {
        const { core, fields } = normalizeEvent(event, ADDED)
        const coreNames = core.map(([name]) => name)
        const fieldNames = fields.map(([name]) => name)
        expect(coreNames).toEqual(ascending(coreNames))
        expect(fieldNames).toEqual(ascending(fieldNames))
        expect(coreNames.every((name) => (CORE_NAMES as readonly string[]).includes(name))).toBe(true)
        expect(fieldNames.some((name) => (CORE_NAMES as readonly string[]).includes(name))).toBe(false)
        const keys = Object.entries(event).map((entry) => ({ entry, key: random.next().value }))
        const shuffled = Object.fromEntries(keys.sort((a, b) => a.key - b.key).map(({ entry }) => entry))
        expect(normalizeEvent(shuffled as AccessEvent, ADDED)).toEqual({ core, fields })
      }),
    )
  })
})

describe("the schema", () => {
  test("describes every field, and has every core name", () => {
    const described = Object.values(AccessEventSchema.properties).map(
      (property) => (property as { description?: string }).description ?? "",
    )
    expect(described.filter((words) => !/^[\w`].*\.$/.test(words))).toEqual([])
    const core = FIELDS.filter((field) => field.core).map((field) => field.name)
    expect(core.sort()).toEqual([...CORE_NAMES].sort())
    expect(FIELDS.filter((field) => field.core && field.personal)).toEqual([])
    expect(
      FIELDS.filter((field) => field.setBy === "server").every((field) => SERVER_NAMES.has(field.name)),
    ).toBe(true)
    expect(FIELDS.every((field) => /^[a-z][a-z0-9_]{0,63}$/.test(field.name))).toBe(true)
    const said = FIELDS.filter((field) => field.setBy === "producer").map((field) => field.name)
    expect(said).toEqual(Object.keys(AccessEventSchema.properties))
    expect(FIELDS.length).toBe(44 + 2)
  })
})
