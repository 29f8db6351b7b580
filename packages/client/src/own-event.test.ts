import { normalizeEvent } from "@prooflog/event/event"
import type { AccessEvent } from "@prooflog/event/schema"
import type { VerifiedEvent } from "@prooflog/verifier/verify-evidence"
import { describe, expect, it } from "vitest"
import { checkOwnEvent } from "./own-event.js"

const SENT = {
  event_id: "01891a2b-0000-7000-8000-000000000001",
  timestamp: "2023-10-21T15:32:00Z",
  user_id: "U12345",
  resource_accessed: "/secure-data",
  result: "denied",
  ip_address: "2001:DB8:0:0::1",
  duration_ms: 1.5,
  tags: ["a", "b"],
  attributes: { list: [1, { deep: true }], zero: -0 },
} as const
const LINE = JSON.stringify(SENT)
const ADDED = { source: "api", source_key_id: "1f0c22ab" }

/** What an honest log shows of the event, with these members changed; `undefined` takes one away. */
function logged(changes: Record<string, unknown> = {}): VerifiedEvent {
  const { core, fields } = normalizeEvent(JSON.parse(LINE) as AccessEvent, ADDED)
  const inCore = new Set(core.map(([name]) => name))
  const all = Object.entries({ ...Object.fromEntries([...core, ...fields]), ...changes }).filter(
    ([, value]) => value !== undefined,
  )
  const event = {
    core: Object.fromEntries(all.filter(([name]) => inCore.has(name))),
    fields: Object.fromEntries(all.filter(([name]) => !inCore.has(name))),
    withheld: [],
  }
  return event as unknown as VerifiedEvent
}

describe("checkOwnEvent", () => {
  it("accepts what was sent, however it was spelled, with source, key and action added", () => {
    checkOwnEvent(LINE, logged(), {})
    checkOwnEvent(LINE, logged(), { source: "api", keyId: "1f0c22ab" })
    expect(logged().core.action).toBe("access")
  })

  it.each(Object.keys(SENT))("catches a changed, a missing and a withheld %s", (name) => {
    const other =
      name === "timestamp" ? 1 : name === "duration_ms" ? 1.25 : name === "tags" ? ["b", "a"] : "other"
    for (const value of [other, undefined]) {
      expect(() => checkOwnEvent(LINE, logged({ [name]: value }), {})).toThrow(
        expect.objectContaining({ code: "CLIENT_EVENT_CHANGED", message: expect.stringContaining(name) }),
      )
    }
  })

  it.each([
    ["a field nobody sent", { user_name: "Eve" }, {}],
    ["an activity nobody sent", { activity: "read" }, {}],
    ["a category the schema would assume", { category: "api" }, {}],
    ["another action", { action: "http.GET" }, {}],
    ["a microsecond", { timestamp: 1697902320000001 }, {}],
    ["a truth for a one", { attributes: { list: [true, { deep: true }], zero: 0 } }, {}],
    ["a nested value", { attributes: { list: [1, { deep: false }], zero: 0 } }, {}],
    ["another source", {}, { source: "web" }],
    ["another key", {}, { keyId: "00000000" }],
    ["no source", { source: undefined }, {}],
    ["a source that is no text", { source: 7 }, {}],
    ["a source no server can have", { source: "" }, {}],
    ["no key", { source_key_id: undefined }, {}],
  ])("catches %s", (_why, changes, sender) => {
    expect(() => checkOwnEvent(LINE, logged(changes), sender)).toThrow(
      expect.objectContaining({ code: "CLIENT_EVENT_CHANGED" }),
    )
  })

  it("catches a field nobody sent, though its value is withheld", () => {
    expect(() => checkOwnEvent(LINE, { ...logged(), withheld: ["user_name"] }, {})).toThrow(
      expect.objectContaining({ message: expect.stringMatching(/: user_name$/) }),
    )
  })

  it.each(["toString", "constructor", "__proto__"])("catches an added %s by its name", (name) => {
    const { core, fields, ...rest } = logged()
    const event = { ...rest, core, fields: Object.fromEntries([...Object.entries(fields), [name, 1]]) }
    expect(() => checkOwnEvent(LINE, event as VerifiedEvent, {})).toThrow(
      expect.objectContaining({ code: "CLIENT_EVENT_CHANGED", message: expect.stringContaining(name) }),
    )
  })

  it("never repeats a value", () => {
    try {
      checkOwnEvent(LINE, logged({ user_id: "Eve" }), {})
      expect.unreachable()
    } catch (error) {
      expect((error as Error).message).not.toMatch(/Eve|U12345/)
    }
  })
})
