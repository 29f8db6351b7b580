import { encodeCbor } from "@prooflog/event/cbor"
import { encodeIndex, encodeNotice, encodeScheduleEntry } from "@prooflog/event/entry"
import { DEFAULT_SCHEDULE, type Retention, type Schedule } from "@prooflog/event/schedule"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { genesis, ORIGIN, opaqueEvent, START_MS } from "../fixtures/small-log.js"
import { CommitmentSet } from "./commitment-set.js"
import { EntryRules } from "./entry-rules.js"
import { VerifierError } from "./error.js"

const HASH = new Uint8Array(32).fill(6)

function rules(): EntryRules {
  return new EntryRules(ORIGIN, new CommitmentSet(), { lastTimeMs: 0, schedule: undefined })
}

/** Checks these entries as leaves 0, 1, …; returns the rules after them. */
function check(...entries: Uint8Array[]): EntryRules {
  const checked = rules()
  for (const [leafIndex, entry] of entries.entries()) checked.check(entry, 0, entry.length, leafIndex)
  return checked
}

const refused = (code: string, leafIndex: number, message?: RegExp) =>
  expect.objectContaining({
    code,
    leafIndex,
    ...(message ? { message: expect.stringMatching(message) } : {}),
  })

/** The default schedule with another promise for one class, or without the class. */
function promising(retention: Retention | undefined, className = "high"): Schedule {
  const { [className]: _, ...others } = DEFAULT_SCHEDULE.classes
  const classes = retention === undefined ? others : { ...others, [className]: retention }
  return { ...DEFAULT_SCHEDULE, classes }
}

/** An entry of any shape, its time in the place where a time is. */
function rawEntry(type: number, ...rest: Parameters<typeof encodeCbor>[0][]): Uint8Array {
  return encodeCbor([type, START_MS, ...rest])
}

