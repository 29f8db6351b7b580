/**
 * A service that checks what the log did with its events: an honest log passes, a lying one is caught.
 */

import { readFileSync } from "node:fs"
import { join } from "node:path"
import { setImmediate as nextTurn } from "node:timers/promises"
import { type Alarm, type ClientOptions, createClient, type RecordedEvent } from "@prooflog/client"
import { type CborValue, encodeCbor } from "@prooflog/event/cbor"
import { sha256 } from "@prooflog/tlog/hash"
import { parsePolicy } from "@prooflog/tlog/policy"
import { verifyEvidence } from "@prooflog/verifier/verify-evidence"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  type LogProxy,
  type RealLog,
  removeFolder,
  startLog,
  startProxy,
  temporaryFolder,
} from "./real-log.js"

const DENIED: RecordedEvent = {
  user_id: "U12345",
  resource_accessed: "/secure-data",
  result: "denied",
  ip_address: "192.168.1.10",
  duration_ms: 1.5,
  attributes: { rows: [1, 2.5, "three"], nested: { deep: true } },
}

let log: RealLog
const folder = temporaryFolder()
const closers: (() => Promise<void>)[] = []

beforeAll(async () => {
  log = await startLog(join(folder, "log"))
})
afterAll(async () => {
  for (const close of closers) await close()
  await log.server.close()
  removeFolder(folder)
})
/** A client of the real log, with a proxy between that so far passes everything on. */
async function watch(options: Partial<ClientOptions> = {}) {
  const proxy = await startProxy(log.server.url)
  const alarms: Alarm[] = []
  const client = createClient({
    url: proxy.url,
    key: log.key,
    policy: log.policy,
    source: "api",
    flushEveryMs: 5,
    onAlarm: (alarm) => alarms.push(alarm),
    onNotice: () => {},
    ...options,
  })
  closers.push(async () => {
    await client.close({ timeoutMs: 0 })
    proxy.close()
  })
  return { client, alarms, proxy }
}

/** Rewrites every event on its way to the log. */
function onEvents(proxy: LogProxy, change: (event: Record<string, unknown>) => void): void {
  proxy.onRequest = (passing) => {
    if (passing.method !== "POST") return
    const events = passing.body.split("\n").map((line) => JSON.parse(line) as Record<string, unknown>)
    for (const event of events) change(event)
    passing.body = events.map((event) => JSON.stringify(event)).join("\n")
  }
}

/** Rewrites the answer to every submission. */
function onAnswers(proxy: LogProxy, change: (answer: Answer) => void): void {
  proxy.onAnswer = (passing, body) => {
    if (passing.method !== "POST") return body
    const answer = JSON.parse(body) as Answer
    change(answer)
    return JSON.stringify(answer)
  }
}

interface Answer {
  results: Record<string, unknown>[]
  evidence: Evidence
}

interface Evidence {
  checkpoint: string
  events: {
    leaf_index: number
    core: [string, Record<string, unknown>]
    fields: [name?: string, salt?: string, value?: CborValue][]
  }[]
}

