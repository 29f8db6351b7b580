import { readFileSync } from "node:fs"
import { isDeepStrictEqual } from "node:util"
import { decodeHex, encodeHex } from "@prooflog/tlog/base64"
import { sha256 } from "@prooflog/tlog/hash"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { arbitraryValue } from "./arbitrary.js"
import { type CborValue, encodeCbor } from "./cbor.js"
import {
  decodeEntry,
  type Entry,
  encodeEventEntry,
  encodeGenesis,
  encodeIndex,
  encodeNotice,
  encodeScheduleEntry,
  entryTimeMs,
  findCommitment,
  MIN_TIME_MS,
  NOTICE_KINDS,
  stampEntryTime,
} from "./entry.js"
import { EventError } from "./error.js"
import { DEFAULT_SCHEDULE } from "./schedule.js"

const TIME = 1697902321123
const HASH = Uint8Array.from({ length: 32 }, (_, i) => 0xa0 + i)
const GENESIS = {
  origin: "prooflog.local/000102030405060708090a0b0c0d0e0f",
  logId: Uint8Array.from({ length: 16 }, (_, i) => i),
  schedule: DEFAULT_SCHEDULE,
  labelKey: HASH,
}

const codeOf = (run: () => unknown) => {
  try {
    run()
  } catch (error) {
    if (error instanceof EventError) return error.code
    throw error
  }
  return "accepted"
}

const stamped = (entry: Uint8Array, timeMs = TIME) => {
  stampEntryTime(entry, 0, timeMs)
  return entry
}

/** Bytes that this version writes, and every later version must read. */
const golden: [string, Uint8Array, Entry][] = [
  ["genesis", encodeGenesis(GENESIS, TIME), { type: "genesis", timeMs: TIME, ...GENESIS }],
  [
    "genesis-after",
    encodeGenesis({ ...GENESIS, after: "old.example/log\n1\nAAAA\n" }, TIME),
    { type: "genesis", timeMs: TIME, ...GENESIS, after: "old.example/log\n1\nAAAA\n" },
  ],
  [
    "event",
    stamped(encodeEventEntry("routine", HASH)),
    { type: "event", timeMs: TIME, className: "routine", commitment: HASH },
  ],
  ["index", encodeIndex(70_000, HASH, TIME), { type: "index", timeMs: TIME, covers: 70_000, root: HASH }],
  [
    "schedule",
    encodeScheduleEntry(DEFAULT_SCHEDULE, TIME),
    { type: "schedule", timeMs: TIME, schedule: DEFAULT_SCHEDULE },
  ],
  [
    "notice",
    encodeNotice({ kind: NOTICE_KINDS.erasedForPerson, count: 300, root: HASH }, TIME),
    { type: "notice", timeMs: TIME, kind: 1, count: 300, root: HASH },
  ],
  [
    "event-longer",
    encodeCbor([1, TIME, "high", HASH, ["later", 1.5], true]),
    { type: "event", timeMs: TIME, className: "high", commitment: HASH },
  ],
  [
    "unknown",
    encodeCbor([23, TIME, { of: "a later version" }]),
    { type: "unknown", timeMs: TIME, typeNumber: 23 },
  ],
]

describe.each(golden)("the %s entry", (name, bytes, entry) => {
  test("is what the golden file holds", () => {
    const file = new URL(`../golden/${name}.hex`, import.meta.url)
    expect(encodeHex(bytes)).toBe(readFileSync(file, "utf8").replace(/\s/g, ""))
  })

  test("reads back", () => {
    expect(decodeEntry(bytes)).toEqual(entry)
    expect(entryTimeMs(bytes, 0)).toBe(TIME)
  })

  test("has its time at offset 3, and nothing else there", () => {
    const padded = Uint8Array.of(9, 9, ...bytes, 9)
    stampEntryTime(padded, 2, 2 ** 53 - 1)
    expect(entryTimeMs(padded, 2)).toBe(2 ** 53 - 1)
    expect(decodeEntry(padded.slice(2, -1))).toEqual({ ...entry, timeMs: 2 ** 53 - 1 })
    stampEntryTime(padded, 2, TIME)
    expect(padded).toEqual(Uint8Array.of(9, 9, ...bytes, 9))
  })

  test("with a bit flipped is refused or means something else", () => {
    for (let at = 0; at < bytes.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const mutated = bytes.slice()
        mutated[at] = (bytes[at] as number) ^ (1 << bit)
        if (codeOf(() => decodeEntry(mutated)) !== "accepted") continue
        // Elements that this version does not know are hashed, not read.
        if (name === "event-longer" && at > 45) continue
        if (name === "unknown" && at > 10) continue
        expect(isDeepStrictEqual(decodeEntry(mutated), entry)).toBe(false)
      }
      expect(codeOf(() => decodeEntry(bytes.slice(0, at)))).not.toBe("accepted")
    }
    expect(codeOf(() => decodeEntry(Uint8Array.of(...bytes, 0)))).not.toBe("accepted")
  })
})

