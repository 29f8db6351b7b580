import { readFile } from "node:fs/promises"
import { decodeCbor } from "@prooflog/event/cbor"
import { commitmentOf } from "@prooflog/event/record"
import { encodeTombstone } from "@prooflog/event/tombstone"
import { type Policy, parsePolicy } from "@prooflog/tlog/policy"
import { verifyEvidence } from "@prooflog/verifier/verify-evidence"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { anEvent, eventually, type KeyName, NOW_MS, type Served, serve } from "./served.js"

describe("reading events", () => {
  let served: Served
  let policy: Policy
  beforeAll(async () => {
    served = await serve()
    policy = parsePolicy(await readFile(served.server.folder.policyPath))
    await post("writer", [
      anEvent({ event_id: "a" }),
      anEvent({ event_id: "b", user_id: "U2", attributes: { n: 1.5 } }),
    ])
    await post("other", [anEvent({ event_id: "c" })])
    await eventually(async () => ((await get("v1/receipts/3")).status === 200 ? true : undefined))
  })
  afterAll(() => served.stop())

  function post(key: KeyName, events: unknown, query = "") {
    const body = JSON.stringify(events)
    return served.request({
      method: "POST",
      path: `v1/events${query}`,
      key: served.keys[key],
      type: "application/json",
      body,
    })
  }

  function get(path: string, key?: KeyName) {
    return served.request({ path, ...(key && { key: served.keys[key] }) })
  }

  it("gives an event as it was said, with what the server added", async () => {
    const { status, json, headers } = await get("v1/events/2", "reader")
    expect(status).toBe(200)
    expect(headers["cache-control"]).toBe("no-store")
    expect(headers["access-control-allow-origin"]).toBeUndefined()
    expect(json).toEqual({
      leaf_index: 2,
      received_at: new Date(NOW_MS + 1_000).toISOString(),
      class: "routine",
      event: {
        timestamp: "2023-10-21T15:32:00.000000Z",
        user_id: "U2",
        action: "access",
        resource_accessed: "/secure-data",
        result: "success",
        ip_address: "192.168.1.10",
        attributes: { n: 1.5 },
        event_id: "b",
        source: "api",
        source_key_id: served.keys.writer.slice(3, 11),
      },
      withheld: [],
    })
  })

  it("leaves out what is asked to be withheld", async () => {
    const { json } = await get("v1/events/2?withhold=ip_address,attributes", "reader")
    expect(json.withheld).toEqual(
      ["attributes", "ip_address"].sort((a, b) => a.length - b.length || (a < b ? -1 : 1)),
    )
    expect(Object.keys(json.event as object)).not.toContain("ip_address")
  })

  it("gives evidence that verifies, of several events, with fields withheld", async () => {
    const { body, json } = await get(
      "v1/evidence?leaf_index=3,1&leaf_index=2&leaf_index=1&withhold=ip_address",
      "reader",
    )
    const { events } = verifyEvidence(body, policy)
    expect(events.map(({ leafIndex }) => leafIndex)).toEqual([1, 2, 3])
    expect(events.map(({ withheld }) => withheld)).toEqual([["ip_address"], ["ip_address"], ["ip_address"]])
    expect(events[1]?.fields.user_id).toBe("U2")
    expect(JSON.stringify(json)).not.toContain("192.168.1.10")
  })

  it("gives writers the evidence of their own key's events, and of no others", async () => {
    const own = await get("v1/evidence?leaf_index=1", "writer")
    expect(verifyEvidence(own.body, policy).events[0]?.withheld).toEqual([])
    const others = await get("v1/evidence?leaf_index=1,3", "writer")
    expect({ status: others.status, code: others.json.code }).toEqual({
      status: 403,
      code: "SERVER_NOT_YOURS",
    })
  })

  it("answers who waits with the evidence of the event, and a repeat too", async () => {
    const first = await post("writer", anEvent({ event_id: "w" }), "?wait=receipt")
    expect(first.status).toBe(201)
    expect(verifyEvidence(JSON.stringify(first.json.evidence), policy).events).toMatchObject([
      { leafIndex: first.json.leaf_index, fields: { user_id: "U12345" }, withheld: [] },
    ])
    const again = await post("writer", anEvent({ event_id: "w" }), "?wait=receipt")
    expect(again.status).toBe(200)
    expect(again.json).toMatchObject({ duplicate: true, leaf_index: first.json.leaf_index })
    const { events } = verifyEvidence(JSON.stringify(again.json.evidence), policy)
    expect(events[0]?.core.event_id).toBe("w")
  })

  it("answers many with one evidence file of those that are logged", async () => {
    const { json } = await post(
      "writer",
      [
        anEvent({ event_id: "x" }),
        anEvent({ user_id: 1 }),
        anEvent({ event_id: "x" }),
        anEvent({ event_id: "a" }),
      ],
      "?wait=receipt",
    )
    const { events } = verifyEvidence(JSON.stringify(json.evidence), policy)
    expect(events.map(({ core }) => core.event_id)).toEqual(["a", "x"])
  })

  it("gives auditors the records, empty where a leaf is no event", async () => {
    const { headers, body } = await get("v1/records?start=0&end=3", "auditor")
    expect(headers["content-type"]).toBe("application/cbor-seq")
    const items = sequenceOf(body)
    expect(items.map(([leafIndex]) => leafIndex)).toEqual([0, 1, 2])
    expect(items[0]?.[1]).toHaveLength(0)
    expect(commitmentOf(items[1]?.[1] as Uint8Array)).toHaveLength(32)
    expect((await get("v1/records?start=2&end=99", "auditor")).body.length).toBeGreaterThan(0)
    expect((await get("v1/records?start=3&end=3", "auditor")).body).toHaveLength(0)
  })

  it.each([
    ["v1/events/1", undefined, 401, "SERVER_NO_KEY"],
    ["v1/events/1", "writer", 403, "SERVER_WRONG_ROLE"],
    ["v1/events/0", "reader", 404, "SERVER_NOT_AN_EVENT"],
    ["v1/events/999", "reader", 404, "SERVER_NOT_PUBLISHED"],
    ["v1/events/x", "reader", 404, "SERVER_NOT_FOUND"],
    ["v1/events/1?withhold=result", "reader", 400, "SERVER_MALFORMED_QUERY"],
    ["v1/evidence?leaf_index=1", undefined, 401, "SERVER_NO_KEY"],
    ["v1/evidence", "reader", 400, "SERVER_MALFORMED_QUERY"],
    ["v1/evidence?leaf_index=x", "reader", 400, "SERVER_MALFORMED_QUERY"],
    ["v1/evidence?leaf_index=0", "reader", 404, "SERVER_NOT_AN_EVENT"],
    ["v1/evidence?leaf_index=999", "reader", 404, "SERVER_NOT_PUBLISHED"],
    ["v1/evidence?leaf_index=1&withhold=timestamp", "reader", 400, "SERVER_MALFORMED_QUERY"],
    ["v1/evidence?leaf_index=1&withhold=ip_adress", "reader", 400, "SERVER_MALFORMED_QUERY"],
    [
      `v1/evidence?leaf_index=${Array.from({ length: 257 }, (_, i) => i).join(",")}`,
      "reader",
      400,
      "SERVER_MALFORMED_QUERY",
    ],
    ["v1/records?start=0&end=1", "reader", 403, "SERVER_WRONG_ROLE"],
    ["v1/records?start=2&end=1", "auditor", 400, "SERVER_MALFORMED_QUERY"],
    ["v1/records?start=99&end=100", "auditor", 404, "SERVER_NOT_PUBLISHED"],
    ["v1/keys", "auditor", 403, "SERVER_WRONG_ROLE"],
    ["metrics", "auditor", 403, "SERVER_WRONG_ROLE"],
  ] as const)("answers %s of %s with %s %s", async (path, key, status, code) => {
    const got = await get(path, key)
    expect({ status: got.status, code: got.json.code }).toEqual({ status, code })
  })

  it("lets an admin do what an auditor may, and count", async () => {
    expect((await get("v1/records?start=0&end=1", "admin")).status).toBe(200)
    const { headers, body } = await get("metrics", "admin")
    expect(headers["content-type"]).toMatch(/^text\/plain; version=0.0.4/)
    expect(body.toString()).toMatch(/^prooflog_events_total\{outcome="logged"\} [1-9]/m)
    expect(body.toString()).toMatch(/^prooflog_tree_size\{head="published"\} [1-9]/m)
    expect(body.toString()).toMatch(/^prooflog_http_answers_total\{status="200"\} [1-9]/m)
  })

  it("answers 410 where a record was destroyed, and cannot say whether a repeat is the same", async () => {
    const { json } = await post("writer", anEvent({ event_id: "gone" }), "?wait=receipt")
    const leafIndex = json.leaf_index as number
    const bytes = encodeTombstone({ state: "destroyed", reason: 1, reference: 9, salt: new Uint8Array(16) })
    await served.storage.withdraw([{ kind: "tombstone", leafIndex, bytes }])
    for (const path of [`v1/events/${leafIndex}`, `v1/evidence?leaf_index=${leafIndex}`]) {
      const got = await get(path, "reader")
      expect(got.json).toMatchObject({
        status: 410,
        code: "SERVER_DESTROYED",
        leaf_index: leafIndex,
        reason: "erased-for-person",
        notice_leaf: 9,
      })
    }
    expect(
      (await post("writer", anEvent({ event_id: "gone", result: "denied" }), "?wait=receipt")).json,
    ).toMatchObject({
      leaf_index: leafIndex,
      duplicate: true,
      unchecked: true,
      evidence: null,
    })
    const { body } = await get(`v1/records?start=${leafIndex}&end=${leafIndex + 1}`, "auditor")
    // … null, for reason 1, as leaf 9 says
    expect([...body.subarray(-3)]).toEqual([0xf6, 1, 9])
  })
})

