import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { COLUMNS, findColumn } from "./columns.js"
import type { ExportSource } from "./export-encoder.js"
import { ocsfEncoder } from "./export-ocsf.js"
import type { JsonValue } from "./store.js"

/**
 * What the schema asks of an object: members it must have, one of some it must have, members it may have,
 * and the numbers that a member may be.
 *
 * Facts of github.com/ocsf/ocsf-schema at a5cfc68 (1.9.0-dev); the file is named with each.
 */
interface Shape {
  readonly required: readonly string[]
  readonly oneOf?: readonly string[]
  readonly optional: readonly string[]
  readonly numbers?: Readonly<Record<string, readonly number[]>>
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => from + at)

/** events/base_event.json, with profiles/record_integrity.json. */
const BASE: Shape = {
  required: ["activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"],
  optional: [
    ..."activity_name category_name class_name duration message raw_data severity status status_code".split(
      " ",
    ),
    ..."status_detail status_id unmapped attestation_list".split(" "),
  ],
  numbers: { severity_id: [0, 1, 2, 3, 4, 5, 6, 99], status_id: [0, 1, 2, 99] },
}

/** By class_uid. */
const CLASSES: Readonly<Record<number, Shape>> = {
  // events/application/api_activity.json, with profiles/trace.json; categories.json: application is 6.
  6003: {
    required: ["actor", "api", "src_endpoint"],
    optional: ["dst_endpoint", "http_request", "http_response", "resources", "trace"],
    numbers: { class_uid: [6003], category_uid: [6], activity_id: [0, 1, 2, 3, 4, 99] },
  },
  // events/iam/authentication.json, iam.json; iam is 3.
  3002: {
    required: ["user"],
    oneOf: ["service", "dst_endpoint"],
    optional: ["actor", "http_request", "http_response", "src_endpoint", "session", "is_mfa"],
    numbers: { class_uid: [3002], category_uid: [3], activity_id: [...range(0, 7), 99] },
  },
  // events/network/http_activity.json, network.json, with profiles/trace.json; network is 4.
  4002: {
    required: [],
    oneOf: ["http_request", "http_response"],
    // actor is of profiles/host.json, which the base event includes.
    optional: ["src_endpoint", "dst_endpoint", "app_name", "trace", "actor"],
    numbers: { class_uid: [4002], category_uid: [4], activity_id: [...range(0, 40), 99] },
  },
}

/** objects/*.json, by the member that holds one. */
const OBJECTS: Readonly<Record<string, Shape>> = {
  metadata: {
    required: ["product", "version"],
    optional: "profiles uid sequence original_time logged_time log_name log_source event_code labels".split(
      " ",
    ),
  },
  product: { required: [], oneOf: ["name", "uid"], optional: ["vendor_name"] },
  actor: { required: [], oneOf: ["user", "session"], optional: [] },
  user: {
    required: [],
    oneOf: ["account", "name", "uid"],
    optional: ["email_addr", "type_id", "type"],
    numbers: { type_id: [0, 1, 2, 3, 4, 99] },
  },
  session: { required: [], optional: ["uid", "issuer"] },
  api: { required: ["operation"], optional: ["service", "request"] },
  request: { required: ["uid"], optional: [] },
  service: { required: [], oneOf: ["name", "uid"], optional: [] },
  resources: { required: [], oneOf: ["name", "uid"], optional: ["uid_alt", "type"] },
  src_endpoint: {
    required: [],
    oneOf: ["ip", "uid", "name", "hostname", "svc_name"],
    optional: ["location", "autonomous_system"],
  },
  dst_endpoint: { required: [], oneOf: ["ip", "uid", "name", "hostname", "svc_name"], optional: [] },
  location: { required: [], oneOf: ["city", "country", "postal_code", "region"], optional: [] },
  autonomous_system: { required: [], oneOf: ["number", "name"], optional: [] },
  http_request: {
    required: [],
    optional: "http_method url version user_agent referrer length x_forwarded_for uid".split(" "),
  },
  url: { required: [], oneOf: ["url_string", "path"], optional: ["query_string"] },
  http_response: { required: ["code"], optional: ["length", "latency"] },
  trace: { required: ["uid"], optional: [] },
  attestation_list: {
    required: [],
    oneOf: ["fingerprint", "signatures"],
    optional: ["uid", "authority_uid", "chain_uid"],
  },
  fingerprint: {
    required: ["algorithm_id", "value"],
    optional: ["algorithm", "encoding", "encoding_id", "serialization", "serialization_id"],
    numbers: { algorithm_id: [3], encoding_id: [1], serialization_id: [99] },
  },
}