describe.concurrent("an honest log", () => {
  it("proves every event, field by field, and moves the head on", async () => {
    const headFile = join(folder, "honest.head")
    const { client, alarms } = await watch({ headFile })
    for (let i = 0; i < 600; i++) client.record({ ...DENIED, request_id: `r${i}` })
    const stats = await client.flush()
    expect(alarms).toEqual([])
    expect(stats).toMatchObject({
      accepted: 600,
      verified: 600,
      unproven: 0,
      givenUp: 0,
      alarmCount: 0,
      failures: 0,
    })
    expect(readFileSync(headFile, "utf8")).toContain(log.server.folder.origin)
    client.record(DENIED)
    expect(await client.flush()).toMatchObject({ verified: 601, alarmCount: 0 })
  })

  it("proves repeats too, and events that spell a value otherwise", async () => {
    const { client, alarms } = await watch()
    const event = {
      ...DENIED,
      event_id: "repeat-1",
      timestamp: "2023-10-21T17:32:00.25+02:00",
      ip_address: "2001:DB8::0:1",
    }
    client.record(event)
    await client.flush()
    client.record({ ...event, timestamp: Date.UTC(2023, 9, 21, 15, 32, 0, 250), ip_address: "2001:db8:0::1" })
    expect(await client.flush()).toMatchObject({ accepted: 1, duplicates: 1, verified: 2 })
    expect(alarms).toEqual([])
  })

  it("is asked again for evidence that was not ready", async () => {
    const { client, alarms, proxy } = await watch({ random: () => 0.1 })
    let times = 2
    proxy.onAnswer = (passing, body) => {
      if (passing.method !== "POST" || times-- <= 0) return body
      return JSON.stringify({ ...(JSON.parse(body) as object), evidence: null })
    }
    client.record(DENIED)
    expect(await client.flush()).toMatchObject({ accepted: 1, duplicates: 0, verified: 1, unproven: 0 })
    expect(alarms).toEqual([])
  })

  it("is not accused when its tiles cannot be read, but asked again", async () => {
    const errors: string[] = []
    const onError: ClientOptions["onError"] = ({ code }) => errors.push(code)
    const { client, alarms, proxy } = await watch({ random: () => 0, onError })
    client.record(DENIED)
    await client.flush()
    const { target } = proxy
    proxy.onRequest = ({ path }) => {
      proxy.target = path.includes("tile/") && errors.length === 0 ? "http://127.0.0.1:9/" : target
    }
    client.record(DENIED)
    expect(await client.flush()).toMatchObject({ verified: 2, unproven: 0 })
    expect(alarms).toEqual([])
    expect(errors).toContain("CLIENT_UNPROVEN")
  })

  it("says by event what it refuses, and proves the rest", async () => {
    const { client } = await watch()
    client.record({ ...DENIED, ip_address: "not an address" })
    client.record({ ...DENIED })
    expect(await client.flush()).toMatchObject({ accepted: 1, rejected: 1, verified: 1 })
  })
})

