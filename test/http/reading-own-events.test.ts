import { createHash } from "node:crypto"
import { openRecord } from "@prooflog/event/record"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { type OwnEvent, ownEvents } from "./own-events.js"
import {
  anEvent,
  ask,
  disappearingDisk,
  type Got,
  type KeyName,
  NOW_MS,
  type Served,
  serve,
} from "./served.js"

const idOf = (served: Served, key: KeyName) => served.keys[key].slice(3, 11)

async function log(served: Served, event: object): Promise<number> {
  const { json } = await ask(served, "v1/events?wait=receipt", "writer", event)
  return json.leaf_index as number
}

describe("reading the log", () => {
  let served: Served
  let leaf: number
  beforeAll(async () => {
    served = await serve({ serving: { withhold: { reader: ["ip_address"] } } })
    leaf = await log(served, anEvent({ event_id: "a" }))
  })
  afterAll(() => served.stop())

  /** Asks, and returns the answer with the events that it made. */
  async function asking(path: string, key: KeyName, body?: unknown) {
    const before = (await ownEvents(served)).length
    const got = await ask(served, path, key, body)
    return { got, made: (await ownEvents(served)).slice(before) }
  }

  it("is an event of its own class, from the log itself, by the key, from its address", async () => {
    const { got, made } = await asking(`v1/events/${leaf}`, "reader")
    expect(got.status).toBe(200)
    const event = made[0] as OwnEvent
    expect(made).toHaveLength(1)
    expect(event.className).toBe("audit")
    expect(event.core).toEqual({
      timestamp: (NOW_MS + 1_000) * 1_000,
      event_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      action: "log.read",
      activity: "read",
      category: "data",
      result: "success",
      user_type: "api_key",
      source: "prooflog",
      source_key_id: "prooflog",
    })
    expect(event.fields).toEqual({
      user_id: `key:${idOf(served, "reader")}`,
      resource_accessed: `leaf/${leaf}`,
      ip_address: "127.0.0.1",
      attributes: { rows: 1 },
    })
  })

  it.each([
    [
      "evidence of one leaf",
      "v1/evidence?leaf_index=1",
      "reader",
      "log.evidence",
      "leaf/1",
      { leaf_index: "1", rows: 1 },
    ],
    [
      "evidence with fields withheld",
      "v1/evidence?leaf_index=1&withhold=user_id,raw",
      "reader",
      "log.evidence",
      "leaf/1",
      { withhold: "user_id,raw" },
    ],
    ["evidence for its writer", "v1/evidence?leaf_index=1", "writer", "log.evidence", "leaf/1", { rows: 1 }],
    [
      "a range of records",
      "v1/records?start=0&end=2",
      "auditor",
      "log.records",
      "records/0-2",
      { start: 0, end: 2, rows: 2 },
    ],
  ] as const)("is an event for %s", async (_, path, key, action, resource, attributes) => {
    const { got, made } = await asking(path, key)
    expect(got.status).toBe(200)
    expect(made).toMatchObject([
      {
        className: "audit",
        core: { action, result: "success" },
        fields: { user_id: `key:${idOf(served, key)}`, resource_accessed: resource, attributes },
      },
    ])
  })

  it("is an event if it fails: what was asked, why not, and no rows", async () => {
    const sql = "SELECT * FROM access_logs WHERE user_id = $1"
    const { got, made } = await asking("v1/query", "reader", { sql, parameters: ["U12345"] })
    expect({ status: got.status, code: got.json.code }).toEqual({ status: 503, code: "QUERY_UNAVAILABLE" })
    expect(made).toMatchObject([
      {
        core: { action: "log.query", result: "error", error_code: "QUERY_UNAVAILABLE" },
        fields: { resource_accessed: "access_logs" },
      },
    ])
    expect(made[0]?.fields.attributes).toEqual({
      sql,
      sql_sha256: createHash("sha256").update(sql).digest("hex"),
      parameters: '["U12345"]',
      limit: 10_000,
    })
  })

  it.each([
    ["a filter that is none", "v1/events?user=U1", "reader", "log.list", "QUERY_BAD_FILTER", "failure"],
    ["facets of nothing", "v1/facets", "reader", "log.facets", "SERVER_MALFORMED_QUERY", "failure"],
    ["a tail that cannot be", "v1/tail?limit=1", "reader", "log.tail.open", "QUERY_UNAVAILABLE", "error"],
    ["another's event", "v1/evidence?leaf_index=1", "other", "log.evidence", "SERVER_NOT_YOURS", "denied"],
  ] as const)("is an event if it is refused: %s", async (_, path, key, action, code, result) => {
    const { got, made } = await asking(path, key)
    expect(got.json.code).toBe(code)
    expect(made).toMatchObject([{ core: { action, result, error_code: code } }])
  })

  it("never says who was asked about where everyone may see it", async () => {
    const secret = "dr.lindqvist-4711"
    await asking("v1/query", "reader", { sql: `SELECT '${secret}'`, parameters: { who: secret } })
    const { made } = await asking(`v1/events?user_id=${secret}`, "reader")
    expect(JSON.stringify(made.map(({ core }) => core))).not.toContain(secret)
    expect(made[0]?.fields.attributes).toMatchObject({ filter: `user_id=${secret}` })
  })

  it.each([
    ["a public path", "v1/receipts/1", undefined],
    ["a leaf that is not there", "v1/events/999", "reader"],
    ["a leaf that is no event", "v1/events/0", "reader"],
    ["who may not ask", "v1/events/1", "writer"],
    ["who waits for their own receipt", "v1/events?wait=receipt", "writer"],
    ["the schema", "v1/schema", "reader"],
    ["how far reading is", "v1/reading", "reader"],
    ["a method that is not for its path", "v1/query", undefined],
  ] as const)("is no event for %s", async (_, path, key) => {
    const before = (await ownEvents(served)).length
    if (path.includes("wait")) await log(served, anEvent())
    else await served.request({ path, ...(key && { key: served.keys[key] }) })
    expect(await ownEvents(served)).toHaveLength(before)
  })
})