describe("the rules of a log", () => {
  it("count what they let pass", () => {
    const checked = check(
      genesis(),
      opaqueEvent(1),
      opaqueEvent(2, { className: "audit" }),
      encodeNotice({ kind: 1, count: 3, root: HASH }, START_MS + 3),
      encodeScheduleEntry(DEFAULT_SCHEDULE, START_MS + 4),
      encodeIndex(4, HASH, START_MS + 4),
      opaqueEvent(6),
    )
    expect(checked.counts).toEqual({ events: 3, schedules: 1, notices: 1, indexes: 1, unknown: 0 })
    expect(checked.eventsByClass).toEqual({ critical: 0, high: 0, routine: 2, audit: 1 })
    expect([checked.firstTimeMs, checked.lastTimeMs]).toEqual([START_MS, START_MS + 6])
    expect(checked.takeTwins()).toEqual([])
  })

  it("say where the commitment of an event is, in whatever layout, and that others have none", () => {
    const checked = rules()
    const at = (entry: Uint8Array, leafIndex: number) => {
      const around = Uint8Array.of(1, 2, 3, ...entry, 4, 5)
      const start = checked.check(around, 3, 3 + entry.length, leafIndex)
      return start < 0 ? start : Buffer.compare(around.subarray(start, start + 32), HASH)
    }
    expect(at(genesis(), 0)).toBe(-1)
    expect(at(rawEntry(1, "routine", HASH), 1)).toBe(0)
    expect(at(rawEntry(1, "routine", HASH, "more", [1, 2]), 2)).toBe(0)
    expect(at(encodeScheduleEntry(DEFAULT_SCHEDULE, START_MS), 3)).toBe(-1)
    for (const [i, other] of [
      encodeNotice({ kind: 1, count: 3, root: HASH }, START_MS),
      encodeIndex(4, HASH, START_MS),
      rawEntry(9),
    ].entries()) {
      expect(at(other, 4 + i)).toBe(-1)
    }
  })

  it("can be held without remembering what was seen: then nobody looks for repeats", () => {
    const checked = new EntryRules(ORIGIN, undefined, { lastTimeMs: 0, schedule: undefined })
    for (const [i, entry] of [genesis(), opaqueEvent(1), opaqueEvent(1)].entries()) {
      checked.check(entry, 0, entry.length, i)
    }
    expect(checked.takeTwins()).toEqual([])
    expect(checked.counts.events).toBe(2)
  })

  it("want one genesis, first, of this log", () => {
    expect(() => check(opaqueEvent(0))).toThrow(refused("VERIFIER_GENESIS_REFUSED", 0, /no genesis/))
    expect(() => check(genesis(), genesis())).toThrow(
      refused("VERIFIER_GENESIS_REFUSED", 1, /second genesis/),
    )
    expect(() => check(genesis({ origin: "log.example/other" }))).toThrow(
      refused("VERIFIER_GENESIS_REFUSED", 0, /log.example\/other/),
    )
  })

  it("want time never to go back, though it may stand", () => {
    check(genesis(), opaqueEvent(1, { timeMs: START_MS }), opaqueEvent(2, { timeMs: START_MS }))
    expect(() => check(genesis(), opaqueEvent(1), opaqueEvent(2, { timeMs: START_MS }))).toThrow(
      refused("VERIFIER_TIME_WENT_BACK", 2, /1 ms/),
    )
    // On the slow path as well.
    expect(() => check(genesis(), opaqueEvent(1), encodeScheduleEntry(DEFAULT_SCHEDULE, START_MS))).toThrow(
      refused("VERIFIER_TIME_WENT_BACK", 2),
    )
    expect(() => check(genesis(), opaqueEvent(5), rawEntry(9))).toThrow(refused("VERIFIER_TIME_WENT_BACK", 2))
  })

  it("want each class to be in the schedule in force", () => {
    const more = promising({ keep_days: 1 }, "payroll-of-the-eu_24-letter")
    const event = (n: number) =>
      opaqueEvent(n, { className: "payroll-of-the-eu_24-letter", timeMs: START_MS })
    check(genesis(), encodeScheduleEntry(more, START_MS), event(2))
    expect(() => check(genesis(), event(1), encodeScheduleEntry(more, START_MS))).toThrow(
      refused("VERIFIER_UNKNOWN_CLASS", 1, /payroll/),
    )
  })

  it.each([
    ["drops a class", promising(undefined)],
    ["keeps for less", promising({ keep_days: 1826, destroy_days: 1857 })],
    ["destroys earlier", promising({ keep_days: 1827, destroy_days: 1856 })],
  ])("refuse a schedule that %s", (_, schedule) => {
    expect(() => check(genesis(), encodeScheduleEntry(schedule, START_MS))).toThrow(
      refused("VERIFIER_SCHEDULE_REFUSED", 1, /class high/),
    )
  })

  it("refuse to destroy what was never to be destroyed", () => {
    const never = promising({ keep_days: 1827 })
    check(genesis(), encodeScheduleEntry(never, START_MS))
    expect(() =>
      check(genesis({ schedule: never }), encodeScheduleEntry(DEFAULT_SCHEDULE, START_MS)),
    ).toThrow(refused("VERIFIER_SCHEDULE_REFUSED", 1))
  })

  it("let a promise grow", () => {
    const longer = promising({ keep_days: 3000, destroy_days: 4000 })
    const more = { ...longer, classes: { ...longer.classes, new: { keep_days: 0, destroy_days: 0 } } }
    check(genesis(), encodeScheduleEntry(more, START_MS), opaqueEvent(2, { className: "new" }))
  })

  it("suspect a commitment that was seen before, wherever it stands", () => {
    const checked = check(
      genesis(),
      opaqueEvent(1, { commitment: HASH }),
      opaqueEvent(2),
      opaqueEvent(3, { commitment: HASH }),
      encodeCbor([1, START_MS + 4, "routine", HASH, "read by the decoder"]),
    )
    expect(checked.takeTwins()).toEqual([
      { leafIndex: 3, otherLeaf: 1 },
      { leafIndex: 4, otherLeaf: 1 },
      { leafIndex: 4, otherLeaf: 3 },
    ])
    expect(checked.takeTwins()).toEqual([])
  })

  it("leave unknown types alone, and further elements of known ones", () => {
    const tail = rawEntry(1, "routine", HASH, "more", [1, 2])
    expect(check(genesis(), rawEntry(5), rawEntry(23, { a: [1] }), tail).counts).toMatchObject({
      unknown: 2,
      events: 1,
    })
  })

  it.each([
    ["an event without commitment", rawEntry(1, "routine")],
    ["an event whose commitment is short", rawEntry(1, "routine", new Uint8Array(31))],
    ["an event whose class is no class", rawEntry(1, "Routine", HASH)],
    ["a notice without root", rawEntry(4, 1, 1)],
    ["a schedule without classes", rawEntry(3, { classes: {}, default: "x", rules: HASH })],
    ["a genesis of another format", rawEntry(0, { format: 2 })],
    ["a type past 23", encodeCbor([24, START_MS])],
    ["a time before 1970-02-19", encodeCbor([1, 1, "routine", HASH])],
    ["no CBOR", Uint8Array.of(0xff)],
    ["nothing", new Uint8Array(0)],
    [
      "a class length that is not the shortest",
      Uint8Array.of(...opaqueEvent(1).subarray(0, 11), 0x78, 7, ...opaqueEvent(1).subarray(12)),
    ],
    ["bytes after its end", Uint8Array.of(...opaqueEvent(1), 0)],
    ["an end too soon", opaqueEvent(1).subarray(0, -1)],
  ])("refuse %s", (_, entry) => {
    expect(() => check(genesis(), entry)).toThrow(
      expect.objectContaining({ leafIndex: 1, code: expect.stringMatching(/ENTRY|GENESIS/) }),
    )
  })

  it("read the standard layout exactly as the decoder does, byte for byte", () => {
    const entry = opaqueEvent(1)
    const outcome = (bytes: Uint8Array, start: number, end: number) => {
      const checked = rules()
      checked.check(genesis(), 0, genesis().length, 0)
      try {
        checked.check(bytes, start, end, 1)
        return [checked.lastTimeMs, checked.counts, checked.eventsByClass]
      } catch (error) {
        return (error as { code: string }).code
      }
    }
    // Wherever the bytes lie, and whatever lies around them. An unknown 5th element defeats the fast path.
    const slowly = (bytes: Uint8Array) => {
      const tailed = Uint8Array.of(...bytes, 0x00)
      if (tailed[0] === 0x84) tailed[0] = 0x85
      return outcome(tailed, 0, tailed.length)
    }
    expect(outcome(entry, 0, entry.length)).toEqual(slowly(entry))
    for (let at = 1; at < entry.length; at++) {
      for (const mask of [1, 2, 4, 8, 16, 32, 64, 128, 255]) {
        const changed = entry.slice()
        changed[at] = (changed[at] as number) ^ mask
        const around = Uint8Array.of(0x84, 0x01, ...changed, ...entry)
        expect(outcome(around, 2, 2 + changed.length), `byte ${at} mask ${mask}`).toEqual(slowly(changed))
      }
    }
  })

  it("throw nothing but verdicts for whatever bytes", () => {
    const start = genesis()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.boolean(), (bytes, prefixed) => {
        const entry = prefixed ? Uint8Array.of(...opaqueEvent(1).subarray(0, 12), ...bytes) : bytes
        try {
          check(start, entry)
        } catch (error) {
          if (!(error instanceof VerifierError)) throw error
        }
      }),
      { numRuns: 2000 },
    )
  })
})
