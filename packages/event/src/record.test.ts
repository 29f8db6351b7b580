import { decodeHex, encodeHex } from "@prooflog/tlog/base64"
import { leafHash, sha256, sha512 } from "@prooflog/tlog/hash"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { arbitraryEvent, arbitrarySeed, arbitraryValue } from "./arbitrary.js"
import { type CborValue, encodeCbor } from "./cbor.js"
import { compareEncodedText } from "./cbor-writer.js"
import { ABSENT, CheckedRecordReader, FLOAT, OTHER, TEXT, UNSIGNED } from "./checked-record.js"
import { CORE_NAMES } from "./core-names.js"
import { encodeEventEntry, stampEntryTime } from "./entry.js"
import { EventError } from "./error.js"
import { type NamedValue, type NormalEvent, normalizeEvent } from "./event.js"
import { FIELDS as SCHEMA_FIELDS } from "./fields.js"
import { noFieldNames } from "./names.js"
import {
  commitmentOf,
  commitmentOfInto,
  openRecord,
  randomSeed,
  SeedPool,
  sealRecord,
  sealRecordInto,
} from "./record.js"

const SEED = Uint8Array.from({ length: 32 }, (_, i) => i)

const EVENT = {
  timestamp: "2023-10-21T15:32:00Z",
  user_id: "U12345",
  resource_accessed: "/secure-data",
  result: "success",
  ip_address: "192.168.1.10",
} as const

const ADDED = { source: "api", source_key_id: "k_01", event_id: "01891a2b-0000-7000-8000-000000000001" }

const NORMAL = normalizeEvent(EVENT, ADDED)

const codeOf = (run: () => unknown) => {
  try {
    run()
  } catch (error) {
    if (error instanceof EventError) return error.code
    throw error
  }
  return "accepted"
}

/** The construction of the specification, literally: slow, obvious, and without our writer's tricks. */
const literalCommitment = (event: NormalEvent, seed: Uint8Array) => {
  const concat = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts))
  const salt = (i: number) =>
    sha512(concat(seed, Uint8Array.of(0, 0, 0, Math.floor(i / 4)))).slice(16 * (i % 4), 16 * (i % 4) + 16)
  const digest = (i: number, value: CborValue) => sha256(concat(Uint8Array.of(2), salt(i), encodeCbor(value)))
  const shape = sha256(concat(Uint8Array.of(4), encodeCbor(event.fields.map(([name]) => name))))
  const digests = event.fields.map(([, value], i) => digest(i + 1, value))
  return sha256(concat(Uint8Array.of(3), shape, digest(0, event.core as unknown as CborValue), ...digests))
}

/** A record with anything in it, for what the writer would not write. */
const forge = (core: unknown, fields: unknown, seed: unknown = SEED, version: unknown = 1) =>
  encodeCbor([version, seed, core, fields] as CborValue)

const CORE = NORMAL.core as unknown as CborValue[]
const FIELDS = NORMAL.fields as unknown as CborValue[]

describe("the worked example", () => {
  const { record, commitment } = sealRecord(NORMAL, SEED)

  test("has its names in order", () => {
    expect(NORMAL.core.map(([name]) => name).join(" ")).toBe(
      "action result source event_id timestamp source_key_id",
    )
    expect(NORMAL.fields.map(([name]) => name).join(" ")).toBe("user_id ip_address resource_accessed")
  })

  test("reproduces to the byte", () => {
    expect(record.length).toBe(242)
    expect(encodeHex(commitment)).toBe("5e9f26e3064393ca59717110a7db083d2bc442fa6aec15c19d32f4a4732d1e4a")
    const entry = encodeEventEntry("routine", commitment)
    stampEntryTime(entry, 0, 1697902321123)
    expect(encodeHex(entry)).toBe(`84011b0000018b52dd5de367726f7574696e655820${encodeHex(commitment)}`)
    expect(encodeHex(leafHash(entry))).toBe(
      "b29294ac539028471be47e46544bf5950d8085032251e6f53235d5e07c10fc50",
    )
  })

  test("opens again", () => {
    expect(openRecord(record)).toEqual({ seed: SEED, core: NORMAL.core, fields: NORMAL.fields })
    expect(commitmentOf(record)).toEqual(commitment)
  })
})