describe("a read whose event cannot be made durable", () => {
  let served: Served
  afterEach(() => served.stop())

  it.each([
    ["an event", "v1/events/1"],
    ["evidence", "v1/evidence?leaf_index=1"],
    ["records", "v1/records?start=1&end=2"],
  ])("is refused, and shows nothing: %s", async (_, path) => {
    const disk = disappearingDisk()
    served = await serve({ wrap: disk.wrap })
    await log(served, anEvent())
    expect((await ask(served, path, "auditor")).status).toBe(200)
    disk.fail()
    const got = await ask(served, path, "auditor")
    expect({ status: got.status, code: got.json.code, retry: got.headers["retry-after"] }).toEqual({
      status: 503,
      code: "LEDGER_POISONED",
      retry: "30",
    })
    expect(got.body.toString()).not.toMatch(/U12345|192\.168/)
  })
})

describe("evidence of many events", () => {
  let served: Served
  beforeAll(async () => {
    served = await serve()
    const events = Array.from({ length: 300 }, (_, n) => anEvent({ event_id: `e-${n}` }))
    await ask(served, "v1/events?wait=receipt", "writer", events)
  })
  afterAll(() => served.stop())

  const leaves = (start: number, end: number) => Array.from({ length: end - start }, (_, i) => start + i)
  /** Of a log that is too long for `ownEvents`. */
  async function lastOwn() {
    const size = await served.storage.treeSize()
    const [record] = await served.storage.records(size - 1, size)
    return { fields: Object.fromEntries(openRecord((record as { bytes: Uint8Array }).bytes).fields) }
  }

  const checkpointOf = (got: Got) => (got.json as { checkpoint?: string }).checkpoint

  it("is asked for by a body, of as many as 4,096, and of one head in several requests", async () => {
    const first = await ask(served, "v1/evidence", "reader", { leaf_index: leaves(1, 290) })
    expect(first.status).toBe(200)
    const treeSize = Number(checkpointOf(first)?.split("\n")[1])
    const said = { leaf_index: "1-289", leaves: 289, tree_size: treeSize, rows: 289 }
    expect((await lastOwn()).fields.attributes).toEqual(said)
    // The first answer was itself an event: the log has grown since.
    await log(served, anEvent())
    const second = { leaf_index: leaves(290, 301), tree_size: treeSize }
    expect(checkpointOf(await ask(served, "v1/evidence", "reader", second))).toBe(checkpointOf(first))
    const url = `v1/evidence?leaf_index=7&tree_size=${treeSize}`
    expect(checkpointOf(await ask(served, url, "reader"))).toBe(checkpointOf(first))
    expect(checkpointOf(await ask(served, "v1/evidence?leaf_index=7", "reader"))).not.toBe(
      checkpointOf(first),
    )
  })

  it.each([
    ["no leaves", { leaf_index: [] }, 422, "SERVER_REFUSED_REQUEST", "leaf_index"],
    ["leaves that are no numbers", { leaf_index: ["1"] }, 422, "SERVER_REFUSED_REQUEST", "leaf_index"],
    ["too many leaves", { leaf_index: leaves(0, 4_097) }, 422, "SERVER_REFUSED_REQUEST", "leaf_index"],
    ["a member of another name", { leaf_indx: [1] }, 422, "SERVER_REFUSED_REQUEST", "leaf_indx"],
    ["names that are none", { leaf_index: [1], withhold: "raw" }, 422, "SERVER_REFUSED_REQUEST", "withhold"],
    ["a core name", { leaf_index: [1], withhold: ["result"] }, 400, "SERVER_MALFORMED_QUERY", "withhold"],
    ["a tree that is none", { leaf_index: [1], tree_size: -1 }, 422, "SERVER_REFUSED_REQUEST", "tree_size"],
    ["a tree nobody used", { leaf_index: [1], tree_size: 2 }, 404, "SERVER_NOT_PUBLISHED", "tree_size"],
  ])("is refused for %s", async (_, body, status, code, parameter) => {
    const got = await ask(served, "v1/evidence", "reader", body)
    expect({ status: got.status, code: got.json.code, parameter: got.json.parameter }).toEqual({
      status,
      code,
      parameter,
    })
  })
})
