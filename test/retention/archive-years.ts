/**
 * Thirteen years of a served log under the schedule that a new one gets, for the test that is run each time and for the
 * long one: what is logged, and what must be where.
 *
 *     month after month    events of every class, lines of a real server at their own times ─► the daily run
 *                          ─► each record is hot, archived or gone, as one look at its class and its age says
 */

import { createReadStream, existsSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { createGunzip } from "node:zlib"
import { SCHEDULE_TEMPLATE } from "@prooflog/archive/schedule-template"
import { encodeTombstone } from "@prooflog/event/tombstone"
import { expect } from "vitest"
import { prooflogHere } from "../cli/prooflog.js"
import { eventually, get, type Json, logFor, rowsOf } from "./asked.js"
import { LivingLog, type SeenEvent, type Standing } from "./living-log.js"
import { DAY_MS } from "./log-at.js"

export const YEARS = 13
const BEGIN_MS = Date.UTC(2012, 0, 1, 3, 30)

/** The first run of a month, so many months after the beginning. */
export const monthMs = (month: number) => Date.UTC(2012, month, 1, 3, 30)

/** As a new log has it, with rules that give every class. */
const SCHEDULE = SCHEDULE_TEMPLATE.replace(
  "rules: []",
  `rules:
  - { class: critical, action: ["iam.*", "key.*"] }
  - { class: high, result: [denied, failure], resource_accessed: "/admin/*" }
  - { class: high, action: http.POST }`,
)

/** Days after which a record is hot no more, and after which it is destroyed, as docs/retention.md has them. */
const DAYS: Readonly<Record<string, readonly [hot: number, destroyed: number]>> = {
  critical: [2587, 2587],
  high: [1857, 1857],
  routine: [183, 944],
  audit: [2587, 2587],
}

/** Where a record must be: `hot`, `gone`, or with what the key of its segment must begin. */
function expectedOf({ className, timeMs }: SeenEvent, nowMs: number): Standing {
  const [hot, destroyed] = DAYS[className] as readonly [number, number]
  const days = Math.floor((nowMs - timeMs) / DAY_MS)
  if (days < hot) return "hot"
  if (days >= destroyed) return "gone"
  return `segments/${className}/${new Date(timeMs).toISOString().slice(0, 7)}/`
}

/** What is logged each time, and the class that a reader of the rules would give it. */
const KINDS: readonly (readonly [className: string, event: Json])[] = [
  ["routine", {}],
  ["high", { result: "denied", resource_accessed: "/admin/keys" }],
  ["routine", { result: "denied" }],
  ["critical", { action: "key.rotate" }],
]

export interface Audited {
  /** As the command ends. */
  readonly verdict: number | undefined
  /** Each leaf that was drawn, and how it was found. */
  readonly found: readonly (readonly [leaf: number, verdict: string])[]
  /** Leaves of which the record was not shown, and nothing that excuses that. */
  readonly accused: readonly number[]
}

/** A life of a log, in which each record that ever was is kept account of. */
export class LongLife {
  readonly log: LivingLog
  /** What was logged, by leaf. */
  readonly #logged = new Map<number, SeenEvent>()
  /** What was served of each leaf when it was first asked for. */
  readonly #served: string[] = []
  archived = 0
  destroyed = 0

  private constructor(log: LivingLog) {
    this.log = log
  }

  static async begin(): Promise<LongLife> {
    return new LongLife(await LivingLog.begin(SCHEDULE, BEGIN_MS))
  }

  /** Logs events of every class at these times, and such lines as came before the end. */
  async liveUntil(endMs: number, times: readonly number[], lines: readonly RealLines[]): Promise<void> {
    const before = lines.filter(({ timeMs }) => timeMs < endMs)
    const moments = [...times.map((timeMs) => ({ timeMs, lines: [] })), ...before]
    for (const moment of moments.sort((a, b) => a.timeMs - b.timeMs)) {
      this.log.pass(moment.timeMs)
      if (moment.lines.length > 0) await this.#import(moment)
      else await this.#logAt(moment.timeMs)
    }
  }

  async #logAt(timeMs: number): Promise<void> {
    const { log } = this
    const timestamp = new Date(timeMs).toISOString()
    const leaves = await logFor(log, `U${this.#logged.size % 7}`, KINDS.length, (n) => ({
      timestamp,
      ...KINDS[n]?.[1],
    }))
    for (const [i, leaf] of leaves.entries()) {
      this.#logged.set(leaf, { className: KINDS[i]?.[0] as string, timeMs })
    }
  }

  /** Imports lines of an access log, while the clock stands at the last of them. */
  async #import({ timeMs, lines }: RealLines): Promise<void> {
    const { log } = this
    const file = join(log.path, `access-${timeMs}.log`)
    await writeFile(file, `${lines.join("\n")}\n`)
    const args = ["import", file, "--format", "combined", "--json", "--url", log.url]
    const { verdict, out, thrown } = await prooflogHere(args, { PROOFLOG_KEY: log.writerKey })
    expect([thrown, verdict]).toEqual([undefined, 0])
    const { accepted, rejected } = JSON.parse(out)
    // One line of the Apache log is none.
    expect(accepted + rejected).toBe(lines.length)
    expect(rejected).toBeLessThanOrEqual(1)
    // Which line is which leaf, batches on their way decide.
    const posts = lines.filter((line) => /^[^"]*"POST /.test(line)).length
    const came = await eventually(async () => {
      await log.see()
      // The daily run looks each minute whether a day is over, and says what it did.
      const found = log.leaves.filter((event) => event?.timeMs === timeMs && event.className !== "audit")
      return found.length === accepted ? found : undefined
    })
    expect(came.filter((event) => event?.className === "high").length).toBe(posts)
  }

  /** Has the daily run come then, and holds every record against the schedule. */
  async monthEnds(timeMs: number, isThorough: boolean): Promise<void> {
    const { log } = this
    log.pass(timeMs)
    await this.#see()
    await log.followed()
    const { state, result } = (await log.run()) as { state: string; result: Json }
    expect([state, result.failed, result.held_back]).toEqual(["done", [], 0])
    this.archived += result.archived as number
    this.destroyed += result.withdrawn as number
    const size = await this.#see()
    await log.followed()
    for (const [leaf, event] of this.#logged) expect(log.leaves[leaf]).toEqual(event)
    const expected = log.leaves.map((event) => event && expectedOf(event, timeMs))
    const standing = await log.standing()
    const wrong = expected.flatMap((place, leaf) => {
      if (place === undefined || isAt(standing[leaf] as Standing, place)) return []
      return [[leaf, log.leaves[leaf], place, standing[leaf]]]
    })
    expect([new Date(timeMs).toISOString(), wrong]).toEqual([new Date(timeMs).toISOString(), []])
    await this.#expectNumbers(expected)
    await this.#expectRows(expected, size)
    if (isThorough) await this.#expectServed(expected, size)
  }

  /** All that was logged here, at least. */
  #see(): Promise<number> {
    return this.log.see(Math.max(...this.#logged.keys()) + 1)
  }

  async #expectNumbers(expected: readonly (Standing | undefined)[]): Promise<void> {
    const { by_class, faults, owed } = (await get(this.log, "v1/archive")).body as {
      by_class: Record<string, Json>
      faults: unknown
      owed: unknown
    }
    const records = Object.entries(by_class).map(([name, { records }]) => [name, records])
    const archived = Object.keys(by_class).map((name) => [
      name,
      expected.filter((place) => place?.startsWith(`segments/${name}/`)).length,
    ])
    expect([records, faults]).toEqual([archived, []])
    expect(owed).toEqual({ unfinished: 0, stale: 0, withdrawn: 0, purge: false, rewrite: false, untold: 0 })
  }

  async #expectRows(expected: readonly (Standing | undefined)[], size: number): Promise<void> {
    const counts: Record<string, number> = {}
    for (const [leaf, event] of this.log.leaves.entries()) {
      if (event !== undefined && expected[leaf] !== "gone")
        counts[event.className] = (counts[event.className] ?? 0) + 1
    }
    const sql = `SELECT class, count(*) FROM access_logs WHERE leaf_index < ${size} GROUP BY class ORDER BY class`
    expect(await rowsOf(this.log, sql)).toEqual(Object.entries(counts).sort())
  }

  /** The bytes of each record are those of the first time, wherever it lies. */
  async #expectServed(expected: readonly (Standing | undefined)[], size: number): Promise<void> {
    const served = await this.log.served(0, size)
    for (const [leaf, place] of expected.entries()) {
      this.#served[leaf] ??= place === "gone" ? "gone 0 0" : (served[leaf] as string)
      if (place === "gone") this.#served[leaf] = "gone 0 0"
    }
    expect(served).toEqual(this.#served)
  }

  /**
   * What an outsider finds out who has the policy and a key, as of now.
   *
   * @param sample - leaves that are drawn; the whole log if it has no more
   */
  async audited(sample: number): Promise<Audited> {
    const { log } = this
    const policy = join(log.dir, "policy")
    const at = new Date(log.nowMs).toISOString()
    const args = ["audit", log.url, "--retention", "--policy", policy, "--sample", `${sample}`, "--at", at]
    const { verdict, out } = await prooflogHere([...args, "--json"], { PROOFLOG_KEY: log.adminKey })
    const { leaves } = JSON.parse(out) as { leaves: { leaf_index: number; verdict: string }[] }
    await log.see()
    return {
      verdict,
      found: leaves.map((leaf) => [leaf.leaf_index, leaf.verdict]),
      accused: leaves
        .filter((leaf) => /^(?:refused|unanswered)$/.test(leaf.verdict))
        .map((leaf) => leaf.leaf_index),
    }
  }

  /** How leaves are to be found that are there, as of now. */
  verdictsOf(leaves: readonly number[]): Audited["found"] {
    const { nowMs, leaves: events } = this.log
    return leaves.map((leaf) => {
      const event = events[leaf]
      if (event === undefined) return [leaf, "no-event"]
      return [leaf, expectedOf(event, nowMs) === "gone" ? "due" : "kept"]
    })
  }

  /** Leaves of a class that have to be there now, hot or archived. */
  leavesOf(className: string, place: "hot" | "segments/"): readonly number[] {
    const { leaves, nowMs } = this.log
    return leaves.flatMap((event, leaf) =>
      event?.className === className && expectedOf(event, nowMs).startsWith(place) ? [leaf] : [],
    )
  }

  /** What somebody does who can reach the storage, and wants records gone before their time. */
  async destroyByHand(leaves: readonly number[]): Promise<void> {
    const bytes = encodeTombstone({ state: "destroyed", reason: 0, reference: 0 })
    for (const leafIndex of leaves) await this.log.storage.withdraw([{ kind: "tombstone", leafIndex, bytes }])
    await this.log.storage.purge()
  }
}

