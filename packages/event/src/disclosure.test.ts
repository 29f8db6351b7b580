import { isDeepStrictEqual } from "node:util"
import { encodeHex } from "@prooflog/tlog/base64"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { arbitraryEvent, arbitrarySeed } from "./arbitrary.js"
import { type CborValue, encodeCbor } from "./cbor.js"
import { commitmentOver, digestOf } from "./commitment.js"
import {
  checkDisclosure,
  type Disclosure,
  type DisclosureJson,
  disclose,
  disclosureFromJson,
  disclosureToJson,
  withhold,
} from "./disclosure.js"
import { EventError } from "./error.js"
import { normalizeEvent } from "./event.js"
import { parseStrictJson } from "./json.js"
import { noFieldNames } from "./names.js"
import { sealRecord } from "./record.js"

const SEED = Uint8Array.from({ length: 32 }, (_, i) => i)
const EVENT = {
  timestamp: "2023-10-21T15:32:00Z",
  user_id: "U12345",
  resource_accessed: "/secure-data",
  result: "success",
  ip_address: "192.168.1.10",
} as const
const ADDED = { source: "api", source_key_id: "k_01", event_id: "01891a2b-0000-7000-8000-000000000001" }
const { record, commitment } = sealRecord(normalizeEvent(EVENT, ADDED), SEED)

const codeOf = (run: () => unknown) => {
  try {
    run()
  } catch (error) {
    if (error instanceof EventError) return error.code
    throw error
  }
  return "accepted"
}

/** As JSON has it: without −0, without prototypes. */
const throughJson = (value: unknown) => JSON.parse(JSON.stringify(value))

const full = disclose(record, new Set())
const partial = disclose(record, new Set(["ip_address"]))

describe("withholding from a disclosure", () => {
  test("makes the one that would have been made of the record", () => {
    fc.assert(
      fc.property(
        arbitraryEvent,
        arbitrarySeed,
        fc.uniqueArray(fc.constantFrom("user_id", "ip_address", "attributes", "tags", "user_name")),
        fc.uniqueArray(fc.constantFrom("user_id", "ip_address", "raw", "user_name")),
        (event, seed, before, after) => {
          const { record: some, commitment: its } = sealRecord(normalizeEvent(event, ADDED), seed)
          const shown = withhold(disclose(some, new Set(before)), new Set(after))
          expect(shown).toEqual(disclose(some, new Set([...before, ...after])))
          expect(() => checkDisclosure(shown, its)).not.toThrow()
          // As it is when it came out of a file.
          const parsed = disclosureFromJson(throughJson(disclosureToJson(disclose(some, new Set()))))
          expect(withhold(parsed, new Set(after))).toEqual(disclose(some, new Set(after)))
        },
      ),
    )
  })

  test("shows the core always, and takes nothing else from it", () => {
    expect(codeOf(() => withhold(full, new Set(["result"])))).toBe("EVENT_CANNOT_WITHHOLD")
    expect(withhold(full, new Set(["no_such_name"]))).toEqual(full)
    expect(withhold(partial, new Set(["ip_address"]))).toEqual(partial)
  })
})

