import { normalizeEvent } from "@prooflog/event/event"
import { sealRecord } from "@prooflog/event/record"
import type { AccessEvent } from "@prooflog/event/schema"
import { describe, expect, it } from "vitest"
import { saysTheSame } from "./same-content.js"

const EVENT = {
  timestamp: "2023-10-21T15:32:00Z",
  user_id: "U12345",
  resource_accessed: "/secure-data",
  result: "success",
  event_id: "e",
  attributes: { a: 1, b: [true, "x"] },
} as const

function record(changes: object = {}, keyId = "k1", seed = 1): Uint8Array {
  const event = { ...EVENT, ...changes } as unknown as AccessEvent
  return sealRecord(
    normalizeEvent(event, { source: "api", source_key_id: keyId }),
    new Uint8Array(32).fill(seed),
  ).record
}

describe("two records say the same", () => {
  it.each([
    ["although their seeds differ", {}, "k1"],
    ["although the writer's key was replaced", {}, "k2"],
    ["when a time is given as a number", { timestamp: 1_697_902_320_000 }, "k1"],
    ["when the default action is said", { action: "access" }, "k1"],
    ["when a member is null", { reason: null }, "k1"],
    ["in another order of keys", { attributes: { b: [true, "x"], a: 1 } }, "k1"],
  ])("%s", (_, changes, keyId) => {
    expect(saysTheSame(record(), record(changes, keyId, 2))).toBe(true)
  })

  it.each([
    ["a core value", { result: "denied" }],
    ["a field", { user_id: "U2" }],
    ["a field more", { ip_address: "1.2.3.4" }],
    ["a value deep inside", { attributes: { a: 1, b: [true, "y"] } }],
  ])("unless they differ in %s", (_, changes) => {
    expect(saysTheSame(record(), record(changes))).toBe(false)
  })

  it("unless the stored one is none: that is not told from its end alone", () => {
    for (const at of [0, 1, 2, 3]) {
      const damaged = record().slice()
      damaged[at] = 0xff
      expect(() => saysTheSame(damaged, record())).toThrow(expect.objectContaining({ name: "EventError" }))
    }
    expect(() => saysTheSame(new Uint8Array(), record())).toThrow()
  })
})
