import { randomFillSync } from "node:crypto"
import { decodeEntry } from "@prooflog/event/entry"
import { EventError } from "@prooflog/event/error"
import { openRecord, SeedPool } from "@prooflog/event/record"
import { repeatId } from "@prooflog/event/repeat"
import { DEFAULT_SCHEDULE } from "@prooflog/event/schedule"
import { describe, expect, it } from "vitest"
import { checkRecord } from "./check-record.js"
import { classesOf } from "./class-of.js"
import { unpack } from "./packed.js"
import { prepare } from "./prepare.js"

const EVENT = { timestamp: "2023-10-21T15:32:00Z", user_id: "U1", resource_accessed: "/x", result: "success" }

const OPTIONS = {
  caller: { keyId: "0a1b2c3d", roles: ["writer"], source: "billing" },
  classOf: classesOf(DEFAULT_SCHEDULE),
  seeds: new SeedPool((bytes) => void randomFillSync(bytes)),
  nowMs: Date.parse("2026-03-01T12:00:00Z"),
} as const

describe("preparing events", () => {
  it("gives entries and records that belong together, in order", async () => {
    const users = Array.from({ length: 600 }, (_, i) => `U${i}`)
    const { entries, records, count, results } = await prepare(
      users.map((user_id) => ({ ...EVENT, user_id })),
      OPTIONS,
    )
    expect(count).toBe(600)
    expect(results.map((result) => "place" in result && result.place)).toEqual(users.map((_, i) => i))
    const opened = unpack(records)
    for (const [i, entry] of unpack(entries).entries()) {
      checkRecord(entry, opened[i] as Uint8Array)
      const { fields, core } = openRecord(opened[i] as Uint8Array)
      expect(Object.fromEntries(fields).user_id).toBe(`U${i}`)
      expect(Object.fromEntries(core)).toMatchObject({ source: "billing", source_key_id: "0a1b2c3d" })
    }
  })

  it("never uses a seed twice", async () => {
    const { records } = await prepare(
      Array.from({ length: 5_000 }, () => EVENT),
      OPTIONS,
    )
    const seeds = unpack(records).map((record) => Buffer.from(openRecord(record).seed).toString("hex"))
    expect(new Set(seeds).size).toBe(5_000)
  })

  it("keeps the place of what it refuses among the results, not among the prepared", async () => {
    const unreadable = new EventError("EVENT_MALFORMED_JSON", "no JSON", { line: 2 })
    const { count, results } = await prepare([EVENT, unreadable, { ...EVENT, result: "ok" }, EVENT], OPTIONS)
    expect(count).toBe(2)
    expect(results).toMatchObject([
      { place: 0 },
      { refused: unreadable },
      { refused: { code: "SERVER_REFUSED_EVENT" } },
      { place: 1 },
    ])
  })

  it("recognises repeats only of ids that a producer gave", async () => {
    const { ids, results } = await prepare(
      [EVENT, { ...EVENT, event_id: "e-1" }, { ...EVENT, event_id: null }],
      OPTIONS,
    )
    expect(ids).toEqual([undefined, repeatId("billing", "e-1"), undefined])
    expect(results).toMatchObject([{ eventId: expect.stringMatching(/-7/) }, { eventId: "e-1" }, {}])
  })

  it("gives the schedule's default class, and audit to events about the log itself", async () => {
    const own = { ...OPTIONS, caller: { ...OPTIONS.caller, source: "prooflog" } }
    for (const [options, className] of [
      [OPTIONS, "routine"],
      [own, "audit"],
    ] as const) {
      const { entries } = await prepare([EVENT], options)
      expect(decodeEntry(unpack(entries)[0] as Uint8Array)).toMatchObject({ type: "event", className })
    }
  })

  it("lets others have their turn", async () => {
    let turns = 0
    let done = false
    const count = () => {
      turns++
      if (!done) setImmediate(count)
    }
    setImmediate(count)
    await prepare(
      Array.from({ length: 2_560 }, () => EVENT),
      OPTIONS,
    )
    done = true
    expect(turns).toBeGreaterThanOrEqual(9)
  })
})