describe("what a role is not shown", () => {
  let served: Served
  beforeAll(async () => {
    served = await serve({
      serving: { withhold: { reader: ["ip_address", "user_id"], auditor: ["ip_address"] } },
    })
    const body = JSON.stringify(anEvent())
    const { keys } = served
    await served.request({
      method: "POST",
      path: "v1/events?wait=receipt",
      key: keys.writer,
      type: "application/json",
      body,
    })
  })
  afterAll(() => served.stop())

  it.each([
    ["reader", "v1/events/1", ["user_id", "ip_address"]],
    ["auditor", "v1/events/1", ["ip_address"]],
    ["admin", "v1/events/1", []],
    ["reader", "v1/events/1?withhold=resource_accessed", ["user_id", "ip_address", "resource_accessed"]],
  ] as const)("a %s of %s misses %j", async (key, path, withheld) => {
    const { json } = await served.request({ path, key: served.keys[key] })
    expect(json.withheld).toEqual(withheld)
  })

  it("is closed in evidence too, but not for whoever wrote it", async () => {
    const policy = parsePolicy(await readFile(served.server.folder.policyPath))
    for (const [key, withheld] of [
      ["reader", ["user_id", "ip_address"]],
      ["auditor", ["ip_address"]],
      ["writer", []],
    ] as const) {
      const { body } = await served.request({ path: "v1/evidence?leaf_index=1", key: served.keys[key] })
      expect(verifyEvidence(body, policy).events[0]?.withheld).toEqual(withheld)
    }
  })

  it("is less, the more roles a key has", async () => {
    const made = await served.request({
      method: "POST",
      path: "v1/keys",
      key: served.keys.admin,
      type: "application/json",
      body: '{"roles":["reader","auditor"]}',
    })
    const { json } = await served.request({ path: "v1/events/1", key: made.json.key as string })
    expect(json.withheld).toEqual(["ip_address"])
  })
})

/** The items of a CBOR sequence of `[leaf_index, bytes]` with leaf indices below 24. */
function sequenceOf(bytes: Buffer): [number, Uint8Array][] {
  const items: [number, Uint8Array][] = []
  for (let at = 0; at < bytes.length; ) {
    const head = bytes[at + 2] as number
    const headSize = head === 0x58 ? 2 : head === 0x59 ? 3 : 1
    const length =
      headSize === 1 ? head - 0x40 : headSize === 2 ? bytes.readUInt8(at + 3) : bytes.readUInt16BE(at + 3)
    const end = at + 2 + headSize + length
    items.push(decodeCbor(bytes.subarray(at, end)) as unknown as [number, Uint8Array])
    at = end
  }
  return items
}
