import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { EventError } from "../error.js"
import { checkEvent } from "../validate.js"
import { parseCloudTrail } from "./cloudtrail.js"
import { parseCombined } from "./combined.js"
import { parseKubernetesAudit } from "./k8s.js"
import { parseNdjson } from "./ndjson.js"

const NOW = Date.UTC(2026, 0, 1)

const LINE =
  '203.0.113.7 - ada [20/Feb/2016:00:00:45 -0500] "GET /a/b?c=d HTTP/1.1" 200 187 "https://example.org/" "curl/8.5"'

const RECORD = {
  eventTime: "2023-07-10T11:42:36Z",
  eventSource: "s3.amazonaws.com",
  eventName: "GetObject",
  eventID: "e",
}

const AUDIT = {
  auditID: "a",
  stage: "ResponseComplete",
  verb: "get",
  requestURI: "/healthz",
  user: { username: "ada" },
  stageTimestamp: "2024-05-01T10:00:00Z",
}

/** Text with whatever a string of JavaScript can hold, lone surrogates included. */
const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.array(fc.integer({ min: 0xd700, max: 0xe000 })).map(toText),
)

function toText(units: readonly number[]): string {
  return String.fromCharCode(...units)
}

/** Members that the mappings look at, with values that no honest source would give them. */
function strangeMembers(names: readonly string[]): fc.Arbitrary<Record<string, unknown>> {
  const value = fc.oneof(
    { maxDepth: 4 },
    anyText,
    fc.jsonValue({ maxDepth: 8 }),
    fc.constantFrom("x".repeat(9000), "語".repeat(9000), "😀".repeat(9000)),
  )
  return fc.dictionary(fc.oneof(fc.constantFrom(...names), anyText), value, { maxKeys: 8 })
}

/** An identifier that is there, and that is all that is known of it. */
const strangeId = anyText.map((text) => text || "e")

/** Returns the event, or `undefined` if it was refused as a mapping refuses. */
function mapped<T>(map: () => T): T | undefined {
  try {
    return map()
  } catch (error) {
    expect(error).toBeInstanceOf(EventError)
    return undefined
  }
}

describe("whatever it is given", () => {
  it("a mapping gives an event or refuses", () => {
    fc.assert(
      fc.property(fc.oneof(anyText, fc.jsonValue()), (value) => {
        const line = typeof value === "string" ? value : JSON.stringify(value)
        mapped(() => parseCombined(line))
        mapped(() => parseNdjson(line))
        mapped(() => parseCloudTrail(value))
        mapped(() => parseKubernetesAudit(value))
      }),
      { numRuns: 500 },
    )
  })

  it("a line with one piece replaced gives a valid event or is refused with its column", () => {
    fc.assert(
      fc.property(fc.nat(LINE.length), fc.nat(8), fc.string({ unit: "grapheme" }), (at, length, piece) => {
        const line = LINE.slice(0, at) + piece + LINE.slice(at + length)
        try {
          expect(checkEvent(parseCombined(line), NOW)).toEqual([])
        } catch (error) {
          if (!(error instanceof EventError)) throw error
          expect(error.column).toBeGreaterThan(0)
          expect(error.column).toBeLessThanOrEqual(line.length + 1)
        }
      }),
      { numRuns: 3000 },
    )
  })

  it("a CloudTrail record with strange members gives a valid event", () => {
    const names = [
      "userIdentity",
      "sourceIPAddress",
      "userAgent",
      "requestParameters",
      "resources",
      "errorCode",
      "errorMessage",
    ]
    fc.assert(
      fc.property(strangeMembers(names), strangeId, (members, eventID) => {
        expect(checkEvent(parseCloudTrail({ ...members, ...RECORD, eventID }), NOW)).toEqual([])
      }),
      { numRuns: 500 },
    )
  })

  it("a Kubernetes audit event with strange members gives a valid event", () => {
    const names = [
      "sourceIPs",
      "userAgent",
      "objectRef",
      "responseStatus",
      "annotations",
      "requestObject",
      "impersonatedUser",
    ]
    fc.assert(
      fc.property(strangeMembers(names), strangeId, (members, auditID) => {
        expect(checkEvent(parseKubernetesAudit({ ...members, ...AUDIT, auditID }), NOW)).toEqual([])
      }),
      { numRuns: 500 },
    )
  })
})
