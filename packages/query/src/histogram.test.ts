import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { parseFilter } from "./filter.js"
import { type Histogram, histogram, INTERVALS, MAX_BUCKETS } from "./histogram.js"
import { gridOf, offsetsOf } from "./histogram-zone.js"
import { openTestTable, type TestRow, type TestTable } from "./listing-oracle.js"

const MINUTE = 60_000
const RESULTS = ["success", "failure", "denied", "error", "unknown"] as const

const parse = (text: string) => parseFilter(new URLSearchParams(text))

/** Minutes of an interval: "5m" → 5. */
function minutesOf(interval: string): number {
  return Number.parseInt(interval, 10) * { m: 1, h: 60, d: 1440 }[interval.at(-1) as "m" | "h" | "d"]
}

/** Remembers what was asked before: calendars are slow. */
function remembered<T>(make: (time: number) => T): (time: number) => T {
  const known = new Map<number, T>()
  return (time) => {
    const value = known.get(time) ?? make(time)
    known.set(time, value)
    return value
  }
}

/** Minutes of the local clock since a Monday's midnight long ago, read off a calendar. */
function clockOf(zone: string): (time: number) => number {
  const fixed = /^([+-])(\d\d):(\d\d)$/.exec(zone)
  if (fixed !== null) {
    const shift = Number(`${fixed[1]}1`) * (Number(fixed[2]) * 60 + Number(fixed[3]))
    return (time) => Math.floor(time / MINUTE) + shift + 3 * 1440
  }
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "short" })
  return remembered((time) => Date.parse(`${format.format(time).replace(" ", "T")}Z`) / MINUTE + 3 * 1440)
}

/** Goes back minute by minute until the clock shows a multiple, or has just jumped over one. */
function startsByHand(clock: (time: number) => number, interval: string): (time: number) => number {
  const length = minutesOf(interval)
  const known = new Map<number, number>()
  return (time) => {
    const minute = Math.floor(time / MINUTE) * MINUTE
    for (let at = minute; ; at -= MINUTE) {
      const now = clock(at)
      const begins = now % length === 0 || Math.floor(now / length) > Math.floor(clock(at - MINUTE) / length)
      const start = begins ? at : known.get(at)
      if (start === undefined) continue
      known.set(minute, start)
      return start
    }
  }
}

const CHANGES: readonly [zone: string, from: string, to: string, why: string][] = [
  ["UTC", "2024-10-26T00:00:00Z", "2024-10-28T00:00:00Z", "nothing changes"],
  ["Europe/Vienna", "2024-10-26T12:00:00Z", "2024-10-28T03:00:00Z", "an hour comes twice"],
  ["Europe/Vienna", "2024-03-30T12:00:00Z", "2024-04-01T03:00:00Z", "an hour is left out"],
  ["America/New_York", "2024-11-02T12:00:00Z", "2024-11-04T12:00:00Z", "an hour comes twice, in the west"],
  ["Australia/Lord_Howe", "2024-04-06T00:00:00Z", "2024-04-08T00:00:00Z", "half an hour comes twice"],
  ["America/Sao_Paulo", "2018-11-03T00:00:00Z", "2018-11-05T12:00:00Z", "midnight is left out"],
  [
    "America/Sao_Paulo",
    "2019-02-16T00:00:00Z",
    "2019-02-18T12:00:00Z",
    "the hour before midnight comes twice",
  ],
  ["Europe/Vienna", "2024-10-27T12:00:00Z", "2024-10-28T12:00:00Z", "an hour came twice before"],
  ["Asia/Kathmandu", "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", "the offset is no whole hour"],
  ["-09:30", "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", "the offset is fixed"],
]

/** A row each 7 minutes through all of the changes. */
function testRows(): TestRow[] {
  const times = new Set<number>()
  for (const [, from, to] of CHANGES) {
    for (let time = Date.parse(from); time < Date.parse(to); time += 7 * MINUTE + 1) times.add(time)
  }
  return [...times]
    .sort((a, b) => a - b)
    .map((time, leaf) => ({
      leaf_index: leaf,
      timestamp: new Date(time).toISOString().replace("Z", "999Z"),
      user_id: "U1",
      result: RESULTS[leaf % 5] as string,
      source: "api",
    }))
}

const ROWS = testRows()
let table: TestTable

beforeAll(async () => {
  table = await openTestTable()
  await table.insert(ROWS)
})

afterAll(() => table.close())