describe("a disclosure", () => {
  test("of everything shows everything", () => {
    const opened = checkDisclosure(full, commitment)
    expect({ ...opened.core }).toEqual({
      timestamp: 1697902320000000,
      action: "access",
      result: "success",
      ...ADDED,
    })
    expect({ ...opened.fields }).toEqual({
      user_id: "U12345",
      resource_accessed: "/secure-data",
      ip_address: "192.168.1.10",
    })
    expect(opened.withheld).toEqual([])
  })

  test("has the salts and digests of the worked example", () => {
    expect(encodeHex(full.core[0])).toBe("f8f3c1709cfa326b31201057085c5861")
    const [user] = disclose(record, new Set(["user_id"])).fields
    expect(encodeHex(user?.[1] as Uint8Array)).toBe(
      "fa0049048aa9f51c9e033c27d5cf237749792d37508ad720530303ee35477316",
    )
  })

  test("without a field proves the rest and names what is missing", () => {
    const opened = checkDisclosure(partial, commitment)
    expect(opened.withheld).toEqual(["ip_address"])
    expect(Object.keys(opened.fields)).toEqual(["user_id", "resource_accessed"])
    expect(JSON.stringify(disclosureToJson(partial))).not.toContain("192.168.1.10")
  })

  test("can withhold every field and nothing of the core", () => {
    const names = ["user_id", "ip_address", "resource_accessed"]
    expect(checkDisclosure(disclose(record, new Set(names)), commitment).withheld).toEqual(names)
    for (const name of ["result", "timestamp", "severity"]) {
      expect(codeOf(() => disclose(record, new Set([name])))).toBe("EVENT_CANNOT_WITHHOLD")
    }
    expect(disclose(record, new Set(["user_name", "nothing"]))).toEqual(full)
  })

  test("never holds the seed, nor the salt of what it withholds", () => {
    const text = JSON.stringify(disclosureToJson(partial))
    const withheldSalt = disclosureToJson(full).fields[1]?.[1] as string
    expect(text).not.toContain(withheldSalt)
    expect(text).not.toContain(Buffer.from(SEED).toString("base64").slice(0, 20))
  })

  test("of any event proves just what it shows", () => {
    fc.assert(
      fc.property(arbitraryEvent, arbitrarySeed, fc.infiniteStream(fc.boolean()), (event, seed, hide) => {
        const normal = normalizeEvent(event, { ...ADDED, event_id: "e" })
        const sealed = sealRecord(normal, seed)
        const withhold = new Set(normal.fields.map(([name]) => name).filter(() => hide.next().value))
        const text = JSON.stringify(disclosureToJson(disclose(sealed.record, withhold)))
        const read = disclosureFromJson(parseStrictJson(text, { integers: "double", maxDepth: 12 }))
        const opened = checkDisclosure(read, sealed.commitment)
        expect(opened.withheld).toEqual([...withhold])
        const shown = normal.fields.filter(([name]) => !withhold.has(name))
        for (const [proven, said] of [
          [opened.fields, shown],
          [opened.core, normal.core],
        ] as const) {
          const [a, b] = [throughJson(proven), throughJson(Object.fromEntries(said))]
          if (!isDeepStrictEqual(a, b)) expect(a).toEqual(b)
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe("a forged disclosure", () => {
  const [salt, core] = full.core
  const [user, address, resource] = full.fields as [
    Disclosure["fields"][0],
    Disclosure["fields"][0],
    Disclosure["fields"][0],
  ]
  const digest = partial.fields[1] as Disclosure["fields"][0]
  const anySalt = new Uint8Array(16)
  const { result: _, ...withoutResult } = core

  test.each<[string, Disclosure, string]>([
    [
      "another value",
      { core: full.core, fields: [["user_id", user[1], "U99999"], address, resource] },
      "EVENT_COMMITMENT_MISMATCH",
    ],
    [
      "another core value",
      { core: [salt, { ...core, result: "denied" }], fields: full.fields },
      "EVENT_COMMITMENT_MISMATCH",
    ],
    [
      "a core value more",
      { core: [salt, { ...core, severity: "low" }], fields: full.fields },
      "EVENT_COMMITMENT_MISMATCH",
    ],
    [
      "another salt",
      { core: full.core, fields: [["user_id", anySalt, "U12345"], address, resource] },
      "EVENT_COMMITMENT_MISMATCH",
    ],
    [
      "another digest",
      { core: full.core, fields: [user, ["ip_address", new Uint8Array(32)], resource] },
      "EVENT_COMMITMENT_MISMATCH",
    ],
    [
      "a value of another type",
      { core: full.core, fields: [["user_id", user[1], 12345], address, resource] },
      "EVENT_COMMITMENT_MISMATCH",
    ],
    ["a field less", { core: full.core, fields: [user, resource] }, "EVENT_COMMITMENT_MISMATCH"],
    ["a withheld field less", { core: full.core, fields: [user, resource] }, "EVENT_COMMITMENT_MISMATCH"],
    [
      "a renamed withheld field",
      { core: full.core, fields: [user, ["ip_addrese", digest[1] as Uint8Array], resource] },
      "EVENT_COMMITMENT_MISMATCH",
    ],
    [
      "a field twice",
      { core: full.core, fields: [user, ["user_id", anySalt, "U99999"], address, resource] },
      "EVENT_MALFORMED_RECORD",
    ],
    [
      "a field twice, once withheld",
      { core: full.core, fields: [user, ["user_id", new Uint8Array(32)], address, resource] },
      "EVENT_MALFORMED_RECORD",
    ],
    [
      "a core name among the fields",
      { core: full.core, fields: [["result", anySalt, "denied"], user, address, resource] },
      "EVENT_MALFORMED_RECORD",
    ],
    [
      "a core name withheld",
      { core: full.core, fields: [["result", new Uint8Array(32)], user, address, resource] },
      "EVENT_MALFORMED_RECORD",
    ],
    [
      "a field in the core",
      { core: [salt, { ...core, user_name: "x" }], fields: full.fields },
      "EVENT_MALFORMED_RECORD",
    ],
    ["fields out of order", { core: full.core, fields: [address, user, resource] }, "EVENT_MALFORMED_RECORD"],
    ["no user", { core: full.core, fields: [address, resource] }, "EVENT_MALFORMED_RECORD"],
    [
      "a core without result",
      { core: [salt, { ...core, result: undefined as unknown as CborValue }], fields: full.fields },
      "EVENT_NOT_ENCODABLE",
    ],
    [
      "a core that lacks result",
      { core: [salt, withoutResult], fields: full.fields },
      "EVENT_MALFORMED_RECORD",
    ],
    ["a short salt", { core: [new Uint8Array(15), core], fields: full.fields }, "EVENT_MALFORMED_DISCLOSURE"],
    [
      "a short digest",
      { core: full.core, fields: [user, ["ip_address", new Uint8Array(31)], resource] },
      "EVENT_MALFORMED_DISCLOSURE",
    ],
    [
      "a null",
      { core: full.core, fields: [["user_id", user[1], null as unknown as CborValue], address, resource] },
      "EVENT_NOT_ENCODABLE",
    ],
  ])("with %s is refused", (_, disclosure, code) => {
    expect(codeOf(() => checkDisclosure(disclosure, commitment))).toBe(code)
  })

  test("that shows more than a record can hold is refused, whoever committed to it", () => {
    /** What an operator can commit to without making a record. */
    const commitTo = (fields: readonly (readonly [string, string])[], withheld: ReadonlySet<string>) => {
      const encodedCore = encodeCbor(Object.entries(core) as unknown as CborValue)
      const salts = fields.map((_, i) => new Uint8Array(16).fill(i))
      const digests = fields.map(([, value], i) => digestOf(salts[i] as Uint8Array, encodeCbor(value)))
      const names = fields.reduce((list, [name]) => list.append(name), noFieldNames())
      const disclosure: Disclosure = {
        core: [salt, core],
        fields: fields.map(([name, value], i) =>
          withheld.has(name) ? [name, digests[i] as Uint8Array] : [name, salts[i] as Uint8Array, value],
        ),
      }
      return {
        disclosure,
        commitment: commitmentOver(names.shape, [digestOf(salt, encodedCore), ...digests]),
      }
    }
    const fieldsOf = (length: number) =>
      [
        ["user_id", "U"],
        ["user_agent", "x".repeat(length)],
        ["resource_accessed", "/"],
      ] as const
    const normal = (length: number) => ({
      core: Object.entries(core) as [string, CborValue][],
      fields: fieldsOf(length),
    })
    const most = 60_000 + 65_535 - sealRecord(normal(60_000), SEED).record.length
    expect(sealRecord(normal(most), SEED).record.length).toBe(65_535)
    for (const [length, withheld, code] of [
      [most, new Set<string>(), "accepted"],
      [most + 1, new Set<string>(), "EVENT_MALFORMED_DISCLOSURE"],
      // Two bytes of `"U"` may have been one.
      [most + 1, new Set(["user_id"]), "accepted"],
      [most + 2, new Set(["user_id"]), "EVENT_MALFORMED_DISCLOSURE"],
    ] as const) {
      const { disclosure, commitment } = commitTo(fieldsOf(length), withheld)
      expect(
        codeOf(() => checkDisclosure(disclosure, commitment)),
        `${length - most}`,
      ).toBe(code)
    }
  })

  test.each([
    ["1.0", 1],
    ["1e0", 1],
    ["0.1e1", 1],
    ["-0", 0],
    ["-0.0e5", 0],
    ["9007199254740992", 2 ** 53],
    ["9.007199254740992e15", 2 ** 53],
    ["1e21", 1e21],
    ["1000000000000000000000", 1e21],
  ])("in JSON may spell %s in one meaning only: %d", (spelled, number) => {
    const normal = normalizeEvent({ ...EVENT, attributes: { n: number } }, ADDED)
    const sealed = sealRecord(normal, SEED)
    const text = JSON.stringify(disclosureToJson(disclose(sealed.record, new Set())))
    const other = text.replace(/"n":[^}]*/, `"n":${spelled}`)
    const read = disclosureFromJson(parseStrictJson(other, { integers: "double" }))
    const { fields } = checkDisclosure(read, sealed.commitment)
    expect(fields.attributes).toEqual({ n: number })
  })

  test.each([
    ["a key twice by an escape", '"n":1,"\\u006e":2'],
    ["__proto__", '"n":1,"__proto__":{"m":2}'],
    ["__proto__ by an escape", '"n":1,"\\u005f_proto__":{"m":2}'],
    ["a key more", '"n":1,"toJSON":2'],
    ["another number", '"n":1.0000000000000002'],
    ["a number as text", '"n":"1"'],
    ["true for 1", '"n":true'],
    ["half of a surrogate pair", '"n":"\\ud800"'],
  ])("in JSON with %s inside a value is refused", (_, members) => {
    const normal = normalizeEvent({ ...EVENT, attributes: { n: 1 } }, ADDED)
    const sealed = sealRecord(normal, SEED)
    const text = JSON.stringify(disclosureToJson(disclose(sealed.record, new Set())))
    const forged = text.replace('"n":1', members)
    expect(
      codeOf(() => checkDisclosure(disclosureFromJson(parseStrictJson(forged)), sealed.commitment)),
    ).not.toBe("accepted")
  })

  test("is refused for any other commitment", () => {
    for (let at = 0; at < 32; at++) {
      const other = commitment.slice()
      other[at] = (other[at] as number) ^ 1
      expect(codeOf(() => checkDisclosure(full, other))).toBe("EVENT_COMMITMENT_MISMATCH")
    }
    expect(codeOf(() => checkDisclosure(full, commitment.slice(0, 31)))).toBe("EVENT_COMMITMENT_MISMATCH")
  })

  test("with any byte of its JSON changed is refused, or says the same", () => {
    const text = JSON.stringify(disclosureToJson(partial))
    const said = JSON.stringify(checkDisclosure(partial, commitment))
    for (let at = 0; at < text.length; at++) {
      for (const replacement of ["A", "1", "x", '"', ",", " ", "", "\\u0041"]) {
        const mutated = text.slice(0, at) + replacement + text.slice(at + 1)
        let opened: unknown
        try {
          opened = checkDisclosure(disclosureFromJson(parseStrictJson(mutated)), commitment)
        } catch (error) {
          expect(error).toBeInstanceOf(EventError)
          continue
        }
        expect(JSON.stringify(opened)).toBe(said)
      }
    }
  })

  test.each<[string, (json: DisclosureJson) => unknown]>([
    ["null", () => null],
    ["an array", (json) => [json]],
    ["another member", (json) => ({ ...json, note: "all of it" })],
    ["no core", ({ fields }) => ({ fields })],
    ["no fields", ({ core }) => ({ core })],
    ["a core of three", ({ core, fields }) => ({ core: [...core, 1], fields })],
    ["a core that is an array", ({ core, fields }) => ({ core: [core[0], []], fields })],
    ["a field of one", ({ core }) => ({ core, fields: [["user_id"]] })],
    ["a field of four", ({ core }) => ({ core, fields: [["user_id", core[0], 1, 2]] })],
    ["a name that is a number", ({ core }) => ({ core, fields: [[1, core[0], 1]] })],
    ["a salt that is no text", ({ core }) => ({ core, fields: [["user_id", 1, 1]] })],
    [
      "a salt without padding",
      ({ core }) => ({ core, fields: [["user_id", core[0].replace(/=+$/, ""), 1]] }),
    ],
    [
      "a salt in the URL alphabet",
      ({ core }) => ({ core, fields: [["user_id", `-_${core[0].slice(2)}`, 1]] }),
    ],
    ["a salt where a digest belongs", ({ core }) => ({ core, fields: [["user_id", core[0]]] })],
    [
      "a digest where a salt belongs",
      ({ core }) => ({ core, fields: [["user_id", `${"A".repeat(43)}=`, 1]] }),
    ],
  ])("in JSON with %s is refused", (_, forge) => {
    const json = forge(disclosureToJson(full))
    expect(codeOf(() => disclosureFromJson(json))).toBe("EVENT_MALFORMED_DISCLOSURE")
  })
})