describe("an event entry", () => {
  test("takes 53 bytes in the default class, and no time until it is stamped", () => {
    const entry = encodeEventEntry("routine", HASH)
    expect(entry.length).toBe(53)
    expect(entryTimeMs(entry, 0)).toBe(MIN_TIME_MS)
  })

  test("has a class of its form", () => {
    for (const name of ["a", "x".repeat(23), "x".repeat(24), "x".repeat(32), "a_b-9"]) {
      expect(decodeEntry(encodeEventEntry(name, HASH))).toMatchObject({ className: name, commitment: HASH })
    }
    for (const name of ["", "x".repeat(33), "Routine", "a/b", "a b", "ä"]) {
      expect(() => encodeEventEntry(name, HASH)).toThrow(RangeError)
      expect(codeOf(() => decodeEntry(encodeCbor([1, TIME, name, HASH])))).toBe("EVENT_MALFORMED_ENTRY")
    }
    expect(() => encodeEventEntry("routine", HASH.slice(1))).toThrow(RangeError)
  })

  test("tells where its commitment is as the decoder does, making nothing", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 5, 23, 24), fc.nat()),
        fc.oneof(fc.constantFrom("routine", "", "A", "x".repeat(32), "x".repeat(33), 1), arbitraryValue(1)),
        fc.oneof(fc.constant(HASH), fc.constant(HASH.slice(1)), arbitraryValue(1, true)),
        fc.array(arbitraryValue(3, true), { maxLength: 21 }),
        (type, className, commitment, rest) => {
          const bytes = encodeCbor([type, TIME, className, commitment, ...rest] as CborValue)
          const padded = Uint8Array.of(1, 2, 3, ...bytes, 4)
          let found: number | string
          try {
            found = findCommitment(padded, 3, padded.length - 1)
          } catch (error) {
            found = (error as EventError).code
          }
          const answer = codeOf(() => decodeEntry(bytes))
          if (typeof found === "string") expect(answer).toMatch(/^EVENT_MALFORMED/)
          else if (found < 0) expect(type).not.toBe(1)
          else {
            const entry = decodeEntry(bytes)
            expect(entry.type === "event" && entry.commitment).toEqual(padded.slice(found, found + 32))
          }
          if (type === 1 && answer !== "accepted") expect(typeof found).toBe("string")
        },
      ),
      { numRuns: 3000 },
    )
  })
})

describe("a time", () => {
  test.each([0, 1000, MIN_TIME_MS - 1, 2 ** 53, 1.5 * 2 ** 33 + 0.5, Number.NaN, -1])(
    "of %d is refused",
    (time) => {
      const entry = encodeEventEntry("routine", HASH)
      expect(() => stampEntryTime(entry, 0, time)).toThrow(RangeError)
      expect(entryTimeMs(entry, 0)).toBe(MIN_TIME_MS)
    },
  )

  test("is read as it was stamped", () => {
    const entry = encodeEventEntry("routine", HASH)
    fc.assert(
      fc.property(
        fc.maxSafeNat().filter((time) => time >= MIN_TIME_MS),
        (time) => {
          stampEntryTime(entry, 0, time)
          expect(decodeEntry(entry).timeMs).toBe(time)
        },
      ),
    )
  })
})

