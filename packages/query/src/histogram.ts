/**
 * How many events there were when, by result.
 *
 *     interval 1h, zone Europe/Vienna
 *
 *       start                          local_start                 count  by_result
 *       2024-10-26T23:00:00.000000Z    2024-10-27T01:00:00+02:00      12  { success: 9, error: 3, … }
 *       2024-10-27T00:00:00.000000Z    2024-10-27T02:00:00+02:00       0  { success: 0, … }
 *
 * DuckDB counts by whole intervals of local time within each stretch of one offset, in integers; here the
 * counts are put into the buckets, so that those without events are there too.
 */

import { parseTimestamp } from "@prooflog/event/timestamp"
import { TABLE } from "./columns.js"
import { badFilter, type Filter } from "./filter.js"
import { namesOf, ParameterList, requireVisible, whereSql } from "./filter-sql.js"
import { gridOf, ORIGIN_SHIFT_US, offsetsOf, type Stretch, startOfMultiple } from "./histogram-zone.js"
import type { Asked, AskOptions } from "./listing-asked.js"

/** Lengths of a bucket, in milliseconds. */
const LENGTHS: Readonly<Record<string, number>> = {
  "1m": 60_000,
  "5m": 300_000,
  "10m": 600_000,
  "15m": 900_000,
  "30m": 1_800_000,
  "1h": 3_600_000,
  "2h": 7_200_000,
  "3h": 10_800_000,
  "6h": 21_600_000,
  "12h": 43_200_000,
  "1d": 86_400_000,
  "7d": 604_800_000,
}

/** Intervals that a histogram can have. */
export const INTERVALS: readonly string[] = Object.keys(LENGTHS)

/** Most buckets of one histogram. */
export const MAX_BUCKETS = 2000

/** Results by which it counts. */
const RESULTS = ["success", "failure", "denied", "error", "unknown"] as const

type Result = (typeof RESULTS)[number]

export interface HistogramOptions extends AskOptions {
  /** One of {@link INTERVALS}. Suspect. */
  readonly interval: string
  /** Where local midnight is: a name of the IANA data, or `±hh:mm`. UTC if absent. Suspect. */
  readonly zone?: string
}

export interface Bucket {
  /** First instant, UTC: `2024-10-26T23:00:00.000000Z`. */
  readonly start: string
  /** The same on the clock of the zone, if one was named: `2024-10-27T01:00:00+02:00`. */
  readonly local_start?: string
  readonly count: number
  readonly by_result: Readonly<Record<Result, number>>
}

export interface Histogram {
  /** In order, without gaps, from the filter's `from` (else the first event) to its `to` (else the last). */
  readonly buckets: readonly Bucket[]
  readonly through: number
}

/**
 * Returns a histogram of the rows of a filter. Without rows, and without `from` and `to`, it has no buckets.
 *
 * @throws {@link QueryError} `QUERY_BAD_FILTER` for an unknown interval or zone, an interval that makes
 * more than {@link MAX_BUCKETS} buckets, or a filter about a withheld column
 */
export async function histogram(
  store: Asked,
  filter: Filter,
  { interval, zone, ...options }: HistogramOptions,
): Promise<Histogram> {
  const length = Object.hasOwn(LENGTHS, interval) ? LENGTHS[interval] : undefined
  if (length === undefined) throw badFilter("interval", `expected one of ${INTERVALS.join(", ")}`)
  const offsetAt = offsetsOf(zone ?? "UTC")
  if (offsetAt === undefined)
    throw badFilter("zone", "expected a time zone as Europe/Vienna, or an offset as +02:00")
  requireVisible(namesOf(filter), options.withheld)

  const { first, last, through } = await readRange(store, filter, options)
  if (first === undefined || last === undefined || last < first) return { buckets: [], through }
  if ((last - first) / length > MAX_BUCKETS + 1) throw tooMany(last - first)
  const grid = gridOf(offsetAt, first, last, length, MAX_BUCKETS)
  if (grid === undefined) throw tooMany(last - first)
  const { stretches, starts } = grid
  const counts = starts.map(noCounts)
  for (const group of await readGroups(store, filter, { first, last, length, stretches }, options)) {
    const bucket = counts[placeOf(starts, group.time)]
    if (bucket === undefined || !isResult(group.result)) throw new Error("bug: a count without a bucket")
    bucket[group.result] += group.count
  }
  return {
    buckets: starts.map((start, at) => {
      const byResult = counts[at] as Record<Result, number>
      return {
        start: formatUtc(start),
        ...(zone === undefined ? {} : { local_start: formatLocal(start, offsetAt(start)) }),
        count: RESULTS.reduce((sum, result) => sum + byResult[result], 0),
        by_result: byResult,
      }
    }),
    through,
  }
}

interface Range {
  /** First and last millisecond; absent if there are no rows. */
  readonly first: number | undefined
  readonly last: number | undefined
  readonly through: number
}

