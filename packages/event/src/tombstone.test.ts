import { readFileSync } from "node:fs"
import { encodeHex } from "@prooflog/tlog/base64"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { type CborValue, encodeCbor } from "./cbor.js"
import { NOTICE_KINDS } from "./entry.js"
import { EventError } from "./error.js"
import {
  decodeTombstone,
  encodeTombstone,
  isSegmentKey,
  MAX_TOMBSTONE_BYTES,
  TOMBSTONE_REASONS,
  type Tombstone,
} from "./tombstone.js"

const SALT = Uint8Array.from({ length: 16 }, (_, i) => 0x60 + i)
const SEGMENT = "segments/routine/2023-10/1-2-0011223344556677.parquet"

const examples: readonly Tombstone[] = [
  { state: "destroyed", reason: 0, reference: 0 },
  { state: "destroyed", reason: 0, reference: 2 ** 53 - 1 },
  { state: "destroyed", reason: 1, reference: 3, salt: SALT },
  { state: "destroyed", reason: 2, reference: 70_000, salt: SALT },
  { state: "destroyed", reason: 3, reference: 24, salt: SALT },
  { state: "moved", segment: SEGMENT },
]

const codeOf = (bytes: Uint8Array) => {
  try {
    decodeTombstone(bytes)
  } catch (error) {
    if (error instanceof EventError) return error.code
    throw error
  }
  return "accepted"
}

const segmentName = fc.stringMatching(/^[a-z0-9_.=-]{1,20}$/).filter((name) => !name.startsWith("."))

const arbitraryTombstone: fc.Arbitrary<Tombstone> = fc.oneof(
  fc.record({
    state: fc.constant("destroyed" as const),
    reason: fc.constant(0 as const),
    reference: fc.maxSafeNat(),
  }),
  fc.record({
    state: fc.constant("destroyed" as const),
    reason: fc.constantFrom(1 as const, 2 as const, 3 as const),
    reference: fc.maxSafeNat().map((n) => Math.max(1, n)),
    salt: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  }),
  fc.record({
    state: fc.constant("moved" as const),
    segment: fc.array(segmentName, { minLength: 1, maxLength: 6 }).map((names) => names.join("/")),
  }),
)