describe("sealing", () => {
  test("agrees with the specification read literally, and with the reader", () => {
    fc.assert(
      fc.property(arbitraryEvent, arbitrarySeed, (event, seed) => {
        const normal = normalizeEvent(event, ADDED)
        const { record, commitment } = sealRecord(normal, seed)
        expect(encodeHex(commitment)).toBe(encodeHex(literalCommitment(normal, seed)))
        expect(encodeHex(commitmentOf(record))).toBe(encodeHex(commitment))
        const opened = openRecord(record)
        const again = sealRecord(opened, opened.seed)
        expect(encodeHex(again.record)).toBe(encodeHex(record))
        expect(encodeHex(again.commitment)).toBe(encodeHex(commitment))
      }),
      { numRuns: 1000 },
    )
  })

  test("takes names that no schema knows, up to 255 of them", () => {
    const others: NamedValue[] = Array.from({ length: 253 }, (_, i) => [`x${String(i).padStart(62, "0")}`, i])
    const fields = [...NORMAL.fields.filter(([name]) => name !== "ip_address"), ...others]
    const event = { core: NORMAL.core, fields }
    const { record, commitment } = sealRecord(event, SEED)
    expect(openRecord(record).fields.length).toBe(255)
    expect(commitment).toEqual(literalCommitment(event, SEED))
    expect(commitmentOf(record)).toEqual(commitment)
    const more = { core: NORMAL.core, fields: [...fields, [`x${"9".repeat(62)}`, 0]] as NamedValue[] }
    expect(codeOf(() => sealRecord(more, SEED))).toBe("EVENT_MALFORMED_RECORD")
    expect(codeOf(() => openRecord(forge(more.core, more.fields)))).toBe("EVENT_MALFORMED_RECORD")
  })

  test("writes into the caller's buffers what sealRecord returns", () => {
    const out = new Uint8Array(1000).fill(0xaa)
    const commitments = new Uint8Array(96)
    const size = sealRecordInto(NORMAL, SEED, out, 100, commitments, 32)
    const { record, commitment } = sealRecord(NORMAL, SEED)
    expect(out.slice(100, 100 + size)).toEqual(record)
    expect(out[99]).toBe(0xaa)
    expect(out[100 + size]).toBe(0xaa)
    expect(commitments.slice(32, 64)).toEqual(commitment)
    commitmentOfInto(record, commitments, 64)
    expect(commitments.slice(64)).toEqual(commitment)
    expect(() => sealRecordInto(NORMAL, SEED, out, 900, commitments, 0)).toThrow(RangeError)
  })

  test("leaves the record it reads as it was", () => {
    const { record } = sealRecord(NORMAL, SEED)
    const before = record.slice()
    commitmentOf(record)
    openRecord(record)
    expect(record).toEqual(before)
  })

  const withField = (name: string, value: unknown): NormalEvent => ({
    core: NORMAL.core,
    fields: [...NORMAL.fields, [name, value] as NamedValue].sort(([a], [b]) => compareEncodedText(a, b)),
  })

  test.each([
    ["a name in capitals", withField("User", 1), "EVENT_MALFORMED_RECORD"],
    ["an empty name", withField("", 1), "EVENT_MALFORMED_RECORD"],
    ["a name of 65 characters", withField("x".repeat(65), 1), "EVENT_MALFORMED_RECORD"],
    ["a core name among the fields", withField("severity", 1), "EVENT_MALFORMED_RECORD"],
    ["a name twice", withField("user_id", "U99999"), "EVENT_MALFORMED_RECORD"],
    ["a null", withField("x", null), "EVENT_NOT_ENCODABLE"],
    ["a byte string", withField("x", new Uint8Array(1)), "EVENT_NOT_ENCODABLE"],
    ["a value of depth 5", withField("x", [[[[[1]]]]]), "EVENT_NOT_ENCODABLE"],
    ["too many bytes", withField("x", "a".repeat(65_400)), "EVENT_TOO_LARGE"],
  ])("refuses %s", (_, event, code) => {
    expect(codeOf(() => sealRecord(event, SEED))).toBe(code)
  })

  test("accepts a record of exactly 65,535 bytes", () => {
    const base = sealRecord(withField("x", "a".repeat(60_000)), SEED).record.length - 60_000
    const { record } = sealRecord(withField("x", "a".repeat(65_535 - base)), SEED)
    expect(record.length).toBe(65_535)
    expect(openRecord(record).fields.length).toBe(4)
    expect(codeOf(() => sealRecord(withField("x", "a".repeat(65_536 - base)), SEED))).toBe("EVENT_TOO_LARGE")
  })

  test("refuses a seed of another length", () => {
    expect(() => sealRecord(NORMAL, new Uint8Array(16))).toThrow(RangeError)
  })
})

