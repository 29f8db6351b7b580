import { randomFillSync } from "node:crypto"
import { encodeCbor } from "@prooflog/event/cbor"
import { decodeEntry } from "@prooflog/event/entry"
import { openRecord, SeedPool } from "@prooflog/event/record"
import { repeatId } from "@prooflog/event/repeat"
import { describe, expect, it } from "vitest"
import { checkRecord } from "./check-record.js"
import { classesOf } from "./class-of.js"
import { unpack } from "./packed.js"
import { type Body, type Prepared, prepare } from "./prepare.js"

const EVENT = { timestamp: "2023-10-21T15:32:00Z", user_id: "U1", resource_accessed: "/x", result: "success" }

const OPTIONS = {
  classOf: classesOf({ rules: [], default: "routine" }),
  seeds: new SeedPool((bytes) => void randomFillSync(bytes)),
}

function body(value: unknown, changes: Partial<Body> = {}): Body {
  return {
    bytes: Buffer.from(JSON.stringify(value)),
    mediaType: "application/json",
    source: "billing",
    keyId: "0a1b2c3d",
    nowMs: Date.parse("2026-03-01T12:00:00Z"),
    ...changes,
  }
}

function prepared(value: unknown, changes?: Partial<Body>): Prepared {
  const got = prepare(body(value, changes), OPTIONS)
  if ("refused" in got) throw new Error(JSON.stringify(got.refused))
  return got
}

describe("preparing events", () => {
  it("gives entries and records that belong together, in order", () => {
    const users = Array.from({ length: 600 }, (_, i) => `U${i}`)
    const { many, entries, records, count, results } = prepared(
      users.map((user_id) => ({ ...EVENT, user_id })),
    )
    expect({ many, count, results: results.length }).toEqual({ many: true, count: 600, results: 600 })
    const opened = unpack(records)
    for (const [i, entry] of unpack(entries).entries()) {
      checkRecord(entry, opened[i] as Uint8Array)
      const { fields, core } = openRecord(opened[i] as Uint8Array)
      expect(Object.fromEntries(fields).user_id).toBe(`U${i}`)
      expect(Object.fromEntries(core)).toMatchObject({
        source: "billing",
        source_key_id: "0a1b2c3d",
        event_id: results[i],
      })
    }
  })

  it("never uses a seed twice", () => {
    const { records } = prepared(Array.from({ length: 5_000 }, () => EVENT))
    const seeds = unpack(records).map((record) => Buffer.from(openRecord(record).seed).toString("hex"))
    expect(new Set(seeds).size).toBe(5_000)
  })

  it("keeps the place of what it refuses among the results, not among the prepared", () => {
    const lines = [EVENT, { ...EVENT, result: "ok" }, EVENT].map((event) => JSON.stringify(event))
    const bytes = Buffer.from([lines[0], "{", lines[1], lines[2]].join("\n"))
    const { count, results, records } = prepared(0, { bytes, mediaType: "application/x-ndjson" })
    expect(count).toBe(2)
    expect(unpack(records)).toHaveLength(2)
    expect(results).toMatchObject(
      [/-7/, { code: "malformed_json", line: 2 }, { code: "bad_format", pointer: "/result" }, /-7/].map(
        (wanted) => (wanted instanceof RegExp ? expect.stringMatching(wanted) : wanted),
      ),
    )
  })

  it("recognises repeats only of ids that a producer gave", () => {
    const { ids, results } = prepared([EVENT, { ...EVENT, event_id: "e-1" }, { ...EVENT, event_id: null }])
    expect(ids).toEqual([undefined, repeatId("billing", "e-1"), undefined])
    expect(results[1]).toBe("e-1")
  })

  it("gives events without an id one that tells when they came", () => {
    const { results } = prepared(EVENT)
    const [id] = results as readonly string[]
    expect(Number.parseInt((id as string).replace("-", "").slice(0, 12), 16)).toBe(body(0).nowMs)
  })

  it("gives the schedule's default class, and audit to events about the log itself", () => {
    for (const [source, className] of [
      ["billing", "routine"],
      ["prooflog", "audit"],
    ] as const) {
      const { entries } = prepared(EVENT, { source })
      expect(decodeEntry(unpack(entries)[0] as Uint8Array)).toMatchObject({ type: "event", className })
    }
  })

  it("takes an event that fills its record, and refuses one that does not fit", () => {
    const { records } = prepared({ ...EVENT, raw: "x".repeat(64_000) })
    expect(records.length).toBeGreaterThan(64_000)
    const { results } = prepared({ ...EVENT, raw: "x".repeat(65_000) })
    expect(results).toMatchObject([{ code: "event_too_large" }])
  })

  it("reads CBOR as it reads JSON", () => {
    const { results, many } = prepared(0, {
      bytes: encodeCbor([{ ...EVENT, event_id: "c" }]),
      mediaType: "application/cbor",
    })
    expect({ many, results }).toEqual({ many: true, results: ["c"] })
  })

  it("says why a body could not be read at all", () => {
    expect(prepare(body(0, { mediaType: "text/plain" }), OPTIONS)).toMatchObject({
      refused: { code: "SERVER_UNSUPPORTED_MEDIA_TYPE" },
    })
    expect(prepare(body(0, { bytes: Buffer.from("[1") }), OPTIONS)).toMatchObject({
      refused: { code: "malformed_json", line: 1 },
    })
  })
})