describe("tombstones", () => {
  test("are read as they were written", () => {
    for (const tombstone of examples) expect(decodeTombstone(encodeTombstone(tombstone))).toEqual(tombstone)
    fc.assert(
      fc.property(arbitraryTombstone, (tombstone) => {
        const bytes = encodeTombstone(tombstone)
        expect(bytes.length).toBeLessThanOrEqual(MAX_TOMBSTONE_BYTES)
        expect(decodeTombstone(bytes)).toEqual(tombstone)
      }),
    )
  })

  test("tell at their second byte whether they are destroyed or moved", () => {
    fc.assert(
      fc.property(arbitraryTombstone, (tombstone) => {
        expect(encodeTombstone(tombstone)[1]).toBe(tombstone.state === "destroyed" ? 0 : 1)
      }),
    )
  })

  test("have the kinds of notices for reasons", () => {
    const { bySchedule, ...byNotice } = TOMBSTONE_REASONS
    expect(bySchedule).toBe(0)
    expect(NOTICE_KINDS).toMatchObject(byNotice)
  })

  test.each<[string, CborValue]>([
    ["no array", { 0: 1 }],
    ["an empty array", []],
    ["a state alone", [0]],
    ["another state", [2, "a"]],
    ["a state that is no number", ["1", "a"]],
    ["by schedule, with a salt", [0, 0, 3, SALT]],
    ["by schedule, without a leaf", [0, 0]],
    ["by notice, without its salt", [0, 1, 3]],
    ["by notice, with an element more", [0, 1, 3, SALT, 0]],
    ["another reason", [0, 4, 3, SALT]],
    ["a negative reason", [0, -1, 3]],
    ["a leaf that is none", [0, 0, -1]],
    ["a leaf between two", [0, 0, 1.5]],
    ["a leaf past 2^53", [0, 0, 2 ** 53]],
    ["a leaf as text", [0, 0, "3"]],
    ["a notice at leaf 0", [0, 1, 0, SALT]],
    ["a short salt", [0, 1, 3, SALT.subarray(1)]],
    ["a long salt", [0, 1, 3, new Uint8Array(17)]],
    ["a salt as text", [0, 1, 3, "0123456789abcdef"]],
    ["moved nowhere", [1]],
    ["moved to two places", [1, "a", "b"]],
    ["moved to no text", [1, 5]],
    ["moved to an empty key", [1, ""]],
    ["moved to the folder above", [1, "../a"]],
    ["moved to the folder above, inside", [1, "a/../b"]],
    ["moved to a hidden file", [1, "a/.b"]],
    ["moved to a root", [1, "/a"]],
    ["moved to a folder", [1, "a/"]],
    ["moved to a key with an empty name", [1, "a//b"]],
    ["moved to a key of other characters", [1, "A"]],
    ["moved to a key with a zero", [1, "a\0"]],
    ["moved to a key with a line feed", [1, "a\n"]],
    ["nested", [1, ["a"]]],
  ])("are refused: %s", (_, value) => {
    expect(codeOf(encodeCbor(value))).toMatch(/^EVENT_MALFORMED_(RECORD|CBOR)$/)
  })

  test("have keys of 1 to 1,024 characters", () => {
    const longest = "a".repeat(1024)
    expect(encodeTombstone({ state: "moved", segment: longest })).toHaveLength(MAX_TOMBSTONE_BYTES)
    expect(isSegmentKey(`${longest}a`)).toBe(false)
    expect(codeOf(encodeCbor([1, `${longest}a`]))).toBe("EVENT_MALFORMED_RECORD")
    expect(codeOf(new Uint8Array(MAX_TOMBSTONE_BYTES + 1))).toBe("EVENT_MALFORMED_RECORD")
  })

  test.each<[string, Tombstone]>([
    ["a leaf below 0", { state: "destroyed", reason: 0, reference: -1 }],
    ["a notice at leaf 0", { state: "destroyed", reason: 2, reference: 0, salt: SALT }],
    ["a short salt", { state: "destroyed", reason: 3, reference: 1, salt: new Uint8Array(15) }],
    ["no key", { state: "moved", segment: "a//b" }],
  ])("are not written: %s", (_, tombstone) => {
    expect(() => encodeTombstone(tombstone)).toThrow(RangeError)
  })

  test("mean something else, or nothing, for every byte changed, dropped or doubled", () => {
    for (const tombstone of examples) {
      const bytes = encodeTombstone(tombstone)
      for (const [at, byte] of bytes.entries()) {
        for (const middle of [[byte ^ 1], [byte ^ 32], [byte ^ 128], [], [byte, byte]]) {
          const changed = Uint8Array.from([...bytes.subarray(0, at), ...middle, ...bytes.subarray(at + 1)])
          // One encoding: what is still read is another tombstone, and would be written so.
          if (codeOf(changed) === "accepted") {
            const read = decodeTombstone(changed)
            expect(encodeTombstone(read)).toEqual(changed)
            expect(read).not.toEqual(tombstone)
          }
        }
      }
    }
  })

  test("refuse any bytes without a fault of their own", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        expect(codeOf(bytes)).toMatch(/^(EVENT_MALFORMED_(RECORD|CBOR)|accepted)$/)
      }),
    )
  })
})

describe("docs/spec/tombstone.md", () => {
  const page = readFileSync(new URL("../../../docs/spec/tombstone.md", import.meta.url), "utf8")
  const lines = [...page.matchAll(/^```hex\n([\s\S]*?)^```$/gm)].flatMap(([, text = ""]) =>
    text
      .trim()
      .split("\n")
      .map((line) => line.replace(/;.*/, "").replace(/\s/g, "")),
  )

  test("shows one of each, as it is written", () => {
    const shown: readonly Tombstone[] = [
      { state: "destroyed", reason: 0, reference: 0 },
      { state: "destroyed", reason: 1, reference: 3, salt: SALT },
      { state: "destroyed", reason: 2, reference: 3, salt: SALT },
      { state: "destroyed", reason: 3, reference: 3, salt: SALT },
      { state: "moved", segment: SEGMENT },
    ]
    expect(lines).toEqual(shown.map((tombstone) => encodeHex(encodeTombstone(tombstone))))
  })

  test("lists the reasons", () => {
    const listed = [...page.matchAll(/^\| (\d) \|/gm)].map(([, reason]) => Number(reason))
    expect(listed).toEqual(Object.values(TOMBSTONE_REASONS))
  })
})