describe("opening", () => {
  test("refuses two tellings of one record", () => {
    const pair = (name: string, value: unknown) => [name, value]
    const [action, result, source, eventId, timestamp, keyId] = CORE
    const [user, address, resource] = FIELDS
    const tellings: [string, unknown, unknown][] = [
      ["a field twice", CORE, [user, pair("user_id", "U99999"), address, resource]],
      ["a field twice, apart", CORE, [user, address, pair("user_id", "U99999"), resource]],
      [
        "a core name twice",
        [action, result, pair("result", "denied"), source, eventId, timestamp, keyId],
        FIELDS,
      ],
      [
        "a field twice that need not be there",
        CORE,
        [user, address, pair("ip_address", "10.0.0.1"), resource],
      ],
      [
        "a core name twice that need not be there",
        [action, result, source, pair("severity", "low"), pair("severity", "low"), eventId, timestamp, keyId],
        FIELDS,
      ],
      ["a core name among the fields too", CORE, [pair("result", "denied"), user, address, resource]],
      [
        "a core name among the fields instead",
        [action, source, eventId, timestamp, keyId],
        [result, user, address, resource],
      ],
      ["a field in the core", [action, result, source, user, eventId, timestamp, keyId], [address, resource]],
      ["an unknown name in the core", [pair("x", 1), ...CORE], FIELDS],
      ["fields out of order", CORE, [address, user, resource]],
      ["a core out of order", [result, action, source, eventId, timestamp, keyId], FIELDS],
    ]
    for (const [what, core, fields] of tellings) {
      expect(
        codeOf(() => openRecord(forge(core, fields))),
        what,
      ).toBe("EVENT_MALFORMED_RECORD")
      expect(
        codeOf(() => commitmentOf(forge(core, fields))),
        what,
      ).toBe("EVENT_MALFORMED_RECORD")
      const event = { core, fields } as unknown as NormalEvent
      expect(
        codeOf(() => sealRecord(event, SEED)),
        what,
      ).toBe("EVENT_MALFORMED_RECORD")
    }
  })

  test.each(["timestamp", "event_id", "action", "result", "source", "user_id", "resource_accessed"])(
    "refuses a record without %s",
    (name) => {
      const without = (pairs: CborValue[]) => pairs.filter((pair) => (pair as CborValue[])[0] !== name)
      const [core, fields] = [without(CORE), without(FIELDS)]
      expect(codeOf(() => openRecord(forge(core, fields)))).toBe("EVENT_MALFORMED_RECORD")
      const event = { core, fields } as unknown as NormalEvent
      expect(codeOf(() => sealRecord(event, SEED))).toBe("EVENT_MALFORMED_RECORD")
    },
  )

  test.each(CORE_NAMES)("keeps %s in the core", (name) => {
    const fields = [...FIELDS, [name, 1]].sort((a, b) =>
      compareEncodedText((a as string[])[0] as string, (b as string[])[0] as string),
    )
    expect(codeOf(() => openRecord(forge(CORE, fields)))).toBe("EVENT_MALFORMED_RECORD")
  })

  test.each([
    ["another version", forge(CORE, FIELDS, SEED, 2)],
    ["a short seed", forge(CORE, FIELDS, new Uint8Array(16))],
    ["a seed of text", forge(CORE, FIELDS, "a".repeat(32))],
    ["a fifth element", encodeCbor([1, SEED, CORE, FIELDS, 1])],
    ["no fields", encodeCbor([1, SEED, CORE])],
    ["a core that is a map", forge({ action: "x" }, FIELDS)],
    ["a pair of three", forge(CORE, [["user_id", 1, 2], FIELDS[2] as CborValue])],
    ["a pair of one", forge(CORE, [["user_id"], FIELDS[2] as CborValue])],
    ["a name that is a number", forge(CORE, [[1, 1], ...FIELDS])],
    ["nothing", new Uint8Array(0)],
    ["no array", Uint8Array.of(1)],
  ])("refuses %s", (_, bytes) => {
    expect(codeOf(() => openRecord(bytes))).toMatch(/^EVENT_MALFORMED_(RECORD|CBOR)$/)
    expect(codeOf(() => commitmentOf(bytes))).toBe(codeOf(() => openRecord(bytes)))
  })

  test.each([
    ["a byte string", new Uint8Array(3)],
    ["depth 5", [[[[[1]]]]]],
  ])("refuses a value with %s", (_, value) => {
    const fields = [["x", value], ...FIELDS]
    expect(codeOf(() => openRecord(forge(CORE, fields)))).toBe("EVENT_MALFORMED_CBOR")
  })

  test("any change of a byte is refused or opens another commitment", () => {
    const { record, commitment } = sealRecord(NORMAL, SEED)
    for (let at = 0; at < record.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const mutated = record.slice()
        mutated[at] = (record[at] as number) ^ (1 << bit)
        if (codeOf(() => openRecord(mutated)) !== "accepted") continue
        expect(encodeHex(commitmentOf(mutated))).not.toBe(encodeHex(commitment))
      }
      expect(codeOf(() => openRecord(record.slice(0, at)))).not.toBe("accepted")
      const inserted = Uint8Array.of(...record.slice(0, at), 0, ...record.slice(at))
      if (codeOf(() => openRecord(inserted)) === "accepted")
        expect(commitmentOf(inserted)).not.toEqual(commitment)
    }
    expect(codeOf(() => openRecord(Uint8Array.of(...record, 0)))).not.toBe("accepted")
  })

  test("of arbitrary bytes throws its own errors only", () => {
    const head = Uint8Array.of(0x84, 1, 0x58, 32, ...SEED)
    const random = fc.uint8Array({ maxLength: 80 })
    fc.assert(
      fc.property(random, fc.boolean(), (bytes, headed) => {
        const record = headed ? Uint8Array.of(...head, ...bytes) : bytes
        expect(codeOf(() => openRecord(record))).toMatch(/^EVENT_MALFORMED/)
      }),
      { numRuns: 5000 },
    )
    const pairs = fc.array(
      fc.tuple(fc.constantFrom("user_id", "resource_accessed", "x", "result"), arbitraryValue(2)),
    )
    fc.assert(
      fc.property(pairs, (fields) => {
        const record = forge(CORE, fields as unknown as CborValue)
        const answer = codeOf(() => openRecord(record))
        if (answer === "accepted")
          expect(commitmentOf(record)).toEqual(literalCommitment(openRecord(record), SEED))
        else expect(answer).toBe("EVENT_MALFORMED_RECORD")
      }),
    )
  })

  test.each(["User", "", "1st", "_x", "x-y", "x".repeat(65), "ü"])("refuses the name %j", (name) => {
    const fields = [...FIELDS, [name, 1]].sort((a, b) =>
      compareEncodedText((a as string[])[0] as string, (b as string[])[0] as string),
    )
    expect(codeOf(() => openRecord(forge(CORE, fields)))).toBe("EVENT_MALFORMED_RECORD")
    expect(codeOf(() => commitmentOf(forge(CORE, fields)))).toBe("EVENT_MALFORMED_RECORD")
  })

  test("refuses more than 65,535 bytes, well formed or not", () => {
    expect(codeOf(() => openRecord(new Uint8Array(10_000_000).fill(0x84)))).toBe("EVENT_MALFORMED_RECORD")
    const withText = (length: number) => forge(CORE, [["x", "a".repeat(length)], ...FIELDS])
    const most = 60_000 + 65_535 - withText(60_000).length
    const record = withText(most)
    expect(codeOf(() => openRecord(record))).toBe("accepted")
    // One more character, and the head of its text says so.
    const head = Buffer.from(record).indexOf("a".repeat(100)) - 3
    const longer = Uint8Array.of(...record.subarray(0, head + 3), 0x61, ...record.subarray(head + 3))
    new DataView(longer.buffer).setUint16(head + 1, most + 1)
    expect(longer.length).toBe(65_536)
    expect(codeOf(() => openRecord(longer))).toBe("EVENT_MALFORMED_RECORD")
    expect(codeOf(() => commitmentOf(longer))).toBe("EVENT_MALFORMED_RECORD")
  })

  test("remembers no more shapes than it may", () => {
    // Ever new combinations make the lists start anew; commitments do not change.
    const before = noFieldNames()
    for (let i = 0; i < 9000; i++) {
      const fields = [
        ...NORMAL.fields,
        [`name_of_more_than_seventeen_${String(i).padStart(6, "0")}`, 1] as NamedValue,
      ]
      const { record, commitment } = sealRecord({ core: NORMAL.core, fields }, SEED)
      if (i % 1000 === 0) expect(commitmentOf(record)).toEqual(commitment)
    }
    expect(noFieldNames()).not.toBe(before)
    expect(encodeHex(sealRecord(NORMAL, SEED).commitment)).toMatch(/^5e9f26e3/)
  })

  test("can be read where it was sealed, though an array lies about itself", () => {
    const tags = Object.assign(["a", "b"], { *[Symbol.iterator]() {} })
    const { record, commitment } = sealRecord(normalizeEvent({ ...EVENT, tags }, ADDED), SEED)
    expect(encodeHex(commitmentOf(record))).toBe(encodeHex(commitment))
  })
})