describe("histogram", () => {
  describe.each(CHANGES)("%s from %s to %s, where %s", (zone, from, to) => {
    const clock = clockOf(zone)
    it.each(INTERVALS.filter((interval) => minutesOf(interval) >= 15))(
      "counts by %s as by hand",
      async (interval) => {
        const answer = await histogram(table, parse(`from=${from}&to=${to}`), { interval, zone })
        const startOf = startsByHand(clock, interval)
        const wanted = new Map<number, Record<string, number>>()
        for (const row of ROWS) {
          const time = Date.parse(String(row.timestamp))
          if (time < Date.parse(from) || time >= Date.parse(to)) continue
          const start = startOf(time)
          const counts = wanted.get(start) ?? { success: 0, failure: 0, denied: 0, error: 0, unknown: 0 }
          counts[String(row.result)] = (counts[String(row.result)] ?? 0) + 1
          wanted.set(start, counts)
        }
        const filled = answer.buckets.filter(({ count }) => count > 0)
        expect(filled.map(({ start, by_result }) => [Date.parse(start), by_result])).toEqual([...wanted])
        expectWhole(answer)
      },
    )
  })

  it("shows the clock of the zone", async () => {
    const { buckets } = await histogram(table, parse("from=2024-10-26T23:00:00Z&to=2024-10-27T02:00:00Z"), {
      interval: "1h",
      zone: "Europe/Vienna",
    })
    expect(buckets.map(({ start, local_start }) => [start, local_start])).toEqual([
      ["2024-10-26T23:00:00.000000Z", "2024-10-27T01:00:00+02:00"],
      ["2024-10-27T00:00:00.000000Z", "2024-10-27T02:00:00+02:00"],
      ["2024-10-27T01:00:00.000000Z", "2024-10-27T02:00:00+01:00"],
    ])
  })

  it("goes from the first event to the last if no times are named", async () => {
    const { buckets } = await histogram(table, parse("leaf_index.max=1"), { interval: "5m" })
    expect(buckets.map(({ start, count }) => [start, count])).toEqual([
      ["2018-11-03T00:00:00.000000Z", 1],
      ["2018-11-03T00:05:00.000000Z", 1],
    ])
  })

  it("shows buckets without events where times are named, and none where nothing is", async () => {
    const empty = await histogram(table, parse("from=2001-01-01&to=2001-01-02"), { interval: "6h" })
    expect(empty.buckets.map(({ count }) => count)).toEqual([0, 0, 0, 0])
    expect((await histogram(table, parse("user_id=nobody"), { interval: "6h" })).buckets).toEqual([])
  })

  it("counts the last microsecond before `to`, and not `to`", async () => {
    const one = await openTestTable()
    const at = (leaf: number, timestamp: string) => ({
      leaf_index: leaf,
      timestamp,
      result: "error",
      source: "api",
    })
    await one.insert([at(0, "2024-01-01T00:59:59.999999Z"), at(1, "2024-01-01T01:00:00.000500Z")])
    const count = async (to: string) =>
      (await histogram(one, parse(`from=2024-01-01&to=${to}`), { interval: "1h" })).buckets.map(
        (each) => each.count,
      )
    expect(await count("2024-01-01T01:00:00Z")).toEqual([1])
    expect(await count("2024-01-01T01:00:00.000500Z")).toEqual([1, 0])
    expect(await count("2024-01-01T01:00:00.000501Z")).toEqual([1, 1])
    await one.close()
  })

  it.each([
    ["interval", { interval: "7m" }],
    ["interval", { interval: "constructor" }],
    ["zone", { interval: "1h", zone: "Mars/Olympus" }],
    ["zone", { interval: "1h", zone: "+24:00" }],
    ["zone", { interval: "1h", zone: "" }],
    ["interval", { interval: "1m" }],
  ])("refuses, and names %s in %j", async (parameter, options) => {
    await expect(histogram(table, parse("from=2023-01-01&to=2024-01-01"), options)).rejects.toMatchObject({
      code: "QUERY_BAD_FILTER",
      parameter,
    })
  })

  it("says which interval would do", async () => {
    await expect(
      histogram(table, parse("from=2023-01-01&to=2024-01-01"), { interval: "1h" }),
    ).rejects.toMatchObject({ hint: "take 6h or longer, or name from and to" })
  })

  it("takes as many buckets as it may, and not one more", async () => {
    const until = (minutes: number) => new Date(Date.UTC(2023, 0, 1) + minutes * MINUTE).toISOString()
    const ask = (minutes: number) =>
      histogram(table, parse(`from=2023-01-01&to=${until(minutes)}`), { interval: "1m" })
    expect((await ask(MAX_BUCKETS)).buckets).toHaveLength(MAX_BUCKETS)
    await expect(ask(MAX_BUCKETS + 1)).rejects.toMatchObject({ parameter: "interval" })
  })
})

describe("gridOf", () => {
  it("covers decades of changes without a gap or a day of odd length", () => {
    const [first, last] = [Date.UTC(1990, 0, 1), Date.UTC(2025, 0, 1)]
    const offsetAt = offsetsOf("America/New_York")
    if (offsetAt === undefined) throw new Error("no zone data")
    const { stretches, starts } = gridOf(offsetAt, first, last, 1440 * MINUTE, 20_000) ?? {
      stretches: [],
      starts: [],
    }
    expect(stretches).toHaveLength(71)
    const lengths = starts.slice(1).map((start, at) => (start - (starts[at] as number)) / MINUTE / 60)
    expect([...new Set(lengths)].sort((a, b) => a - b)).toEqual([23, 24, 25])
    expect(starts[0]).toBeLessThanOrEqual(first)
    expect(starts[1]).toBeGreaterThan(first)
  })
})

/** Each bucket counts what its results count, and they follow each other. */
function expectWhole({ buckets }: Histogram): void {
  for (const [at, { start, count, by_result }] of buckets.entries()) {
    expect(Object.values(by_result).reduce((sum, each) => sum + each, 0)).toBe(count)
    if (at > 0) expect(start > (buckets[at - 1]?.start ?? "")).toBe(true)
  }
}
