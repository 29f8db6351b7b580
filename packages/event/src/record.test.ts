import { leafHash } from "@prooflog/tlog/hash"
import { decodeHex, encodeHex } from "@prooflog/tlog/base64"
import { describe, expect, test } from "vitest"
import { encodeEventEntry, stampEntryTime } from "./entry.js"
import { normalizeEvent } from "./event.js"
import { commitmentOf, openRecord, sealRecord } from "./record.js"

const SEED = Uint8Array.from({ length: 32 }, (_, i) => i)

const EVENT = {
  timestamp: "2023-10-21T15:32:00Z",
  user_id: "U12345",
  resource_accessed: "/secure-data",
  result: "success",
  ip_address: "192.168.1.10",
} as const

const ADDED = { source: "api", source_key_id: "k_01", event_id: "01891a2b-0000-7000-8000-000000000001" }

describe("the worked example", () => {
  const normal = normalizeEvent(EVENT, ADDED)
  const { record, commitment } = sealRecord(normal, SEED)

  test("has its names in order", () => {
    expect(normal.core.map(([name]) => name).join(" ")).toBe("action result source event_id timestamp source_key_id")
    expect(normal.fields.map(([name]) => name).join(" ")).toBe("user_id ip_address resource_accessed")
  })

  test("reproduces to the byte", () => {
    expect(record.length).toBe(242)
    expect(encodeHex(commitment)).toBe("5e9f26e3064393ca59717110a7db083d2bc442fa6aec15c19d32f4a4732d1e4a")
    const entry = encodeEventEntry("routine", commitment)
    stampEntryTime(entry, 0, 1697902321123)
    expect(encodeHex(entry)).toBe(`84011b0000018b52dd5de367726f7574696e655820${encodeHex(commitment)}`)
    expect(encodeHex(leafHash(entry))).toBe("b29294ac539028471be47e46544bf5950d8085032251e6f53235d5e07c10fc50")
  })

  test("opens again", () => {
    expect(openRecord(record)).toEqual({ seed: SEED, core: normal.core, fields: normal.fields })
    expect(commitmentOf(record)).toEqual(commitment)
  })
})
