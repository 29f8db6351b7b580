import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { captureEvent, eventIdOf, MAX_EVENT_BYTES } from "./captured-event.js"

const NOW = Date.UTC(2023, 9, 21, 15, 32)
const capture = (event: unknown) =>
  captureEvent(
    event,
    () => NOW,
    () => "id-1",
  )

function captured(event: unknown): Record<string, unknown> {
  const line = capture(event)
  if (typeof line === "string") throw new Error(line)
  return JSON.parse(line.text) as Record<string, unknown>
}

describe("captureEvent", () => {
  it("adds an identifier and the time, and nothing else", () => {
    expect(captured({ user_id: "U1" })).toEqual({
      event_id: "id-1",
      timestamp: "2023-10-21T15:32:00.000Z",
      user_id: "U1",
    })
  })

  it("keeps the identifier and the time that were given, and takes null for absent", () => {
    const given = { event_id: "mine", timestamp: 1697902320000 }
    expect(captured(given)).toEqual(given)
    expect(captured({ event_id: null, timestamp: null }).event_id).toBe("id-1")
  })

  it("writes a Date as text", () => {
    expect(captured({ timestamp: new Date(0) }).timestamp).toBe("1970-01-01T00:00:00.000Z")
  })

  it("is not touched by what happens to the object afterwards", () => {
    const event = { user_id: "before" }
    const line = capture(event)
    event.user_id = "after"
    expect(line).toMatchObject({ text: expect.stringContaining("before") })
  })

  it("reads each getter once", () => {
    let reads = 0
    const event = {
      get user_id() {
        reads += 1
        return "U1"
      },
    }
    captured(event)
    expect(reads).toBe(1)
  })

  it.each([
    ["a function", () => "x"],
    ["a symbol", Symbol("x")],
    ["not a number", Number.NaN],
    ["a toJSON of nothing", { toJSON: () => undefined }],
  ])(
    "gives an identifier where %s stands for one, which each try would be logged anew without",
    (_why, id) => {
      expect(captured({ event_id: id }).event_id).toBe("id-1")
    },
  )

  it("asks toJSON once, and adds to what it returns", () => {
    const event: Record<string, unknown> = { user_id: "U1" }
    event.toJSON = () => event
    expect(captured(event)).toMatchObject({ event_id: "id-1", user_id: "U1" })
    expect(captured({ toJSON: () => ({ user_id: "U1", toJSON: () => null }) })).toMatchObject({
      user_id: "U1",
    })
  })

  it("hands a name like __proto__ on to the server, and is not changed by it", () => {
    const event = JSON.parse('{"__proto__":{"polluted":true},"constructor":1}') as object
    expect((capture(event) as { text: string }).text).toContain(
      '"__proto__":{"polluted":true},"constructor":1',
    )
    expect({}).not.toHaveProperty("polluted")
  })

  it("counts bytes of UTF-8, not characters", () => {
    const line = capture({ user_id: "Zoë" })
    expect(line).toMatchObject({ bytes: Buffer.byteLength((line as { text: string }).text) })
  })

  const cyclic: Record<string, unknown> = {}
  cyclic.self = cyclic
  const deep = JSON.parse(`${'{"a":'.repeat(20)}1${"}".repeat(20)}`) as unknown
  let deeper: unknown = {}
  for (let i = 0; i < 200_000; i++) deeper = { deeper }
  const unreadable: [why: string, event: unknown][] = [
    ["undefined", undefined],
    ["null", null],
    ["text", "event"],
    ["a number", 1],
    ["a function", () => ({})],
    ["a symbol", Symbol("event")],
    ["a list", [{ user_id: "U1" }]],
    ["a cycle", cyclic],
    ["a BigInt", { request_bytes: 1n }],
    [
      "a getter that throws",
      {
        get user_id() {
          throw new Error("no")
        },
      },
    ],
    [
      "a getter that throws nothing",
      {
        get user_id() {
          throw undefined
        },
      },
    ],
    ["a proxy that throws at everything", new Proxy({}, { get: fail, ownKeys: fail, getPrototypeOf: fail })],
    ["a toJSON that throws", { toJSON: fail }],
    ["a nested toJSON that throws", { attributes: { toJSON: fail } }],
    ["a toJSON that returns text", { toJSON: () => "text" }],
    ["nesting without end", deeper],
    ["a revoked proxy", revoked()],
  ]
  it.each(unreadable)("calls %s unreadable, and does not throw", (_why, event) => {
    expect(capture(event)).toBe("unreadable")
  })

  it("calls an event unreadable where the clock fails, and does not throw", () => {
    expect(captureEvent({}, fail, () => "id-1")).toBe("unreadable")
  })

  it("leaves it to the server to refuse what can be written but not logged", () => {
    expect(capture(deep)).toMatchObject({ bytes: expect.any(Number) })
    expect(captured({ timestamp: new Date(Number.NaN) }).timestamp).toBeNull()
  })

  it("calls an event too large by the bytes of its line", () => {
    expect(capture({ raw: "x".repeat(MAX_EVENT_BYTES) })).toBe("too_large")
    expect(capture({ raw: "x".repeat(MAX_EVENT_BYTES - 100) })).toMatchObject({ bytes: expect.any(Number) })
  })

  it("returns one line or a reason for anything at all", () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true }),
        (event) => {
          const line = capture(event)
          if (typeof line === "string") return
          expect(line.text).not.toMatch(/[\r\n]/)
          expect(typeof JSON.parse(line.text)).toBe("object")
        },
      ),
      { numRuns: 500 },
    )
  })
})

describe("eventIdOf", () => {
  it("finds the identifier in the line, wherever it stands", () => {
    expect(eventIdOf({ text: '{"user_id":"U1","event_id":"e"}', bytes: 0 })).toBe("e")
    expect(eventIdOf({ text: '{"event_id":7}', bytes: 0 })).toBeUndefined()
  })
})

function fail(): never {
  throw new Error("no")
}

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}