describe("what is no entry", () => {
  const genesis = (change: object) => {
    const members = {
      format: 1,
      origin: "o",
      log_id: new Uint8Array(16),
      schedule: DEFAULT_SCHEDULE,
      label_key: HASH,
      ...change,
    }
    const said = Object.entries(members).filter(([, value]) => value !== undefined)
    return encodeCbor([0, TIME, Object.fromEntries(said)] as unknown as CborValue)
  }

  test("a genesis is the map that format 1 has", () => {
    expect(codeOf(() => decodeEntry(genesis({})))).toBe("accepted")
  })

  test.each<[string, Uint8Array]>([
    ["nothing", new Uint8Array(0)],
    ["one element", encodeCbor([1])],
    ["a map", encodeCbor({ a: 1 })],
    ["24 elements", encodeCbor([1, TIME, "routine", HASH, ...new Array(20).fill(1)])],
    ["type 24", encodeCbor([24, TIME, "routine", HASH])],
    ["a negative type", encodeCbor([-1, TIME, "routine", HASH])],
    ["an early time", encodeCbor([1, 1000, "routine", HASH])],
    ["a time of 32 bits", encodeCbor([1, 2 ** 32 - 1, "routine", HASH])],
    ["a time past 2^53", decodeHex(`84011b0020000000000000617258${"20"}${encodeHex(HASH)}`) as Uint8Array],
    ["a time as a float", decodeHex(`8401fb42780000000000006172${"5820"}${encodeHex(HASH)}`) as Uint8Array],
    ["no commitment", encodeCbor([1, TIME, "routine"])],
    ["a commitment of 31 bytes", encodeCbor([1, TIME, "routine", HASH.slice(1)])],
    ["a commitment of text", encodeCbor([1, TIME, "routine", "x".repeat(32)])],
    ["an index without root", encodeCbor([2, TIME, 1])],
    ["an index of a negative number", encodeCbor([2, TIME, -1, HASH])],
    ["a notice without root", encodeCbor([4, TIME, 1, 1])],
    ["a notice of half a record", encodeCbor([4, TIME, 1, 0.5, HASH])],
    ["a genesis that is no map", encodeCbor([0, TIME, 1])],
    ["a genesis of another format", genesis({ format: 2 })],
    ["a genesis without origin", genesis({ origin: undefined })],
    ["a genesis with an empty origin", genesis({ origin: "" })],
    ["a genesis with a short log_id", genesis({ log_id: new Uint8Array(8) })],
    ["a genesis with an unknown member", genesis({ more: 1 })],
    ["a genesis with a bad label key", genesis({ label_key: 1 })],
    ["a genesis after a number", genesis({ after: 1 })],
    ["more than 65,535 bytes", new Uint8Array(70_000).fill(0x84)],
  ])("%s", (_, bytes) => {
    expect(codeOf(() => decodeEntry(bytes))).toMatch(/^EVENT_MALFORMED_(ENTRY|CBOR)$/)
    // The quick reader refuses the same events, and looks at no other entry.
    if (bytes[1] === 1) {
      expect(codeOf(() => findCommitment(bytes, 0, bytes.length))).toMatch(/^EVENT_MALFORMED_(ENTRY|CBOR)$/)
    }
  })

  test("an event with more after its end", () => {
    const entry = stamped(encodeEventEntry("routine", HASH))
    const longer = Uint8Array.of(...entry, 0)
    expect(findCommitment(longer, 0, entry.length)).toBe(entry.length - 32)
    expect(codeOf(() => findCommitment(longer, 0, longer.length))).toBe("EVENT_MALFORMED_ENTRY")
    expect(codeOf(() => findCommitment(entry, 0, entry.length - 1))).toBe("EVENT_MALFORMED_ENTRY")
  })

  test("an event of more than 65,535 bytes", () => {
    const entry = encodeCbor([1, TIME, "routine", HASH, "x".repeat(65_535 - 56)])
    expect(entry.length).toBe(65_535)
    expect(codeOf(() => decodeEntry(entry))).toBe("accepted")
    expect(findCommitment(entry, 0, entry.length)).toBe(53 - 32)
    const longer = Uint8Array.of(...entry, 0x78)
    new DataView(longer.buffer).setUint16(54, 65_536 - 56)
    expect(codeOf(() => decodeEntry(longer))).toBe("EVENT_MALFORMED_ENTRY")
    expect(codeOf(() => findCommitment(longer, 0, longer.length))).toBe("EVENT_MALFORMED_ENTRY")
  })

  test("a genesis with a bad schedule", () => {
    expect(codeOf(() => decodeEntry(genesis({ schedule: {} })))).toBe("EVENT_BAD_SCHEDULE")
    expect(codeOf(() => decodeEntry(genesis({ schedule: 1 })))).toBe("EVENT_BAD_SCHEDULE")
    expect(codeOf(() => decodeEntry(encodeCbor([3, TIME])))).toBe("EVENT_BAD_SCHEDULE")
  })

  test("arbitrary bytes, with its own errors only", () => {
    const head = decodeHex("1b0000018b52dd5de3") as Uint8Array
    fc.assert(
      fc.property(
        fc.nat(255),
        fc.nat(25),
        fc.uint8Array({ maxLength: 60 }),
        fc.boolean(),
        (array, type, rest, headed) => {
          const bytes = headed ? Uint8Array.of(array, type, ...head, ...rest) : rest
          // Anything but an EventError is thrown on.
          codeOf(() => decodeEntry(bytes))
          codeOf(() => findCommitment(bytes, 0, bytes.length))
        },
      ),
      { numRuns: 10_000 },
    )
  })

  test("what a writer would get wrong", () => {
    expect(() => encodeGenesis({ ...GENESIS, logId: HASH })).toThrow(RangeError)
    expect(() => encodeGenesis({ ...GENESIS, origin: "" })).toThrow(RangeError)
    expect(() => encodeGenesis({ ...GENESIS, labelKey: new Uint8Array(3) })).toThrow(RangeError)
    expect(() => encodeIndex(-1, HASH)).toThrow(RangeError)
    expect(() => encodeNotice({ kind: 1, count: 1.5, root: HASH })).toThrow(RangeError)
    expect(() => encodeNotice({ kind: 1, count: 1, root: new Uint8Array(3) })).toThrow(RangeError)
  })
})

test("the default schedule is committed to no rules", () => {
  expect(encodeHex(DEFAULT_SCHEDULE.rules)).toBe(encodeHex(sha256(new Uint8Array(0))))
})