/** Members whose values are whole numbers: integer_t, long_t and timestamp_t of dictionary.json. */
const WHOLE = /_id$|_uid$|^(?:time|logged_time|sequence|length|latency|code|duration|number)$/

/** Throws unless this is what the schema takes. `unmapped` may be anything. */
function checkOcsf(event: Readonly<Record<string, unknown>>): void {
  const shape = CLASSES[Number(event.class_uid)]
  if (shape === undefined) throw new Error(`class ${event.class_uid}`)
  checkObject("event", event, {
    required: [...BASE.required, ...shape.required],
    ...(shape.oneOf === undefined ? {} : { oneOf: shape.oneOf }),
    optional: [...BASE.optional, ...shape.optional],
    numbers: { ...BASE.numbers, ...shape.numbers },
  })
  expect(event.type_uid).toBe(Number(event.class_uid) * 100 + Number(event.activity_id))
}

function checkObject(name: string, value: Readonly<Record<string, unknown>>, shape: Shape): void {
  for (const required of shape.required) expect(value, name).toHaveProperty(required)
  if (shape.oneOf !== undefined)
    expect(
      shape.oneOf.some((each) => value[each] !== undefined),
      name,
    ).toBe(true)
  const known = [...shape.required, ...(shape.oneOf ?? []), ...shape.optional]
  expect(known, name).toEqual(expect.arrayContaining(Object.keys(value)))
  for (const [key, numbers] of Object.entries(shape.numbers ?? {})) {
    if (value[key] !== undefined) expect(numbers, `${name}.${key}`).toContain(value[key])
  }
  for (const [key, member] of Object.entries(value)) {
    if (key === "unmapped") continue
    if (WHOLE.test(key) && typeof member === "number")
      expect(Number.isInteger(member), `${name}.${key}`).toBe(true)
    const members = Array.isArray(member) ? member : [member]
    for (const each of members) {
      if (typeof each !== "object" || each === null) continue
      const inner = OBJECTS[key]
      if (inner === undefined) throw new Error(`no object may be in ${name}.${key}`)
      checkObject(key, each, inner)
    }
  }
}

const REQUIRED = {
  leaf_index: 17,
  timestamp: "2023-10-21T15:32:00.123456Z",
  received_at: "2023-10-21T15:32:01.000000Z",
  event_id: "e-17",
  action: "document.read",
  result: "success",
  source: "api",
  class: "routine",
}

type Said = Readonly<Record<string, JsonValue>>

// biome-ignore lint/suspicious/noExplicitAny: what is read back is looked into freely
async function mapped(said: Said, source: Partial<ExportSource> = {}): Promise<any> {
  const encoder = ocsfEncoder(COLUMNS, { through: 18, ...source })
  const all: Said = { ...REQUIRED, ...said }
  const bytes = await encoder.encode([COLUMNS.map(({ name }) => all[name] ?? null)])
  const text = new TextDecoder().decode(bytes)
  expect(text.endsWith("}\n")).toBe(true)
  const event = JSON.parse(text)
  checkOcsf(event)
  return event
}