describe.concurrent("a log that lies", () => {
  it.each<[why: string, change: (event: Record<string, unknown>) => void, name: string]>([
    ["logs success for denied", (event) => Object.assign(event, { result: "success" }), "result"],
    ["names another user", (event) => Object.assign(event, { user_id: "U99999" }), "user_id"],
    ["moves the time", (event) => Object.assign(event, { timestamp: "2023-10-21T15:32:00Z" }), "timestamp"],
    ["leaves a field out", (event) => delete event.ip_address, "ip_address"],
    ["adds a field", (event) => Object.assign(event, { severity: "low" }), "severity"],
    ["changes a nested value", (event) => Object.assign(event, { attributes: { rows: [1] } }), "attributes"],
    ["logs it under another name", (event) => Object.assign(event, { event_id: "other" }), "event_id"],
  ])("and %s is caught, with both sides in hand", async (_why, change, name) => {
    const { client, alarms, proxy } = await watch()
    onEvents(proxy, change)
    client.record({ ...DENIED, event_id: `lie-${name}` })
    const stats = await client.flush()
    expect(stats).toMatchObject({ accepted: 1, verified: 0, alarmCount: 1 })
    expect(stats.alarms).toEqual(alarms)
    const [alarm] = alarms as [Alarm]
    expect(alarm).toMatchObject({
      code: "CLIENT_EVENT_CHANGED",
      eventId: `lie-${name}`,
      leafIndex: expect.any(Number),
      message: expect.stringContaining(name),
      sent: [expect.stringContaining("U12345")],
    })
    // The other side verifies by itself, for whoever has the policy.
    const verified = verifyEvidence(alarm.received as string, parsePolicy(log.policy))
    expect(verified.events.map(({ leafIndex }) => leafIndex)).toEqual([alarm.leafIndex])
  })

  it("and adds a field whose value it withholds is caught", async () => {
    const { client, alarms, proxy } = await watch()
    onEvents(proxy, (event) => Object.assign(event, { user_name: "Eve" }))
    onAnswers(proxy, ({ evidence }) => withhold(evidence, "user_name"))
    client.record(DENIED)
    expect(await client.flush()).toMatchObject({ accepted: 1, verified: 0 })
    expect(alarms).toMatchObject([
      { code: "CLIENT_EVENT_CHANGED", message: expect.stringMatching(/: user_name$/) },
    ])
  })

  it("and gives one leaf to two events is caught", async () => {
    const { client, alarms, proxy } = await watch()
    onAnswers(proxy, ({ results, evidence }) => {
      for (const result of results) result.leaf_index = evidence.events[0]?.leaf_index
      evidence.events.length = 1
    })
    client.record({ ...DENIED, request_id: "one" })
    client.record({ ...DENIED, request_id: "two" })
    expect(await client.flush()).toMatchObject({ accepted: 2, verified: 1 })
    expect(alarms).toMatchObject([{ code: "CLIENT_EVENT_CHANGED" }])
  })

  it.each<[why: string, change: (evidence: Evidence) => void, code: string]>([
    ["withholds a field from its writer", (evidence) => withhold(evidence), "CLIENT_EVENT_CHANGED"],
    ["opens the commitment otherwise", tamper, "CLIENT_EVIDENCE_REFUSED"],
    ["shows a head nobody signed", unsign, "CLIENT_EVIDENCE_REFUSED"],
    ["leaves an event out of the evidence", (evidence) => evidence.events.shift(), "CLIENT_EVIDENCE_MISSING"],
  ])("and %s is caught", async (_why, change, code) => {
    const { client, alarms, proxy } = await watch()
    onAnswers(proxy, ({ evidence }) => change(evidence))
    client.record({ ...DENIED, request_id: "one" })
    client.record({ ...DENIED, request_id: "two" })
    await client.flush()
    expect(alarms[0]).toMatchObject({ code, received: expect.any(String), sent: expect.any(Array) })
  })

  it.each<[why: string, result: (leafIndex: number) => object]>([
    ["denies what it acknowledged", () => ({ code: "SERVER_CONFLICT", message: "never seen it" })],
    ["logs anew what it acknowledged", (leafIndex) => ({ leaf_index: leafIndex + 1 })],
  ])("and %s, once it is asked for evidence, is caught", async (_why, result) => {
    const { client, alarms, proxy } = await watch({ random: () => 0 })
    let posts = 0
    onAnswers(proxy, (answer) => {
      if (++posts === 1) Object.assign(answer, { evidence: null })
      else answer.results[1] = { ...result(answer.results[1]?.leaf_index as number) }
    })
    client.record(DENIED)
    client.record({ ...DENIED, request_id: "two" })
    const stats = await client.flush()
    expect(alarms).toMatchObject([
      {
        code: "CLIENT_EVIDENCE_MISSING",
        sent: [expect.stringContaining("two")],
        received: expect.any(String),
      },
    ])
    expect(stats).toMatchObject({ accepted: 2, verified: 1, unproven: 0 })
  })

  it("and keys events to somebody else is caught", async () => {
    const { client, alarms } = await watch({ source: "billing" })
    client.record(DENIED)
    await client.flush()
    expect(alarms).toMatchObject([
      { code: "CLIENT_EVENT_CHANGED", message: expect.stringContaining("source") },
    ])
  })

  it("warns through the process where nobody listens", async () => {
    const warnings: Error[] = []
    const listen = (warning: Error) => warnings.push(warning)
    process.on("warning", listen)
    const nobody = { onAlarm: undefined as never, onNotice: undefined as never }
    const { client } = await watch({ source: "billing", ...nobody })
    client.record(DENIED)
    await client.flush()
    // Warnings are told on the next tick.
    await nextTurn()
    process.off("warning", listen)
    expect(warnings).toMatchObject([
      { name: "ProoflogNotice", code: "CLIENT_FIRST_USE" },
      { name: "ProoflogAlarm", code: "CLIENT_EVENT_CHANGED" },
    ])
  })
})

/** Closes a field as a disclosure may: what remains still proves itself. */
function withhold({ events }: Evidence, name = "user_id"): void {
  const field = events[0]?.fields.find(([found]) => found === name) ?? []
  const [, salt = "", value = ""] = field
  const digest = sha256(Buffer.concat([Buffer.of(2), Buffer.from(salt, "base64"), encodeCbor(value)]))
  field.splice(1, 2, Buffer.from(digest).toString("base64"))
}

function tamper({ events }: Evidence): void {
  Object.assign(events[0]?.core[1] as object, { result: "success" })
}

function unsign(evidence: Evidence): void {
  evidence.checkpoint = evidence.checkpoint.replace(
    /(— \S+ \S{20})(.)/,
    (_all, start: string, sign: string) => start + (sign === "A" ? "B" : "A"),
  )
}