describe("seeds", () => {
  test("are drawn in large pieces, given once, and wiped", () => {
    let drawn = 0
    let pool = new Uint8Array(0)
    const seeds = new SeedPool((bytes) => {
      pool = bytes
      for (let i = 0; i < bytes.length; i++) bytes[i] = 1 + 4 * drawn + (i >> 5)
      drawn++
    }, 4)
    const given = Array.from({ length: 9 }, () => encodeHex(seeds.next()))
    expect(drawn).toBe(3)
    expect(new Set(given).size).toBe(9)
    expect(pool.slice(0, 32)).toEqual(new Uint8Array(32))
    expect(pool[32]).not.toBe(0)
  })

  test("come from the generator that is given", () => {
    const fill = (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes)
    const seeds = new SeedPool(fill)
    const many = new Set(Array.from({ length: 5000 }, () => encodeHex(seeds.next())))
    expect(many.size).toBe(5000)
    expect(many.has(encodeHex(randomSeed(fill)))).toBe(false)
    expect(() => new SeedPool(fill, 0)).toThrow(RangeError)
    expect(() => new SeedPool(fill, 2049)).toThrow(RangeError)
  })
})

test("hex of the example is what the documents say", () => {
  const { record } = sealRecord(NORMAL, SEED)
  expect(decodeHex(encodeHex(record))).toEqual(record)
  expect(encodeHex(record).slice(0, 8)).toBe("84015820")
})