describe("OCSF", () => {
  it("maps an access of an API", async () => {
    const event = await mapped({
      user_id: "U12345",
      user_type: "user",
      resource_accessed: "/secure-data",
      ip_address: "192.168.1.10",
      country: "AT",
      asn: 64_500,
      request_id: "r1",
      service: "billing",
      trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
      duration_ms: 12.5,
      tags: ["vip"],
      raw: "the line",
    })
    expect(event).toMatchObject({
      class_uid: 6003,
      type_uid: 600_302,
      activity_name: "Read",
      severity_id: 1,
      status_id: 1,
      time: Date.UTC(2023, 9, 21, 15, 32, 0, 123),
      metadata: {
        uid: "e-17",
        sequence: 17,
        logged_time: Date.UTC(2023, 9, 21, 15, 32, 1),
        original_time: "2023-10-21T15:32:00.123456Z",
        profiles: ["trace"],
        labels: ["vip"],
      },
      actor: { user: { uid: "U12345", type_id: 1 } },
      api: { operation: "document.read", request: { uid: "r1" }, service: { name: "billing" } },
      resources: [{ uid: "/secure-data" }],
      src_endpoint: {
        ip: "192.168.1.10",
        location: { country: "AT" },
        autonomous_system: { number: 64_500 },
      },
      raw_data: "the line",
      duration: 13,
      unmapped: { duration_ms: 12.5, class: "routine" },
    })
    expect(event.attestation_list).toBeUndefined()
  })

  it("maps a login", async () => {
    const event = await mapped({
      category: "auth",
      activity: "login",
      action: "session.start",
      user_id: "U1",
      result: "denied",
      reason: "wrong password",
      error_code: "E7",
      mfa: false,
      session_id: "s1",
      on_behalf_of: "root",
      host: "idp-1",
    })
    expect(event).toMatchObject({
      class_uid: 3002,
      type_uid: 300_201,
      activity_name: "Logon",
      status_id: 2,
      status_code: "E7",
      status_detail: "wrong password",
      user: { uid: "U1" },
      session: { uid: "s1", issuer: "root" },
      is_mfa: false,
      service: { name: "api" },
      dst_endpoint: { hostname: "idp-1" },
      src_endpoint: { name: "Unknown" },
      metadata: { event_code: "session.start" },
      unmapped: { result: "denied" },
    })
  })

  it("maps an HTTP request", async () => {
    const event = await mapped({
      category: "network",
      action: "http.GET",
      user_id: "anonymous",
      user_type: "anonymous",
      resource_accessed: "/wp-login.php",
      http_method: "GET",
      http_query: "a=1",
      http_status: 503,
      http_protocol: "HTTP/1.1",
      response_bytes: 512,
      duration_ms: 30,
      ip_chain: ["10.0.0.1", "2001:db8::1"],
      source_address: "AWS Internal",
      result: "error",
    })
    expect(event).toMatchObject({
      class_uid: 4002,
      type_uid: 400_203,
      metadata: { profiles: ["host"] },
      http_request: {
        http_method: "GET",
        url: { path: "/wp-login.php", query_string: "a=1" },
        version: "HTTP/1.1",
        x_forwarded_for: ["10.0.0.1", "2001:db8::1"],
      },
      http_response: { code: 503, length: 512, latency: 30 },
      src_endpoint: { svc_name: "AWS Internal" },
      actor: { user: { uid: "anonymous", type_id: 99, type: "Anonymous" } },
      unmapped: { class: "routine", result: "error" },
    })
    expect(event.unmapped).not.toHaveProperty("resource_accessed")
  })

  it("carries the leaf that proves it", async () => {
    const hash = new Uint8Array(32).fill(0xab)
    const event = await mapped(
      { user_id: "U1" },
      { origin: "log.example/1", logId: "0011", leafHashes: async (leaves) => leaves.map(() => hash) },
    )
    expect(event.metadata).toMatchObject({ profiles: ["record_integrity"], log_name: "log.example/1" })
    expect(event.attestation_list).toEqual([
      {
        uid: "17",
        authority_uid: "log.example/1",
        chain_uid: "0011",
        fingerprint: {
          algorithm: "SHA-256",
          algorithm_id: 3,
          encoding: "Hex",
          encoding_id: 1,
          serialization: "RFC 6962 leaf hash of the entry at this leaf index: SHA-256(0x00 || entry)",
          serialization_id: 99,
          value: "ab".repeat(32),
        },
      },
    ])
  })

  it("asks for the hashes of just the leaves it writes, in their order", async () => {
    const asked: (readonly number[])[] = []
    const leafHashes = async (leaves: readonly number[]) => {
      asked.push(leaves)
      return leaves.map((leaf) => new Uint8Array(32).fill(leaf))
    }
    const encoder = ocsfEncoder(COLUMNS, { through: 9, leafHashes })
    const said = (leaf: number): Said => ({ ...REQUIRED, leaf_index: leaf })
    const row = (leaf: number) => COLUMNS.map(({ name }) => said(leaf)[name] ?? null)
    const lines = new TextDecoder()
      .decode(await encoder.encode([row(3), row(1)]))
      .trim()
      .split("\n")
    expect(asked).toEqual([[3, 1]])
    expect(lines.map((line) => JSON.parse(line).attestation_list[0].fingerprint.value.slice(0, 2))).toEqual([
      "03",
      "01",
    ])
  })

  it.each([
    [{ category: "network" }, 6003, 2],
    [{ category: "admin", activity: "delete" }, 6003, 4],
    [{ category: "data", activity: "search" }, 6003, 99],
    [{ action: "s3.PutObject" }, 6003, 3],
    [{ action: "k8s.pods.exec/create" }, 6003, 1],
    [{ action: "access" }, 6003, 0],
    [{ action: "access", http_method: "DELETE" }, 6003, 4],
    [{ category: "auth", action: "user.logout" }, 3002, 2],
    [{ category: "auth", action: "token.renew" }, 3002, 0],
    [{ category: "auth", activity: "grant" }, 3002, 99],
    [{ category: "network", http_method: "PROPFIND" }, 4002, 99],
    [{ category: "network", http_status: 200 }, 4002, 0],
  ])("maps %j to class %i, activity %i", async (said, classUid, activityId) => {
    const event = await mapped(said as Said)
    expect([event.class_uid, event.activity_id]).toEqual([classUid, activityId])
  })

  it("finds a place for everything an event says, and stays valid", async () => {
    const anyText = fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" })
    const words: Readonly<Record<string, readonly string[]>> = {
      category: ["api", "auth", "admin", "data", "network", "system"],
      activity: ["create", "read", "login", "logout", "search", "grant"],
      severity: ["info", "low", "medium", "high", "critical"],
      user_type: ["user", "service", "api_key", "system", "anonymous", "unknown"],
      result: ["success", "failure", "denied", "error", "unknown"],
      http_method: ["GET", "PROPFIND", "get"],
      ip_address: ["10.0.0.1", "::1"],
    }
    const fixed = ["timestamp", "received_at"]
    const values: Record<string, fc.Arbitrary<unknown>> = Object.fromEntries(
      COLUMNS.filter(({ name }) => !fixed.includes(name)).map(({ name, type }) => {
        const list = words[name]
        if (list !== undefined) return [name, fc.constantFrom(...list)]
        if (type === "BOOLEAN") return [name, fc.boolean()]
        if (type === "INTEGER") return [name, fc.integer({ min: 100, max: 599 })]
        if (type === "BIGINT") return [name, fc.integer({ min: 100_000, max: 999_999_999 })]
        if (type === "DOUBLE") return [name, fc.double({ min: 0, max: 1e6, noNaN: true })]
        if (type === "VARCHAR[]")
          return [name, fc.array(fc.oneof(anyText, fc.constant("10.1.1.1")), { maxLength: 3 })]
        if (type === "JSON") return [name, fc.dictionary(anyText, anyText)]
        return [name, anyText.map((text) => `${name}:${text}`)]
      }),
    )
    // Said by a number, and so not always by their own word.
    const numbered = new Set(["category", "severity", "user_type", "activity"])
    await fc.assert(
      fc.asyncProperty(fc.record(values, { requiredKeys: ["leaf_index", "result"] }), async (said) => {
        const event = await mapped(said as Said)
        const leaves = new Set(textsOf(event))
        for (const [name, value] of Object.entries(said)) {
          if (numbered.has(name) || (name === "result" && event.unmapped?.result === undefined)) continue
          for (const text of textsOf(value))
            expect(leaves, `${name} of type ${findColumn(name)?.type}`).toContain(text)
        }
      }),
      { numRuns: 200 },
    )
  })

  it("says Unknown where a required name is withheld", async () => {
    const event = await mapped({ category: "auth" })
    expect(event.user).toEqual({ name: "Unknown", type_id: 0, type: "Unknown" })
  })

  it.each([
    ["a column is missing", COLUMNS.filter(({ name }) => name !== "tags")],
    [
      "a column has another type",
      COLUMNS.map((column) => (column.name === "mfa" ? { ...column, type: "VARCHAR" } : column)),
    ],
    ["a name is there twice", [...COLUMNS, { name: "user_id", type: "VARCHAR" }]],
  ])("refuses rows that are not whole events: %s", (_, columns) => {
    expect(() => ocsfEncoder(columns, { through: 1 })).toThrow(
      expect.objectContaining({ code: "QUERY_INVALID" }),
    )
  })

  it("needs no derived columns", () => {
    expect(() =>
      ocsfEncoder(
        COLUMNS.filter(({ origin }) => origin !== "derived"),
        { through: 1 },
      ),
    ).not.toThrow()
  })
})

/** Every scalar of a value, as text. */
function textsOf(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [String(value)]
  return Object.values(value).flatMap(textsOf)
}
