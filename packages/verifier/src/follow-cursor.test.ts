import { DEFAULT_SCHEDULE, isClassName, type Schedule } from "@prooflog/event/schedule"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { laterSchedule } from "../fixtures/growing-log.js"
import { logOf, mangled, opaqueEntries, START_MS } from "../fixtures/small-log.js"
import {
  type FollowCursor,
  formatFollowCursor,
  parseFollowCursor,
  requireCursor,
  START,
} from "./follow-cursor.js"

const NOTE = logOf(opaqueEntries(3)).checkpoint

const CURSOR: FollowCursor = {
  nextLeaf: 3,
  checkpoint: NOTE,
  lastTimeMs: START_MS,
  schedule: { ...DEFAULT_SCHEDULE, classes: { ...laterSchedule(7).classes, "0": { keep_days: 0 } } },
}

const TEXT = formatFollowCursor(CURSOR)

/** Schedules of every shape, class names that look like numbers among them. */
const anySchedule: fc.Arbitrary<Schedule> = fc
  .record({
    classes: fc.dictionary(
      fc.stringMatching(/^[a-z0-9_-]{1,32}$/).filter(isClassName),
      fc.oneof(
        fc.record({ keep_days: fc.nat() }),
        fc.nat().map((keep_days) => ({ keep_days, destroy_days: keep_days + 30 })),
      ),
      { minKeys: 1, maxKeys: 6 },
    ),
    rules: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  })
  .map(({ classes, rules }) => ({ classes, default: Object.keys(classes)[0] as string, rules }))

describe("the cursor of a follower", () => {
  it("is one line of JSON, and comes back as it was", () => {
    expect(TEXT).toMatch(/^\{"next_leaf":3,"checkpoint":"log\.example\/access\\n3\\n[^\n]*\}$/)
    expect(parseFollowCursor(TEXT)).toEqual(CURSOR)
    expect(parseFollowCursor(formatFollowCursor(START))).toEqual(START)
    // A head was seen, and none of its leaves.
    const seen = { ...START, checkpoint: NOTE }
    expect(parseFollowCursor(formatFollowCursor(seen))).toEqual(seen)
  })

  it("keeps every schedule", () => {
    fc.assert(
      fc.property(anySchedule, (schedule) => {
        const cursor = { ...CURSOR, schedule }
        expect(parseFollowCursor(formatFollowCursor(cursor))).toEqual(cursor)
      }),
    )
  })

  it.each([
    ["no JSON", TEXT.slice(0, -1)],
    ["nothing", ""],
    ["no object", "[]"],
    ["null", "null"],
    ["another spelling", ` ${TEXT}`],
    ["another order of members", TEXT.replace('{"next_leaf":3,', "{").replace(/\}$/, ',"next_leaf":3}')],
    ["a member more", TEXT.replace(/\}$/, ',"more":1}')],
    ["a member twice", TEXT.replace(/\}$/, ',"next_leaf":3}')],
    ["a member less", TEXT.replace('"next_leaf":3,', "")],
    ["a next leaf that is text", TEXT.replace('"next_leaf":3', '"next_leaf":"3"')],
    ["a next leaf that is no integer", TEXT.replace('"next_leaf":3', '"next_leaf":3.5')],
    ["a next leaf below 0", TEXT.replace('"next_leaf":3', '"next_leaf":-3')],
    ["a next leaf past 2⁵³ − 1", TEXT.replace('"next_leaf":3', '"next_leaf":9007199254740992')],
    ["no checkpoint", formatFollowCursor({ ...CURSOR, checkpoint: "" })],
    ["a checkpoint that is no text", TEXT.replace(/"checkpoint":"[^"]*"/, '"checkpoint":1')],
    ["no schedule after the first leaf", formatFollowCursor({ ...CURSOR, schedule: undefined })],
    ["a schedule before it", formatFollowCursor({ ...CURSOR, nextLeaf: 0, lastTimeMs: 0 })],
    ["a time before the first leaf", formatFollowCursor({ ...START, lastTimeMs: START_MS })],
    ["a time that no entry has", formatFollowCursor({ ...CURSOR, lastTimeMs: 1 })],
    ["a schedule that is none", TEXT.replace('"default":"routine"', '"default":"none"')],
    ["a schedule that is a list", TEXT.replace(/"schedule":\{.*\}\}$/, '"schedule":[]}')],
    ["a schedule that shuns its own rules", TEXT.replace('"keep_days":914', '"keep_days":945')],
    ["rules that are no hash", TEXT.replace(/"rules":"../, '"rules":"')],
    [
      "rules in capitals",
      TEXT.replace(/"rules":"[^"]*"/, (rules) => rules.replace(/[a-f]/g, (c) => c.toUpperCase())),
    ],
    ["rules that are no text", TEXT.replace(/"rules":"[^"]*"/, '"rules":7')],
    ["a key that reaches into prototypes", TEXT.replace('"routine":', '"__proto__":')],
  ])("is not %s", (_, text) => {
    expect(text).not.toBe(TEXT)
    expect(() => parseFollowCursor(text)).toThrow(RangeError)
  })

  it("is refused, or says what it would write itself, for every byte changed, dropped or doubled", () => {
    let taken = 0
    for (const { bytes } of mangled(new TextEncoder().encode(TEXT), 0x30)) {
      const text = new TextDecoder().decode(bytes)
      try {
        expect(formatFollowCursor(parseFollowCursor(text))).toBe(text)
        taken++
      } catch (error) {
        if (!(error instanceof RangeError)) throw error
      }
    }
    // Letters of the note and of class names, digits of times: a follower's head refuses the first, nothing else can the rest.
    expect(taken).toBeGreaterThan(0)
  })

  it("is held against itself as an object too", () => {
    requireCursor(CURSOR)
    for (const wrong of [
      { nextLeaf: Number.NaN },
      { nextLeaf: -1 },
      { lastTimeMs: 0 },
      { lastTimeMs: 0.5 },
    ]) {
      expect(() => requireCursor({ ...CURSOR, ...wrong })).toThrow(RangeError)
    }
  })
})