/** Returns from when to when the histogram goes. */
async function readRange(store: Asked, filter: Filter, options: AskOptions): Promise<Range> {
  const parameters = new ParameterList()
  const sql = `SELECT epoch_ms(min(timestamp)), epoch_ms(max(timestamp)) FROM ${TABLE} WHERE ${whereSql(filter, parameters)}`
  const rows = await store.run({ sql, parameters: parameters.values, ...options })
  let ends: readonly unknown[] = []
  for await (const batch of rows.batches) for (const row of batch) ends = row
  const [least, greatest] = ends.map((end) => (typeof end === "number" ? end : undefined))
  const from = microsecondOf(filter.from)
  const to = microsecondOf(filter.to)
  return {
    first: from === undefined ? least : Math.floor(from / 1000),
    // `to` itself is no longer in it.
    last: to === undefined ? greatest : Math.ceil(to / 1000) - 1,
    through: rows.through,
  }
}

interface Group {
  /** An instant of it, in milliseconds. */
  readonly time: number
  readonly result: string
  readonly count: number
}

async function readGroups(
  store: Asked,
  filter: Filter,
  range: { first: number; last: number; length: number; stretches: readonly Stretch[] },
  options: AskOptions,
): Promise<Group[]> {
  const { first, last, length, stretches } = range
  const parameters = new ParameterList()
  const where = whereSql(filter, parameters)
  // Rows that came after the range was read lie outside of it, and must.
  const within = `timestamp >= make_timestamp(${parameters.add(first * 1000, "BIGINT")})
AND timestamp < make_timestamp(${parameters.add((last + 1) * 1000, "BIGINT")})`
  const stretch = caseSql(stretches, (_, at) => `${at}`, parameters)
  const offset = caseSql(
    stretches,
    (each) => parameters.add(each.offset * 1000 + ORIGIN_SHIFT_US, "BIGINT"),
    parameters,
  )
  const sql = `SELECT ${stretch} AS s, (epoch_us(timestamp) + ${offset}) // ${parameters.add(length * 1000, "BIGINT")} AS m,
result, count(*) AS n FROM ${TABLE} WHERE ${where} AND ${within} GROUP BY ALL`
  const rows = await store.run({ sql, parameters: parameters.values, ...options })
  const groups: Group[] = []
  for await (const batch of rows.batches) {
    for (const [place, multiple, result, count] of batch) {
      const { start, offset } = stretches[Number(place)] as Stretch
      // A group that began in an earlier stretch is in the bucket that this stretch began in.
      const time = Math.max(start, startOfMultiple(Number(multiple), offset, length))
      groups.push({ time, result: String(result), count: Number(count) })
    }
  }
  return groups
}

/** Writes a value that depends on the stretch in which `timestamp` lies. */
function caseSql(
  stretches: readonly Stretch[],
  value: (stretch: Stretch, at: number) => string,
  parameters: ParameterList,
): string {
  const texts = stretches.map(value)
  const last = texts.at(-1) as string
  if (texts.length === 1) return last
  const cases = texts.slice(0, -1).map((text, at) => {
    const end = parameters.add((stretches[at + 1] as Stretch).start * 1000, "BIGINT")
    return `WHEN epoch_us(timestamp) < ${end} THEN ${text}`
  })
  return `CASE ${cases.join(" ")} ELSE ${last} END`
}

/** Returns the place of the last begin that is not after `time`, or -1. By halves. */
function placeOf(starts: readonly number[], time: number): number {
  let [low, high] = [0, starts.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((starts[middle] as number) <= time) low = middle + 1
    else high = middle
  }
  return low - 1
}

function noCounts(): Record<Result, number> {
  return { success: 0, failure: 0, denied: 0, error: 0, unknown: 0 }
}

function isResult(text: string): text is Result {
  return (RESULTS as readonly string[]).includes(text)
}

function microsecondOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseTimestamp(text)
}

/** As all times are written. By hand: a bucket of local time may begin before 1970. */
function formatUtc(time: number): string {
  return new Date(time).toISOString().replace("Z", "000Z")
}

/** 2024-10-27T01:00:00+02:00. Offsets of seconds, which zones had long ago, are cut to the minute. */
function formatLocal(time: number, offset: number): string {
  const minutes = Math.trunc(Math.abs(offset) / 60_000)
  const digits = [Math.floor(minutes / 60), minutes % 60].map((each) => String(each).padStart(2, "0"))
  return `${new Date(time + offset).toISOString().slice(0, 19)}${offset < 0 ? "-" : "+"}${digits.join(":")}`
}

function tooMany(range: number): Error {
  const hint = INTERVALS.find((interval) => range / (LENGTHS[interval] as number) < MAX_BUCKETS - 2)
  return badFilter(
    "interval",
    `more than ${MAX_BUCKETS} buckets`,
    hint === undefined
      ? "name a shorter time with from and to"
      : `take ${hint} or longer, or name from and to`,
  )
}
