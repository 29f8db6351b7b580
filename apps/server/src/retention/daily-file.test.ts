import { describe, expect, it } from "vitest"
import {
  type DailyState,
  faultsAfter,
  formatDaily,
  isDailyDue,
  type LastRun,
  NEVER_RUN,
  parseDaily,
  troubleOf,
} from "./daily-file.js"

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const NOW_MS = Date.parse("2026-03-01T12:00:00Z")

const last: LastRun = {
  begunMs: NOW_MS,
  endedMs: NOW_MS + 5_000,
  archived: 5,
  withdrawn: 3,
  heldBack: 1,
  failed: [],
}
const failure = { step: "destroy", code: "SERVER_HOLD_UNDECIDED", message: "nothing is destroyed" } as const
const fault = {
  key: "segments/routine/2026-01/1-9-00.parquet",
  code: "ARCHIVE_SEGMENT_REFUSED",
  message: "leaf 3",
}

describe("the file of the daily run", () => {
  it.each<[string, DailyState]>([
    ["nothing", NEVER_RUN],
    ["a run", { verifiedMs: NOW_MS, last, faults: [] }],
    [
      "what failed, and was cut off",
      { openMs: 1, last: { ...last, failed: [failure] }, faults: [{ ...fault, atMs: 1 }] },
    ],
  ])("has %s as it was", (_, state) => {
    expect(parseDaily(formatDaily(state))).toEqual(state)
  })

  it("is nothing if it is not there, and refused if it is damaged", () => {
    expect(parseDaily(undefined)).toEqual(NEVER_RUN)
    for (const text of [
      "",
      "{}",
      formatDaily(NEVER_RUN).replace("[]", "7"),
      formatDaily(NEVER_RUN).replace("/1", "/2"),
    ])
      expect(() => parseDaily(text)).toThrow(expect.objectContaining({ code: "SERVER_MALFORMED_FOLDER" }))
  })
})

describe("the daily run", () => {
  it.each<[string, boolean, Partial<LastRun>, number]>([
    ["is not due before a day is over", false, {}, DAY_MS - 1],
    ["is due when it is", true, {}, DAY_MS],
    ["is tried again an hour after one that failed", true, { failed: [failure] }, HOUR_MS + 5_000],
    ["is not tried before", false, { failed: [failure] }, HOUR_MS + 4_999],
    [
      "does not wait for a clock that was far ahead",
      true,
      { begunMs: NOW_MS + 9 * DAY_MS, endedMs: NOW_MS + 9 * DAY_MS },
      0,
    ],
  ])("%s", (_, expected, changes, afterMs) => {
    expect(isDailyDue({ last: { ...last, ...changes }, faults: [] }, NOW_MS + afterMs)).toBe(expected)
  })

  it("is due if there was none", () => expect(isDailyDue(NEVER_RUN, NOW_MS)).toBe(true))
})

describe("a damaged segment", () => {
  const found = (keys: readonly string[]) => ({
    segments: 9,
    rows: 0,
    faults: keys.map((key) => ({ ...fault, key })),
  })
  const keysOf = (faults: readonly { readonly key: string }[]) => faults.map(({ key }) => key)

  it("is remembered until all are looked at, or its time to be looked at again is over", () => {
    const first = faultsAfter([], found(["a", "b"]), NOW_MS, false)
    expect(first).toEqual([
      { ...fault, key: "a", atMs: NOW_MS },
      { ...fault, key: "b", atMs: NOW_MS },
    ])
    const second = faultsAfter(first, found(["b"]), NOW_MS + DAY_MS, false)
    expect(keysOf(second)).toEqual(["b", "a"])
    expect(keysOf(faultsAfter(second, found([]), NOW_MS + 31 * DAY_MS, false))).toEqual(["b"])
    expect(faultsAfter(second, found([]), NOW_MS + DAY_MS, true)).toEqual([])
    expect(faultsAfter([], found(Array.from({ length: 500 }, (_, i) => `${i}`)), NOW_MS, true)).toHaveLength(
      100,
    )
  })

  it("is what is wrong, unless a step failed", () => {
    const faults = faultsAfter([], found(["a", "b"]), NOW_MS, true)
    expect(troubleOf({ last, faults })).toEqual({ code: fault.code, message: "leaf 3 (and 1 more)" })
    expect(troubleOf({ last: { ...last, failed: [failure] }, faults })).toEqual({
      code: failure.code,
      message: "destroy: nothing is destroyed",
    })
    expect(troubleOf({ last, faults: [] })).toBeUndefined()
  })
})
