/**
 * Everything that `POST v1/events` can be sent, and what it answers: a script, so that it can be played more than
 * once. Steps follow on one another: a repeat needs what it repeats.
 */

import { gzipSync } from "node:zlib"
import { encodeCbor } from "@prooflog/event/cbor"
import { anEvent, type KeyName, type Wanted } from "./served.js"

export interface Step {
  /** A sentence that is true. */
  readonly says: string
  readonly send: Omit<Wanted, "path" | "key"> & {
    readonly query?: string
    readonly key?: KeyName | "unknown" | "none"
  }
  readonly status: number
  /** Members that the answer has, with these values; of a list of results, members of each. */
  readonly has?: Readonly<Record<string, unknown>>
  readonly results?: readonly Readonly<Record<string, unknown>>[]
}

const JSON_TYPE = "application/json"
const NDJSON = "application/x-ndjson"
const CBOR = "application/cbor"

function json(value: unknown) {
  return { type: JSON_TYPE, body: JSON.stringify(value) }
}

/** A step in which one event is refused. */
function refused(
  says: string,
  changes: Record<string, unknown>,
  code: string,
  pointer: string,
  status = 422,
): Step {
  return { says, send: json(anEvent(changes)), status, has: { code, pointer, status } }
}

/** A step in which a text is refused before there is an event. */
function unread(says: string, body: string, status: number, has: Record<string, unknown>): Step {
  return { says, send: { type: JSON_TYPE, body }, status, has: { status, ...has } }
}