describe("a reader of checked records", () => {
  const readAll = (names: readonly string[], records: readonly Uint8Array[]) => {
    const page = new Uint8Array(Buffer.concat([Uint8Array.of(7), ...records]))
    const reader = new CheckedRecordReader(names)
    let at = 1
    return records.map((record) => {
      reader.read(page, at, at + record.length)
      at += record.length
      return names.map((_, i) => {
        const value = reader.valueOf(i)
        const [start, end] = [reader.starts[i] as number, reader.ends[i] as number]
        if (typeof value === "string") {
          expect([reader.kinds[i], Buffer.from(value)]).toEqual([TEXT, Buffer.from(page.slice(start, end))])
        } else if (Number.isSafeInteger(value) && (value as number) >= 0) {
          expect([reader.kinds[i], reader.numbers[i]]).toEqual([UNSIGNED, value])
        } else if (typeof value === "number" && !Number.isSafeInteger(value)) {
          expect([reader.kinds[i], reader.numbers[i]]).toEqual([FLOAT, value])
        } else {
          expect(reader.kinds[i]).toBe(value === undefined ? ABSENT : OTHER)
        }
        return value
      })
    })
  }

  test("reads what openRecord does, of the names it was asked for", () => {
    const records = fc.array(fc.tuple(arbitraryEvent, arbitrarySeed), { minLength: 1, maxLength: 4 })
    const asked = fc.shuffledSubarray([
      ...SCHEMA_FIELDS.map(({ name }) => name),
      "no_field",
      "host_",
      "user_ie",
    ])
    fc.assert(
      fc.property(records, asked, (events, names) => {
        const sealed = events.map(([event, seed]) => sealRecord(normalizeEvent(event, ADDED), seed).record)
        const expected = sealed.map((record) => {
          const { core, fields } = openRecord(record)
          const said = new Map([...core, ...fields])
          return names.map((name) => said.get(name))
        })
        expect(readAll(names, sealed)).toEqual(expected)
      }),
    )
  })

  test("passes over names of any kind", () => {
    const core = [...CORE]
    const fields = [...FIELDS, ["zz_number", -1.5], ["zz_nested", [{ a: [true, "ü"] }]]] as CborValue[]
    fields.sort((a, b) => compareEncodedText((a as [string])[0], (b as [string])[0]))
    const record = forge(core, fields)
    expect(readAll(["user_id", "zz_number", "zz_nested", "mfa"], [record])).toEqual([
      ["U12345", -1.5, [{ a: [true, "ü"] }], undefined],
    ])
    const of = (user: string) =>
      forge(CORE, [
        ["user_id", user],
        ["resource_accessed", "/"],
      ])
    const users = ["a".repeat(101), "a".repeat(5), "a".repeat(5), "ü", "ü", "üa", "a".repeat(101)]
    expect(readAll(["user_id"], users.map(of))).toEqual(users.map((user) => [user]))
    expect(readAll(["resource_accessed"], [record, record])).toEqual([["/secure-data"], ["/secure-data"]])
  })
})