function isAt(standing: Standing, place: Standing): boolean {
  return place.endsWith("/") ? standing.startsWith(place) : standing === place
}

/** Lines of an access log that came at about the same time. */
export interface RealLines {
  /** Of the last of them, ms since 1970. */
  readonly timeMs: number
  readonly lines: readonly string[]
}

const DATASETS = fileURLToPath(new URL("../../../shared/datasets", import.meta.url))

/**
 * Returns the lines of a real server's log, ascending, together as long as they came within `spanMs`.
 *
 * @param every - how many lines one is taken of
 * @returns nothing, and says so, if the log is not on this machine
 */
export async function realLines(
  name: "http-blog-2016/access.log.gz" | "elastic-examples/apache_logs.log",
  spanMs: number,
  every = 1,
): Promise<readonly RealLines[]> {
  const path = join(DATASETS, name)
  if (!existsSync(path)) {
    console.log(`skipped: ../shared/datasets/${name} is absent, so none of its lines is imported`)
    return []
  }
  const file = createReadStream(path)
  const input = name.endsWith(".gz") ? file.pipe(createGunzip()) : file
  const timed: { timeMs: number; line: string }[] = []
  let count = 0
  for await (const line of createInterface({ input })) {
    if (count++ % every === 0) timed.push({ timeMs: timeOf(line), line })
  }
  // As they were finished, not as they came.
  timed.sort((a, b) => a.timeMs - b.timeMs)
  const groups: { firstMs: number; timeMs: number; lines: string[] }[] = []
  for (const { timeMs, line } of timed) {
    const last = groups.at(-1)
    if (last !== undefined && timeMs < last.firstMs + spanMs) {
      last.lines.push(line)
      last.timeMs = timeMs
    } else groups.push({ firstMs: timeMs, timeMs, lines: [line] })
  }
  return groups
}

/** `[20/Feb/2016:00:00:45 -0500]` */
function timeOf(line: string): number {
  const [, day, month, year, time, hours, minutes] =
    /\[(\d\d)\/(\w{3})\/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d)\]/.exec(line) ?? []
  const timeMs = Date.parse(`${day} ${month} ${year} ${time} ${hours}${minutes}`)
  if (!Number.isSafeInteger(timeMs)) throw new Error(`a line without a time: ${line}`)
  return timeMs
}