const deep = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`

export const SUBMIT_SCRIPT: readonly Step[] = [
  // One event
  {
    says: "one event is given the next leaf",
    send: json(anEvent({ event_id: "e-1" })),
    status: 201,
    has: { event_id: "e-1", leaf_index: 1, received_at: "2026-03-01T12:00:01.000Z" },
  },
  {
    says: "the same event again has the same leaf",
    send: json(anEvent({ event_id: "e-1" })),
    status: 200,
    has: { event_id: "e-1", leaf_index: 1, duplicate: true },
  },
  {
    says: "the same event with its time as a number is the same event",
    send: json(
      anEvent({
        event_id: "e-1",
        timestamp: Date.parse("2023-10-21T15:32:00Z"),
        action: "access",
        reason: null,
      }),
    ),
    status: 200,
    has: { leaf_index: 1, duplicate: true },
  },
  {
    says: "the same id with other content is a conflict, which names the leaf",
    send: json(anEvent({ event_id: "e-1", result: "denied" })),
    status: 409,
    has: { code: "SERVER_CONFLICT", leaf_index: 1 },
  },
  {
    says: "the same id from another source is another event",
    send: { ...json(anEvent({ event_id: "e-1" })), key: "other" },
    status: 201,
    has: { leaf_index: 2 },
  },
  {
    says: "CBOR carries the same event",
    send: { type: CBOR, body: encodeCbor(anEvent({ event_id: "e-1" }) as never) },
    status: 200,
    has: { leaf_index: 1, duplicate: true },
  },
  {
    says: "gzip carries the same event",
    send: {
      type: JSON_TYPE,
      body: gzipSync(JSON.stringify(anEvent({ event_id: "e-1" }))),
      headers: { "Content-Encoding": "gzip" },
    },
    status: 200,
    has: { leaf_index: 1, duplicate: true },
  },
  {
    says: "a type may have parameters and capitals",
    send: { type: "Application/JSON; charset=UTF-8", body: JSON.stringify(anEvent({ event_id: "e-1" })) },
    status: 200,
    has: { leaf_index: 1 },
  },

  // Many
  {
    says: "a bad event does not stop the others",
    send: json([anEvent({ event_id: "m-1" }), anEvent({ user_id: 5 }), anEvent({ event_id: "m-2" })]),
    status: 200,
    results: [
      { event_id: "m-1", leaf_index: 3 },
      { code: "wrong_type", pointer: "/user_id" },
      { event_id: "m-2", leaf_index: 4 },
    ],
  },
  {
    says: "an id twice in one request is one event, a third time with other content a conflict",
    send: json([
      anEvent({ event_id: "m-3" }),
      anEvent({ event_id: "m-3" }),
      anEvent({ event_id: "m-3", result: "denied" }),
    ]),
    status: 200,
    results: [
      { event_id: "m-3", leaf_index: 5 },
      { event_id: "m-3", leaf_index: 5, duplicate: true },
      { code: "SERVER_CONFLICT", leaf_index: 5 },
    ],
  },
  {
    says: "a bad line of NDJSON is refused by its number, blank lines are none",
    send: {
      type: NDJSON,
      body: `${JSON.stringify(anEvent({ event_id: "n-1" }))}\n\n{"a":\r\n${JSON.stringify(anEvent({ event_id: "n-2" }))}\n`,
    },
    status: 200,
    results: [
      { event_id: "n-1", leaf_index: 6 },
      { code: "malformed_json", line: 3 },
      { event_id: "n-2", leaf_index: 7 },
    ],
  },
  {
    says: "an array of one is many",
    send: json([anEvent({ event_id: "e-1" })]),
    status: 200,
    results: [{ leaf_index: 1, duplicate: true }],
  },
  { says: "no events are many too", send: json([]), status: 200, results: [] },
  {
    says: "an empty NDJSON body has no events",
    send: { type: NDJSON, body: "\n" },
    status: 200,
    results: [],
  },
  {
    says: "an array of CBOR is many",
    send: { type: CBOR, body: encodeCbor([anEvent({ event_id: "c-1" })] as never) },
    status: 200,
    results: [{ event_id: "c-1", leaf_index: 8 }],
  },

  // What cannot be read
  unread("JSON that ends too soon is refused with line and column", '{\n "a":', 400, {
    code: "malformed_json",
    line: 2,
  }),
  unread("an empty body is no JSON", "", 400, { code: "malformed_json", line: 1, column: 1 }),
  unread("a key given twice is refused, with its place", '{"user_id":"a","user_id":"b"}', 422, {
    code: "duplicate_key",
    pointer: "/user_id",
    line: 1,
  }),
  unread("__proto__ is no key", '{"__proto__":{"result":"success"}}', 422, {
    code: "forbidden_key",
    pointer: "/__proto__",
  }),
  unread("__proto__ in an escape is no key either", '{"\\u005f_proto__":1}', 422, { code: "forbidden_key" }),
  unread("constructor is no key, however deep", '{"attributes":{"constructor":1}}', 422, {
    code: "forbidden_key",
    pointer: "/attributes/constructor",
  }),
  unread("a depth bomb is refused", deep(5_000), 422, { code: "too_deep" }),
  unread("an integer that JavaScript would round is refused", '{"duration_ms":9007199254740993}', 422, {
    code: "unsafe_number",
    pointer: "/duration_ms",
  }),
  unread("half a character is refused", '{"user_id":"\\ud800"}', 422, {
    code: "lone_surrogate",
    pointer: "/user_id",
  }),
  {
    says: "bytes that are not UTF-8 are refused",
    send: { type: JSON_TYPE, body: Buffer.from('{"user_id":"\xff"}', "latin1") },
    status: 400,
    has: { code: "SERVER_MALFORMED_UTF8" },
  },
  {
    says: "CBOR that is not deterministic is refused",
    send: { type: CBOR, body: Buffer.from("bf616101ff", "hex") },
    status: 400,
    has: { code: "EVENT_MALFORMED_CBOR" },
  },
  {
    says: "CBOR with shared references, which would grow ten thousand times, is refused",
    send: {
      type: CBOR,
      body: Buffer.concat([
        Buffer.from("82d81c7a0000c350", "hex"),
        Buffer.alloc(50_000, 97),
        Buffer.from("d81d00", "hex"),
      ]),
    },
    status: 400,
    has: { code: "EVENT_MALFORMED_CBOR" },
  },
  unread("a number is no event", "5", 422, { code: "not_an_object", pointer: "" }),

  // What breaks a rule of the schema
  refused("a missing field is named", { user_id: undefined }, "missing_field", "/user_id"),
  refused("a null is a missing field", { result: null }, "missing_field", "/result"),
  refused("an unknown field is named", { colour: "blue" }, "unknown_field", "/colour"),
  refused("a field of the server's own is refused", { source: "api" }, "server_field", "/source"),
  refused(
    "received_at is the server's to say",
    { received_at: "2023-10-21T15:32:00Z" },
    "server_field",
    "/received_at",
  ),
  refused("a result is one of five", { result: "ok" }, "bad_format", "/result"),
  refused("text too long is refused", { user_id: "x".repeat(257) }, "too_long", "/user_id"),
  refused("text too short is refused", { user_id: "" }, "too_short", "/user_id"),
  refused("too many tags are refused", { tags: new Array(33).fill("t") }, "too_many", "/tags"),
  refused("a status is in its range", { http_status: 600 }, "out_of_range", "/http_status"),
  refused("a time needs a zone", { timestamp: "2023-10-21T15:32:00" }, "bad_timestamp", "/timestamp"),
  refused(
    "a time is no more than ten minutes ahead",
    { timestamp: "2026-03-01T12:10:02Z" },
    "future_timestamp",
    "/timestamp",
  ),
  refused("an address is an address", { ip_address: "1.2.3.256" }, "bad_ip", "/ip_address"),
  refused(
    "a null inside attributes is refused",
    { attributes: { a: { b: null } } },
    "nested_null",
    "/attributes/a/b",
  ),
  refused(
    "attributes have a depth of four",
    { attributes: { a: { b: { c: { d: { e: 1 } } } } } },
    "too_deep",
    "/attributes/a/b/c/d",
  ),
  refused(
    "an event that would not fit its record is refused",
    { raw: "x".repeat(65_000) },
    "event_too_large",
    "",
    413,
  ),
  {
    says: "NUL and other control characters are kept",
    send: json(anEvent({ event_id: "nul", user_id: "a\u0000b\u001b[31m" })),
    status: 201,
    has: { leaf_index: 9 },
  },

  // What is around it
  {
    says: "without a key nothing is logged",
    send: { ...json(anEvent()), key: "none" },
    status: 401,
    has: { code: "SERVER_NO_KEY" },
  },
  {
    says: "an unknown key is refused",
    send: { ...json(anEvent()), key: "unknown" },
    status: 401,
    has: { code: "SERVER_UNKNOWN_KEY" },
  },
  {
    says: "an expired key is refused",
    send: { ...json(anEvent()), key: "expired" },
    status: 401,
    has: { code: "SERVER_EXPIRED_KEY" },
  },
  {
    says: "a reader may not write",
    send: { ...json(anEvent()), key: "reader" },
    status: 403,
    has: { code: "SERVER_WRONG_ROLE" },
  },
  {
    says: "a form is no type of ours",
    send: { type: "application/x-www-form-urlencoded", body: "a=1" },
    status: 415,
    has: { code: "SERVER_UNSUPPORTED_MEDIA_TYPE" },
  },
  {
    says: "a body without a type is refused",
    send: { body: "{}" },
    status: 415,
    has: { code: "SERVER_UNSUPPORTED_MEDIA_TYPE" },
  },
  {
    says: "latin1 is no charset of JSON",
    send: { type: "application/json; charset=latin1", body: "{}" },
    status: 415,
    has: { code: "SERVER_UNSUPPORTED_MEDIA_TYPE" },
  },
  {
    says: "brotli is no encoding of ours",
    send: { ...json(anEvent()), headers: { "Content-Encoding": "br" } },
    status: 415,
    has: { code: "SERVER_UNSUPPORTED_ENCODING" },
  },
  {
    says: "gzip that is none is refused",
    send: { ...json(anEvent()), headers: { "Content-Encoding": "gzip" } },
    status: 400,
    has: { code: "SERVER_MALFORMED_GZIP" },
  },
  {
    says: "a gzip bomb is refused by its growth",
    send: {
      type: JSON_TYPE,
      body: gzipSync(Buffer.alloc(5_000_000, 32)),
      headers: { "Content-Encoding": "gzip" },
    },
    status: 413,
    has: { code: "SERVER_GZIP_BOMB" },
  },
  {
    says: "a body is at most 10 MiB when it is inflated",
    send: {
      type: NDJSON,
      body: gzipSync(noise(10 * 1024 * 1024 + 1)),
      headers: { "Content-Encoding": "gzip" },
    },
    status: 413,
    has: { code: "SERVER_BODY_TOO_LARGE" },
  },
  {
    says: "a body is refused by the length it announces",
    send: { type: JSON_TYPE, body: "{", headers: { "Content-Length": String(10 * 1024 * 1024 + 1) } },
    status: 413,
    has: { code: "SERVER_BODY_TOO_LARGE" },
  },
  {
    says: "10,001 events are too many",
    send: { type: NDJSON, body: "{}\n".repeat(10_001) },
    status: 413,
    has: { code: "SERVER_TOO_MANY_EVENTS" },
  },
  {
    says: "10,001 events are too many as an array",
    send: json(new Array(10_001).fill(0)),
    status: 413,
    has: { code: "SERVER_TOO_MANY_EVENTS" },
  },
  {
    says: "one can wait for a receipt, for nothing else",
    send: { ...json(anEvent()), query: "?wait=reciept" },
    status: 400,
    has: { code: "SERVER_MALFORMED_QUERY", parameter: "wait" },
  },
  {
    says: "there is no evidence of what was refused",
    send: { ...json([anEvent({ user_id: 1 })]), query: "?wait=receipt" },
    status: 200,
    has: { evidence: null },
  },
  {
    says: "PUT is not for this path",
    send: { method: "PUT", ...json(anEvent()) },
    status: 405,
    has: { code: "SERVER_METHOD_NOT_ALLOWED" },
  },
  {
    says: "the next event has the next leaf: nothing that was refused took one",
    send: json(anEvent({ event_id: "last" })),
    status: 201,
    has: { leaf_index: 10 },
  },
]

/** Hex digits that gzip shrinks only by half. */
function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  let state = 1
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    bytes[i] = 97 + (state >>> 28)
  }
  return bytes
}
